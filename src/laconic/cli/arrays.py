"""Decoded tensors on their way out of a file."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from laconic.artifact import Artifact
from laconic.base.errors import UsageError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell: the same arrays give the same bytes


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
