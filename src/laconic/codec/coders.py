"""The table of coders. A coder turns one array of integers into bytes and back; it knows nothing of what the integers mean."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from laconic.base.errors import CodecError
from laconic.codec import fixed, huffman, signed, symbols
from laconic.codec.limits import MAX_ALPHABET_BITS, TRY_ALL_BELOW
from laconic.codec.window import reach


@dataclass(frozen=True)
class Coder:
    """One way to code integers.

    Args:
        name: as reports print it.
        reach: the largest difference between two values of an array that it takes.
        encode: int64 `(n,)`, n > 0 → bytes.
        decode: the bytes, n and an integer type → `(n,)` of that type; raises CodecError, before it allocates, when the bytes cannot
            hold n values, and when a value is one that the type does not hold.
    """

    name: str
    reach: int
    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes | memoryview, int, DTypeLike], np.ndarray]


CODERS = (
    Coder("fixed", 2**64 - 1, fixed.encode, fixed.decode),
    Coder("huffman", 2**MAX_ALPHABET_BITS - 1, huffman.encode, huffman.decode),
    Coder("symbols", 2**MAX_ALPHABET_BITS - 1, symbols.encode, symbols.decode),
    Coder("signed", 2**64 - 1, signed.encode, signed.decode),
)
"""The number of a coder in a stream is its place here: add at the end, never reorder."""


def coder_at(number: int) -> Coder:
    """The coder of this number.

    Raises:
        CodecError: there is none.
    """
    if number >= len(CODERS):
        raise CodecError(f"no coder has the number {number}", hint="the file may come from a newer laconic")
    return CODERS[number]


def encode_shortest(values: np.ndarray) -> tuple[int, bytes]:
    """The number of the coder that is best for int64 `values` `(n,)`, n > 0, and its bytes.

    Up to `TRY_ALL_BELOW` values, every coder is tried on all of them; above, on a sample.
    """
    usable = [number for number, coder in enumerate(CODERS) if reach(values) <= coder.reach]
    if len(values) > TRY_ALL_BELOW:
        probe = sample(values)
        usable = [min(usable, key=lambda number: len(CODERS[number].encode(probe)))]
    return min(((number, CODERS[number].encode(values)) for number in usable), key=lambda coded: len(coded[1]))


def sample(values: np.ndarray, runs: int = 16) -> np.ndarray:
    """`TRY_ALL_BELOW` of the values, in `runs` evenly spread runs of neighbours, and the extremes; all values if there are no more.

    With the extremes, the sample reaches as far as the whole: one distant value that it missed would mislead every choice.
    """
    if len(values) <= TRY_ALL_BELOW:
        return values
    length = TRY_ALL_BELOW // runs
    starts = np.linspace(0, len(values) - length, runs).astype(np.int64)
    return np.concatenate([*(values[start : start + length] for start in starts), [values.min(), values.max()]])
