"""Locks that the kernel releases when their holder dies, however it dies: a stale lock cannot exist."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laconic.base.errors import ResourceError
from laconic.base.files import reported


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the body runs.

    Raises:
        ResourceError: another process holds it.
    """
    with reported(path):
        file = open(path, "ab")  # noqa: SIM115  closed below; what the body raises is not about this file
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            hint = "wait for it, or choose another folder"
            raise ResourceError(f"another process is working on {what}", where=str(path.parent), hint=hint) from cause
        yield
