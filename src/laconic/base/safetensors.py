"""Files in the safetensors format, read and written tensor by tensor: a header in JSON, then the bytes of the tensors.

file    =  u64 length of the header  header  bytes, little-endian, without gaps
header  =  {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …, "__metadata__": {…}}
"""

import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from laconic.base.archives import Stored
from laconic.base.dtypes import dtype_of
from laconic.base.errors import DataError

DTYPES = {
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "F32": "float32",
    "U32": "uint32",
    "I32": "int32",
    "BF16": "bfloat16",
    "F16": "float16",
    "U16": "uint16",
    "I16": "int16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The format's name of each type → ours, in the order in which the reference implementation writes tensors: the widest first."""

LARGEST_HEADER = 100_000_000  # bytes, as in the reference implementation
_METADATA = "__metadata__"
_ALIGNMENT = 8


def open_safetensors(path: Path) -> dict[str, Stored]:
    """The tensors of a file, by name, none read before it is asked for.

    Raises:
        DataError: no such file, a damaged one, or a tensor of a type that is not known; some of it when a tensor is read.
    """
    if not path.is_file():
        raise DataError("a folder stands where the file should be" if path.is_dir() else "there is no such file", where=str(path))
    try:
        with path.open("rb") as file:
            header, start = _read_header(file)
            end = os.fstat(file.fileno()).st_size
        return _opened(path, header, start, end)
    except OSError as cause:
        raise DataError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise _damaged(path, f"{type(cause).__name__} in the header") from cause


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
    if length > LARGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    return json.loads(file.read(length), object_pairs_hook=_without_duplicates), 8 + length


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found = list(pairs)
    if len(dict(found)) < len(found):
        raise ValueError("a name that stands twice")
    return dict(found)


def _opened(path: Path, header: dict[str, Any], start: int, end: int) -> dict[str, Stored]:
    tensors = {name: said for name, said in header.items() if name != _METADATA}
    found = {name: _stored(path, start, name, said) for name, said in tensors.items()}
    at = 0
    for first, last in sorted(said["data_offsets"] for said in tensors.values()):
        if first != at:
            raise _damaged(path, "its tensors overlap or leave gaps")
        at = last
    if start + at != end:
        raise _damaged(path, f"it ends at byte {end}, its tensors at byte {start + at}")
    return found


def _stored(path: Path, start: int, name: str, said: dict[str, Any]) -> Stored:
    if said["dtype"] not in DTYPES:
        raise DataError(f"{name} is of type {said['dtype']}", where=str(path), hint=f"known types: {', '.join(DTYPES)}")
    dtype, shape, (first, last) = dtype_of(DTYPES[said["dtype"]]), tuple(said["shape"]), said["data_offsets"]
    if not all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in (*shape, first, last)):
        raise ValueError("a number that is none")
    if last - first != math.prod(shape) * dtype.itemsize:
        raise _damaged(path, f"{name} has {last - first} bytes, which is not what its type and shape take")
    return Stored(last - first, lambda: _read(path, start + first, dtype, shape))


def _read(path: Path, at: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    try:
        patterns = np.fromfile(path, f"<u{dtype.itemsize}", math.prod(shape), offset=at)
        return patterns.astype(f"u{dtype.itemsize}", copy=False).view(dtype).reshape(shape)
    except OSError as cause:
        raise DataError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause
    except ValueError as cause:
        raise _damaged(path, "it has become shorter") from cause


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"the file is damaged: {reason}", where=str(path), hint="fetch or save it again")


def write_safetensors(
    file: BinaryIO, kinds: Mapping[str, tuple[np.dtype, tuple[int, ...]]], tensors: Iterable[tuple[str, np.ndarray]]
) -> None:
    """Write a file; only one tensor need exist at a time.

    Args:
        file: to write to, from its beginning.
        kinds: name → type and shape of every tensor.
        tensors: names and values, in any order.

    Raises:
        DataError: a type that the format does not have.
    """
    words = {ours: word for word, ours in DTYPES.items()}
    order = list(words)
    unknown = [name for name, (dtype, _) in kinds.items() if dtype.name not in words]
    if unknown:
        raise DataError(f"{unknown[0]} is of type {kinds[unknown[0]][0].name}", hint=f"safetensors holds {', '.join(words)}")
    header: dict[str, dict[str, Any]] = {}
    at = 0
    for name, (dtype, shape) in sorted(kinds.items(), key=lambda item: (order.index(item[1][0].name), item[0])):
        end = at + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": words[dtype.name], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(text)) + text)
    for name, array in tensors:
        file.seek(8 + len(text) + header[name]["data_offsets"][0])
        file.write(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(-1).view(np.uint8).data)
