"""The tails of one tensor's floats: what is left of them beside the heads in its block.

    tail   =  nothing                                        for no values
           |  varint base  (varint length  part)*  part      the last part goes to the end
    part   =  the planes of 2²⁰ values, of the last fewer

In parts, so that neither writer nor reader holds more than one of them beside the tensor.
"""

from collections.abc import Iterator

import numpy as np

from laconic.base.dtypes import MANTISSA
from laconic.base.errors import CodecError
from laconic.base.files import forget
from laconic.codec.floats import decode_tails, from_heads
from laconic.codec.limits import LARGEST_GROUP
from laconic.codec.varint import read_varint

PART = LARGEST_GROUP
"""Values of a part."""


def parts(patterns: np.ndarray) -> Iterator[np.ndarray]:
    """The patterns `(n,)`, a part at a time."""
    return (patterns[start : start + PART] for start in range(0, len(patterns), PART))


class Tail:
    """The tail of a tensor, as it stands in a file.

    Args:
        stream: its bytes.
        dtype: of the tensor.

    Raises:
        CodecError: the base is none of a float of this type.
    """

    def __init__(self, stream: memoryview, dtype: np.dtype) -> None:
        self._stream, self._width, self._mantissa = stream, dtype.itemsize, MANTISSA[dtype.name]
        self.base, self._at = read_varint(stream, 0) if stream else (-1, 0)
        self._nearest = self.base
        if self.base >> (8 * self._width - self._mantissa) > 0:
            raise CodecError(f"the largest step cannot be {self.base}")

    def heads(self, below: np.ndarray) -> np.ndarray:
        """The patterns of these heads `(n,)`, without their tails.

        Raises:
            CodecError: there are no such heads.
        """
        if below.size:
            self._nearest = min(self._nearest, int(below.min()))
        return from_heads(below, self._mantissa, self.base, self._width)

    def complete(self, patterns: np.ndarray) -> None:
        """Put the tails into all the patterns `(n,)` that `heads` made.

        Raises:
            CodecError: the stream does not hold so many, or no step is the largest.
        """
        at, places = self._at, list(parts(patterns))
        if self._nearest != 0 if places else len(self._stream):
            raise CodecError("no value has the largest step")
        for number, part in enumerate(places, 1):
            size, at = read_varint(self._stream, at) if number < len(places) else (len(self._stream) - at, at)
            np.bitwise_or(part, decode_tails(self._stream[at : at + size], self._mantissa, len(part), self._width), out=part)
            at += size
            forget(self._stream)
