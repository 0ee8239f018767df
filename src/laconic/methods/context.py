"""What a step may use beside the network: data, the task, the original; training; what a candidate weighs, and how fast it is."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from laconic.base.latency import clock
from laconic.base.progress import Progress, silent
from laconic.base.seeds import derive
from laconic.codec import encode_array, encode_group
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.nn import hold
from laconic.nn.checks import at_home
from laconic.profile.stopwatch import one_thread
from laconic.train.evaluate import goodness
from laconic.train.labels import LabelLoss, labels
from laconic.train.loop import Tick, from_task, loop
from laconic.train.memory import FORGETFUL, Memory
from laconic.train.ranks import ALONE, Ranks
from laconic.train.task import BatchLoss, Scheduled, Task, classification
from laconic.train.teaching import by_original
from laconic.train.training import Targets, Training

TURNS = 20
STEEPEST, FARTHEST = 10.0, 0.1  # norm of the gradients and length of a step where an original or a teacher is learnt from
MOST_NUMBERS = 1 << 24  # of calibration inputs: all of them may go through the network as one batch


def coded_bytes(network: Network) -> int:
    """About how many bytes the network's tensors take when coded."""
    forms = {id(form): form for form in network.tensors().values()}.values()
    integers = [form.integers for form in forms if form.integers is not None]
    return len(encode_group(integers)) + sum(len(encode_array(form.table)) for form in forms)


def eager_ratio(candidate: Network, before: Network, inputs: np.ndarray) -> float:
    """Time of a forward pass of one over that of the other, in torch's eager mode, in turns, on one thread."""
    samples = torch.from_numpy(inputs)
    with torch.inference_mode(), one_thread():
        runs = {name: _pass(network.module, samples) for name, network in (("candidate", candidate), ("before", before))}
        times = clock(runs, TURNS)
    return statistics.median(times["candidate"]) / statistics.median(times["before"])


def _pass(module: nn.Module, samples: torch.Tensor) -> Callable[[], object]:
    own = at_home(module.eval(), samples)
    return lambda: module(own)


@dataclass(frozen=True, eq=False)
class Context:
    """What a step may use beside the network.

    Args:
        data: the splits.
        task: loss and score.
        original: the user's model, for steps that learn from it.
        seed: of this step.
        progress: is told how far the step is.
        memory: keeps the state of this step's training, to go on from after a kill.
        ranks: the processes that train together.
        price: bytes of the weights-only file that a network would make; without a file to ask, those of its coded integers and tables.
        clock: (candidate, before, inputs) → how many times as long as that of the network before a candidate's forward pass takes on
            these inputs `(n, *shape)`; without a session to ask, in eager torch.
    """

    data: Data
    original: nn.Module
    task: Task = classification
    seed: int = 0
    progress: Progress = silent
    memory: Memory = FORGETFUL
    ranks: Ranks = ALONE
    price: Callable[[Network], int] = coded_bytes
    clock: Callable[[Network, Network, np.ndarray], float] = eager_ratio

    def sample(self) -> np.ndarray:
        """One input of the network, `(1, *shape)`."""
        return self.data.preprocessing.apply(self.data.train.inputs[:1])

    def calibration(self, samples: int) -> torch.Tensor:
        """Inputs of the network from the training split, without labels, `(n, *shape)`; fewer than asked for where they are large."""
        each = max(1, math.prod(self.data.preprocessing.shape))
        raw = self.data.calibration(max(1, min(samples, MOST_NUMBERS // each)))
        return torch.from_numpy(self.data.preprocessing.apply(raw))

    def train(
        self, model: nn.Module, loss: BatchLoss | Scheduled, training: Training, purpose: str, companions: Sequence[nn.Module] = ()
    ) -> Iterator[Tick]:
        """The training loop on `data.train`, from this step's seed and with its memory."""
        data, seed = self.data, derive(self.seed, purpose)
        return loop(model, data.train, data.preprocessing, loss, training, seed, self.memory, companions, self._goodness, self.ranks)

    def labels(self, training: Training) -> LabelLoss:
        """The task's loss of outputs against targets, as this training smooths and mixes them.

        Raises:
            RecipeError: labels are to be smoothed, and the task's loss is no cross-entropy.
        """
        return labels(self.task, training)

    def source(self, training: Training, usual: Targets = "labels") -> Targets:
        """What a training learns from, by its `targets`: labels, the original, or both; the original alone where there are no labels."""
        return (training.targets or usual) if self.data.labelled else "original"

    def lesson(self, training: Training, like: nn.Module, usual: Targets = "labels") -> BatchLoss:
        """The loss against what a training learns from (see `source`).

        Args:
            training: the hyper-parameters.
            like: a model where the trained one is, and of its type.
            usual: where the training does not say.
        """
        said = self.source(training, usual)
        labels = None if said == "original" else self.labels(training)
        return from_task(labels) if said == "labels" and labels else by_original(self.original, like, self.task, labels)

    def bounded(self, training: Training, usual: Targets = "labels") -> Training:
        """The training, with a bound of its own or, where more than labels is learnt from, with gradients of norm `STEEPEST` and steps of
        length `FARTHEST` at most (of SGD, before momentum and weight decay).

        Args:
            training: the hyper-parameters.
            usual: where the training does not say what it learns from.
        """
        said = training.clip is not None or self.source(training, usual) == "labels"
        return training if said else replace(training, clip=min(STEEPEST, FARTHEST / training.lr))

    def fit(
        self, network: Network, loss: BatchLoss | Scheduled, training: Training, purpose: str, companions: Sequence[nn.Module] = ()
    ) -> Network:
        """A new network, trained on `data.train`; masks, codebooks and grids hold throughout. `companions` train in place beside it.

        Raises:
            DataError: the loss is not a finite number. ModelError: the last step left weights that are not.
        """
        held = hold(network.module, network.forms)
        for tick in self.train(held.module, loss, training, purpose, companions):
            self.progress(purpose, tick.progress, str(tick))
        return network.released(held)

    def _goodness(self, model: nn.Module) -> float:
        """The score on the validation split, turned so that more is better."""
        return goodness(model, self.data, self.task)
