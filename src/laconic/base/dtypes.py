"""The types of values: NumPy's, and those of ml_dtypes, which comes with onnx. A name stands for the same type everywhere."""

import numpy as np

MANTISSA = {"float32": 23, "float16": 10, "bfloat16": 7, "float64": 52, "float8_e4m3fn": 3, "float8_e5m2": 2}
"""Bits of the mantissa of each floating type. NumPy's `kind` does not tell which of ml_dtypes' types are floats."""

NIBBLES = {"int4": (-8, 7), "uint4": (0, 15)}
"""Least and greatest value of the types that have half of the byte that they take in memory."""

_OF_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2", *NIBBLES)


def dtype_of(name: str) -> np.dtype:
    """The type of this name.

    >>> dtype_of("bfloat16").itemsize, dtype_of("float32")
    (2, dtype('float32'))
    """
    if name in _OF_ML_DTYPES:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def is_floating(dtype: np.dtype) -> bool:
    """Whether values of this type have a sign, an exponent and a mantissa.

    >>> is_floating(dtype_of("float8_e4m3fn")), is_floating(dtype_of("int4"))
    (True, False)
    """
    return dtype.name in MANTISSA


def bits(array: np.ndarray) -> np.ndarray:
    """The values' bit patterns as unsigned integers of the same width and shape; of 4-bit integers, the lower half of the byte.

    >>> bits(np.float32([1, -0.0])).tolist() == [0x3F800000, 0x80000000]
    True
    """
    patterns = np.ascontiguousarray(array).view(np.dtype(f"u{array.dtype.itemsize}")).reshape(array.shape)
    return patterns & np.uint8(15) if array.dtype.name in NIBBLES else patterns
