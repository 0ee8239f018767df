"""Floats ⇄ what can be predicted of them and what cannot: heads, which are coded by context, and tails, which are moved as they are.

    pattern   s eeeeeeee m mmmmmmmmmmmmmmmmmmmmmm    of w bits, m of them mantissa; here a float32
    step        eeeeeeee m                           two of them make an octave
    head      the largest step of the tensor, called base, less this step: 0 for the largest values, small where weights are large
    tail      s            mmmmmmmmmmmmmmmmmmmmmm    m bits, as good as random in trained weights

Any pattern is split and put together bit for bit: NaNs, infinities, denormals and zeros are steps and tails like others.
"""

import numpy as np

from laconic.base.errors import CodecError
from laconic.codec.planes import read_planes, write_planes


def largest_step(patterns: np.ndarray, mantissa: int) -> int:
    """The base of unsigned `patterns` `(n,)` with so many bits of mantissa; 0 if there are none.

    >>> largest_step(np.float32([1, -3]).view(np.uint32), 23)
    257
    """
    return int(_magnitudes(patterns).max(initial=0)) >> (mantissa - 1)


def heads(patterns: np.ndarray, mantissa: int, base: int) -> np.ndarray:
    """How far each step lies below `base`, int64 `(n,)`.

    >>> heads(np.float32([1, -3, 0.7]).view(np.uint32), 23, 257)
    array([3, 0, 5])
    """
    return base - (_magnitudes(patterns) >> patterns.dtype.type(mantissa - 1)).astype(np.int64)


def from_heads(below: np.ndarray, mantissa: int, base: int, width: int) -> np.ndarray:
    """The patterns of `width` bytes that have these heads, and tails of zeros.

    Raises:
        CodecError: a head is negative, or beyond the least step, 0.
    """
    if below.size and (below.min() < 0 or below.max() > base):
        raise CodecError(f"a head outside 0 … {base}")
    return (base - below).astype(f"u{width}") << (mantissa - 1)


def encode_tails(patterns: np.ndarray, mantissa: int) -> bytes:
    """The stream of the tails of `patterns` `(n,)`: the planes of their bytes, from the lowest on."""
    width, kind = patterns.itemsize, patterns.dtype.type
    tails = (patterns & kind(_low(mantissa))) | ((patterns >> kind(8 * width - mantissa)) & kind(1 << (mantissa - 1)))
    little = tails.astype(f"<u{width}", copy=False).view(np.uint8).reshape(len(tails), width)
    return write_planes(little[:, : _planes(mantissa)])


def decode_tails(stream: bytes | memoryview, mantissa: int, count: int, width: int) -> np.ndarray:
    """The inverse of `encode_tails`: patterns of `width` bytes, `(count,)`, whose steps are all 0.

    Raises:
        CodecError: the stream is not one of so many tails.
    """
    little = read_planes(stream, _planes(mantissa), count, width)
    tails = little.reshape(-1).view(f"<u{width}").astype(f"u{width}", copy=False)
    kind = tails.dtype.type
    if count and int(tails.max()) >> mantissa:
        raise CodecError(f"a tail of more than {mantissa} bits")
    return (tails & kind(_low(mantissa))) | ((tails >> kind(mantissa - 1)) << kind(8 * width - 1))


def _magnitudes(patterns: np.ndarray) -> np.ndarray:
    return patterns & patterns.dtype.type((1 << (8 * patterns.itemsize - 1)) - 1)


def _low(mantissa: int) -> int:
    return (1 << (mantissa - 1)) - 1


def _planes(mantissa: int) -> int:
    return (mantissa + 7) // 8
