"""The arithmetic coder against the same arithmetic on numbers without end, which need no window and no carry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.codec.arithmetic import ENCODER, close, ended, get, put, start

decisions = st.lists(st.tuples(st.integers(1, 2**16 - 1), st.booleans().map(int)), max_size=200)


def encode(steps: list[tuple[int, int]]) -> bytes:
    out, encoder = np.empty(2 * len(steps) + 8, np.uint8), ENCODER
    for probability, bit in steps:
        encoder = put(encoder, out, probability, bit)
    return out[: close(encoder, out)].tobytes()


def decode(stream: bytes, probabilities: list[int]) -> tuple[list[int], bool]:
    data = np.frombuffer(stream, np.uint8)
    decoder, bits = start(data), []
    for probability in probabilities:
        decoder, bit = get(decoder, data, probability)
        bits.append(int(bit))
    return bits, bool(ended(decoder, data))


def endless(steps: list[tuple[int, int]]) -> bytes:
    """The interval as one integer of ever more digits."""
    low, span, shifts = 0, 2**32, 0
    for probability, bit in steps:
        ones = span * probability >> 16
        low, span = (low, ones) if bit else (low + ones, span - ones)
        while span < 2**24:
            low, span, shifts = low << 8, span << 8, shifts + 1
    for kept in (0, 1):
        unit = 2 ** (32 - 8 * kept)
        number = -(-low // unit)
        if number * unit < low + span:
            return number.to_bytes(shifts + kept, "big")
    raise AssertionError("a span of 2²⁴ always holds a multiple of 2²⁴")


@given(decisions)
def test_writes_the_digits_of_the_endless_number(steps: list[tuple[int, int]]) -> None:
    assert encode(steps) == endless(steps)


@given(decisions)
def test_decodes_what_it_encoded_and_knows_the_end(steps: list[tuple[int, int]]) -> None:
    assert decode(encode(steps), [p for p, _ in steps]) == ([bit for _, bit in steps], True)


@given(st.lists(st.integers(1, 2**16 - 1), max_size=100), st.binary(max_size=12))
def test_any_bytes_end_where_they_should_exactly_if_they_are_what_the_encoder_writes(probabilities: list[int], stream: bytes) -> None:
    bits, end = decode(stream, probabilities)
    assert end == (encode(list(zip(probabilities, bits, strict=True))) == stream)


@given(decisions, st.integers(0, 255))
def test_streams_cut_or_lengthened_end_where_they_should_only_if_they_are_another_message(steps: list[tuple[int, int]], byte: int) -> None:
    stream, probabilities = encode(steps), [p for p, _ in steps]
    for damaged in (stream[:-1], stream + bytes([byte])):
        bits, end = decode(damaged, probabilities)
        assert end == (encode(list(zip(probabilities, bits, strict=True))) == damaged)


@pytest.mark.parametrize("digits", ["80", "01", "0100", "c0"])
@pytest.mark.parametrize("seed", range(5))
def test_a_carry_runs_through_many_bytes(seed: int, digits: str) -> None:
    """Bits whose interval closes in on a round number from both sides: below it, the digits are …7fffff, and the tail carries."""
    probabilities = np.random.Generator(np.random.PCG64(seed)).integers(1000, 64000, 300).tolist()
    bits, _ = decode(bytes.fromhex(digits), probabilities)
    steps = list(zip(probabilities, bits, strict=True))
    assert len(encode(steps)) > 20
    assert encode(steps) == endless(steps) == bytes.fromhex(digits).ljust(len(encode(steps)), b"\0")


def test_costs_what_the_probabilities_say() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    for share in (0.5, 0.1, 0.01, 0.001):
        bits = (rng.random(200_000) < share).astype(int)
        probability = max(1, round(share * 2**16))
        ideal = -(bits * np.log2(probability / 2**16) + (1 - bits) * np.log2(1 - probability / 2**16)).sum() / 8
        assert len(encode([(probability, bit) for bit in bits])) <= ideal * 1.0001 + 2
