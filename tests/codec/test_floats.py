"""Heads and tails: every bit pattern of every floating type, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.base.errors import CodecError
from laconic.codec.floats import decode_tails, encode_tails, from_heads, heads, largest_step
from laconic.codec.planes import write_planes

MANTISSA = {"float32": (4, 23), "float16": (2, 10), "bfloat16": (2, 7), "float64": (8, 52), "e4m3": (1, 3), "e5m2": (1, 2)}
types = pytest.mark.parametrize(("width", "mantissa"), MANTISSA.values(), ids=list(MANTISSA))


def there_and_back(patterns: np.ndarray, mantissa: int) -> np.ndarray:
    base, width = largest_step(patterns, mantissa), patterns.itemsize
    top = from_heads(heads(patterns, mantissa, base), mantissa, base, width)
    return top | decode_tails(encode_tails(patterns, mantissa), mantissa, len(patterns), width)


@types
@given(data=st.data())
def test_any_bits_come_back(width: int, mantissa: int, data: st.DataObject) -> None:
    patterns = data.draw(hnp.arrays(f"u{width}", st.integers(0, 20)))
    back = there_and_back(patterns, mantissa)
    assert back.dtype == patterns.dtype
    assert back.tolist() == patterns.tolist()


@pytest.mark.parametrize("name", ["float16", "bfloat16", "e4m3", "e5m2"])
def test_every_pattern_there_is_comes_back(name: str) -> None:
    width, mantissa = MANTISSA[name]
    patterns = np.arange(1 << 8 * width).astype(f"u{width}")
    assert there_and_back(patterns, mantissa).tolist() == patterns.tolist()


def test_a_head_counts_half_octaves_below_the_largest() -> None:
    values = np.float32([-3, 3.9, 2, 2.9, -1.5, 1, 0.75, 0.5])
    patterns = values.view(np.uint32)
    assert heads(patterns, 23, largest_step(patterns, 23)).tolist() == [0, 0, 1, 1, 2, 3, 4, 5]


@types
def test_heads_take_the_least_and_the_largest_step(width: int, mantissa: int) -> None:
    patterns = np.array([0, (1 << 8 * width) - 1, 1 << (8 * width - 1)], f"u{width}")  # +0, the NaN of all ones, −0
    base = (1 << (8 * width - mantissa)) - 1
    assert largest_step(patterns, mantissa) == base
    assert heads(patterns, mantissa, base).tolist() == [base, 0, base]
    assert largest_step(patterns[:0], mantissa) == 0


@types
def test_tails_take_as_many_bits_as_the_mantissa(width: int, mantissa: int) -> None:
    patterns = np.random.default_rng(0).integers(0, (1 << 64) - 1, 40_000, np.uint64, endpoint=True).astype(f"u{width}")
    bound = 40_000 * mantissa / 8
    assert bound <= len(encode_tails(patterns, mantissa)) <= bound + 40


def test_the_sign_is_the_highest_bit_of_a_tail() -> None:
    assert encode_tails(np.uint8([0x83, 0x07]), 3)[-1] == 0b011_111  # 4 + 3, then 3
    assert decode_tails(encode_tails(np.uint8([0x83]), 3), 3, 1, 1).tolist() == [0x83]


@types
def test_what_cannot_be_is_refused(width: int, mantissa: int) -> None:
    for below in (-1, 8):
        with pytest.raises(CodecError, match="a head outside 0 … 7"):
            from_heads(np.array([0, below]), mantissa, 7, width)
    planes = encode_tails(np.zeros(3, f"u{width}"), mantissa)
    with pytest.raises(CodecError):
        decode_tails(planes + b"\0", mantissa, 3, width)
    with pytest.raises(CodecError):
        decode_tails(planes[:-1], mantissa, 3, width)
    if mantissa % 8:
        with pytest.raises(CodecError, match="a tail of more than"):
            decode_tails(write_planes(np.full((3, (mantissa + 7) // 8), 255, np.uint8)), mantissa, 3, width)
