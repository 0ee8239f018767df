"""Carry a recipe out: step by step, then export, pack, load again, and measure what was loaded."""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from laconic.artifact import Artifact, pack, unpack
from laconic.artifact.files import identity
from laconic.base.measures import Measure
from laconic.base.progress import Progress, silent
from laconic.base.records import Record, Stage
from laconic.base.seeds import derive
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.persist import digest, preserve, revive
from laconic.graph.replay import noted
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.nn import left_dense
from laconic.profile.energy import Meter, co2e
from laconic.recipe.folder import RunFolder, Unkept, open_run
from laconic.recipe.measure import Comparison, Runnable, SessionClock, compare, environment
from laconic.recipe.package import package, repackage
from laconic.recipe.ready import ready
from laconic.recipe.recipe import Recipe
from laconic.recipe.text import write
from laconic.train import Task, as_runner, classification, evaluate
from laconic.train.agreement import by_agreement
from laconic.train.ranks import FirstMemory, check_alike, here

_NOTHING: tuple[bytes, Record | None] = (b"", None)


@dataclass(frozen=True, eq=False)
class Run:
    """What came out.

    Args:
        network: the compressed network, in torch.
        artifact: what the file says.
        content: the file's bytes; every figure of the record was measured on them.
        record: the story of the run.
    """

    network: Network
    artifact: Artifact
    content: bytes
    record: Record


def run(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    task: Task = classification,
    name: str = "model",
    progress: Progress = silent,
    folder: Path | None = None,
    resume: bool = False,
) -> Run:
    """Compress `model` by `recipe`. The model is not touched; the test split is read once, at the end.

    Where several processes were started for it (train/ranks.py), they train together; the first alone keeps, measures and tells the others.

    Whatever does not fit is refused before anything is trained. With a `folder`, an interrupted run can go on (`resume`) and gives
    the same bytes as one that was never interrupted.

    Raises:
        RecipeError: an order of steps that cannot run on this model.
        ModelError: the model has no plain, finite weights, or does not run on the data.
        DataError, UsageError: the data do not fit the model, or the task does not fit either; the folder holds another run.
        ResourceError: the disk is full, or another process works in the folder; or one of several processes has gone.
    """
    meter, ranks = Meter(), here()
    original = ready(model, data, recipe, task)
    data, task = by_agreement(original.module, data, task)
    identity_of_run = {"recipe": write(recipe), "model": digest(original.module), "data": data.digest(), "metric": task.metric}
    identity_of_run |= _given(recipe)
    clock = SessionClock()
    alike = Context(data, original.module, task, ranks=ranks, price=weights_only_bytes)
    if ranks.number:
        network, _ = _carry_out(recipe, original, replace(alike, clock=lambda *_: ranks.told(0.0)), Unkept())
        content, told = ranks.told(_NOTHING)
        assert told is not None
        return Run(network, unpack(content), content, told)
    with open_run(folder, identity_of_run, resume) as kept:
        progress("export", 0.0, "the model as it came")
        before = package(original, data)
        context = replace(alike, progress=progress, clock=lambda *given: ranks.told(clock(*given)))
        network, stages = _carry_out(recipe, original, context, kept)
        progress("measure", 0.0, "export, pack, load again")
        finished = _finish(original, before, network, data, task)
        kept.end(identity(finished.content))
    record = _record(finished, stages, name, data, recipe, task)
    spent = meter.spent()
    record = replace(record, energy=spent, co2e=co2e(spent))
    ranks.told((finished.content, record))
    return Run(network, finished.artifact, finished.content, record)


def weights_only_bytes(network: Network) -> int:
    """Length of the weights-only file."""
    return len(pack(Artifact(network.tensors(), None, noted(network.edits)), weights_only=True))


def _given(recipe: Recipe) -> dict[str, str]:
    """The models that steps were given, in Python or in files, as digests: the recipe's text says no more of them than their names."""
    found = [one for step in recipe.steps for given in step.given() if (one := _digest(given))]
    return {"a model given to a step": ", ".join(found)} if found else {}


def _digest(given: object) -> str:
    """Of a model, or of the file that a reference names; "" of what holds nothing that could be read."""
    if isinstance(given, nn.Module):
        return digest(given)
    paths = (given, given.rpartition(":")[0]) if isinstance(given, str) else ()  # FILE, or FILE:NAME
    return next((hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths if Path(path).is_file()), "")


def _carry_out(recipe: Recipe, original: Network, context: Context, kept: RunFolder) -> tuple[Network, list[Stage]]:
    """All stages that are not finished yet, each from what the one before left."""
    ranks = context.ranks
    finished = ranks.told(kept.stages())
    network = revive(finished[-1][0], original.module) if finished else original
    stages = [stage for _, stage in finished]
    for number, step in enumerate(recipe.steps[len(stages) :], len(stages)):
        own = replace(context, seed=derive(recipe.seed, number), memory=FirstMemory(ranks, kept.memory(number)))
        network, stage = _stage(step, network, own)
        check_alike(ranks, network.module.state_dict(), f"after {step.word()}")
        kept.finish_stage(number, preserve(network), stage)
        stages.append(stage)
    return network, stages


def _stage(step: Step, network: Network, context: Context) -> tuple[Network, Stage]:
    start = time.perf_counter()
    plan = step.plan(network, context)
    context.progress(step.word(), 0.0, str(step))
    network = step.apply(network, plan, context)
    seconds = time.perf_counter() - start
    size = Measure(weights_only_bytes(network), "bytes", f"weights-only file after {step.word()}")
    score = evaluate(as_runner(network.module), context.data.validation, context.data.preprocessing, context.task, "validation split")
    return network, Stage(str(step), plan.rows, seconds, size, score)


@dataclass(frozen=True, eq=False)
class Finished:
    """The file and its verdict."""

    artifact: Artifact
    content: bytes
    compared: Comparison
    warnings: tuple[str, ...]


def _finish(original: Network, packed: tuple[Artifact, str], network: Network, data: Data, task: Task) -> Finished:
    before, obstacle = packed
    after, obstacle = (repackage(network, before), obstacle) if network.edits == original.edits else package(network, data)
    content = pack(after)
    said = unpack(content)  # what the file says stays so, whatever becomes of the networks in memory
    was, now = Runnable(original.module, unpack(pack(before))), Runnable(network.module, said)
    return Finished(said, content, compare(was, now, content, data, task), _warnings(obstacle, original, data))


def _warnings(obstacle: str, original: Network, data: Data) -> tuple[str, ...]:
    dense = (f"{name} stays dense: {reason}" for name, reason in left_dense(original.module).items())
    return (*([obstacle] if obstacle else ()), *dense, *data.oddities())


def _record(finished: Finished, stages: list[Stage], name: str, data: Data, recipe: Recipe, task: Task) -> Record:
    compared = finished.compared
    return Record(
        model=name,
        data=data.name,
        metric=task.metric,
        recipe=write(recipe),
        seed=recipe.seed,
        before=compared.before,
        after=compared.after,
        stages=tuple(stages),
        layers=compared.layers,
        speed_ratio=compared.speed_ratio,
        speed_line=compared.speed_line,
        parts=compared.parts,
        sha256=identity(finished.content),
        environment=environment() | {"data": data.provenance},
        warnings=finished.warnings,
        higher_is_better=task.higher_is_better,
        classes=data.classes,
        verdicts=compared.verdicts,
        costs=compared.costs.layers,
        clocked_in=compared.costs.engine,
        weights_only=Measure(len(pack(finished.artifact, weights_only=True)), "bytes", "length of the weights-only file"),
    )
