import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.base.errors import CodecError, UsageError
from laconic.codec import decode_array, encode, encode_array

DTYPES = [np.dtype(t) for t in ("f4", "f2", "f8", "i1", "u1", "i2", "i4", "i8", "u8", "c8", "?")] + [np.dtype(ml_dtypes.bfloat16)]


def assert_same_bits(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == expected.tobytes()


def decodes_or_is_refused(stream: bytes, dtype: np.dtype, count: int) -> None:
    """The contract for any bytes at all."""
    try:
        array = decode_array(stream, dtype, count)
    except CodecError:
        return
    assert (array.dtype, array.shape) == (dtype, (count,))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(data=st.data())
def test_every_bit_pattern_comes_back(dtype: np.dtype, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 20))
    patterns = data.draw(hnp.arrays(np.uint8, count * dtype.itemsize, elements=st.integers(0, 1 if dtype.kind == "b" else 255)))
    array = patterns.view(dtype)
    assert_same_bits(decode_array(encode_array(array), dtype, count), array)


def test_nan_payloads_and_signed_zeros() -> None:
    array = np.array([0x7FC00001, 0xFFA12345, 0x80000000, 0, 0x7F800000, 1], np.uint32).view(np.float32)
    assert_same_bits(decode_array(encode_array(array), array.dtype, 6), array)


def test_shapes_strides_and_byte_order() -> None:
    grid = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (grid, grid.T, grid[:, ::2, ::-1], grid.astype(">f4"), grid[0, 0, 0]):
        decoded = decode_array(encode_array(view), np.dtype(np.float32), view.size)
        assert_same_bits(decoded, view.astype("<f4").reshape(-1))


def test_trained_like_weights_shrink_and_noise_hardly_grows() -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    weights = rng.normal(0, 0.05, 20_000).astype(np.float32)
    assert len(encode_array(weights)) < 0.9 * weights.nbytes
    noise = rng.integers(0, 2**32, 20_000, dtype=np.uint32)
    assert len(encode_array(noise)) <= noise.nbytes + 4 * 2 + 3 * 3


def test_bytes_are_one_plane() -> None:
    array = np.arange(50, dtype=np.uint8)
    assert encode_array(array) == encode(array)


def test_planes_stand_from_low_to_high() -> None:
    stream = encode_array(np.full(4, 0x0201, np.uint16))
    assert stream == bytes([len(encode(np.ones(4, int)))]) + encode(np.full(4, 1)) + encode(np.full(4, 2))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cuts_decode_to_something_or_are_refused_and_zeros_behind_the_end_are_refused(dtype: np.dtype) -> None:
    stream = encode_array(np.arange(40).astype(dtype))
    for end in range(len(stream)):
        decodes_or_is_refused(stream[:end], dtype, 40)
    with pytest.raises(CodecError):
        decode_array(stream + b"\x00", dtype, 40)


@given(st.binary(max_size=60), st.sampled_from(DTYPES), st.integers(-1, 50))
def test_random_bytes(stream: bytes, dtype: np.dtype, count: int) -> None:
    decodes_or_is_refused(stream, dtype, count)


@pytest.mark.parametrize(("dtype", "beyond"), [("u1", 256), ("i1", -1), ("?", 2)])
def test_planes_hold_bytes_and_booleans_bits(dtype: str, beyond: int) -> None:
    with pytest.raises(CodecError, match="a value outside"):
        decode_array(encode(np.array([0, beyond])), np.dtype(dtype), 2)


@pytest.mark.parametrize("dtype", ["O", [("a", "f4"), ("b", "i2")], "V0"], ids=str)
def test_objects_and_records_are_refused(dtype: object) -> None:
    with pytest.raises(UsageError):
        encode_array(np.empty(2, dtype))  # type: ignore[call-overload]
    with pytest.raises(UsageError):
        decode_array(b"", np.dtype(dtype), 2)  # type: ignore[call-overload]
