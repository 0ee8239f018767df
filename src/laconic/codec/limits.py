"""Every bound of the codec, in one place: what a stream may hold, and therefore what a hostile one may ask for."""

from laconic.base.errors import CodecError

LEAST_PROBABILITY = 1 << 5
"""The adaptive models never call a bit less likely than this, in units of 2⁻¹⁶; so every coded bit costs something."""

MAX_SYMBOLS_PER_BYTE = 11_360
"""What one byte of an entropy-coded stream can at most decode to.

Every bit that the arithmetic coder takes shrinks its interval by `2⁻¹¹` at least (`LEAST_PROBABILITY`), less one unit of
rounding in `2²⁴`, and a byte leaves the coder when the interval has shrunk by 256: after `ln 256 · 2¹¹ = 11 357` bits at most.
"""

MAX_ALPHABET_BITS = 12
"""Huffman codes and symbol trees hold at most `2¹²` symbols, a dictionary as many distinct values."""

MAX_CODE_BITS = 16
"""The longest Huffman code word."""

LARGEST_GROUP = 1 << 20
"""Values of a group, at most: what a decoder holds beside what it returns is then a few MiB a thread."""

LEAST_GROUP = 1 << 19
"""Values of a group that another follows, at least: each group begins with a model that takes a while to make."""

TRY_ALL_BELOW = 1 << 16
"""Arrays of at most so many values are coded in every way there is; larger ones in the way that was best on a sample of so many."""


def holds(length: int, count: int) -> bool:
    """Whether an entropy-coded stream of `length` bytes can decode to `count` values.

    >>> holds(1, 22_720), holds(1, 22_721)
    (True, False)
    """
    return count <= (length + 1) * MAX_SYMBOLS_PER_BYTE  # + 1: the last byte may still be inside the coder


def check_count(length: int, count: int) -> None:
    """Refuse a `count` that `length` bytes cannot hold, before anything is allocated.

    Raises:
        CodecError: they cannot.
    """
    if not holds(length, count):
        raise CodecError(f"a stream of {length} bytes cannot hold {count} values", hint="the file is damaged, or its sizes are forged")
