"""`laconic bench`: how fast a file runs on this machine, by itself or against another."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from laconic.base.errors import ModelError, UsageError
from laconic.base.imports import foreign_code
from laconic.base.measures import Measure, machine
from laconic.cli.options import File, Json
from laconic.cli.terminal import complain, grouped, show, show_json, table, times, verdict

if TYPE_CHECKING:
    import numpy as np

    from laconic.cli.tournament import Entrant
    from laconic.cli.turns import Timed
    from laconic.runtime import Session

Original = Annotated[
    str | None, typer.Argument(metavar="[ORIGINAL]", help="What to compare with: another .lac file, an ONNX file, or MODEL in torch.")
]
Repeats = Annotated[int, typer.Option(min=2, help="Timed rounds; in each, both run once.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples in a call.")]
Tournament = Annotated[
    bool, typer.Option("--tournament", help="Try every engine, precision and number of threads; load() then takes the fastest.")
]
Layers = Annotated[bool, typer.Option("--layers", help="Show which layers take the time; against another .lac file, in both.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads that a call may use.")]

Speed = tuple[Measure, float]  # how many times as fast: by the wall clock, by processor time

_FILES = (".lac", ".onnx")
_BUSY = 0.9  # below this share of the wall clock, others had the processor
_SAME = 0.05  # closer than this to 1 is called the same


def bench(
    file: File,
    original: Original = None,
    repeats: Repeats = 50,
    batch: Batch = 1,
    threads: Threads = 1,
    tournament: Tournament = False,
    layers: Layers = False,
    as_json: Json = False,
) -> None:
    """Time a file, alone or against another.

    ORIGINAL is another .lac file, an ONNX file, which runs as it is in ONNX Runtime, or MODEL, which runs in torch. The two take
    turns, so that whatever slows the machine meets both alike. With --tournament the file runs against itself, in every engine that is
    installed; outputs are checked first, and the winner of calls with one sample is kept in this user's cache, where load() finds it.
    With --layers the engine clocks its kernels, each told as the layer's whose products it has.
    """
    if tournament:
        if original is not None or layers:
            raise UsageError("a tournament is of one file as a whole", where="--tournament", hint="ask for the rest in a second call")
        _tournament(file, batch, repeats, as_json)
        return
    if layers:
        if threads > 1:
            raise UsageError("layers are clocked on one thread", where="--layers", hint="leave --threads out")
        from laconic.cli.kernels import tell_layers

        tell_layers(file, original, batch, repeats, as_json)
        return
    from laconic.cli.turns import random_inputs, ratios, take_turns
    from laconic.runtime import load

    session = load(file, threads)
    inputs = random_inputs(session, batch)
    contestants: list[tuple[str, Callable[[], Any]]] = [(str(file), lambda: session(inputs))]
    if original is not None:
        rival = _rival(original, session, threads)
        contestants.append((original if original.endswith(_FILES) else f"{original} in torch", lambda: rival(inputs)))
    timed = take_turns(contestants, repeats)
    speed = ratios(*timed) if len(timed) == 2 else None
    if as_json:
        setting = {"batch": batch, "threads": threads, "repeats": repeats, "machine": machine()}
        show_json(setting | _for_machines(timed, speed))
    else:
        show(_table(timed, batch), "", verdict(_sentence(timed, speed)), _setting(batch, threads))
    calm = min(one.calm for one in timed)
    if threads == 1 and calm < _BUSY:
        complain(f"the machine was busy: only {calm:.0%} of the wall clock was ours; trust the CPU time", "warning")


def _tournament(file: Path, batch: int, repeats: int, as_json: bool) -> None:
    from laconic.cli.tournament import hold

    found = hold(file, batch, repeats)
    if as_json:
        ranking = [_entrant_json(one) for one in found.entrants]
        show_json({"batch": batch, "machine": machine(), "ranking": ranking, "out": dict(found.out), "remembered": found.kept})
        return
    reference, best = found.reference, found.entrants[0]
    head = ("precision", "threads", "median", "spread", "as fast", "difference")
    threads = f"{best.threads} thread{'s' if best.threads > 1 else ''}"
    said = f"{best.choice} on {threads} is fastest: {times(reference.ms / best.ms)} as fast as {reference.choice} on 1 thread."
    rows = [_entrant_row(one, reference.ms) for one in found.entrants]
    show(table("engine", *head, rows=rows, words=1), "", verdict(said), f"batch {batch}, n = {repeats}, {machine()}")
    for name, why in found.out:
        show(f"{name}: {why}")
    if found.kept:
        show("laconic.load takes the fastest of calls with one sample for its number of threads from now on, on this machine.")


def _entrant_row(one: "Entrant", reference_ms: float) -> tuple[str, ...]:
    spread = f"± {one.timed.measure.spread:.2g}"
    ratio = times(reference_ms / one.ms)
    return (one.choice.engine, one.choice.precision, str(one.threads), f"{one.ms:.4g} ms", spread, ratio, f"{one.error:.1e}")


def _entrant_json(one: "Entrant") -> dict[str, Any]:
    return asdict(one.choice) | {"threads": one.threads, "ms": one.ms, "spread": one.timed.measure.spread, "error": one.error}


def _rival(original: str, session: "Session", threads: int) -> Callable[["np.ndarray"], "np.ndarray"]:
    if original.endswith(".lac"):
        from laconic.runtime import load

        return load(Path(original), threads)
    if original.endswith(".onnx"):
        from laconic.runtime.original import open_original

        return open_original(Path(original), threads)
    import torch

    from laconic.cli.progress import at_work
    from laconic.cli.turns import random_inputs
    from laconic.train import as_runner
    from laconic.zoo.reference import build_model

    torch.set_num_threads(threads)
    inputs = random_inputs(session, 1)
    with at_work(), foreign_code(f"{original} does not run on samples of shape {inputs.shape[1:]}", ModelError):
        run = as_runner(build_model(original, classes=len(session.notes.classes) or None, sample_shape=inputs.shape[1:]))
        run(inputs)
    return run


def _table(timed: list["Timed"], batch: int) -> Table:
    rows = [
        (
            one.name,
            f"{one.measure.value:.4g} ms",
            f"± {one.measure.spread:.2g}",
            f"{one.cpu_ms:.4g} ms",
            grouped(1000 * batch / one.measure.value),
        )
        for one in timed
    ]
    return table("", "median", "spread", "CPU time", "samples/s", rows=rows)


def _sentence(timed: list["Timed"], speed: Speed | None) -> str:
    ours = timed[0]
    if speed is None:
        return f"{ours.name} takes {ours.measure.value:.3g} ms a call (n = {ours.measure.n})."
    wall, cpu = speed
    how = "about as fast" if abs(wall.value - 1) <= _SAME else f"{times(wall.value)} as fast"
    figures = f"median of {wall.n} pairs {times(wall.value)} ± {wall.spread:.2g}; CPU time {times(cpu)}"
    return f"{ours.name} is {how} as {timed[1].name} ({figures})."


def _setting(batch: int, threads: int) -> str:
    return f"batch {batch}, {threads} thread{'s' if threads > 1 else ''}, {machine()}"


def _for_machines(timed: list["Timed"], speed: Speed | None) -> dict[str, Any]:
    runs = [{"name": one.name, "wall": asdict(one.measure), "cpu_ms": one.cpu_ms, "calm": one.calm} for one in timed]
    return {"runs": runs} | ({"speed_ratio": asdict(speed[0]), "cpu_ratio": speed[1]} if speed else {})
