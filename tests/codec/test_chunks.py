"""Decoding piece by piece: the same values and the same bytes as in one go, in little memory."""

import hashlib
import tracemalloc

import numpy as np
import pytest

from laconic.base.errors import CodecError
from laconic.codec import decode, decode_array, encode, encode_array
from laconic.codec.chunks import CHUNK
from laconic.codec.coders import CODERS
from laconic.codec.window import reach

LONG = 2 * CHUNK + 77


def draw(count: int) -> np.ndarray:
    """Numbers below 2⁴⁸ that are the same for ever, whatever the library (Knuth's MMIX generator)."""
    numbers, state = [], 1
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        numbers.append(state >> 16)
    return np.array(numbers, np.int64)


DRAWN = draw(LONG)
KINDS = {
    "places": DRAWN % 32,
    "signs": DRAWN % 31 - 15,
    "sparse": np.where(DRAWN % 29 == 0, DRAWN % 11 - 5, 0),
    "shifted": DRAWN % 55 + 200,
    "powers": (DRAWN % 9) ** 7,
    "wide": DRAWN - 2**46,
}
FROZEN = {
    "places": "68c06a6cebb1eba8",
    "signs": "68ecc3987848aebf",
    "sparse": "2205588f781b5f39",
    "shifted": "4c3135af4489ab90",
    "powers": "4439348d5a5df714",
    "wide": "8ed74a719d7dd465",
}


@pytest.mark.parametrize("name", KINDS)
def test_the_bytes_are_what_they_always_were(name: str) -> None:
    assert hashlib.sha256(encode(KINDS[name])).hexdigest()[:16] == FROZEN[name]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_every_coder_crosses_the_pieces(coder, name: str) -> None:  # type: ignore[no-untyped-def]
    values = KINDS[name]
    if reach(values) <= coder.reach:
        stream = coder.encode(values)
        np.testing.assert_array_equal(coder.decode(stream, len(values)), values)
        with pytest.raises(CodecError):
            coder.decode(stream[:-5], len(values))
        with pytest.raises(CodecError):
            coder.decode(stream + b"\1", len(values))


@pytest.mark.parametrize("name", KINDS)
def test_a_narrow_type_holds_the_values_or_refuses_them(name: str) -> None:
    values, stream = KINDS[name], encode(KINDS[name])
    np.testing.assert_array_equal(decode(stream, LONG), values)
    for dtype in (np.uint8, np.int8, np.uint16, np.int32):
        if np.iinfo(dtype).min <= values.min() and values.max() <= np.iinfo(dtype).max:
            narrow = decode(stream, LONG, dtype)
            assert narrow.dtype == dtype
            np.testing.assert_array_equal(narrow, values)
        else:
            with pytest.raises(CodecError, match="a value outside"):
                decode(stream, LONG, dtype)


def peak(stream: bytes, dtype: np.dtype, count: int) -> int:
    tracemalloc.start()
    try:
        decode_array(stream, dtype, count)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ARRAYS = {
    "noise": np.random.default_rng(0).integers(0, 2**32, 1 << 20, dtype=np.uint32).view(np.float32),
    "weights": np.random.default_rng(0).normal(size=1 << 20).astype(np.float32),
    "bytes": np.random.default_rng(0).integers(-128, 128, 1 << 22).astype(np.int8),
    "grid": np.random.default_rng(0).normal(0, 9, 1 << 22).astype(np.int8),
    "few": np.random.default_rng(0).choice(np.array([-90, 3, 77], np.int8), 1 << 22),
    "rare": (np.random.default_rng(0).random(1 << 22) < 0.02).astype(np.int8),
    "mask": np.random.default_rng(0).random(1 << 22) < 0.4,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_decoding_takes_less_than_three_times_the_array(name: str) -> None:
    array = ARRAYS[name]
    stream = encode_array(array)
    assert decode_array(stream, array.dtype, array.size).tobytes() == array.tobytes()
    assert peak(stream, array.dtype, array.size) < 3 * array.nbytes + (4 << 20)


def test_a_dictionary_longer_than_any_is_refused() -> None:
    stream = bytes([2 << 6]) + b"\x81\x20" + b"\x02" + bytes(2) + bytes(2)  # 4097 values
    with pytest.raises(CodecError, match="a dictionary of 4097 values"):
        decode(stream, 5000)
