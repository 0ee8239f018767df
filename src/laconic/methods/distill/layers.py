"""Which layers of a student and of a teacher are held against each other, and what they give."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from laconic.base.errors import RecipeError
from laconic.base.words import did_you_mean
from laconic.train import as_runner

AUTO = "auto"


@dataclass(frozen=True)
class Pair:
    """A layer of the student and the layer of the teacher that it looks at, and the shapes of what they give, without the batch."""

    student: str
    teacher: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def names(self) -> tuple[str, str]:
        """Of both."""
        return self.student, self.teacher


def pairs(student: nn.Module, teacher: nn.Module, inputs: Tensor, layers: Mapping[str, str] | str) -> list[Pair]:
    """The layers to hold against each other.

    Args:
        student, teacher: both take these inputs.
        inputs: a batch `(n, *shape)`.
        layers: student's names → teacher's, both patterns, whose matches are paired in the order in which they run, by proportion where
            the teacher has more of them: the 3rd of 6 looks at the 6th of 12; of patterns for one of the student's layers the first
            counts. Or "auto": of each size of image that both have, the layers that run last; without images, all hidden layers with
            weights, by proportion. What counts gives vectors `(width,)`, images `(width, rows, columns)`, or sequences,
            `(places, width)` or `(width, places)`, each among its like.

    Raises:
        RecipeError: a pattern matches no layer, or a pair cannot be compared.
    """
    ours, theirs = shapes(student, inputs), shapes(teacher, inputs)
    if layers == AUTO:
        names = _by_size(ours, theirs) or _among_their_like(_hidden(student, ours), _hidden(teacher, theirs))
    else:
        assert not isinstance(layers, str)
        named: dict[str, str] = {}
        for one, other in layers.items():
            matching = _matching(one, ours), _matching(other, theirs)
            for own, seen in _among_their_like(*matching) or _in_proportion(*map(list, matching)):
                named.setdefault(own, seen)
        names = list(named.items())
    found = [Pair(one, other, (ours[one], theirs[other])) for one, other in names]
    if not found:
        raise RecipeError("no layer of the student goes with one of the teacher", where="distill, layers", hint=_names(ours, theirs))
    for pair in found:
        _check(pair)
    return found


def shapes(model: nn.Module, inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Layers in the order in which they are done with, and the shape of what each gives, without the batch."""
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str, outputs: Any) -> None:
        if isinstance(outputs, Tensor) and outputs.dim() in (2, 3, 4) and len(outputs) == len(inputs):
            found.pop(name, None)  # a layer that runs twice stands where it ran last
            found[name] = tuple(outputs.shape[1:])

    with _told(model, [name for name, _ in model.named_modules() if name], note):
        as_runner(model)(inputs.numpy())
    return found


class Taps:
    """What some layers of a model gave last, while they are tapped."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self.given: dict[str, Tensor] = {}

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """While the body runs, note what these layers of `model` give."""

        def note(name: str, outputs: Tensor) -> None:
            self.given[name] = outputs.clone()  # an activation behind it may work in place

        with _told(model, self.names, note):
            yield
        self.given.clear()


@contextmanager
def _told(model: nn.Module, names: Sequence[str], tell: Any) -> Iterator[None]:
    def hook(name: str) -> Any:
        return lambda module, inputs, outputs: tell(name, outputs)

    hooks = [model.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _by_size(ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]) -> list[tuple[str, str]]:
    """Of each size of image in both, the layers that are done last."""
    last = [{shape[1:]: name for name, shape in found.items() if len(shape) == 3 and shape[1] * shape[2] > 1} for found in (ours, theirs)]
    return [(name, last[1][size]) for size, name in last[0].items() if size in last[1]]


def _hidden(model: nn.Module, found: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    weighted = {name: shape for name, shape in found.items() if isinstance(getattr(model.get_submodule(name), "weight", None), Tensor)}
    return dict(list(weighted.items())[:-1])


def _among_their_like(ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]) -> list[tuple[str, str]]:
    """Vectors with vectors, sequences with sequences, images with images, by proportion."""
    kinds = [[[name for name, shape in found.items() if len(shape) == axes] for axes in (1, 2, 3)] for found in (ours, theirs)]
    return [pair for one, other in zip(*kinds, strict=True) for pair in _in_proportion(one, other)]


def _in_proportion(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str, str]]:
    """The i-th of n with the one of N that is as far.

    >>> _in_proportion(["a", "b"], ["A", "B", "C", "D"])
    [('a', 'B'), ('b', 'D')]
    """
    return [(name, theirs[max(round(place * len(theirs) / len(ours)), 1) - 1]) for place, name in enumerate(ours, 1)] if theirs else []


def _matching(pattern: str, found: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    matching = {name: shape for name, shape in found.items() if fnmatchcase(name, pattern)}
    if not matching:
        hint = did_you_mean(pattern, list(found))
        raise RecipeError(f"no layer that gives images, sequences or vectors is called {pattern}", where="distill, layers", hint=hint)
    return matching


def _check(pair: Pair) -> None:
    one, other = pair.shapes
    if len(one) != len(other):
        hint = "hold images against images, sequences against sequences, vectors against vectors"
        raise RecipeError(f"{pair.student} gives {one}, {pair.teacher} gives {other}", where="distill, layers", hint=hint)


def _names(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    return f"name them: layers: {{{next(iter(ours), '…')}: {next(iter(theirs), '…')}}}"
