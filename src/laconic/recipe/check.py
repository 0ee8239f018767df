"""A dry run of seconds: what can be done to a model, how small it would become, and how long that would take.

Everything that `run` would refuse is refused here too. What trains is timed over its first steps and stopped; what does not train is
really done, on the weights as they are, and packed; what is large is packed in part.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from laconic.artifact import Artifact, pack, unpack_each
from laconic.artifact.encode import profile_for
from laconic.base.errors import DataError
from laconic.base.measures import Measure
from laconic.base.progress import Progress, silent
from laconic.datasets.data import Data
from laconic.forms import Form
from laconic.forms.form import rebuild
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import Step
from laconic.nn import left_dense, weights
from laconic.nn.checks import home
from laconic.recipe.package import package
from laconic.recipe.ready import ready
from laconic.recipe.recipe import Recipe
from laconic.recipe.text import write
from laconic.recipe.timing import seconds_by_progress, seconds_of_training
from laconic.train import Task, as_runner, classification, evaluate
from laconic.train.agreement import by_agreement
from laconic.train.precision import slow_on

MOST_PACKED = 1 << 18  # weights of one tensor that are packed to know the size of all
SIZE_SPREAD, TIME_SPREAD = 0.2, 0.5  # what the estimates are good for, as shares
CLOCKED = 120  # single calls that the comparison of latencies makes of either network


@dataclass(frozen=True)
class Fate:
    """What the recipe would do to one parameter of two or more axes.

    Args:
        name: its name in the state dict.
        shape: its shape.
        steps: words of the steps that would press it.
        remark: why it stays dense, or what else is notable.
    """

    name: str
    shape: tuple[int, ...]
    steps: tuple[str, ...]
    remark: str = ""


@dataclass(frozen=True)
class Check:
    """What a dry run found. `size` and `time` are estimates, and say so; `plans` are those of the steps that do nothing but train."""

    model: str
    data: str
    recipe: str
    fates: tuple[Fate, ...]
    graph: bool
    before: Measure
    size: Measure
    time: Measure
    warnings: tuple[str, ...]
    plans: Mapping[str, Plan]

    @property
    def verdict(self) -> str:
        """All of it in a sentence."""
        pressed = sum(bool(fate.steps) for fate in self.fates)
        runs = "the file will run without torch" if self.graph else "the file will hold weights only"
        return (
            f"{self.model}: the recipe presses {pressed} of {len(self.fates)} weight tensors, to about {self.size.value:,.0f} bytes "
            f"({self.before.value / self.size.value:.1f} × smaller) in about {self.time.value:.0f} s; {runs}."
        )

    def to_json(self) -> str:
        """Everything, and the verdict, as indented JSON."""
        return json.dumps(asdict(self) | {"verdict": self.verdict}, indent=1, ensure_ascii=False)

    def __str__(self) -> str:
        rows = [f"{fate.name}  {' → '.join(fate.steps) or 'dense'}{f'  ({fate.remark})' if fate.remark else ''}" for fate in self.fates]
        plans = [f"{step}\n{plan}" for step, plan in self.plans.items()]
        return "\n".join([*rows, *plans, *(f"warning: {warning}" for warning in self.warnings), self.verdict])


def check(
    model: nn.Module, data: Data, recipe: Recipe, *, task: Task = classification, name: str = "model", progress: Progress = silent
) -> Check:
    """Find out in seconds what `run` would do with the same arguments; nothing is changed, and nothing written but in a `cache`.

    Raises:
        RecipeError, ModelError, DataError, UsageError: whatever `run` would refuse.
    """
    progress("check", 0.0, "model, data and recipe")
    original = ready(model, data, recipe, task)
    data, task = by_agreement(original.module, data, task)
    clock = _Clock()
    progress("check", 0.2, "export")
    artifact, obstacle = package(original, data)
    exporting = clock.lap()
    network, seconds, warnings = original, 2 * exporting, [obstacle] if obstacle else []
    an_epoch: dict[tuple[str, int, int], float] = {}
    plans: dict[str, Plan] = {}
    for number, step in enumerate(recipe.steps):
        progress("check", 0.4 + 0.4 * number / len(recipe.steps), str(step))
        context = Context(data, original.module, task, recipe.seed)
        training, draft = step.trains(), step.draft()
        alone, before = _apart(step)
        seconds += seconds_by_progress(before, network, context) if before else 0.0
        if training is not None and training.epochs:
            kind = (step.word(), training.batch, training.accumulate)
            if kind not in an_epoch:
                took, warning = _seconds(alone, network, context)
                an_epoch[kind] = took / training.epochs
                warnings += [warning] if warning else []
                if training.precision == "mixed" and slow_on(home(network.module)[0]):
                    warnings += [f"{step.word()}: without arithmetic in bfloat16, as here, precision: full is much faster"]
            seconds += an_epoch[kind] * training.epochs
        clock.lap()
        if draft:
            network = draft.apply(network, draft.plan(network, context), context)
        else:
            plans[str(step)] = step.plan(network, context)
        seconds += clock.lap()
    progress("check", 0.9, "pack")
    size, packing = _packed(Artifact(network.tensors(), artifact.graph, artifact.notes))
    seconds += (len(recipe.steps) + 3) * packing + _judging(original, data, task, len(recipe.steps))
    raw = sum(form.array().nbytes for form in {id(form): form for form in artifact.tensors.values()}.values())
    return Check(
        model=name,
        data=data.name,
        recipe=write(recipe),
        fates=_fates(original.module, recipe.steps),
        graph=artifact.graph is not None,
        before=Measure(raw, "bytes", "all tensors as they lie in memory"),
        size=Measure(size, "bytes", "estimated: pressed at once, without training, and packed", spread=SIZE_SPREAD * size),
        time=Measure(seconds, "s", "estimated: first steps of each training, and one packing", spread=TIME_SPREAD * seconds),
        warnings=(*warnings, *data.oddities()),
        plans=plans,
    )


class _Clock:
    """Seconds since it was asked last."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        lap, self._last = now - self._last, now
        return lap


