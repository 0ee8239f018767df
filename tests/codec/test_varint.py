import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import CodecError
from laconic.codec.varint import read_varint, unzigzag, write_varint, zigzag

unsigned = st.integers(0, 2**64 - 1)


@given(unsigned, st.binary(max_size=4), st.binary(max_size=4))
def test_reads_what_it_wrote_wherever_it_stands(number: int, before: bytes, after: bytes) -> None:
    written = write_varint(number)
    assert read_varint(before + written + after, len(before)) == (number, len(before) + len(written))


@given(unsigned)
def test_takes_a_byte_for_each_seven_bits(number: int) -> None:
    assert len(write_varint(number)) == max(1, -(-number.bit_length() // 7))


@given(unsigned)
def test_refuses_every_cut(number: int) -> None:
    for end in range(len(write_varint(number))):
        with pytest.raises(CodecError, match="does not end"):
            read_varint(write_varint(number)[:end], 0)


@pytest.mark.parametrize("forged", ["8000", "ff00", "ffffffffffffffffff02", "ffffffffffffffffff7f"])
def test_refuses_overlong_numbers_and_more_than_64_bits(forged: str) -> None:
    with pytest.raises(CodecError, match="shortest form"):
        read_varint(bytes.fromhex(forged), 0)


def test_reads_no_further_than_ten_bytes() -> None:
    with pytest.raises(CodecError, match="does not end"):
        read_varint(b"\x80" * 1000, 0)


@given(st.integers(-(2**63), 2**63 - 1))
def test_zigzag_is_undone_and_fits_64_bits(number: int) -> None:
    assert 0 <= zigzag(number) < 2**64
    assert unzigzag(zigzag(number)) == number


@given(unsigned)
def test_every_unsigned_number_is_the_zigzag_of_one_signed(number: int) -> None:
    assert zigzag(unzigzag(number)) == number
