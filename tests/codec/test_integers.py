import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from laconic.base.errors import CodecError, UsageError
from laconic.codec import decode, encode, entropy
from laconic.codec.coders import CODERS, sample

integer_arrays = hnp.arrays(
    hnp.integer_dtypes(sizes=(8, 16, 32, 64)) | st.sampled_from([np.uint8, np.uint16, np.uint32, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12),
)


def decodes_or_is_refused(stream: bytes, count: int) -> None:
    """The contract for any bytes at all."""
    try:
        values = decode(stream, count)
    except CodecError:
        return
    assert values.dtype == np.int64
    assert values.shape == (count,)


def test_every_kind_of_array_comes_back(values: np.ndarray) -> None:
    decoded = decode(encode(values), len(values))
    assert decoded.dtype == np.int64
    np.testing.assert_array_equal(decoded, values)


@given(integer_arrays)
def test_any_shape_and_integer_dtype_comes_back(values: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(encode(values), values.size), values.reshape(-1).astype(np.int64))


def test_strided_transposed_and_read_only_arrays() -> None:
    grid = np.arange(60).reshape(5, 12)
    grid.flags.writeable = False
    for view in (grid, grid.T, grid[::2, ::-3], grid.astype(">i4")):
        np.testing.assert_array_equal(decode(encode(view), view.size), view.reshape(-1))


def test_nothing_is_an_empty_stream() -> None:
    assert encode(np.zeros((0, 3), np.int8)) == b""
    assert decode(b"", 0).shape == (0,)


def test_equal_values_take_a_few_bytes_however_many() -> None:
    for value in (0, -(2**63)):
        stream = encode(np.full(500_000, value, np.int64))
        assert len(stream) <= 12
        np.testing.assert_array_equal(decode(stream, 500_000), value)


@pytest.mark.parametrize("bits", range(1, 13))
def test_ten_integers_have_an_overhead_of_three_bytes_at_most(bits: int) -> None:
    values = np.random.Generator(np.random.PCG64(bits)).integers(0, 2**bits, 10)
    assert len(encode(values)) <= -(-10 * bits // 8) + 3


def test_never_much_longer_than_the_entropy_allows() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    for values in (
        rng.choice(64, 40_000, p=rng.dirichlet(np.ones(64))),
        rng.integers(-20, 20, 40_000) * (rng.random(40_000) < 0.05),
        rng.choice(rng.integers(-(2**60), 2**60, 16), 40_000),
        (rng.random(40_000) < 0.02).astype(np.int64),
    ):
        assert len(encode(values)) * 8 < 1.03 * entropy(values) * len(values) + 8 * 150


def test_large_arrays_are_judged_by_a_sample(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("coders", "integers"):
        monkeypatch.setattr(f"laconic.codec.{module}.TRY_ALL_BELOW", 64)
    np.testing.assert_array_equal(decode(encode(values), len(values)), values)


def test_a_sample_is_spread_over_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.codec.coders.TRY_ALL_BELOW", 64)
    np.testing.assert_array_equal(sample(np.arange(64)), np.arange(64))
    probe = sample(np.arange(1000))
    assert len(probe) == 64 + 2
    assert (probe[0], probe[-3]) == (0, 999)
    assert np.count_nonzero(np.diff(probe[:-2]) > 1) == 15


@pytest.mark.parametrize("outlier", [1, -(2**50)])
@pytest.mark.parametrize("background", [np.zeros(40_000, np.int64), np.arange(40_000) * 97 % 256])
def test_one_value_that_a_sample_misses_does_not_spoil_the_whole(
    background: np.ndarray, outlier: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("coders", "integers"):
        monkeypatch.setattr(f"laconic.codec.{module}.TRY_ALL_BELOW", 1024)
    values = background.copy()
    values[1000] = outlier
    stream = encode(values)
    np.testing.assert_array_equal(decode(stream, 40_000), values)
    assert len(stream) < 1.02 * len(encode(background)) + 100


def test_a_lonely_value_among_many_zeros() -> None:
    """Its sparse stream would be too short to be believed."""
    values = np.eye(1, 200_000, 70_000, dtype=np.int8)[0]
    stream = encode(values)
    assert len(stream) < 50
    np.testing.assert_array_equal(decode(stream, 200_000), values)


@pytest.mark.parametrize("values", [np.ones(3), np.ones(3, complex), np.array(["a"]), np.array([2**63], np.uint64)])
def test_what_is_no_int64_is_refused(values: np.ndarray) -> None:
    with pytest.raises(UsageError):
        encode(values)


def test_cuts_are_refused_or_another_arrays_streams(values: np.ndarray) -> None:
    stream = encode(values)
    for end in range(len(stream)):
        decodes_or_is_refused(stream[:end], len(values))


def test_zeros_behind_the_end_are_refused(values: np.ndarray) -> None:
    for extra in (b"\x00", b"\x00\x00", bytes(100)):
        with pytest.raises(CodecError):
            decode(encode(values) + extra, len(values))


def test_wrong_counts(values: np.ndarray) -> None:
    stream = encode(values)
    for count in (1, 2, len(values) // 2, len(values) - 1, len(values) + 1, 2 * len(values), 5000):
        decodes_or_is_refused(stream, count)
    for count in (0, -1, -(2**70)):
        with pytest.raises(CodecError):
            decode(stream, count)


def test_flipped_bits(values: np.ndarray) -> None:
    stream = encode(values)
    for place in range(0, 8 * len(stream), max(1, len(stream) // 40)):
        damaged = bytearray(stream)
        damaged[place // 8] ^= 1 << place % 8
        decodes_or_is_refused(bytes(damaged), len(values))


@given(st.binary(max_size=80), st.integers(-2, 3000))
def test_random_bytes(stream: bytes, count: int) -> None:
    decodes_or_is_refused(stream, count)


known_heads = st.builds(lambda *parts: bytes([parts[0] << 6 | parts[1] << 3 | parts[2]]), *[st.integers(0, n) for n in (2, 3, 3)])


@given(known_heads, st.binary(max_size=80), st.integers(1, 300))
def test_random_bytes_behind_a_known_head(head: bytes, body: bytes, count: int) -> None:
    decodes_or_is_refused(head + body, count)


@pytest.mark.parametrize("head", [0b11_000_000, 0b00_000_111, 0b00_001_000, 0b01_111_000, 0b10_000_101])
def test_unknown_numbers_are_refused(head: int) -> None:
    with pytest.raises(CodecError):
        decode(bytes([head]) + bytes(8), 3)


def test_a_valid_sparse_stream_is_no_bomb() -> None:
    """A gap, a value, and behind them zeros without end, were it not for the limit."""
    stream = encode(np.eye(1, 80_000, 70_000, dtype=np.int64)[0])
    assert (stream[0] >> 6, len(stream)) == (1, 8)
    assert decode(stream, 90_000).sum() == 1
    with pytest.raises(CodecError, match="cannot hold"):
        decode(stream, 10**13)


@pytest.mark.parametrize("coder", range(len(CODERS)), ids=lambda number: CODERS[number].name)
@pytest.mark.parametrize("layout", [0, 1, 2])
def test_a_forged_count_is_refused_before_anything_is_allocated(layout: int, coder: int) -> None:
    body = bytes([1, 2, 0, 0]) if layout else b""
    width = bytes([3]) if CODERS[coder].name != "signed" else b""
    stream = bytes([layout << 6 | coder]) + body + width + bytes(20)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(CodecError):
            decode(stream, 10**13)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        assert time.perf_counter() - began < 5  # compiling may be part of it
    finally:
        tracemalloc.stop()


def test_noise_is_moved_as_it_is_without_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.Generator(np.random.PCG64(8)).integers(0, 128, 50_000)
    monkeypatch.setattr("laconic.codec.integers._write", None)
    stream = encode(noise)
    assert len(stream) == 2 + 50_000 * 7 // 8
    np.testing.assert_array_equal(decode(stream, 50_000), noise)
    for values in (np.repeat(np.arange(128), 400), noise[:1000], np.where(noise < 100, noise, 0), np.full(50_000, 3)):
        with pytest.raises(TypeError):  # it would have been tried
            encode(values)
