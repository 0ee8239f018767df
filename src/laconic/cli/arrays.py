"""Named arrays on their way into a file and out of it."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from laconic.artifact import Artifact
from laconic.base.errors import DataError, UsageError
from laconic.forms import Dense, Form

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell: the same arrays give the same bytes


def read_npz(path: Path) -> dict[str, Form]:
    """The arrays of a NumPy archive, as they are.

    Raises:
        DataError: no such file, a damaged one, other files in it, or Python objects (refused: they are pickles).
    """
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    if not zipfile.is_zipfile(path):
        raise DataError("the file is no NumPy archive", where=str(path), hint="write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: Dense.of(archive[name]) for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"the archive cannot be read: {cause}", where=str(path), hint="write it with numpy.savez, numbers only") from cause


def write_arrays(artifact: Artifact, suffix: str) -> bytes:
    """All tensors by name, decoded, as the bytes of a `.npz` or `.safetensors` file.

    An archive of NumPy's has no bfloat16: there such values become float32, which holds each of them exactly.

    Raises:
        UsageError: another suffix.
    """
    arrays = {name: form.array() for name, form in artifact.tensors.items()}
    match suffix:
        case ".npz":
            return _npz(arrays)
        case ".safetensors":
            import safetensors.numpy

            return safetensors.numpy.save(arrays)
    raise UsageError(f"arrays are not written as {suffix or 'a file without a suffix'}", hint="name a file .npz or .safetensors")


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """As numpy.savez writes it, but for names: there `file` and `allow_pickle` are taken."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            plain = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, plain, allow_pickle=False)
    return buffer.getvalue()
