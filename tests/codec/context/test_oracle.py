"""Compiled kernels against the plain Python they were compiled from, and against bytes written down once."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from laconic.base.errors import CodecError
from laconic.codec.context import fast, mixing, smallest
from laconic.codec.context.group import read_blocks, write_blocks
from laconic.codec.context.profiles import PROFILES

RNG = np.random.Generator(np.random.PCG64(5))
BLOCKS = {
    "kernels": [np.rint(RNG.laplace(0, 1.5, shape)).astype(np.int64) for shape in ((4, 3, 9), (3, 5, 25), (2, 20, 1))],
    "sparse": [RNG.integers(-9, 10, (3, 40, 1)) * (RNG.random((3, 40, 1)) < 0.1)],
    "wide": [np.rint(RNG.standard_cauchy((2, 10, 4)) * 1000).astype(np.int64)],
    "extremes": [RNG.choice(np.array([-(2**63), 2**63 - 1, 0, 1, -1, 2**62]), (3, 4, 2))],
}
profiles = pytest.mark.parametrize("profile", PROFILES)


def outcome(profile: str, stream: bytes) -> list[int] | str:
    try:
        return read_blocks(PROFILES[profile], stream, [(2, 3, 4)])[0].reshape(-1).tolist()
    except CodecError as error:
        return error.what


@profiles
@pytest.mark.parametrize("name", BLOCKS)
def test_streams_are_equal_byte_for_byte(profile: str, name: str, to_plain_python: Callable[[], None]) -> None:
    compiled = write_blocks(PROFILES[profile], BLOCKS[name])
    to_plain_python()
    assert write_blocks(PROFILES[profile], BLOCKS[name]) == compiled
    for tensor, other in zip(BLOCKS[name], read_blocks(PROFILES[profile], compiled, [b.shape for b in BLOCKS[name]]), strict=True):
        np.testing.assert_array_equal(tensor, other)


@profiles
def test_damaged_streams_meet_the_same_fate(profile: str, to_plain_python: Callable[[], None]) -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    damaged = [rng.bytes(length) for length in range(1, 30)] + [b"\xff" * 200, bytes(20)]
    compiled = [outcome(profile, stream) for stream in damaged]
    to_plain_python()
    assert [outcome(profile, stream) for stream in damaged] == compiled


@pytest.mark.parametrize(("profile", "digest"), [("fast", "a8caaefd4b294213"), ("smallest", "ae3644fba7b30384")])
def test_streams_have_not_changed(profile: str, digest: str) -> None:
    """Change this with the number of the format, never alone."""
    stream = b"".join(write_blocks(PROFILES[profile], blocks) for blocks in BLOCKS.values())
    assert hashlib.sha256(stream).hexdigest()[:16] == digest


def test_the_oracle_is_not_compiled(to_plain_python: Callable[[], None]) -> None:
    assert isinstance(smallest.code_tensor, Dispatcher)
    to_plain_python()
    assert not any(isinstance(value, Dispatcher) for module in (fast, smallest, mixing) for value in vars(module).values())
