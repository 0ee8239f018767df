"""The loss that a student trains by: labels, what the teachers say, and what goes on inside of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from laconic.methods.distill.layers import Pair, Taps
from laconic.methods.distill.teachers import Combine, averaged, together
from laconic.train.labels import LabelLoss
from laconic.train.precision import wide
from laconic.train.soft_targets import apart
from laconic.train.task import BatchLoss, Match, Scheduled

Teacher = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Span:
    """A number that goes evenly from one value to another while a training lasts.

    >>> print(Span(4, 1), Span(2, 2), Span(4, 1).at(0.5))
    4 → 1 2 2.5
    """

    first: float
    last: float

    def at(self, progress: float) -> float:
        """Its value when this share of the training is done."""
        return self.first + (self.last - self.first) * progress

    def __str__(self) -> str:
        return f"{self.first:g}" if self.first == self.last else f"{self.first:g} → {self.last:g}"


@dataclass(frozen=True)
class Inner:
    """A term between a layer of the student and one of the teacher.

    Args:
        name: "hints", "attention", "similarity" or "relations".
        weight: of the term.
        pair: the layers.
        apart: what the two give → scalar; a module where it has something to train.
        taps: what layers of the student and of the teacher gave last.
    """

    name: str
    weight: float
    pair: Pair
    apart: Callable[[Tensor, Tensor], Tensor]
    taps: tuple[Taps, Taps] | None = None

    def of_the_last_batch(self) -> Tensor:
        """The weighted term, of what both have just given."""
        assert self.taps is not None
        ours, theirs = (taps.given[name] for taps, name in zip(self.taps, self.pair.names, strict=True))
        with torch.autocast(ours.device.type, enabled=False):  # losses keep their precision
            return self.weight * self.apart(ours, theirs.detach())


@dataclass(frozen=True)
class Staff:
    """Those who teach.

    Args:
        teachers: inputs → outputs, each.
        shares: what each one's word counts.
        combine: how several speak with one voice.
        match: whether outputs are logits to soften, or numbers to meet.
        learning: whether they learn from the student in turn (Zhang et al. 2018, "Deep Mutual Learning", eqs. 6, 7).
    """

    teachers: Sequence[Teacher]
    shares: Sequence[float]
    combine: Combine
    match: Match
    learning: bool = False

    def say(self, inputs: Tensor) -> list[Tensor]:
        """The outputs of each, in 32 bits at least."""
        with torch.set_grad_enabled(self.learning):
            return [wide(teacher(inputs)) for teacher in self.teachers]

    def apart(self, outputs: Tensor, said: Sequence[Tensor], temperature: float) -> Tensor:
        """How far outputs are from what the teachers said: τ² · KL, or the mean squared difference."""
        fixed = [one.detach() for one in said]
        soft = self.match == "soft"
        wanted = together(fixed, self.shares, self.combine, temperature) if soft else averaged(fixed, self.shares)
        return apart(outputs, wanted, self.match, temperature)


@dataclass(frozen=True, eq=False)
class Lesson(Scheduled):
    """A weighted sum.

    Args:
        labels: of weight 1; None leaves them out.
        staff: the teachers.
        weight: λ, of their outputs.
        temperature: τ.
        inner: further terms.
    """

    labels: LabelLoss | None
    staff: Staff
    weight: Span
    temperature: Span
    inner: Sequence[Inner] = ()

    def at(self, progress: float) -> BatchLoss:
        weight, temperature = self.weight.at(progress), self.temperature.at(progress)

        def loss(model: nn.Module, inputs: Tensor, targets: Any) -> Tensor:
            outputs = model(inputs)
            said = self.staff.say(inputs)
            total = weight * self.staff.apart(outputs, said, temperature)
            if self.labels is not None:
                total = total + self.labels(outputs, targets)
            if self.staff.learning:
                total = total + sum(self._taught(peer, outputs, targets, weight, temperature) for peer in said)
            return total + self.insides()

        return loss

    def insides(self) -> Tensor:
        """The further terms, of the batch that both have just seen."""
        return sum((term.of_the_last_batch() for term in self.inner), torch.zeros(()))

    def _taught(self, peer: Tensor, outputs: Tensor, targets: Any, weight: float, temperature: float) -> Tensor:
        """A teacher's own loss, who learns from the student."""
        alone = Staff((), (1.0,), "mean", self.staff.match)
        taught = weight * alone.apart(peer, [outputs], temperature)
        return taught if self.labels is None else taught + self.labels(peer, targets)


@dataclass(frozen=True, eq=False)
class Hints(Scheduled):
    """The first stage of FitNets: what goes on inside, and nothing else (Romero et al. 2015, algorithm 1)."""

    lesson: Lesson

    def at(self, progress: float) -> BatchLoss:
        def loss(model: nn.Module, inputs: Tensor, targets: Any) -> Tensor:
            model(inputs)
            self.lesson.staff.say(inputs)
            return self.lesson.insides()

        return loss
