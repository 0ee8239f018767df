"""Learn from a teacher (Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network", §2).

    L = H(y, P_S) + λ · τ² · H(P_T^τ, P_S^τ) + Σ weight · term,   P^τ = softmax(a / τ)

The factor τ² keeps the two gradients in proportion when the temperature changes. Here the cross-entropy of the softened
outputs is written as the Kullback-Leibler divergence, which differs by the teacher's own entropy, a constant. Outputs that are no
logits of classes are met by their squared difference; so are logits with `match: mse` (Ba & Caruana 2014, eq. 1). The further
terms hold layers of the student against layers of the teacher (terms.py). With `hint_epochs` those come first and alone, as in FitNets.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from laconic.base.errors import RecipeError
from laconic.base.seeds import derive
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.distill.layers import Taps
from laconic.methods.distill.lesson import Hints, Inner, Teacher
from laconic.methods.distill.options import Options
from laconic.methods.distill.school import School
from laconic.methods.distill.teachers import named
from laconic.methods.distill.terms import Hint
from laconic.methods.plan import Plan
from laconic.nn import hold
from laconic.train.memory import Parts
from laconic.train.task import Scheduled
from laconic.train.training import Training

FORMULAS = {
    "hints": "|r(S) − T|²",
    "attention": "|q(S) − q(T)|², q of squares over channels",
    "similarity": "|G(S) − G(T)|², G between samples",
    "relations": "Huber of distances and angles between samples",
}


@dataclass(frozen=True)
class Distill(Options):
    """Train with what a teacher says, beside the labels. The fields are those of `Options`.

    >>> print(Distill(epochs=3, temperature=6.0))
    distill: {epochs: 3, temperature: 6.0}
    """

    def plan(self, network: Network, context: Context) -> Plan:
        """The terms of the loss, one a row: S is what the student gives, T what the teacher gives."""
        school = School(self, network, context)
        temperature = self.temperatures
        soft, labelled = (
            (f"{temperature}² · KL(T, S; τ = {temperature})", "H(labels, S)")
            if school.match == "soft"
            else ("|S − T|²", "that of the task")
        )
        rows = [_row("labels", 1, "outputs", "", labelled)] if self.labels and context.data.labelled else []
        rows.append(_row("outputs", self.weights, "outputs", self._staff(school), soft))
        return Plan((*rows, *(self._planned(term) for term in school.terms)))

    def check(self, network: Network, context: Context) -> None:
        School(self, network, context).check()
        if self.scratch:
            _check_forgets(network.module)

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        school = School(self, network, context)
        parts = Parts(context.memory)
        context = replace(context, memory=parts)
        with contextlib.ExitStack() as stack:
            teachers = school.listening(school.teachers, stack)
            for place, assistant in enumerate(school.assistants):
                if len(parts.finished) > place:
                    assistant.load_state_dict(parts.finished[place])
                else:
                    self._fit(assistant, school.lesson(teachers), self, f"assistant {place + 1}", context)
                    parts.finish(copy.deepcopy(assistant.state_dict()))
                teachers = school.listening([assistant], stack)
            return self._train(network, school, teachers, parts, context)

    def _train(self, network: Network, school: School, teachers: Sequence[Teacher], parts: Parts, context: Context) -> Network:
        held = hold(network.module, network.forms)
        if self.scratch:
            _check_forgets(held.module)  # the steps before may have built layers of their own
            _forget(held.module, context.seed)
        terms = school.terms
        student, teacher = Taps([term.pair.student for term in terms]), Taps([term.pair.teacher for term in terms])
        with student.on(held.module), teacher.on(school.last[0]):
            lesson = school.lesson(teachers, [replace(term, taps=(student, teacher)) for term in terms])
            if self.hint_epochs:
                self._hint(held.module, Hints(lesson), school, parts, context)
                lesson = school.lesson(teachers)
            beside = [] if self.hint_epochs else school.regressors
            self._fit(held.module, lesson, self, "distill", context, [*beside, *(school.last if self.mutual else ())])
        return network.released(held)

    def _hint(self, model: nn.Module, loss: Hints, school: School, parts: Parts, context: Context) -> None:
        """The first stage of FitNets, in place."""
        if len(parts.finished) > len(school.assistants):
            model.load_state_dict(parts.finished[-1])
        else:
            self._fit(
                model,
                loss,
                replace(self, epochs=self.hint_epochs, patience=None, average=None, decay=None),
                "hints",
                context,
                school.regressors,
            )
            parts.finish(copy.deepcopy(model.state_dict()))

    def _fit(
        self, model: nn.Module, loss: Scheduled, training: Training, purpose: str, context: Context, beside: Sequence[nn.Module] = ()
    ) -> None:
        for tick in context.train(model, loss, context.bounded(training, usual="both"), purpose, beside):
            context.progress("distill", tick.progress, f"{purpose}, {tick}")

    def _staff(self, school: School) -> str:
        names = " + ".join(map(named, self.teachers))
        names += f" ({self.combine})" if len(self.teachers) > 1 else ""
        sizes = (f"{sum(p.numel() for p in assistant.parameters()):,}" for assistant in school.assistants)
        return " → ".join((names, *sizes)) + (", learning too" if self.mutual else "")

    def _planned(self, term: Inner) -> dict[str, Any]:
        ours, theirs = (f"{name} {'×'.join(map(str, shape))}" for name, shape in zip(term.pair.names, term.pair.shapes, strict=True))
        return _row(term.name + (", first" if self.hint_epochs else ""), term.weight, ours, theirs, _formula(term))


def _row(term: str, weight: Any, student: str, teacher: str, loss: str) -> dict[str, Any]:
    return {"term": term, "weight": str(weight), "student": student, "teacher": teacher, "loss": loss}


def _formula(term: Inner) -> str:
    if not isinstance(term.apart, Hint) or isinstance(term.apart.regressor, nn.Identity):
        return FORMULAS[term.name].replace("r(S)", "S")
    kind = "linear" if isinstance(term.apart.regressor, nn.Linear) else "1×1 convolution"
    outputs, inputs = term.apart.regressor.get_parameter("weight").shape[:2]
    return f"{FORMULAS[term.name]}, r {kind} {inputs} → {outputs}"


def _forget(model: nn.Module, seed: int) -> None:
    """Draw afresh what learns."""
    kept = [(tensor, tensor.detach().clone()) for tensor in _frozen(model)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "scratch"))
        for part in reversed(list(model.modules())):  # as they were built: the parts of a module before itself, which so has the last word
            if (reset := _reset(part)) is not None:
                reset()
    with torch.no_grad():
        for tensor, value in kept:
            tensor.copy_(value)


def _frozen(model: nn.Module) -> Iterator[Tensor]:
    """Parameters that do not learn, and the statistics of layers that have no others."""
    for part in model.modules():
        own = list(part.parameters(recurse=False))
        frozen = [parameter for parameter in own if not parameter.requires_grad]
        yield from frozen
        if own and len(frozen) == len(own):
            yield from part.buffers(recurse=False)


def _check_forgets(model: nn.Module) -> None:
    for name, part in model.named_modules():
        for own, parameter in part.named_parameters(recurse=False):
            if parameter.requires_grad and _reset(part) is None:
                found = f"{name}.{own}".lstrip(".") + " cannot be drawn afresh: its module has no reset_parameters()"
                raise RecipeError(found, where="distill, scratch", hint="give its module one, or leave scratch out")


def _reset(part: nn.Module) -> Callable[[], None] | None:
    """How a module draws its own weights; attention of torch's hides it."""
    found = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    return found if callable(found) else None
