"""The symbol tree and the signed model: round trips, closeness to entropy, and the cost of a symbol."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import CodecError
from laconic.codec import entropy, signed, symbols
from laconic.codec.adaptive import contexts, write_bit
from laconic.codec.arithmetic import ENCODER, close, put, start
from laconic.codec.limits import MAX_SYMBOLS_PER_BYTE

RNG = np.random.Generator(np.random.PCG64(3))
DRAWS = {
    "uniform": RNG.integers(0, 32, 50_000),
    "skewed": RNG.choice(32, 50_000, p=RNG.dirichlet(np.full(32, 0.3))),
    "sparse": np.rint(RNG.laplace(0, 3, 50_000)).astype(np.int64) * (RNG.random(50_000) < 0.1),
    "normal": np.rint(RNG.normal(0, 20, 50_000)).astype(np.int64),
    "geometric": RNG.geometric(1 / 30, 50_000) - 1,
}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60).map(lambda numbers: np.array(numbers, np.int64)))
def test_signed_takes_the_whole_of_int64(values: np.ndarray) -> None:
    np.testing.assert_array_equal(signed.decode(signed.encode(values), len(values)), values)


@given(st.integers(-(2**62), 2**62), st.lists(st.integers(0, 4095), min_size=1, max_size=60))
def test_symbols_take_any_window(low: int, above: list[int]) -> None:
    values = low + np.array(above)
    np.testing.assert_array_equal(symbols.decode(symbols.encode(values), len(values)), values)


@pytest.mark.parametrize("magnitude", [1, 13, 14, 15, 16, 2**31, 2**62, 2**63 - 15, 2**63 - 14, 2**63 - 13, 2**63 - 1])
def test_signed_at_the_seams_of_its_binarisation(magnitude: int) -> None:
    values = np.array([magnitude, -magnitude, -magnitude - 1], np.int64)
    np.testing.assert_array_equal(signed.decode(signed.encode(values), 3), values)


@pytest.mark.parametrize("name", DRAWS)
def test_symbols_come_close_to_the_entropy(name: str) -> None:
    values = DRAWS[name]
    least = entropy(values) * len(values) / 8
    assert 0.99 * least < len(symbols.encode(values)) < 1.01 * least + 100  # bytes; some go into learning the tree


@pytest.mark.parametrize("name", ["sparse", "normal", "geometric"])
def test_signed_comes_close_to_the_entropy(name: str) -> None:
    values = DRAWS[name]
    least = entropy(values) * len(values) / 8
    assert 0.99 * least < len(signed.encode(values)) < 1.01 * least + 100


def test_a_byte_holds_as_many_symbols_as_the_limit_says_and_no_more() -> None:
    """The cheapest stream there is: one bit a symbol, always the same. It comes close to the limit, and stays below."""
    count = 3_000_000
    length = len(signed.encode(np.zeros(count, np.int64)))
    assert 0.9 * MAX_SYMBOLS_PER_BYTE < count / length <= (1 + 1 / length) * MAX_SYMBOLS_PER_BYTE


@given(st.binary(max_size=40), st.integers(1, 60))
def test_what_signed_decodes_is_what_it_would_have_written(stream: bytes, count: int) -> None:
    try:
        values = signed.decode(stream, count)
    except CodecError:
        return
    assert signed.encode(values) == stream


@pytest.mark.parametrize("name", DRAWS)
def test_nearly_every_cut_and_extra_byte_is_refused(name: str) -> None:
    """Not every one: nearly all byte strings mean something to an arithmetic coder. What passes is another message's stream."""
    values = DRAWS[name][:2000]
    stream = signed.encode(values)
    passed = []
    for damaged in [stream[:end] for end in range(0, len(stream), 5)] + [stream + bytes([byte]) for byte in range(256)]:
        try:
            passed.append((damaged, signed.decode(damaged, 2000)))
        except CodecError:
            continue
    assert len(passed) < 10
    assert all(signed.encode(other) == damaged for damaged, other in passed)


def written(decisions: list[tuple[int, int]]) -> bytes:
    """A signed stream of these decisions: context (−1: none, both are as likely) and bit."""
    table, out, encoder = contexts(signed._CONTEXTS), np.empty(1000, np.uint8), ENCODER
    for context, bit in decisions:
        encoder = put(encoder, out, 2**15, bit) if context < 0 else write_bit(encoder, out, table, context, bit)
    return out[: close(encoder, out)].tobytes()


def huge(negative: int, rest: int) -> bytes:
    """The stream of one value whose Exp-Golomb part is `rest`, in `[2⁶², 2⁶³)`."""
    digits = [int(digit) for digit in f"{rest:b}"[1:]]
    leading = [
        (signed._LEADING + 8 * 62 + node, bit) for node, bit in zip((1, 2 + digits[0], 4 + 2 * digits[0] + digits[1]), digits, strict=False)
    ]
    unary = [(signed._UNARY + unit, 1) for unit in range(14)]
    length = [(signed._LENGTH + place, int(place < 62)) for place in range(63)]
    return written([(2, 0), (signed._SIGN, negative), *unary, *length, *leading, *((-1, bit) for bit in digits[3:])])


@pytest.mark.parametrize("plain", [False, True])
def test_signed_ends_where_int64_does(plain: bool, to_plain_python: Callable[[], None]) -> None:
    if plain:
        to_plain_python()
    assert signed.decode(huge(1, 2**63 - 14), 1) == -(2**63)
    assert signed.decode(huge(0, 2**63 - 15), 1) == 2**63 - 1
    for forged in (huge(0, 2**63 - 14), huge(1, 2**63 - 13), huge(1, 2**63 - 1)):
        with pytest.raises(CodecError):
            signed.decode(forged, 1)


def test_signed_refuses_magnitudes_without_end() -> None:
    unary = [(signed._UNARY + unit, 1) for unit in range(14)]
    with pytest.raises(CodecError):
        signed.decode(written([(2, 0), (signed._SIGN, 0), *unary, *[(signed._LENGTH + place, 1) for place in range(63)]]), 1)


def test_decoding_stops_soon_behind_the_end_of_the_data() -> None:
    data = np.frombuffer(RNG.bytes(50), np.uint8)
    values = np.full(100_000, -77)
    _, sound = signed.read_signed(data, contexts(signed._CONTEXTS), start(data), values)
    assert (sound, values[-1]) == (False, -77)
    _, sound = symbols.read_symbols(data, 3, contexts(8), start(data), values)
    assert (sound, values[-1]) == (False, -77)
