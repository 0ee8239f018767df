"""Decoded tensors on their way out of a file, one at a time."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from laconic.artifact import Tensor, TensorEntry, layout, unpack_each
from laconic.base.dtypes import NIBBLES, dtype_of
from laconic.base.errors import UsageError
from laconic.base.files import writing
from laconic.base.progress import Progress, silent
from laconic.base.safetensors import write_safetensors

_FOREIGN = 2  # how NumPy marks types that it was taught, such as ml_dtypes'
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell: the same arrays give the same bytes


def write_arrays(path: Path, content: bytes | memoryview, suffix: str, progress: Progress = silent) -> None:
    """All tensors of a `.lac` file by name, decoded, as a `.npz` or `.safetensors` file.

    Integers of 4 bits become those of 8. An archive of NumPy's has no bfloat16 and no floats of 8 bits: there such values become
    float32, which holds each of them exactly.

    Args:
        path: of the file to write; it appears when it is whole.
        content: of the `.lac` file.
        suffix: which of the two.
        progress: is told the share of the weights that has been written.

    Raises:
        UsageError: another suffix. ArtifactError: the file is damaged.
    """
    if suffix not in (".npz", ".safetensors"):
        raise UsageError(f"arrays are not written as {suffix or 'a file without a suffix'}", hint="name a file .npz or .safetensors")
    entries = layout(content).entries
    arrays = _told(unpack_each(content), sum(entry.size for entry in entries), progress)
    with writing(path) as file:
        if suffix == ".npz":
            _write_npz(file, arrays)
        else:
            write_safetensors(file, {entry.name: (_kind(entry), entry.shape) for entry in entries}, arrays)


def _told(tensors: Iterator[Tensor], total: int, progress: Progress) -> Iterator[tuple[str, np.ndarray]]:
    done = 0
    for tensor in tensors:
        yield tensor.entry.name, tensor.form.array().astype(_kind(tensor.entry), copy=False)
        done += tensor.entry.size
        progress("unpack", done / max(total, 1), tensor.entry.name)
        del tensor  # before the next is made


def _kind(entry: TensorEntry) -> np.dtype:
    return np.dtype(np.int8 if entry.dtype == "int4" else np.uint8) if entry.dtype in NIBBLES else dtype_of(entry.dtype)


def _write_npz(file: BinaryIO, arrays: Iterator[tuple[str, np.ndarray]]) -> None:
    """As numpy.savez writes it, but for names: there `file` and `allow_pickle` are taken."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays:
            plain = array.astype(np.float32) if array.dtype.isbuiltin == _FOREIGN else array
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, plain, allow_pickle=False)
