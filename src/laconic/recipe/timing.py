"""How long a step would train, told from the first few steps of each of its trainings.

A training's first step is not counted: whatever is set up or imported for it is paid for once.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

from torch import nn

from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import Step
from laconic.train import BatchLoss, Scheduled, Tick, Training

TICKS, SECONDS = 4, 1.0  # a training is timed over so many steps after its first, for so long at most


class _Enough(Exception):  # noqa: N818  it is no error
    """Ends what was only to be timed."""


@dataclass
class _Found:
    """Epochs of trainings that did not begin yet, and seconds that the others would take."""

    epochs: int
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class _Watched(Context):
    """Breaks every training off after a few steps, so that the next one begins; and the step itself, where that was the last one."""

    found: _Found = field(default_factory=lambda: _Found(0))

    def train(
        self, model: nn.Module, loss: BatchLoss | Scheduled, training: Training, purpose: str, companions: Sequence[nn.Module] = ()
    ) -> Iterator[Tick]:
        moments = [time.perf_counter()]
        for tick in super().train(model, loss, training, purpose, companions):
            moments.append(time.perf_counter())
            if _suffice(moments[1:]):
                break
            yield tick
        model.eval()  # as a training that is not broken off leaves it
        if len(moments) > 1:
            timed = moments[1:] if len(moments) > 2 else moments  # of a single step nothing can be left out
            self.found.seconds += tick.steps * (timed[-1] - timed[0]) / (len(timed) - 1)
        self.found.epochs -= training.epochs
        if self.found.epochs <= 0:
            raise _Enough


def seconds_of_training(step: Step, plan: Plan, network: Network, context: Context) -> float:
    """What all trainings of a step would take together.

    Raises:
        DataError: the loss was not a finite number.
    """
    training = step.trains()
    found = _Found(training.epochs if training else 0)
    about = {one.name: getattr(context, one.name) for one in fields(context)}
    with contextlib.suppress(_Enough):
        step.apply(network, plan, _Watched(**about, found=found))
    return found.seconds


def seconds_by_progress(step: Step, network: Network, context: Context) -> float:
    """What a step would take from when it first tells of its progress, by the shares that it tells first."""
    told: list[tuple[float, float]] = []

    def watch(what: str, share: float, detail: str) -> None:
        told.append((time.perf_counter(), share))
        if _suffice([moment for moment, _ in told]):
            raise _Enough

    with contextlib.suppress(_Enough):
        step.apply(network, step.plan(network, context), replace(context, progress=watch))
    if len(told) < 2 or told[-1][1] <= told[0][1]:
        return 0.0
    (start, share), (end, later) = told[0], told[-1]
    return (end - start) / (later - share)


def _suffice(moments: Sequence[float]) -> bool:
    return len(moments) > TICKS or (len(moments) > 1 and moments[-1] - moments[0] > SECONDS)
