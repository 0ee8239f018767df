"""What a command imports, in a process of its own, and where what it prints goes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

PROBE = """
import json, sys
from laconic.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split())
    except SystemExit as end:
        assert not end.code, line
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(*lines: str) -> set[str]:
    """The modules that commands leave in their process."""
    done = subprocess.run([sys.executable, "-c", PROBE, *lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.strip().splitlines()[-1]))


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "numba", "onnx", "onnxruntime", "pydantic", "yaml", "jinja2", "matplotlib", "PIL"}
    assert not imported("--help") & heavy


def test_inspect_runs_nothing(desk: Any) -> None:
    assert not imported(f"inspect {desk.small}") & {"torch", "onnxruntime", "jinja2"}


def test_the_running_wing_needs_no_torch(desk: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 6, 6), np.uint8))
    found = imported(
        f"inspect {desk.small}",
        f"verify {desk.small}",
        f"run {desk.small} {tmp_path / 'x.npy'}",
        f"bench {desk.small} {desk.small} --repeats 2",
        f"export {desk.small} --to onnx -o {tmp_path / 'x.onnx'}",
        f"unpack {desk.small} -o {tmp_path / 'x.npz'}",
        f"pack {tmp_path / 'x.npz'} -o {tmp_path / 'x.lac'}",
    )
    assert not found & {"torch", "onnxscript", "jinja2", "matplotlib"}  # pydantic comes with typer, yaml with numba
    assert "onnxruntime" in found


def test_a_pipe_gets_plain_whole_lines(process: Any, desk: Any) -> None:
    done = process("inspect", desk.small)
    assert done.code == 0
    assert done.err == ""
    assert "\x1b" not in done.out
    assert sum(line.startswith("0.weight ") for line in done.out.splitlines()) == 1


def test_results_go_to_stdout_and_progress_and_warnings_to_stderr(process: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3, np.float32))
    done = process("pack", tmp_path / "x.npz", "-o", tmp_path / "x.lac", "--json")
    assert done.json()["forms"] == {"x": "dense"}
    assert done.err.startswith("pack: ")
    assert "\nwarning: " in done.err


def test_errors_leave_stdout_empty(process: Any, tmp_path: Path) -> None:
    done = process("verify", tmp_path / "gone.lac")
    assert (done.code, done.out) == (2, "")
    assert "gone.lac" in done.err
