"""Train a network whose weights stay in their Forms."""

import torch

from laconic.base.progress import Progress
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.nn.holding import Held, hold
from laconic.train.loop import BatchLoss, loop
from laconic.train.training import Training


def fit(
    network: Network, loss: BatchLoss, training: Training, data: Data, generator: torch.Generator, progress: Progress, what: str
) -> Network:
    """A new network, trained on `data.train`; masks, codebooks and grids hold throughout.

    Args:
        network: to start from; not touched.
        loss: (model, inputs, targets) → scalar.
        training: how long and how fast.
        generator: draws the order of samples and the augmentation.
        progress: is told `what` is being done, how far it is, and the loss.

    Raises:
        DataError: the loss is not a finite number.
    """
    held = hold(network.module, network.forms)
    for tick in loop(held.module, data.train, data.preprocessing, loss, training, generator):
        progress(what, tick.progress, f"loss {tick.loss:.3f}")
    return carry(network, held)


def carry(network: Network, held: Held) -> Network:
    """The network of a finished training copy."""
    module, forms = held.release()
    return Network(module, {**network.forms, **forms}, network.edits)
