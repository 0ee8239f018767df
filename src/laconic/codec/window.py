"""The window of an array: the lowest value and the bits that every value needs above it.

Written as one byte, the width, whose top bit says whether the lowest value follows (a zigzag varint) or is 0.
"""

import numpy as np

from laconic.base.errors import CodecError
from laconic.codec.varint import read_varint, unzigzag, write_varint, zigzag

_LOWEST_FOLLOWS = 128


def reach(values: np.ndarray) -> int:
    """Highest minus lowest of int64 values `(n,)`, n > 0; up to `2⁶⁴ − 1`, so as a Python integer."""
    return int(values.max()) - int(values.min())


def lower(values: np.ndarray) -> tuple[bytes, int, np.ndarray]:
    """Header, width in bits, and the int64 `values` `(n,)` above their lowest (as 64-bit patterns).

    A lowest value that 0 can stand in for without a wider window becomes 0, which costs no byte.
    """
    low, width = int(values.min()), reach(values).bit_length()
    if low >= 0 and int(values.max()).bit_length() == width:
        low = 0
    header = bytes([width]) if low == 0 else bytes([width | _LOWEST_FOLLOWS]) + write_varint(zigzag(low))
    return header, width, values - np.int64(low) if low else values  # modulo 2⁶⁴, as numpy's arrays are


def read_window(stream: memoryview, widest: int) -> tuple[np.int64, int, memoryview]:
    """The lowest value, the width in bits, and what follows the header.

    Raises:
        CodecError: no header, or a width above `widest`.
    """
    if not stream:
        raise CodecError("the stream ends before its window")
    width, low, at = stream[0] & ~_LOWEST_FOLLOWS, 0, 1
    if stream[0] & _LOWEST_FOLLOWS:
        number, at = read_varint(stream, 1)
        low = unzigzag(number)
    if width > widest:
        raise CodecError(f"values of {width} bits where at most {widest} are possible")
    return np.int64(low), width, stream[at:]
