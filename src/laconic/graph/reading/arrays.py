"""ONNX tensors ⇄ arrays, and the types that a `.lac` file has no number for."""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from laconic.base.errors import ModelError
from laconic.graph.reading.external import external_bytes

STORED_AS: dict[int, int] = {
    TensorProto.INT4: TensorProto.INT8,
    TensorProto.UINT4: TensorProto.UINT8,
    TensorProto.INT2: TensorProto.INT8,
    TensorProto.UINT2: TensorProto.UINT8,
    TensorProto.UINT16: TensorProto.INT32,
    TensorProto.UINT32: TensorProto.INT64,
    TensorProto.FLOAT8E4M3FN: TensorProto.FLOAT16,
    TensorProto.FLOAT8E4M3FNUZ: TensorProto.FLOAT16,
    TensorProto.FLOAT8E5M2: TensorProto.FLOAT16,
    TensorProto.FLOAT8E5M2FNUZ: TensorProto.FLOAT16,
    TensorProto.FLOAT4E2M1: TensorProto.FLOAT16,
}
"""Type → the least type of a file that holds each of its values. The graph casts them back, so engines see what they saw."""


def array_of(tensor: onnx.TensorProto, folder: Path) -> np.ndarray:
    """The values of a tensor, with its own type (ml_dtypes' where numpy has none); `folder` is that of the file.

    Raises:
        ModelError: a type without numbers, a shape that its bytes do not fill, or data outside the folder.
    """
    where = f"tensor {tensor.name!r}"
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError as cause:
        raise ModelError(f"the tensor has no type that ONNX knows ({tensor.data_type})", where=where) from cause
    if dtype.kind == "O" or tensor.data_type == TensorProto.STRING:
        raise ModelError("the tensor holds text, not numbers", where=where, hint="give the network without its tokenizer")
    if any(side < 0 for side in tensor.dims):
        raise ModelError(f"the tensor has the shape {list(tensor.dims)}", where=where)
    try:
        return onnx.numpy_helper.to_array(_within(tensor, folder))
    except (ValueError, TypeError, OverflowError, MemoryError) as cause:
        raise ModelError(
            f"the bytes of the tensor do not fill its shape {list(tensor.dims)}", where=where, hint="save the model again"
        ) from cause


def _within(tensor: onnx.TensorProto, folder: Path) -> onnx.TensorProto:
    """The tensor with its bytes inside."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return tensor
    whole = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    whole.raw_data = external_bytes(tensor, folder, _length(tensor))
    return whole


def _length(tensor: onnx.TensorProto) -> int:
    bits = _BITS.get(tensor.data_type, 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    return (math.prod(tensor.dims) * bits + 7) // 8


_BITS = {TensorProto.INT4: 4, TensorProto.UINT4: 4, TensorProto.FLOAT4E2M1: 4, TensorProto.INT2: 2, TensorProto.UINT2: 2}


def type_of(array: np.ndarray) -> int:
    """ONNX's number for the type of an array."""
    number: int = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return number


def stored(array: np.ndarray) -> np.ndarray:
    """The same values in a type that a file holds; complex numbers and 64-bit unsigned integers stay as they are.

    >>> stored(np.array([7, 65535], np.uint16)).dtype
    dtype('int32')
    """
    wider = STORED_AS.get(type_of(array))
    return array if wider is None else array.astype(onnx.helper.tensor_dtype_to_np_dtype(wider))
