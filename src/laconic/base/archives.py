"""NumPy archives that strangers wrote: arrays of numbers out, nothing run."""

import contextlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from laconic.base.errors import DataError


class Stored(NamedTuple):
    """An array in a file.

    Args:
        bytes: that it takes there.
        read: reads it, anew each time.
    """

    bytes: int
    read: Callable[[], np.ndarray]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive, by name.

    Raises:
        DataError: no such file, a damaged one, other files in it, or Python objects (refused: they are pickles).
    """
    return {name: stored.read() for name, stored in open_npz(path).items()}


def open_npz(path: Path) -> dict[str, Stored]:
    """The same, without reading any array before it is asked for.

    Raises:
        DataError: as `read_npz`, some of it when an array is read.
    """
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    if not zipfile.is_zipfile(path):
        raise DataError("the file is no NumPy archive", where=str(path), hint="write it with numpy.savez")

    with _reported(path), np.load(path, allow_pickle=False) as archive:
        sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.zip.infolist()}
        return {name: Stored(sizes[name], lambda name=name: _read(path, name)) for name in archive.files}  # type: ignore[misc]


def _read(path: Path, name: str) -> np.ndarray:
    with _reported(path), np.load(path, allow_pickle=False) as archive:
        found = archive[name]
        if not isinstance(found, np.ndarray):  # numpy hands out the bytes of whatever else lies in the archive
            raise ValueError(f"{name} is no array")
        return found


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"the archive cannot be read: {cause}", where=str(path), hint="write it with numpy.savez, numbers only") from cause
