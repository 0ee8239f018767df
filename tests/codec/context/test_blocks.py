"""Blocks: whatever a tensor's shape, rows are no wider than groups can be cut between."""

import math

from hypothesis import given
from hypothesis import strategies as st

from laconic.codec.context.blocks import FOLDED_ROW, WIDEST_ROW, block_shape, blocks_of


@given(st.lists(st.integers(1, 1 << 20), max_size=5).map(tuple))
def test_blocks_hold_all_values_in_rows_that_are_not_too_wide(shape: tuple[int, ...]) -> None:
    blocks = blocks_of(shape)
    assert sum(math.prod(block) for block in blocks) == math.prod(shape)
    assert all(rows > 0 and 0 < columns * taps <= WIDEST_ROW for rows, columns, taps in blocks)
    if math.prod(block_shape(shape)[1:]) <= WIDEST_ROW:
        assert blocks == (block_shape(shape),)
    else:
        assert blocks[0][1:] == (FOLDED_ROW, 1)
        assert len(blocks) <= 2


def test_the_widest_row_is_not_folded() -> None:
    assert blocks_of((3, WIDEST_ROW)) == ((3, WIDEST_ROW, 1),)
    assert blocks_of((WIDEST_ROW + 1,)) == ((16, 4096, 1), (1, 1, 1))
    assert blocks_of((2, 8, 128, 128)) == ((64, 4096, 1),)
    assert blocks_of(()) == ((1, 1, 1),)
