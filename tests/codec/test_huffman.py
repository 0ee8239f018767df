import heapq
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.base.errors import CodecError
from laconic.codec import huffman
from laconic.codec.symbols import encode_symbols

weight_lists = st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda weights: sum(w > 0 for w in weights) > 1)


def huffman_cost(weights: list[int]) -> int:
    """Bits of Huffman's code, by his own construction: join the two lightest, again and again."""
    heap = [w for w in weights if w > 0]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        cost += joined
        heapq.heappush(heap, joined)
    return cost


def best_limited_cost(weights: list[int], limit: int) -> int:
    """Bits of the best prefix code with words of at most `limit` bits: every choice of lengths that Kraft allows."""
    choices = itertools.product(range(1, limit + 1), repeat=len(weights))
    return min(
        sum(w * bits for w, bits in zip(weights, lengths, strict=True))
        for lengths in choices
        if sum(2 ** (limit - bits) for bits in lengths) <= 2**limit
    )


@given(weight_lists)
def test_lengths_are_as_good_as_huffmans_and_meet_krafts_equality(weights: list[int]) -> None:
    lengths = huffman.code_lengths(np.array(weights))
    assert int(lengths @ np.array(weights)) == huffman_cost(weights)
    assert sum(2.0 ** -int(bits) for bits in lengths if bits) == 1.0
    assert [bits > 0 for bits in lengths] == [w > 0 for w in weights]


@given(st.lists(st.integers(1, 100), min_size=5, max_size=6))
def test_limited_lengths_are_the_best_there_are(weights: list[int]) -> None:
    lengths = huffman.code_lengths(np.array(weights), limit=3)
    assert lengths.max() <= 3
    assert int(lengths @ np.array(weights)) == best_limited_cost(weights, limit=3)


def test_words_stay_within_the_limit_where_huffmans_would_not() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 40:  # Huffman's own code for these has words of 39 bits
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = huffman.code_lengths(np.array(fibonacci))
    assert lengths.max() == 16
    assert sum(2.0 ** -int(bits) for bits in lengths) == 1.0


@given(weight_lists)
def test_the_code_is_canonical_and_free_of_prefixes(weights: list[int]) -> None:
    lengths = huffman.code_lengths(np.array(weights))
    words = [f"{word:0{bits}b}" for word, bits in zip(huffman.code_words(lengths), lengths, strict=True) if bits]
    ranked = sorted(words, key=len)  # stable: symbols of one length stay in order
    assert ranked == sorted(words)
    assert not any(longer.startswith(shorter) for shorter, longer in itertools.pairwise(ranked))


@given(st.lists(st.integers(-700, 700), min_size=1, max_size=200).map(np.array))
def test_decodes_what_it_encoded(values: np.ndarray) -> None:
    np.testing.assert_array_equal(huffman.decode(huffman.encode(values), len(values)), values)


def test_a_wide_and_skewed_alphabet() -> None:
    values = np.repeat(np.arange(4096), np.maximum(1, 3000 >> np.minimum(np.arange(4096), 12)))
    assert huffman.code_lengths(np.bincount(values)).max() <= 16
    np.testing.assert_array_equal(huffman.decode(huffman.encode(values), len(values)), values)


@pytest.mark.parametrize("lengths", [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 2, 3, 0], [17, 17, 1, 2], [1, 2, 31, 31]])
def test_refuses_lengths_that_make_no_code(lengths: list[int]) -> None:
    with pytest.raises(CodecError, match="prefix code"):
        huffman.lookup_table(np.array(lengths))


def test_refuses_more_words_than_bits() -> None:
    table = encode_symbols(np.array([1, 1]), 5)
    stream = bytes([1, len(table)]) + table
    np.testing.assert_array_equal(huffman.decode(stream + b"\x40", 3), [0, 1, 0])
    for body, count in ((b"\x40", 9), (b"", 1), (b"\x41", 3), (b"\x40\x00", 3)):
        with pytest.raises(CodecError):
            huffman.decode(stream + body, count)
