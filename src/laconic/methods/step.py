"""What every method is: a frozen dataclass that first plans and then applies.

    plan   = Prune(sparsity=0.9).plan(network, context)     reads, decides, prints itself
    network = Prune(sparsity=0.9).apply(network, plan, context)

Which order of steps is legal is computed from `takes`: what a step makes of a weight that is held in a given Form.
"""

import math
import re
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from laconic.base.errors import RecipeError
from laconic.base.latency import clock
from laconic.base.progress import Progress, silent
from laconic.base.seeds import derive
from laconic.codec import encode_array, encode_group
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.nn import check_model, hold, weights
from laconic.nn.checks import at_home
from laconic.profile.stopwatch import one_thread
from laconic.train.agreement import by_agreement
from laconic.train.evaluate import goodness
from laconic.train.labels import LabelLoss, check_training, labels
from laconic.train.loop import Tick, from_task, loop
from laconic.train.memory import FORGETFUL, Memory
from laconic.train.ranks import ALONE, Ranks
from laconic.train.task import BatchLoss, Scheduled, Task, classification
from laconic.train.teaching import by_original
from laconic.train.training import Targets, Training

KEEPS: Mapping[str, str] = {"dense": "dense", "masked": "masked", "grid": "grid", "codebook": "codebook"}
NOTHING, SHARES, CUTS, MERGES, ROUNDS = range(5)  # what a step may change of a network's structure, in the order in which it must
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


@dataclass(frozen=True)
class Plan:
    """What a step decided: one row a layer, every row with the same columns. Prints itself as a table.

    >>> print(Plan(({"layer": "fc1", "sparsity": 0.9},)))
    layer  sparsity
    fc1         0.9
    """

    rows: tuple[Mapping[str, Any], ...]

    def __str__(self) -> str:
        if not self.rows:
            return "nothing to do"
        lines = [list(self.rows[0]), *([_cell(value) for value in row.values()] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join(_align(cell, width, i) for i, (cell, width) in enumerate(zip(line, widths, strict=True))) for line in lines
        )


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _align(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


@dataclass(frozen=True)
class Step(ABC):
    """One verb of a recipe. Its fields are its recipe line.

    A step says what it works on (`touches`, `takes`), decides (`plan`) and does (`apply`).
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}
    changes: ClassVar[int] = NOTHING  # of the network's structure; later changes rest on earlier ones

    @abstractmethod
    def takes(self) -> Mapping[str, str]:
        """What the step makes of a weight, by the kind of its Form; kinds that are not named it cannot work on."""

    @abstractmethod
    def plan(self, network: Network, context: Context) -> Plan:
        """Decide, layer by layer; nothing is changed."""

    @abstractmethod
    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        """Do what was planned; returns a new network, `network` stays as it is."""

    def given(self) -> tuple[object, ...]:
        """Models, and references to them and to files, that the step's text no more than names: what they hold makes a run this run."""
        return ()

    def touches(self, names: list[str]) -> list[str]:
        """Which of these weights the step works on: all, unless it has patterns."""
        return names

    def everywhere(self) -> bool:
        """Whether that is all of them, whatever their names."""
        return True

    def check(self, network: Network, context: Context) -> None:  # noqa: B027  most steps have nothing to add
        """Refuse in a moment what would only fail hours later. Called before the first step runs, on the model as it came.

        Raises:
            LaconicError: whatever `plan` and `apply` would say.
        """

    def check_training(self, context: Context) -> None:
        """Refuse in a moment what its training cannot do with the data and the task.

        Raises:
            RecipeError, DataError: labels that cannot be smoothed, samples that cannot be mixed or moved.
        """
        training = self.trains()
        if training is not None:
            check_training(training, context.data, context.task)

    def trains(self) -> Training | None:
        """The training that `apply` spends its time on, if it trains."""
        return self if isinstance(self, Training) else None

    def draft(self) -> "Step | None":
        """For a dry run: a variant of seconds that holds the weights as this step does, without training; None: it leaves them."""
        return None if isinstance(self, Training) else self

    @classmethod
    def word(cls) -> str:
        """The word of this step in a recipe: its class name in kebab case."""
        return re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def said(self) -> dict[str, Any]:
        """The fields as they stand in a recipe: those that differ from their defaults, and always the first."""
        return said(self)

    def __str__(self) -> str:
        said = ", ".join(f"{name}: {_inline(value)}" for name, value in self.said().items())
        return f"{self.word()}: {{{said}}}"

    def __call__(self, model: nn.Module | Network, data: Data, *, task: Task = classification, seed: int = 0) -> Network:
        """Plan and apply in one go, outside any recipe; what was given stays as it is.

        Raises:
            ModelError: the model has no plain, finite weights. RecipeError: a weight is in a Form that the step cannot take.
        """
        network = model if isinstance(model, Network) else Network(model)
        context = Context(data, network.module, task, seed)
        check_model(network.module)
        self._check_forms(network)
        self.check_training(context)
        self.check(network, context)
        data, task = by_agreement(network.module, data, task)
        context = replace(context, data=data, task=task)
        return self.apply(network, self.plan(network, context), context)

    def _check_forms(self, network: Network) -> None:
        for name in self.touches(list(weights(network.module))):
            if network.kind(name) not in self.takes():
                raise RecipeError(
                    f"{self.word()} takes {' or '.join(self.takes())} weights, and {name} is {network.kind(name)}", where=str(self)
                )


def one_said(step: Step, names: Sequence[str], hint: str) -> str:
    """The one field of these that was given.

    Raises:
        RecipeError: none was, or several.
    """
    given = [name for name in names if getattr(step, name) is not None]
    if len(given) != 1:
        raise RecipeError(f"say one of {', '.join(names[:-1])} and {names[-1]}", where=step.word(), hint=hint)
    return given[0]


def check_fields(step: Step, *rules: tuple[str, bool, str]) -> None:
    """Refuse a step whose fields make no sense.

    Args:
        step: whose they are.
        rules: (field, whether it holds, what is allowed).

    Raises:
        RecipeError: the first that does not hold.
    """
    for name, holds, allowed in rules:
        if not holds:
            found = f"{name} cannot be {getattr(step, name)!r}"
            raise RecipeError(found, where=f"{step.word()}, {name}", hint=f"{name} is {allowed}")


def check_no_patience(step: Step) -> None:
    """Refuse to stop early what must be trained to its end, because it changes the network on the way.

    Raises:
        RecipeError: its training has patience.
    """
    training = step.trains()
    if training is not None and training.patience is not None:
        found = f"{step.word()} is only done when its training is, and patience would stop it before"
        raise RecipeError(found, where=f"{step.word()}, patience", hint="leave patience out here, and say it in a finetune behind")


def said(value: Any) -> dict[str, Any]:
    """A dataclass as its recipe says it; what it leaves out are defaults."""
    first, *_ = fields(value) or (None,)
    mine = {f.name: (getattr(value, f.name), f.default, f is first) for f in fields(value)}
    return {name: _plain(v) for name, (v, default, leads) in mine.items() if v != default or (leads and v is not None)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    return said(value) if is_dataclass(value) else value


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
