"""Groups of tensors: round trips, refusals, and the gain over coding without contexts."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from laconic.base.errors import CodecError, UsageError
from laconic.codec import arithmetic, decode_group, encode, encode_group, entropy
from laconic.codec.context import buckets, fast, group, mixing
from laconic.codec.context.buckets import LAST_BUCKET
from laconic.codec.context.group import encode_plain, read_blocks, read_group, write_blocks
from laconic.codec.context.profiles import PROFILES
from laconic.codec.limits import MAX_SYMBOLS_PER_BYTE

INT64 = st.integers(-(2**63), 2**63 - 1)
LIKELY = st.one_of(st.integers(-3, 3), st.integers(-100, 100), INT64)
TENSORS = st.lists(arrays(np.int64, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=LIKELY), max_size=3)
BLOCK = arrays(np.int64, array_shapes(min_dims=3, max_dims=3, max_side=4), elements=LIKELY)
profiles = pytest.mark.parametrize("profile", PROFILES)


def shapes(tensors: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in tensors]


def kernels(filters: int, channels: int, seed: int = 0) -> np.ndarray:
    """Integers as convolutions have them: filters and channels of different scale, smooth 3 × 3 kernels."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rough = rng.laplace(0, 1, (filters, channels, 3, 3))
    smooth = rough + 0.7 * rough.mean(axis=(2, 3), keepdims=True) * 3
    scale = rng.gamma(2, 0.5, (filters, 1, 1, 1)) * rng.gamma(2, 0.5, (1, channels, 1, 1))
    return np.rint(1.5 * smooth * scale).astype(np.int64)


@profiles
@given(TENSORS)
def test_any_group_comes_back(profile: str, tensors: list[np.ndarray]) -> None:
    back = decode_group(encode_group(tensors, profile), shapes(tensors))
    assert shapes(back) == shapes(tensors)
    for tensor, other in zip(tensors, back, strict=True):
        np.testing.assert_array_equal(tensor, other)


@profiles
@given(BLOCK)
def test_contexts_code_even_what_other_coders_do_better(profile: str, values: np.ndarray) -> None:
    stream = write_blocks(PROFILES[profile], [values])
    np.testing.assert_array_equal(read_blocks(PROFILES[profile], stream, [values.shape])[0], values)


@profiles
def test_every_seam_of_the_buckets_survives(profile: str) -> None:
    edges = [sign * (2**power + offset) for power in range(63) for offset in (-1, 0, 1) for sign in (1, -1)]
    values = np.array([*edges, -(2**63), 2**63 - 1, -(2**63) + 1], np.int64).reshape(1, -1, 1)
    np.testing.assert_array_equal(read_blocks(PROFILES[profile], write_blocks(PROFILES[profile], [values]), [values.shape])[0], values)


@profiles
def test_large_kernels_and_long_rows(profile: str) -> None:
    tensors = [
        kernels(4, 4).reshape(2, 2, 36),
        kernels(8, 8).reshape(2, 288),
        kernels(4, 9).reshape(-1),
        kernels(9, 1),
        kernels(1, 1)[0, 0, 0, 0],
    ]
    for tensor, other in zip(tensors, decode_group(encode_group(tensors, profile), shapes(tensors)), strict=True):
        np.testing.assert_array_equal(tensor, other)


@profiles
@pytest.mark.parametrize("taps", [1, 9])
def test_large_values_on_all_sides_leave_no_table(profile: str, taps: int) -> None:
    """What is expected of a value is then more than the largest magnitude that counts."""
    values = np.random.Generator(np.random.PCG64(9)).integers(-(2**40), 2**40, (40, 300, taps))
    np.testing.assert_array_equal(read_blocks(PROFILES[profile], write_blocks(PROFILES[profile], [values]), [values.shape])[0], values)


@profiles
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, bool, ">i2"])
def test_any_integer_dtype_and_memory_order(profile: str, dtype: str) -> None:
    tensor = (kernels(6, 5) & 1).astype(dtype).transpose(1, 0, 3, 2)
    tensor.flags.writeable = False
    np.testing.assert_array_equal(decode_group(encode_group([tensor], profile), [tensor.shape])[0], tensor)