def _seconds(step: Step, network: Network, context: Context) -> tuple[float, str]:
    """How long the trainings of a step would take; and what went wrong in them."""
    try:
        return seconds_of_training(step, step.plan(network, context), network, context), ""
    except DataError as cause:
        return 0.0, f"{step.word()}: {cause.what} ({cause.where})"


def _apart(step: Step) -> tuple[Step, Step | None]:
    """A step that does no more than train, and one that does what it does before that, if anything."""
    draft = step.draft()
    training, quick = step.trains(), draft.trains() if draft else None
    if training is None or quick is None:
        return step, None
    alone: Any = replace(quick, epochs=training.epochs)
    before: Any = replace(training, epochs=0)
    return alone, None if alone == training else before


def _packed(artifact: Artifact) -> tuple[int, float]:
    """Bytes of the file, and seconds to pack it; large tensors stand for themselves with their first rows."""
    whole = {id(form): form for form in artifact.tensors.values()}
    rows = {key: _first_rows(form) for key, form in whole.items()}
    profile = profile_for(sum(form.size for form in whole.values()))
    start = time.perf_counter()
    content = pack(replace(artifact, tensors={name: rows[id(form)] for name, form in artifact.tensors.items()}), profile=profile)
    seconds = time.perf_counter() - start
    share = {name: form.size / max(rows[id(form)].size, 1) for name, form in artifact.tensors.items()}
    left_out = sum((share[tensor.entry.name] - 1) * tensor.bytes for tensor in unpack_each(content))
    return round(len(content) + left_out), seconds * (1 + left_out / len(content))


def _first_rows(form: Form) -> Form:
    if form.size <= MOST_PACKED or not form.shape:
        return form
    rows = max(1, form.shape[0] * MOST_PACKED // form.size)
    shape = (rows, *form.shape[1:])
    if form.integers is None:
        return rebuild(form.kind, shape, None, form.table[: form.size // form.shape[0] * rows])
    integers = form.integers[:rows]
    kept = {"masked": int(integers.sum(dtype=int)), "grid": _steps(form, rows)}.get(form.kind, len(form.table))
    return rebuild(form.kind, shape, integers, form.table[:kept])


def _steps(form: Form, rows: int) -> int:
    """How many of a grid's steps its first rows have; one will do where a step counts for more than whole rows."""
    steps = len(form.table) * rows // form.shape[0]
    return steps if steps and (form.size // form.shape[0] * rows) % steps == 0 else 1


def _judging(network: Network, data: Data, task: Task, stages: int) -> float:
    """Seconds to score every stage on the validation split and both networks on the test split, and to compare their latencies."""
    few = data.validation.take(np.arange(min(256, len(data.validation))))
    runner = as_runner(network.module)
    sample = data.preprocessing.apply(few.inputs[:1])
    clock = _Clock()
    evaluate(runner, few, data.preprocessing, task, "dry run")
    each = clock.lap() / len(few)
    runner(sample)
    return each * (stages * len(data.validation) + 2 * len(data.test)) + 2 * CLOCKED * clock.lap()


def _fates(model: nn.Module, steps: Sequence[Step]) -> tuple[Fate, ...]:
    names = list(weights(model))
    pressing = [step for step in steps if any(kind != made for kind, made in step.takes().items())]
    touched = {name: tuple(step.word() for step in pressing if name in step.touches(names)) for name in names}
    dense = left_dense(model)
    found = (name for name, parameter in model.named_parameters() if name in touched or name in dense)
    return tuple(
        Fate(name, tuple(model.get_parameter(name).shape), touched.get(name, ()), dense.get(name) or _remark(model, name, touched[name]))
        for name in found
    )


def _remark(model: nn.Module, name: str, steps: tuple[str, ...]) -> str:
    weight = model.get_parameter(name)
    also = [other for other, parameter in model.named_parameters(remove_duplicate=False) if parameter is weight and other != name]
    notes = [] if steps else ["no step of the recipe presses it"]
    notes += [f"tied to {', '.join(also)}"] if also else []
    notes += ["all its values are equal"] if bool((weight == weight.reshape(-1)[0]).all()) else []
    return "; ".join(notes)
