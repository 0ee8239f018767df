"""Where results may go, and where they may not (bar R18)."""

import os
from pathlib import Path
from typing import Any

import pytest

OLD = b"what stood here before"


@pytest.mark.parametrize(
    "name",
    ["with spaces .lac", "网络 Ünïcode ✓.lac", "quote'\";$(ls)&.lac", "-dash.lac", "no suffix", "n" * 240 + ".lac", "[brackets].lac"],
)
def test_any_name_will_do(name: str, tmp_path: Path, press: Any) -> None:
    done = press(tmp_path / name)
    assert done.code == 0, done.said
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.run"}
    assert (tmp_path / f"{name}.run" / "results.json").is_file()


def test_a_name_that_no_file_system_takes(tmp_path: Path, press: Any) -> None:
    done = press(tmp_path / ("n" * 300))
    assert done.code in (2, 6)
    assert "Traceback" not in done.said
    assert "where:" in done.said
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_before_anything_is_done(tmp_path: Path, press: Any) -> None:
    done = press(tmp_path / "missing" / "small.lac")
    assert done.code == 2
    assert "does not exist" in done.said
    assert str(tmp_path / "missing") in done.said.replace("\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_the_file_should_go(tmp_path: Path, press: Any) -> None:
    done = press(tmp_path)
    assert (done.code, "name a file inside it" in done.said) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_run_should_go(tmp_path: Path, press: Any) -> None:
    (tmp_path / "story").write_bytes(OLD)
    assert press(tmp_path / "small.lac", "--run", str(tmp_path / "story")).code == 2
    assert press(tmp_path / "small.lac", "--run", str(tmp_path / "story" / "deeper")).code in (2, 6)
    assert (tmp_path / "story").read_bytes() == OLD
    assert not (tmp_path / "small.lac").exists()


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by `os.access`, so that it also holds for a superuser, whom no mode stops."""
    honest = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and honest(path, mode))
    done = press(tmp_path / "small.lac")
    assert (done.code, "may not be written to" in done.said) == (6, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="there is no file system here that refuses even the superuser")
def test_a_file_system_that_refuses_everybody(press: Any) -> None:
    done = press(Path("/proc/small.lac"))
    assert done.code in (2, 6)
    assert "Traceback" not in done.said
    assert "did not expect" not in done.said


def test_a_linked_file_and_a_linked_folder(tmp_path: Path, press: Any) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "elsewhere.lac").write_bytes(OLD)
    (tmp_path / "folder").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real" / "small.lac").symlink_to(tmp_path / "elsewhere.lac")
    assert press(tmp_path / "folder" / "small.lac").code == 0
    assert (tmp_path / "real" / "small.lac").read_bytes()[:4] == b"\x89lac"
    assert (tmp_path / "elsewhere.lac").read_bytes() in (OLD, (tmp_path / "real" / "small.lac").read_bytes())


def test_a_link_to_nowhere(tmp_path: Path, press: Any) -> None:
    (tmp_path / "small.lac").symlink_to(tmp_path / "gone" / "small.lac")
    done = press(tmp_path / "small.lac")
    assert done.code in (0, 2, 6)
    assert "Traceback" not in done.said
    assert done.code or (tmp_path / "small.lac").read_bytes()[:4] == b"\x89lac"


def test_a_relative_path_is_taken_from_here(tmp_path: Path, press: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert press(Path("small.lac")).code == 0
    assert (tmp_path / "small.lac").is_file()