def test_contexts_gain_and_more_contexts_gain_more() -> None:
    tensors = [kernels(24, 24, seed) for seed in range(4)]
    bound = sum(entropy(tensor) * tensor.size / 8 for tensor in tensors)
    fast, smallest = (len(encode_group(tensors, profile)) for profile in ("fast", "smallest"))
    assert smallest < 0.97 * fast
    assert fast < 0.92 * bound


@pytest.mark.parametrize(("profile", "loss"), [("fast", 1.03), ("smallest", 1.015)])
@pytest.mark.parametrize("scale", [0.1, 0.5, 2, 30, 100])
def test_where_there_is_nothing_to_learn_little_is_lost(profile: str, loss: float, scale: float) -> None:
    values = np.rint(np.random.Generator(np.random.PCG64(1)).normal(0, scale, (64, 600))).astype(np.int64)
    steps = np.array([math.erf((step + 0.5) / scale / math.sqrt(2)) for step in range(round(8 * scale) + 2)])
    shares = np.append(np.diff(steps), np.diff(steps)) / 2
    shares = np.append(shares[shares > 0], steps[0])
    bound = float(shares @ -np.log2(shares)) * values.size / 8  # bytes, by the law that they were drawn from
    assert len(write_blocks(PROFILES[profile], [values.reshape(64, 600, 1)])) < loss * bound + 120


@profiles
def test_tensors_learn_from_those_before(profile: str) -> None:
    tensors = [kernels(12, 12, seed) for seed in range(5)]
    alone = sum(len(write_blocks(PROFILES[profile], [tensor.reshape(12, 12, 9)])) for tensor in tensors)
    together = len(write_blocks(PROFILES[profile], [tensor.reshape(12, 12, 9) for tensor in tensors]))
    assert together < 0.99 * alone


def test_the_shorter_way_is_taken() -> None:
    ramp = np.arange(10**6, 10**6 + 300)
    assert encode_group([ramp]) == b"\0" + encode(ramp)
    assert encode_group([kernels(24, 24)])[0] == 2
    assert encode_group([kernels(24, 24)], "fast")[0] == 1


def test_ways_that_must_lose_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    honest = group.encode
    monkeypatch.setattr(group, "encode", lambda values: (tried.append(values.size), honest(values))[1])
    rng = np.random.Generator(np.random.PCG64(7))
    noise = np.rint(rng.normal(0, 3, (64, 600))).astype(np.int64)
    encode_group([kernels(24, 24)], "fast")
    encode_group([noise])
    assert tried == []
    assert encode_group([noise], "fast") == encode_plain([noise])  # where speed counts, contexts must be worth it
    encode_group([rng.integers(-(2**40), 2**40, (64, 600))], "fast")
    assert tried
    monkeypatch.setattr(group, "write_blocks", None)
    assert encode_group([np.full((64, 600), -3)]) == b"\0" + encode(np.full(64 * 600, -3))


def test_without_contexts_a_stream_is_that_of_the_values_in_a_row() -> None:
    tensors = [kernels(8, 8), np.zeros((0, 4), int), np.arange(3)]
    stream = encode_plain(tensors)
    assert stream == b"\0" + encode(np.concatenate([tensor.reshape(-1) for tensor in tensors]))
    for tensor, other in zip(tensors, decode_group(stream, shapes(tensors)), strict=True):
        np.testing.assert_array_equal(tensor, other)
    assert encode_plain([]) == encode_plain([np.zeros((0, 2), int)]) == b""


@profiles
def test_the_reader_knows_where_each_tensor_ends(profile: str) -> None:
    tensors = [kernels(8, 8), kernels(2, 3), np.zeros((0, 4), int), kernels(8, 8, 1)]
    for stream in (encode_group(tensors, profile), b"\0" + encode(np.concatenate([t.reshape(-1) for t in tensors]))):
        back, ends = read_group(stream, shapes(tensors))
        assert all((tensor == other).all() for tensor, other in zip(tensors, back, strict=True))
        assert ends[-1] == len(stream)
        assert 0 < ends[0] < ends[1] == ends[2] < ends[3]
        assert abs(ends[0] - (ends[3] - ends[2])) < 0.4 * ends[0]
    assert read_group(b"", []) == ([], [])


def test_equal_values_without_end_are_not_refused_by_their_own_decoder() -> None:
    tensor = np.zeros((1000, 1000), np.int8)
    np.testing.assert_array_equal(decode_group(encode_group([tensor]), [tensor.shape])[0], tensor)


