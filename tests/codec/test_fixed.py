import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laconic.base.errors import CodecError
from laconic.codec import fixed

int64s = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), min_size=1, max_size=40).map(
    lambda numbers: np.array(numbers, np.int64)
)


@given(st.integers(0, 64), st.data())
def test_packing_is_the_sum_of_shifted_values(width: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=30))
    patterns = np.array(numbers, np.uint64).view(np.int64)
    expected = sum(number << i * width for i, number in enumerate(numbers)).to_bytes((len(numbers) * width + 7) // 8, "little")
    assert fixed.pack(patterns, width).tobytes() == expected


@given(int64s)
@example(np.array([-1, 5]))
def test_decodes_what_it_encoded(values: np.ndarray) -> None:
    np.testing.assert_array_equal(fixed.decode(fixed.encode(values), len(values)), values)


@given(int64s)
def test_takes_the_bits_of_the_widest_value_and_a_header(values: np.ndarray) -> None:
    width = (int(values.max()) - int(values.min())).bit_length()
    assert len(fixed.encode(values)) <= 1 + 10 + -(-len(values) * width // 8)


def test_equal_values_cost_nothing_but_the_header() -> None:
    assert len(fixed.encode(np.full(10**6, 3))) == 2
    np.testing.assert_array_equal(fixed.decode(fixed.encode(np.full(9, -3)), 9), np.full(9, -3))


@pytest.mark.parametrize("body", ["", "00", "0000000000", "00000080"])
def test_refuses_wrong_lengths_and_a_filled_last_byte(body: str) -> None:
    with pytest.raises(CodecError):
        fixed.decode(b"\x03" + bytes.fromhex(body), 9)  # 27 bits: four bytes, of which five bits are filling


@pytest.mark.parametrize("header", ["", "41", "80", "83ff"])
def test_refuses_broken_windows(header: str) -> None:
    with pytest.raises(CodecError):
        fixed.decode(bytes.fromhex(header), 1)
