"""Small real data to compare networks on: some of CIFAR-10's training images at half their side, all of its test images likewise.

A network is trained from scratch, all alike: SGD with momentum, cosine schedule with warm-up, images flipped. The rate is 0.05 with batch
normalisation and 0.01 without, by which networks without it do not diverge; nothing else is chosen, and nothing on what judges. Where
normalisations move their statistics too slowly to leave their start in so few steps (MnasNet's do), these are estimated anew at the end.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from laconic import Finetune, load_data
from laconic.base.seeds import derive
from laconic.datasets.batches import batches
from laconic.datasets.data import Data, Split
from laconic.train import as_runner, classification, evaluate
from laconic.train.average import estimate_statistics

SHAPE = (3, 16, 16)
BATCH = 64
RATES = {True: 0.05, False: 0.01}  # with batch normalisation, and without
Build = Callable[[], nn.Module]


def images(where: str, number: int) -> Data:
    """So many training images.

    Args:
        where: `folder:DIR` with CIFAR-10's images.
        number: of images.
    """
    data = load_data(where, sample_shape=SHAPE)
    return replace(data, train=few(data.train, number))


def few(split: Split, number: int) -> Split:
    """The first so many of a shuffle, the same for all."""
    return split.take(np.random.Generator(np.random.PCG64(0)).permutation(len(split))[:number])


def trained(build: Build, data: Data, epochs: int, seed: int) -> nn.Module:
    """A network from scratch, for so many epochs in batches of 64."""
    torch.manual_seed(derive(seed, "start"))
    model = build()
    normalised = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules())
    model = Finetune(epochs=epochs, lr=RATES[normalised], batch=BATCH, warmup=0.1, flip=True)(model, data, seed=seed).module
    if _lag(model, epochs * len(data.train) // BATCH):
        estimate_statistics(model, (inputs for inputs, _ in batches(data.train, data.preprocessing, BATCH)))
    return model


def _lag(model: nn.Module, steps: int) -> bool:
    """Whether statistics are still mostly those of the start after so many steps."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    return any(norm.momentum is not None and norm.momentum * steps < 1 for norm in norms)


def score(model: nn.Module, data: Data, split: Split | None = None) -> float:
    """Top-1 in per cent on the test images, or on these."""
    return evaluate(as_runner(model), split or data.test, data.preprocessing, classification, "benchmark").value