def test_wrong_words_are_refused() -> None:
    with pytest.raises(UsageError, match="tiny"):
        encode_group([np.arange(3)], "tiny")
    with pytest.raises(UsageError, match="float"):
        encode_group([np.ones(3)])
    with pytest.raises(UsageError, match="beyond int64"):
        encode_group([np.array([2**63], np.uint64)])


@pytest.mark.parametrize(
    ("stream", "shape"),
    [
        (b"", (1,)),
        (b"\1", (-1,)),
        (b"\2abc", (0, 5)),
        (b"\3abc", (4,)),
        (b"\0", (2,)),
        (b"\1", (10**15,)),
        (b"\2" + bytes(9), (10**6, 10**6)),
    ],
)
def test_forged_heads_and_shapes_are_refused(stream: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(CodecError):
        decode_group(stream, [shape])


@profiles
@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_what_is_decoded_is_what_would_have_been_written(profile: str, stream: bytes, rows: int, columns: int, taps: int) -> None:
    try:
        blocks = read_blocks(PROFILES[profile], stream, [(rows, columns, taps)])
    except CodecError:
        return
    assert write_blocks(PROFILES[profile], blocks) == stream


@profiles
def test_nearly_every_cut_and_extra_byte_is_refused(profile: str) -> None:
    tensor = kernels(6, 6)
    stream = write_blocks(PROFILES[profile], [tensor.reshape(6, 6, 9)])
    passed = 0
    for damaged in [stream[:end] for end in range(len(stream))] + [stream + bytes([byte]) for byte in range(256)]:
        try:
            decoded = read_blocks(PROFILES[profile], damaged, [(6, 6, 9)])
        except CodecError:
            continue
        assert write_blocks(PROFILES[profile], decoded) == damaged
        passed += 1
    assert passed < 10


@profiles
@pytest.mark.parametrize("negative", [1, 0])
def test_the_next_integer_beyond_int64_is_refused(
    profile: str, negative: int, to_plain_python: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest magnitude there is. With a minus it is that of −2⁶³; with a plus, of no integer."""
    to_plain_python()
    answers = iter([1, negative] + [1] * (LAST_BUCKET + 60))

    def forced(
        coder: tuple[int, int, int], data: np.ndarray, probability: int, _bit: int, _reading: bool
    ) -> tuple[tuple[int, int, int], int]:
        bit = next(answers)
        return arithmetic.put(coder, data, probability, bit), bit

    with monkeypatch.context() as patched:
        for module in (fast, mixing, buckets):
            patched.setattr(module, "code", forced)
        stream = write_blocks(PROFILES[profile], [np.ones((1, 1, 1), np.int64)])
    if negative:
        assert read_blocks(PROFILES[profile], stream, [(1, 1, 1)])[0] == -(2**63)
    else:
        with pytest.raises(CodecError, match="beyond int64"):
            read_blocks(PROFILES[profile], stream, [(1, 1, 1)])


@profiles
def test_a_byte_holds_at_most_as_many_values_as_the_limit_says(profile: str) -> None:
    values = np.zeros((1, 1_000_000, 1), np.int64)
    length = len(write_blocks(PROFILES[profile], [values]))
    assert values.size <= (length + 1) * MAX_SYMBOLS_PER_BYTE


@profiles
def test_reading_stops_soon_behind_the_end_of_the_data(profile: str) -> None:
    data, values = np.frombuffer(bytearray(b"\xff" * 30), np.uint8), np.full((1, 10_000, 1), 0)
    values[0, -1, 0] = 77
    _, well = PROFILES[profile].read((2**32 - 1, 2**32, 31), data, values, PROFILES[profile].memory())
    assert not well
    assert values[0, -1, 0] == 77


@profiles
def test_groups_decode_in_threads(profile: str) -> None:
    groups = [[kernels(12, 12, seed), kernels(5, 8, seed)] for seed in range(6)]
    streams = [encode_group(group, profile) for group in groups]
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(decode_group, streams, map(shapes, groups)))
    for tensors, back in zip(groups, decoded, strict=True):
        assert all((tensor == other).all() for tensor, other in zip(tensors, back, strict=True))
