"""Atomic files: the old bytes or the new ones, never a mixture, never a stray temporary. And large ones, looked at piece by piece."""

import contextlib
import errno
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from laconic.base.errors import ResourceError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEMPORARY = ".laconic-"
_IN_MEMORY = 1 << 24
_CHUNK = 1 << 22


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to disk, and rename it into place.

    Raises:
        UsageError, ResourceError: as `writing`.
    """
    with writing(path) as file:
        file.write(content)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `path`, to write and to read; when the block ends well, it is flushed to disk and renamed into place.

    Raises:
        UsageError: `path` is a folder, or its folder does not exist.
        ResourceError: the disk is full, or may not be written to; `path` is as it was.
    """
    if path.is_dir():
        raise UsageError("a folder stands where the file should go", where=str(path), hint="name a file inside it")
    if not path.parent.is_dir():
        raise UsageError("the folder to write into does not exist", where=str(path.parent), hint="create it first")
    with reported(path), _renamed(path) as file:
        yield file


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into an error that a person can act on."""
    try:
        yield
    except (NotADirectoryError, FileNotFoundError) as cause:
        raise UsageError(f"nothing can be written there: {cause.strerror}", where=str(path), hint="name another place") from cause
    except OSError as cause:
        what = "the disk is full" if cause.errno in _FULL else f"the file cannot be written: {cause.strerror}"
        hint = "what stood there before is untouched; free space or choose another folder"
        raise ResourceError(what, where=str(path), hint=hint) from cause


@contextlib.contextmanager
def _renamed(path: Path) -> Iterator[BinaryIO]:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


class Spool:
    """Bytes that wait for their place: in memory at first, in a file without a name when they are many.

    Args:
        folder: of that file; None keeps all in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        most = 0 if folder is None else _IN_MEMORY  # 0: no bound
        self._file = tempfile.SpooledTemporaryFile(most, dir=str(folder) if folder else None, prefix=_TEMPORARY)  # noqa: SIM115  closed by __exit__
        self._length = 0

    def write(self, content: bytes) -> None:
        """Add `content` at the end."""
        self._file.write(content)
        self._length += len(content)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """All of it, in chunks."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def mapped(file: BinaryIO) -> memoryview:
    """The content of an open file that has some, without reading it; it stays what it is when the file is renamed or replaced."""
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def forget(content: memoryview) -> None:
    """Let go of the memory that a mapped file has taken up so far; whatever is looked at again comes from the file again."""
    if isinstance(content.obj, mmap.mmap):
        content.obj.madvise(mmap.MADV_DONTNEED)


def sweep(folder: Path) -> None:
    """Remove temporaries that a killed process left in a folder that this process alone works in."""
    for stray in folder.glob(f"{_TEMPORARY}*"):
        stray.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
