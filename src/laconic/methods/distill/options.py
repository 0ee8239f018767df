"""What a user says of a distillation, and what cannot be said."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from laconic.base.errors import RecipeError
from laconic.methods.distill.layers import AUTO
from laconic.methods.distill.lesson import Span
from laconic.methods.distill.teachers import ITSELF, LIBRARIES, ORIGINAL, Combine, Reference, named
from laconic.methods.step import KEEPS, Step, check_fields
from laconic.train import Training
from laconic.train.task import Match

INNER = ("hints", "attention", "similarity", "relations")


@dataclass(frozen=True)
class Options(Training, Step):
    """The fields of `distill`: those of `Training`, and:

    Args:
        temperature: τ, softens both outputs.
        final_temperature: where τ arrives at the end of the training, evenly; None leaves it as it is.
        weight: λ, of the teacher's outputs beside the labels' term of weight 1.
        final_weight: where λ arrives at the end.
        labels: False leaves the labels out; the teacher alone speaks.
        match: of outputs, "soft" for logits of classes (softened, compared as probabilities) or "mse" for any; None takes "soft" where the
            task decides between classes.
        teacher: "original" (the model as it came), "self" (the student before this step), a model reference such as `zoo:resnet56`,
            `big.onnx`, `big.lac` or `nets.py:teacher`, in Python also a model, or a function of arrays; or a list of these.
        teacher_weights: checkpoint of a referenced teacher, or of each.
        combine: what several say together, "mean" of their probabilities, "geometric" mean, or "vote".
        shares: what each teacher's word counts; none given, all alike.
        layers: the student's layers and the teacher's that the terms below hold against each other: names, patterns, or "auto" for those
            that give images of the same size.
        hints: weight of |r(S) − T|², r a regressor that trains along (Romero et al. 2015).
        attention: weight of the difference of attention maps (Zagoruyko & Komodakis 2017).
        similarity: weight of the difference of similarities between samples (Tung & Mori 2019).
        relations: weight of the difference of distances and angles between samples (Park et al. 2019).
        hint_epochs: the terms of layers are learnt first and alone, for so many epochs; then the outputs.
        assistants: how many networks of sizes in between learn from the teacher first, each from the one before (Mirzadeh et al. 2020), or
            models, or references to them, as teachers are given.
        mutual: the teachers train along, and learn from the student as it does from them (Zhang et al. 2018).
        scratch: the student forgets its weights first; with `teacher: self` it is born again (Furlanello et al. 2018).
        cache: folder in which what teachers said is kept, to be looked up when the same input comes again.
    """

    temperature: float = 4.0
    final_temperature: float | None = None
    weight: float = 1.0
    final_weight: float | None = None
    labels: bool = True
    match: Match | None = None
    teacher: Reference | tuple[Reference, ...] = ORIGINAL
    teacher_weights: str | tuple[str, ...] = ""
    combine: Combine = "mean"
    shares: tuple[float, ...] = ()
    layers: Mapping[str, str] | str = AUTO
    hints: float = 0.0
    attention: float = 0.0
    similarity: float = 0.0
    relations: float = 0.0
    hint_epochs: int = 0
    assistants: int | tuple[str, ...] = 0
    mutual: bool = False
    scratch: bool = False
    cache: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("teacher", "teacher_weights", "shares", "assistants"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        inner, teachers, weights = bool(self.inner), self.teachers, self.files
        check_fields(
            self,
            ("temperature", 0 < self.temperature < math.inf, "a number above 0; 1 … 20 is usual"),
            ("final_temperature", self.final_temperature is None or 0 < self.final_temperature < math.inf, "a number above 0"),
            ("weight", 0 <= self.weight < math.inf, "a number from 0; 1 weighs it as the labels"),
            ("final_weight", self.final_weight is None or 0 <= self.final_weight < math.inf, "a number from 0"),
            ("match", self.match in (None, "soft", "mse"), "soft or mse"),
            (
                "teacher",
                bool(teachers) and all(isinstance(one, str) or callable(one) for one in teachers),
                "one, or a list of at least one",
            ),
            ("teacher_weights", len(weights) == len(teachers), "a file for each teacher, empty where it has weights of its own"),
            ("combine", self.combine in ("mean", "geometric", "vote"), "mean, geometric or vote"),
            ("shares", not self.shares or self._fair, "a number above 0 for each teacher"),
            ("layers", self.layers == AUTO or (isinstance(self.layers, Mapping) and bool(self.layers)), "auto, or {student: teacher}"),
            *((name, 0 <= getattr(self, name) < math.inf, "a number from 0") for name in INNER),
            ("hint_epochs", self.hint_epochs >= 0 and (inner or not self.hint_epochs), f"from 0, with one of {', '.join(INNER)}"),
            ("assistants", self._between, "a whole number from 0, or a list of models"),
            ("mutual", not (self.mutual and (self.assistants or self.cache)), "without assistants and cache: its teachers change"),
            ("targets", self.targets is None, "for other steps: distill has teacher and labels"),
            ("cache", not (self.cache and inner), "for teachers of whom nothing but their outputs is asked"),
        )
        if self.smoothing and not self.labels:
            raise RecipeError("there are no labels to smooth", where="distill, smoothing", hint="labels: true, or no smoothing")
        for teacher, file in zip(teachers, weights, strict=True):
            self._check_weights(teacher, file)

    def _check_weights(self, teacher: Reference, file: str) -> None:
        if file and (not isinstance(teacher, str) or teacher in (ORIGINAL, ITSELF)):
            found = f"{named(teacher)} has weights of its own"
            raise RecipeError(found, where="distill, teacher_weights", hint="say which model: teacher: zoo:…")
        if not file and isinstance(teacher, str) and teacher.startswith(LIBRARIES) and not self.mutual:
            raise RecipeError(f"{teacher} would teach what it was initialised with", where="distill, teacher", hint="teacher_weights: FILE")

    @property
    def teachers(self) -> tuple[Reference, ...]:
        """All of them, where one was said as well."""
        return self.teacher if isinstance(self.teacher, tuple) else (self.teacher,)

    def given(self) -> tuple[object, ...]:
        return (*self.teachers, *self.files, *(self.assistants if isinstance(self.assistants, tuple) else ()))

    @property
    def files(self) -> tuple[str, ...]:
        """The checkpoint of each, "" where there is none."""
        if self.teacher_weights:
            return self.teacher_weights if isinstance(self.teacher_weights, tuple) else (self.teacher_weights,)
        return ("",) * len(self.teachers)

    @property
    def _between(self) -> bool:
        said: Any = self.assistants
        if isinstance(said, tuple):
            return all(isinstance(one, str) or callable(one) for one in said)
        return isinstance(said, int) and said >= 0

    @property
    def _fair(self) -> bool:
        return len(self.shares) == len(self.teachers) and all(0 < share < math.inf for share in self.shares)

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense"} if self.scratch else KEEPS

    def trains(self) -> Training:
        """All of it: that of the assistants, the hints, and the student."""
        assistants = len(self.assistants) if isinstance(self.assistants, tuple) else self.assistants
        return replace(self, epochs=self.epochs * (1 + assistants) + self.hint_epochs)

    def said(self) -> dict[str, Any]:
        """As it stands in a recipe; models given in Python by their names, which cannot be read back."""
        found = super().said()
        return found | {word: _by_name(found[word]) for word in ("teacher", "assistants") if word in found}

    @property
    def voices(self) -> tuple[float, ...]:
        """What each teacher's word counts."""
        return self.shares or (1.0,) * len(self.teachers)

    @property
    def temperatures(self) -> Span:
        """τ over the training."""
        return Span(self.temperature, self.temperature if self.final_temperature is None else self.final_temperature)

    @property
    def weights(self) -> Span:
        """λ over the training."""
        return Span(self.weight, self.weight if self.final_weight is None else self.final_weight)

    @property
    def inner(self) -> dict[str, float]:
        """The terms between layers, and their weights."""
        return {name: getattr(self, name) for name in INNER if getattr(self, name)}


def _by_name(said: Any) -> Any:
    if isinstance(said, list):
        return list(map(named, said))
    return said if isinstance(said, int) else named(said)
