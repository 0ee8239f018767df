"""All that a distillation needs beside the student: its teachers, assistants in between, and the terms of its loss."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from laconic.base.errors import ModelError, RecipeError
from laconic.graph.network import Network
from laconic.graph.persist import digest
from laconic.methods.distill.assistants import narrower, sizes
from laconic.methods.distill.cache import answers
from laconic.methods.distill.layers import pairs
from laconic.methods.distill.lesson import Inner, Lesson, Match, Staff, Teacher
from laconic.methods.distill.options import Options
from laconic.methods.distill.teachers import Called, build_teacher, named
from laconic.methods.distill.terms import Hint, attention, relations, similarity
from laconic.methods.step import Context
from laconic.nn import home
from laconic.train import as_runner

PLAIN = {"attention": attention, "similarity": similarity, "relations": relations}
SAMPLES = 2  # that shapes are looked at with


class School:
    """What `options` ask for, built for one student.

    Args:
        options: the fields of the step.
        network: the student.
        context: data, task, and the model as it came.

    Raises:
        ModelError: no such teacher. RecipeError: its layers cannot be held against the student's. ExportError: an assistant is to be
            made from a teacher that cannot be traced.
    """

    def __init__(self, options: Options, network: Network, context: Context) -> None:
        self._options, self._network, self._context = options, network, context
        self._few = torch.from_numpy(context.data.preprocessing.apply(context.data.train.inputs[:SAMPLES]))
        torch.manual_seed(context.seed)  # of fresh models and regressors
        said = zip(options.teachers, options.files, strict=True)
        self.teachers = [build_teacher(teacher, file, network, context) for teacher, file in said]
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
        return self._options.match or ("soft" if self._context.task.decide is not None else "mse")

    def check(self) -> None:
        """Refuse teachers who cannot teach this student.

        Raises:
            ModelError: outputs of another shape. RecipeError: a function whose answers are to be kept; nothing to train in a teacher who
                is to learn.
        """
        ours = self._shape(self._network.module)
        for model, reference in zip(self.teachers, self._options.teachers, strict=True):
            where = f"distill, {named(reference)}"
            if self._options.cache and isinstance(model, Called):
                found = "nothing tells the answers of one function from those of another"
                raise RecipeError(found, where="distill, cache", hint="leave cache out, or give a model")
            if self._options.mutual and not any(p.requires_grad for p in model.parameters()):
                raise RecipeError("a teacher without parameters cannot learn from the student", where=where, hint="leave mutual out")
            if self._shape(model) != ours:
                raise ModelError(f"the teacher's outputs have shape {self._shape(model)}, the student's {ours}", where=where)

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
        names = [f"{digest(teacher)[:32]}-{precision}{rank}" for teacher in teachers]
        kept = [answers(teacher, folder, name, self._shape(teacher)) for teacher, name in zip(teachers, names, strict=True)]
        return [stack.enter_context(one) for one in kept]

    def _shape(self, model: nn.Module) -> tuple[int, ...]:
        return as_runner(model)(self._few.numpy()).shape[1:]

    def _assistants(self) -> list[nn.Module]:
        said, stage = self._options.assistants, self._context.data.preprocessing
        if isinstance(said, tuple):
            return [build_teacher(reference, "", self._network, self._context) for reference in said]
        teacher, student = (sum(p.numel() for p in model.parameters()) for model in (self.teachers[0], self._network.module))
        return [narrower(self.teachers[0], stage.shape, stage.dtype, size) for size in sizes(teacher, student, said)]

    def _terms(self) -> list[Inner]:
        """Those between layers of the student and of the first teacher whom it sees."""
        weights = self._options.inner
        if not weights:
            return []
        found = pairs(self._network.module, self.last[0], self._few, self._options.layers)
        device = home(self._network.module)[0]
        return [
            Inner(name, weight, pair, Hint(*pair.shapes).to(device) if name == "hints" else PLAIN[name])
            for name, weight in weights.items()
            for pair in found
        ]
