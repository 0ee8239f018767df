"""`laconic inspect`: where a file's bytes are."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from laconic.cli.options import File, Json
from laconic.cli.terminal import grouped, show, show_json, sides, size, table, times, verdict

if TYPE_CHECKING:
    from laconic.artifact import Layout, TensorEntry

SHARED = "Small tensors and tables stand in pools, one for each type; a tensor's part of a pool is estimated by its number of values."


def inspect(file: File, as_json: Json = False) -> None:
    """Show where the bytes of a file are.

    Tensor by tensor and section by section. Everything is decoded for it: only the decoder knows where a tensor's bytes begin.
    """
    from laconic.artifact import layout, read, unpack_each
    from laconic.artifact.files import identity

    content = read(file)
    found = layout(content)
    shares = [tensor.bytes for tensor in unpack_each(content)]
    sha256 = identity(content)
    if as_json:
        tensors = [asdict(entry) | {"bytes": share} for entry, share in zip(found.entries, shares, strict=True)]
        told = {"file": str(file), "bytes": len(content), "sha256": sha256, "sections": dict(found.sections)}
        show_json(told | {"streams": _streams(found), "tensors": tensors})
    else:
        notes = [SHARED] if found.directory.pools else []
        show(_tensors(found, shares), "", _sections(found), "", verdict(_sentence(found)), *notes, f"sha256 {sha256}")


def _tensors(found: "Layout", shares: Sequence[int]) -> Table:
    headings = ("form", "shape", "type", "bytes", "bits/weight")
    rows = [_row(entry, share, found.named) for entry, share in zip(found.entries, shares, strict=True)]
    return table("tensor", *headings, rows=rows, words=3)


def _row(entry: "TensorEntry", share: int, named: bool) -> tuple[str, ...]:
    bits = 8 * share / max(entry.size, 1)
    form = f"tied to {entry.tied_to}" if entry.form == "tied" else entry.form
    return (entry.name if named else f"#{entry.name}", form, sides(entry.shape), entry.dtype, grouped(share), f"{bits:.2f}")


def _sections(found: "Layout") -> Table:
    whole = sum(found.sections.values())
    parts = [(name, count) for name, count in found.sections.items()]
    place = list(found.sections).index("streams") + 1
    parts[place:place] = [(f"  {name}", count) for name, count in _streams(found).items() if count]
    rows = [(name, grouped(count), f"{100 * count / whole:.1f} %") for name, count in (*parts, ("file", whole))]
    return table("section", "bytes", "share", rows=rows)


def _streams(found: "Layout") -> dict[str, int]:
    """Bytes of each kind of stream."""
    directory = found.directory
    groups = sum(group.length for group in directory.groups)
    return {"pools": sum(directory.pools.values()), "tails": sum(directory.tails.values()), "groups": groups}


def _sentence(found: "Layout") -> str:
    own = [entry for entry in found.entries if entry.form != "tied"]
    weights, raw, whole = sum(e.size for e in own), sum(e.size * e.width for e in own), sum(found.sections.values())
    graph = "with its graph" if "graph" in found.sections else "without a graph"
    ratio = f", {times(raw / whole)} smaller than decoded ({size(raw)})" if raw > whole else ""
    return f"{grouped(weights)} weights, {graph}, in {size(whole)}: {8 * whole / max(weights, 1):.2f} bits a weight{ratio}."
