"""The order of values of any type, down to the bit: which are less than others, and which is nearest to zero."""

import numpy as np

from laconic.base.dtypes import MANTISSA, NIBBLES, bits


def ascending(values: np.ndarray) -> np.ndarray:
    """The places of `values` `(n,)` from the least to the greatest; equal ones stay in their order.

    Of floats, −0 stands before +0, and NaNs last, those with a minus first.

    >>> ascending(np.float32([np.nan, 1, 0.0, -0.0, -2]))
    array([4, 3, 2, 1, 0])
    """
    if values.dtype.name not in MANTISSA:
        return np.argsort(_plain(values), kind="stable")
    patterns, sign = bits(values), _sign(values)
    rising = np.where(patterns & sign, ~patterns, patterns | sign)  # as unsigned integers, these ascend as the values do
    with np.errstate(invalid="ignore"):  # NumPy warns of NaNs that it should signal
        return np.lexsort((rising, np.isnan(values)))


def nearest_to_zero(values: np.ndarray) -> int:
    """The place of the value of least magnitude among `values` `(n,)`, n > 0; of several, the first. −0 is as near as +0.

    >>> nearest_to_zero(np.float32([-3, 0.5, -0.5])), nearest_to_zero(np.int8([-128, 127]))
    (1, 1)
    """
    if values.dtype.name in MANTISSA:
        return int(np.argmin(bits(values) & ~_sign(values)))
    plain = _plain(values)
    return int(np.argmin(np.abs(plain).view(f"u{plain.itemsize}")))  # unsigned: the lowest integer has no opposite


def _sign(values: np.ndarray) -> np.unsignedinteger:
    """The bit of the sign."""
    sign: np.unsignedinteger = np.dtype(f"u{values.itemsize}").type(1 << (8 * values.itemsize - 1))
    return sign


def _plain(values: np.ndarray) -> np.ndarray:
    """Integers of a type that NumPy can sort."""
    return values.astype(np.int8) if values.dtype.name in NIBBLES else values
