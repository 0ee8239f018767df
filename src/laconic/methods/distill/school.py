"""All that a distillation needs beside the student: its teachers, assistants in between, and the terms of its loss."""

import contextlib
import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from laconic.base.errors import ModelError, RecipeError
from laconic.graph.network import Network
from laconic.graph.persist import digest
from laconic.methods.context import Context
from laconic.methods.distill.assistants import narrower, sizes
from laconic.methods.distill.cache import answers
from laconic.methods.distill.layers import Pair, pairs
from laconic.methods.distill.lesson import Inner, Lesson, Staff, Teacher
from laconic.methods.distill.options import Options
from laconic.methods.distill.teachers import Called, Reference, build_teacher, named
from laconic.methods.distill.terms import Hint, attention, relations, similarity
from laconic.nn import home
from laconic.nn.checks import at_home
from laconic.nn.passing import passing
from laconic.train.task import Match

PLAIN = {"attention": attention, "similarity": similarity, "relations": relations}
SAMPLES = 2  # that shapes are looked at with


class School:
    """What `options` ask for, built for one student.

    Args:
        options: the fields of the step.
        network: the student.
        context: data, task, and the model as it came.

    Raises:
        ModelError: no such teacher, it does not run on these samples, or its outputs have another shape than the student's. RecipeError:
            its layers cannot be held against the student's, or assistants are to be made from a function. ExportError: they are to be made
            from a teacher that cannot be traced.
    """

    def __init__(self, options: Options, network: Network, context: Context) -> None:
        self._options, self._context = options, context
        self._network = Network(copy.deepcopy(network.module).eval())
        self._few = torch.from_numpy(context.data.preprocessing.apply(context.data.train.inputs[:SAMPLES]))
        self._outputs = self._shape(self._network.module, "the student")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)  # of fresh models and regressors
            self.teachers = [self._built(teacher, file) for teacher, file in zip(options.teachers, options.files, strict=True)]
            self.assistants = self._assistants()
            self.terms = self._terms()

    @property
    def last(self) -> Sequence[nn.Module]:
        """Those whom the student sees."""
        return self.assistants[-1:] or self.teachers

    @property
    def regressors(self) -> list[nn.Module]:
        """What trains beside the student, for the sake of the terms."""
        return [term.apart for term in self.terms if isinstance(term.apart, nn.Module)]

    @property
    def match(self) -> Match:
        """How outputs are compared."""
        return self._options.match or self._context.task.match

    def check(self) -> None:
        """Refuse teachers who cannot teach this student.

        Raises:
            RecipeError: a function whose answers are to be kept; nothing to train in a teacher or an assistant who is to learn; outputs
                that are no logits are to be combined as probabilities.
        """
        if self.match == "mse" and self._options.combine != "mean":
            found = f"{self._options.combine} puts probabilities together, and outputs are compared as numbers"
            raise RecipeError(found, where="distill, combine", hint="combine: mean")
        for assistant, name in zip(self.assistants, self._assistant_names, strict=True):
            _check_learns(assistant, f"distill, {name}", "an assistant", "name a model that can be trained")
        for model, reference in zip(self.teachers, self._options.teachers, strict=True):
            if self._options.cache and isinstance(model, Called):
                found = "nothing tells the answers of one function from those of another"
                raise RecipeError(found, where="distill, cache", hint="leave cache out, or give a model")
            if self._options.mutual:
                _check_learns(model, f"distill, {named(reference)}", "a teacher", "leave mutual out")

    def lesson(self, teachers: Sequence[Teacher], terms: Sequence[Inner] = ()) -> Lesson:
        """The loss of a training by these teachers."""
        said = self._options
        voices = said.voices if len(said.voices) == len(teachers) else (1.0,) * len(teachers)
        staff = Staff(teachers, voices, said.combine, self.match, said.mutual)
        labels = self._context.labels(said) if said.labels and self._context.data.labelled else None
        return Lesson(labels, staff, said.weights, said.temperatures, terms)

    def listening(self, teachers: Sequence[nn.Module], stack: contextlib.ExitStack) -> list[Teacher]:
        """The teachers, with their answers of before at hand until `stack` is closed."""
        if not self._options.cache:
            return list(teachers)
        folder, precision = Path(self._options.cache), self._options.precision
        rank = f"-{self._context.ranks.number}" if self._context.ranks.count > 1 else ""  # each asks about its own part of the samples
        names = [f"{digest(teacher)[:24]}{self._answer(teacher)}-{precision}{rank}" for teacher in teachers]
        distinct = dict(zip(names, teachers, strict=True))
        kept = {name: stack.enter_context(answers(teacher, folder, name, self._outputs)) for name, teacher in distinct.items()}
        return [kept[name] for name in names]

    @torch.no_grad()
    def _answer(self, teacher: nn.Module) -> str:
        """What it says of two samples, in few digits: models of the same weights may compute something else with them."""
        said = teacher.eval()(at_home(teacher, self._few)).cpu().half()
        return hashlib.sha256(said.numpy().tobytes()).hexdigest()[:8]

    def _shape(self, model: nn.Module, who: str) -> tuple[int, ...]:
        what = f"{who} does not run on samples of shape {tuple(self._few.shape[1:])}"
        with passing(model, what, "it sees what the student sees, and gives one tensor"), torch.no_grad():
            return tuple(model(at_home(self._network.module, self._few)).shape[1:])

    def _built(self, reference: Reference, file: str = "") -> nn.Module:
        model = build_teacher(reference, file, self._network, self._context)
        theirs = self._shape(model, named(reference))
        if theirs != self._outputs:
            found = f"the teacher's outputs have shape {theirs}, the student's {self._outputs}"
            raise ModelError(found, where=f"distill, {named(reference)}")
        return model

    @property
    def _assistant_names(self) -> list[str]:
        said = self._options.assistants
        return list(said) if isinstance(said, tuple) else [f"assistant {place + 1}" for place in range(said)]

    def _assistants(self) -> list[nn.Module]:
        said, stage = self._options.assistants, self._context.data.preprocessing
        if isinstance(said, tuple):
            return [self._built(reference) for reference in said]
        if said:
            _check_learns(self.teachers[0], "distill, assistants", "a teacher from whom assistants are made", "assistants: [a model, …]")
        teacher, student = (sum(p.numel() for p in model.parameters()) for model in (self.teachers[0], self._network.module))
        return [narrower(self.teachers[0], stage.shape, stage.dtype, size) for size in sizes(teacher, student, said)]

    def _terms(self) -> list[Inner]:
        """Those between layers of the student and of the first teacher whom it sees."""
        weights = self._options.inner
        if not weights:
            return []
        found = pairs(self._network.module, self.last[0], self._few, self._options.layers)
        if "attention" in weights:
            _check_maps(found)
        if "hints" in weights:
            _check_widths(found)
        device, dtype = home(self._network.module)
        dtype = torch.promote_types(dtype, torch.float32)
        return [
            Inner(name, weight, pair, Hint(*pair.shapes).to(device, dtype) if name == "hints" else PLAIN[name])
            for name, weight in weights.items()
            for pair in found
        ]


def _check_learns(model: nn.Module, where: str, who: str, hint: str) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(f"{who} needs parameters that train, and has none", where=where, hint=hint)


def _check_widths(found: Sequence[Pair]) -> None:
    for pair in found:
        one, other = pair.shapes
        if len(one) == 2 and one[0] != other[0] and one[1] != other[1]:
            hint = "sequences may differ in their length or in their width, not in both; or take similarity or relations"
            raise RecipeError(f"{pair.student} gives {one}, {pair.teacher} gives {other}", where="distill, hints", hint=hint)


def _check_maps(found: Sequence[Pair]) -> None:
    for pair in found:
        if len(pair.shapes[0]) < 3:
            hint = "name layers that give images, or take hints, similarity or relations"
            kind = "vectors" if len(pair.shapes[0]) == 1 else "sequences"
            raise RecipeError(f"{pair.student} gives {kind}, which have no attention map", where="distill, attention", hint=hint)
