"""Whatever surrounds it, the same command makes the same bytes (bar R11); `python bench/determinism.py` does it more often."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

SURROUNDINGS: dict[str, dict[str, str]] = {
    **{f"hash seed {seed}": {"PYTHONHASHSEED": str(seed)} for seed in (0, 4294967295)},
    "locale C": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "locale C.UTF-8": {"LC_ALL": "C.UTF-8"},
    "time zone": {"TZ": "Pacific/Chatham"},
    "no home": {"HOME": "/nonexistent"},
}


@pytest.mark.slow
def test_the_same_command_makes_the_same_bytes_wherever_it_runs(begin: Any, tmp_path: Path) -> None:
    digests = {}
    for name, environment in SURROUNDINGS.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        process = begin(folder / "small.lac", cwd=folder, **environment)
        _, said = process.communicate()
        assert process.returncode == 0, (name, said)
        digests[name] = hashlib.sha256((folder / "small.lac").read_bytes()).hexdigest()
    assert len(set(digests.values())) == 1, digests
