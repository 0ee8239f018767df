"""Where the time of a file goes, layer by layer in its engine, beside another file's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from laconic.artifact import read, unpack
from laconic.base.errors import UsageError
from laconic.base.measures import machine
from laconic.cli.terminal import show, show_json, table, times, verdict
from laconic.cli.turns import random_inputs
from laconic.runtime.by_layer import BETWEEN, by_layer
from laconic.runtime.session import Session

Times = Mapping[str, float]


def tell_layers(file: Path, original: str | None, batch: int, repeats: int, as_json: bool) -> None:
    """Clock the layers of one file, or of two in turns, and print them: those that take most first.

    Raises:
        UsageError: the original is no .lac file. ArtifactError, GraphError: a file is damaged, or the engine refuses it.
    """
    if original is not None and not original.endswith(".lac"):
        found = f"the kernels of {original} are not watched"
        raise UsageError(
            found, where="--layers", hint="compare with another .lac file; `laconic profile MODEL` shows a model's layers in torch"
        )
    paths = {"file": file} | ({"original": Path(original)} if original is not None else {})
    artifacts = {name: unpack(read(path)) for name, path in paths.items()}
    spent = by_layer(artifacts, random_inputs(Session(artifacts["file"]), batch), repeats)
    if as_json:
        names = {name: str(path) for name, path in paths.items()}
        show_json({"batch": batch, "threads": 1, "repeats": repeats, "machine": machine(), **names, "layers": _for_machines(spent)})
        return
    show(_table(spent), "", verdict(_sentence(spent["file"])), f"batch {batch}, n = {repeats}, 1 thread, ONNX Runtime, {machine()}")


def _table(spent: Mapping[str, Times]) -> Table:
    own, other = spent["file"], spent.get("original")
    names = sorted({name for one in spent.values() for name in one}, key=lambda name: -max(one.get(name, 0) for one in spent.values()))
    if other is None:
        return table("layer", "ms", "share", rows=[(name, f"{own[name]:.4f}", _share(own[name], own)) for name in names])
    rows = [(name, f"{own.get(name, 0):.4f}", f"{other.get(name, 0):.4f}", _ratio(other.get(name, 0), own.get(name, 0))) for name in names]
    return table("layer", "ms", "in the other", "as fast", rows=rows)


def _sentence(own: Times) -> str:
    first = max(own, key=own.__getitem__)
    subject = "What stands between layers" if first == BETWEEN else first
    return f"{subject} takes {_share(own[first], own)} of the {sum(own.values()):.3g} ms that kernels take."


def _ratio(slow: float, fast: float) -> str:
    return times(slow / fast) if slow and fast else ""


def _share(part: float, own: Times) -> str:
    return f"{100 * part / (sum(own.values()) or 1):.0f} %"  # kernels may take less than the engine's clock can tell


def _for_machines(spent: Mapping[str, Times]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for one in spent.values() for name in one)
    return [{"layer": name} | {f"{side}_ms": one.get(name) for side, one in spent.items()} for name in names]
