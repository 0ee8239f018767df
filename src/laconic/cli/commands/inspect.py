"""`laconic inspect`: where a file's bytes are."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from laconic.cli.options import File, Json
from laconic.cli.terminal import grouped, show, show_json, sides, size, table, times, verdict

if TYPE_CHECKING:
    from laconic.artifact import Layout, TensorEntry


def inspect(file: File, as_json: Json = False) -> None:
    """Show where the bytes of a file are.

    Tensor by tensor and section by section; checksums are verified, no weight is decoded.
    """
    from laconic.artifact import layout, read
    from laconic.artifact.files import identity

    content = read(file)
    found = layout(content)
    sha256 = identity(content)
    if as_json:
        tensors = [asdict(entry) | {"bytes": entry.stream_bytes} for entry in found.entries]
        show_json({"file": str(file), "bytes": len(content), "sha256": sha256, "sections": dict(found.sections), "tensors": tensors})
    else:
        show(_tensors(found), "", _sections(found), "", verdict(_sentence(found)), f"sha256 {sha256}")


def _tensors(found: "Layout") -> Table:
    headings = ("form", "shape", "type", "bytes", "bits/weight")
    return table("tensor", *headings, rows=[_row(entry, found.named) for entry in found.entries], words=3)


def _row(entry: "TensorEntry", named: bool) -> tuple[str, ...]:
    bits = 8 * entry.stream_bytes / max(entry.size, 1)
    form = f"tied to {entry.tied_to}" if entry.form == "tied" else entry.form
    return (entry.name if named else f"#{entry.name}", form, sides(entry.shape), entry.dtype, grouped(entry.stream_bytes), f"{bits:.2f}")


def _sections(found: "Layout") -> Table:
    whole = sum(found.sections.values())
    rows = [(name, grouped(count), f"{100 * count / whole:.1f} %") for name, count in found.sections.items()]
    return table("section", "bytes", "share", rows=[*rows, ("file", grouped(whole), "100.0 %")])


def _sentence(found: "Layout") -> str:
    own = [entry for entry in found.entries if entry.form != "tied"]
    weights, raw, whole = sum(e.size for e in own), sum(map(_decoded, own)), sum(found.sections.values())
    graph = "with its graph" if "graph" in found.sections else "without a graph"
    ratio = f", {times(raw / whole)} smaller than decoded ({size(raw)})" if raw > whole else ""
    return f"{grouped(weights)} weights, {graph}, in {size(whole)}: {8 * whole / max(weights, 1):.2f} bits a weight{ratio}."


def _decoded(entry: "TensorEntry") -> int:
    import numpy as np

    return entry.size * (2 if entry.dtype == "bfloat16" else np.dtype(entry.dtype).itemsize)
