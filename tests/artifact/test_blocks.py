"""What a block, a tail or a pool may not say, under checksums and streams that are right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from laconic.artifact import unpack
from laconic.artifact.pools import encode_pool
from laconic.base.errors import ArtifactError
from laconic.codec import encode_array, encode_group
from laconic.codec.floats import encode_tails
from laconic.codec.varint import write_varint

FileOf = Callable[..., bytes]
N = 4096


def forged(file_of: FileOf, integers: list[int], *, pool: bytes = b"", tail: bytes = b"", **fields: Any) -> bytes:
    """A file of one tensor of a row, with these integers in front of zeros."""
    size = max(len(integers), N if fields.get("form", "dense") == "dense" else 0)
    values = np.zeros((1, size, 1), np.int64)
    values[0, : len(integers), 0] = integers
    streams = pool + tail + encode_group([values])
    return file_of(streams, pool=len(pool), tail=len(tail), shape=(size,), **fields)


def tail_of(base: int, count: int, mantissa: int = 23) -> bytes:
    """A tail of zeros."""
    return write_varint(base) + encode_tails(np.zeros(count, np.uint32), mantissa)


@pytest.mark.parametrize(
    ("dtype", "last"), [("int8", 127), ("uint8", 255), ("int4", 7), ("uint4", 15), ("bool", 1), ("uint16", 65535), ("int64", 2**63 - 1)]
)
def test_integers_are_those_of_their_type(dtype: str, last: int, file_of: FileOf) -> None:
    assert unpack(forged(file_of, [last], dtype=dtype)).tensors["w"].array()[:2].astype(object).tolist() == [last, 0]
    if last < 2**62:
        for beyond in (last + 1, -last - 2):
            with pytest.raises(ArtifactError, match="a value outside") as caught:
                unpack(forged(file_of, [0, beyond], dtype=dtype))
            assert "tensor 'w'" in caught.value.where


def test_unsigned_integers_of_64_bits_are_the_patterns_of_signed_ones(file_of: FileOf) -> None:
    assert unpack(forged(file_of, [-1, -(2**63)], dtype="uint64")).tensors["w"].array()[:3].tolist() == [2**64 - 1, 2**63, 0]


def test_heads_lie_between_zero_and_their_base(file_of: FileOf) -> None:
    assert unpack(forged(file_of, [254, 0], tail=tail_of(254, N))).tensors["w"].array()[:2].tolist() == [0, 1]
    for head in (-1, 255, 2**40):
        with pytest.raises(ArtifactError, match="a head outside 0 … 254"):
            unpack(forged(file_of, [head], tail=tail_of(254, N)))
    with pytest.raises(ArtifactError, match="the largest step cannot be 512"):
        unpack(forged(file_of, [1], tail=tail_of(512, N)))
    unpack(forged(file_of, [1], tail=tail_of(511, N)))


def test_one_head_is_zero(file_of: FileOf) -> None:
    with pytest.raises(ArtifactError, match="no value has the largest step"):
        unpack(forged(file_of, [1] * N, tail=tail_of(254, N)))
    with pytest.raises(ArtifactError, match="no value has the largest step"):
        unpack(forged(file_of, [2, 0, 2], tail=tail_of(254, 2), form="masked"))
    assert unpack(forged(file_of, [2, 0, 1], tail=tail_of(254, 2), form="masked")).tensors["w"].array().tolist() == [0.75, 0, 1]


def noise(count: int) -> bytes:
    patterns = np.random.default_rng(0).integers(0, 2**32, count, np.uint32)
    return write_varint(254) + encode_tails(patterns, 23)


@pytest.mark.parametrize("tail", [b"", noise(N - 1), noise(N + 1), noise(N) + b"\0", noise(N)[:-1], noise(0)])
def test_a_tail_has_a_float_s_rest_for_each(tail: bytes, file_of: FileOf) -> None:
    unpack(forged(file_of, [1], tail=noise(N)))
    with pytest.raises(ArtifactError):
        unpack(forged(file_of, [1], tail=tail))


@pytest.mark.parametrize("tail", [b"\0", tail_of(254, 1)])
def test_nothing_kept_has_no_tail(tail: bytes, file_of: FileOf) -> None:
    assert unpack(forged(file_of, [0, 0], form="masked")).tensors["w"].array().tolist() == [0, 0]
    with pytest.raises(ArtifactError):
        unpack(forged(file_of, [0, 0], tail=tail, form="masked"))
    with pytest.raises(ArtifactError, match="a head outside"):
        unpack(forged(file_of, [0, 1], form="masked"))


def test_a_mask_has_no_negative_heads(file_of: FileOf) -> None:
    with pytest.raises(ArtifactError, match="a head outside"):
        unpack(forged(file_of, [1, -(2**63)], tail=tail_of(254, 2), form="masked"))


def test_multiples_are_bounded_and_finite(file_of: FileOf) -> None:
    def grid(integers: list[int], *steps: float) -> bytes:
        pool = encode_array(np.float32(steps))
        return forged(file_of, integers, pool=pool, form="grid", table_count=len(steps))

    assert unpack(grid([2**24, -(2**24)], 0.5)).tensors["w"].array().tolist() == [2**23, -(2**23)]
    assert unpack(grid([1, 1, 1, 1], 0.5, 2)).tensors["w"].array().tolist() == [0.5, 0.5, 2, 2]
    for integers, step, why in (
        ([2**24 + 1], 1, "outside"),
        ([3], 3e38, "not finite"),
        ([0], np.nan, "not finite"),
        ([0], np.inf, "not finite"),
    ):
        with pytest.raises(ArtifactError, match=why):
            unpack(grid(integers, step))


def test_places_are_in_the_table(file_of: FileOf) -> None:
    def book(*integers: int) -> bytes:
        pool = encode_array(np.int8([-9, -1, 1, 5]))
        return forged(file_of, list(integers), pool=pool, form="codebook", dtype="int8", table_count=4)

    assert unpack(book(-1, 0, 1, 2)).tensors["w"].array().tolist() == [-9, -1, 1, 5]
    for beyond in (-2, 3, 2**63 - 1, -(2**63)):
        with pytest.raises(ArtifactError, match="a value outside -1 … 2"):
            unpack(book(0, beyond))


@pytest.mark.parametrize(("dtype", "values"), [("int4", [8]), ("int4", [-9]), ("uint4", [16]), ("bool", [2])])
def test_pools_hold_values_of_their_type(dtype: str, values: list[int], file_of: FileOf) -> None:
    stream = encode_pool([np.array(values, np.uint8 if values[0] > 0 and dtype != "int4" else np.int8)])
    with pytest.raises(ArtifactError, match="outside") as caught:
        unpack(file_of(stream, dtype=dtype, shape=(1,)))
    assert f"pool of {dtype}" in caught.value.where
