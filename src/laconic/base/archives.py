"""NumPy archives that strangers wrote: arrays of numbers out, nothing run."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from laconic.base.errors import DataError


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive, by name.

    Raises:
        DataError: no such file, a damaged one, other files in it, or Python objects (refused: they are pickles).
    """
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    if not zipfile.is_zipfile(path):
        raise DataError("the file is no NumPy archive", where=str(path), hint="write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: _array(archive[name], name) for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"the archive cannot be read: {cause}", where=str(path), hint="write it with numpy.savez, numbers only") from cause


def _array(found: object, name: str) -> np.ndarray:
    if not isinstance(found, np.ndarray):  # numpy hands out the bytes of whatever else lies in the archive
        raise ValueError(f"{name} is no array")
    return found
