"""Atomic files: the old bytes or the new ones, never a mixture, never a stray temporary."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from laconic.base.errors import ResourceError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEMPORARY = ".laconic-"


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to disk, and rename it into place.

    Raises:
        UsageError: `path` is a folder, or its folder does not exist.
        ResourceError: the disk is full, or may not be written to; `path` is as it was.
    """
    if path.is_dir():
        raise UsageError("a folder stands where the file should go", where=str(path), hint="name a file inside it")
    if not path.parent.is_dir():
        raise UsageError("the folder to write into does not exist", where=str(path.parent), hint="create it first")
    with reported(path):
        _write_and_rename(path, content)


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


def _write_and_rename(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def sweep(folder: Path) -> None:
    """Remove temporaries that a killed process left in a folder that this process alone works in."""
    for stray in folder.glob(f"{_TEMPORARY}*"):
        stray.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
