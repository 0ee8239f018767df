"""Compiled kernels against the plain Python they were compiled from: the same bytes, the same values, the same refusals."""

from collections.abc import Callable

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from laconic.base.errors import CodecError
from laconic.codec import adaptive, decode, encode, signed
from laconic.codec.coders import CODERS, Coder
from laconic.codec.window import reach


def outcome(coder: Coder, stream: bytes, count: int) -> list[int] | str:
    try:
        return coder.decode(stream, count).tolist()
    except CodecError as error:
        return error.what


def test_streams_are_equal_byte_for_byte(values: np.ndarray, to_plain_python: Callable[[], None]) -> None:
    compiled = encode(values)
    to_plain_python()
    assert encode(values) == compiled
    np.testing.assert_array_equal(decode(compiled, len(values)), values)


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_each_coder_is_equal_byte_for_byte(coder: Coder, values: np.ndarray, to_plain_python: Callable[[], None]) -> None:
    usable = values if reach(values) <= coder.reach else values & 255
    compiled = coder.encode(usable)
    to_plain_python()
    assert coder.encode(usable) == compiled
    np.testing.assert_array_equal(coder.decode(compiled, len(values)), usable)


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
def test_damaged_streams_meet_the_same_fate(coder: Coder, to_plain_python: Callable[[], None]) -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    stream = coder.encode(rng.integers(-30, 30, 60))
    damaged = [bytes(rng.permutation(np.frombuffer(stream, np.uint8))) for _ in range(40)] + [rng.bytes(40) for _ in range(40)]
    compiled = [outcome(coder, content, 60) for content in damaged]
    to_plain_python()
    assert [outcome(coder, content, 60) for content in damaged] == compiled


def test_the_oracle_is_not_compiled(to_plain_python: Callable[[], None]) -> None:
    assert isinstance(signed.write_signed, Dispatcher)
    to_plain_python()
    assert not any(isinstance(value, Dispatcher) for module in (signed, adaptive) for value in vars(module).values())
