"""What every method is: a frozen dataclass that first plans and then applies.

    plan   = Prune(sparsity=0.9).plan(network, context)     reads, decides, prints itself
    network = Prune(sparsity=0.9).apply(network, plan, context)

Which order of steps is legal is computed from `takes`: what a step makes of a weight that is held in a given Form.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar

from torch import nn

from laconic.base.errors import RecipeError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.nn import check_model, weights
from laconic.train.agreement import by_agreement
from laconic.train.labels import check_training
from laconic.train.task import Task, classification
from laconic.train.training import Training

KEEPS: Mapping[str, str] = {"dense": "dense", "masked": "masked", "grid": "grid", "codebook": "codebook"}
NOTHING, SHARES, CUTS, MERGES, ROUNDS = range(5)  # what a step may change of a network's structure, in the order in which it must


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
