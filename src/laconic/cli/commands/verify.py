"""`laconic verify`: is a file sound?"""

from typing import TYPE_CHECKING

from laconic.cli.options import File, Json
from laconic.cli.terminal import show, show_json, sides, size, table, verdict

if TYPE_CHECKING:
    from laconic.artifact import Artifact


def verify(file: File, as_json: Json = False) -> None:
    """Check that a file is sound.

    Every checksum, every weight, its graph, and one run on zeros. The exit code is 5 if anything is wrong.
    """
    from laconic.artifact import layout, read, unpack, unpack_each
    from laconic.artifact.files import identity

    content = read(file)
    sections = layout(content).sections
    artifact = unpack(content) if "graph" in sections else None  # which alone needs all weights at once
    checks = {
        "checksums": f"{len(sections)} parts",
        "weights": f"{len(artifact.tensors) if artifact else sum(1 for _ in unpack_each(content))} tensors decoded",
        "graph": _check_graph(artifact),
        "run": _check_run(artifact),
    }
    sha256 = identity(content)
    if as_json:
        show_json({"file": str(file), "bytes": len(content), "sha256": sha256, "sound": True, "checks": checks})
    else:
        rows = list(checks.items())
        show(
            table("check", "found good", rows=rows, words=1),
            "",
            verdict(f"{file.name} is sound ({size(len(content))})."),
            f"sha256 {sha256}",
        )


def _check_graph(artifact: "Artifact | None") -> str:
    from laconic.artifact.validate import validate

    if artifact is None or artifact.graph is None:
        return "none: the file holds weights only"
    return f"{len(validate(artifact.graph, frozenset(artifact.tensors)).graph.node)} nodes"


def _check_run(artifact: "Artifact | None") -> str:
    import numpy as np

    from laconic.runtime import Session

    if artifact is None:
        return "none: there is no graph to run"
    session = Session(artifact)
    zeros = np.zeros((1, *(side if isinstance(side, int) else 1 for side in session.sample_shape)), np.float32)
    outputs = session(zeros)
    finite = "finite" if np.isfinite(outputs).all() else "NOT ALL FINITE"
    return f"{sides(zeros.shape)} in, {sides(outputs.shape)} out, {finite}"
