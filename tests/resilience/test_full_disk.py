"""A disk that fills up, or a write that is torn, at any moment of a whole compress (bars R14 and R15)."""

import builtins
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OLD = b"what stood here before"
OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "chmod"), (tempfile, "mkstemp"), (builtins, "open"))


class Disk:
    """Counts what is done to the files below a folder, and fails the operation that it is told to."""

    def __init__(self, home: Path) -> None:
        self.home, self.done, self.fail_at, self.error = home, 0, 0, errno.ENOSPC

    def watch(self, name: str, honest: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*given: Any, **named: Any) -> Any:
            if name == "open" and not self._is_written(*given):
                return honest(*given, **named)
            self.done += 1
            if self.done == self.fail_at:
                raise OSError(self.error, os.strerror(self.error))
            return honest(*given, **named)

        return operation

    def _is_written(self, path: object, mode: str = "r", *_: object) -> bool:
        return isinstance(path, str | Path) and Path(path).is_relative_to(self.home) and mode != "rb"

    @contextmanager
    def failing(self, at: int, error: int = errno.ENOSPC) -> Iterator[None]:
        self.done, self.fail_at, self.error = 0, at, error
        yield
        self.fail_at = 0


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk that `tmp_path` is on."""
    watched = Disk(tmp_path)
    for module, name in OPERATIONS:
        monkeypatch.setattr(module, name, watched.watch(name, getattr(module, name)))
    return watched


def strays(home: Path) -> list[Path]:
    return list(home.rglob(".laconic-*"))


def assert_survived(at: int, error: int, disk: Disk, press: Any, whole: bytes) -> None:
    """Fail one operation of a compress: a typed error, the old file or the new one, no strays, and the same bytes after all."""
    home = disk.home / str(at)
    home.mkdir()
    (home / "small.lac").write_bytes(OLD)
    with disk.failing(at, error):
        done = press(home / "small.lac")
    assert done.code == 6, (at, done.said)
    assert ("the disk is full" in done.said) == (error == errno.ENOSPC), (at, done.said)
    assert "Traceback" not in done.said
    assert (home / "small.lac").read_bytes() in (OLD, whole), at
    assert not strays(home), at
    done = press(home / "small.lac", "--resume")
    assert done.code == 0, (at, done.said)
    assert (home / "small.lac").read_bytes() == whole, at
    assert (home / "small.lac.run" / "report.html").stat().st_size > 1000
    assert not strays(home), at


@pytest.fixture
def whole(disk: Disk, press: Any) -> bytes:
    """The bytes of a run that nothing goes wrong in; afterwards `disk.done` says how many operations it took."""
    with disk.failing(0):
        assert press(disk.home / "whole.lac").code == 0
    return (disk.home / "whole.lac").read_bytes()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.8, 1.0])
def test_a_disk_that_fills_up_early_or_late(disk: Disk, press: Any, whole: bytes, place: float) -> None:
    assert disk.done > 20
    assert_survived(1 + round(place * (disk.done - 1)), errno.ENOSPC, disk, press, whole)


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_a_disk_that_fails_at_any_operation(disk: Disk, press: Any, whole: bytes, error: int) -> None:
    for at in range(1, disk.done + 1):
        assert_survived(at, error, disk, press, whole)


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.mark.slow
def test_a_write_that_is_torn_anywhere_leaves_the_old_file_or_the_new_one(
    disk: Disk, press: Any, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop at the N-th flush, and leave only half of what was written: what the journal names is whole, and the run goes on."""
    flush, flushes, tear_at = os.fsync, 0, 0

    def tear(handle: int) -> None:
        nonlocal flushes
        flushes += 1
        if flushes == tear_at:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            raise Killed
        flush(handle)

    monkeypatch.setattr(os, "fsync", tear)
    assert press(disk.home / "again.lac").code == 0
    most = flushes
    assert most > 8
    for n in range(1, most + 1):
        flushes, tear_at = 0, n
        file = disk.home / f"{n}.lac"
        file.write_bytes(OLD)
        with pytest.raises(Killed):
            press(file)
        tear_at = 0
        assert file.read_bytes() in (OLD, whole), n
        assert press(file, "--resume").code == 0, n
        assert file.read_bytes() == whole, n
        assert not strays(disk.home)
