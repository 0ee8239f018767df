"""Rows of one tensor say of the columns of the next how large they may be."""

import numpy as np

from laconic.codec.context.group import write_blocks
from laconic.codec.context.levels import ONE
from laconic.codec.context.links import EVEN, Links
from laconic.codec.context.profiles import PROFILES


def tensor(rows: list[int], columns: int = 5, taps: int = 1) -> np.ndarray:
    """Each row made of one magnitude, with signs of either kind."""
    values = np.repeat(np.array(rows, np.int64), columns * taps).reshape(len(rows), columns, taps)
    values[:, ::2] *= -1
    return values


def test_without_anything_before_all_columns_are_alike() -> None:
    assert Links().columns(7).tolist() == [EVEN] * 7


def test_columns_follow_the_rows_before() -> None:
    links = Links()
    links.note(tensor([0, 3, 9]))
    soft = 4 * ONE // 32 + ONE // 4096  # mean 4, softened
    assert links.columns(3).tolist() == [(m * ONE + soft) * EVEN // (4 * ONE + soft) for m in (0, 3, 9)]


def test_a_flattened_channel_is_a_run_of_columns() -> None:
    links = Links()
    links.note(tensor([1, 5]))
    one, five = links.columns(2).tolist()
    assert links.columns(6).tolist() == [one] * 3 + [five] * 3


def test_the_last_tensor_whose_rows_divide_the_columns_counts() -> None:
    links = Links()
    links.note(tensor([1, 1, 8]))
    links.note(tensor([1, 2, 3, 4]))
    links.note(tensor([7]))  # a bias: one row says nothing
    assert links.columns(4).tolist() == sorted(links.columns(4).tolist())
    assert links.columns(3)[2] > 2 * EVEN
    assert links.columns(5).tolist() == [EVEN] * 5
    assert links.columns(1).tolist() == [EVEN]


def test_a_giant_row_says_no_more_than_sixteen_times_the_mean() -> None:
    links = Links()
    links.note(tensor([2**62, *[0] * 99]))
    assert links.columns(100).max() == 16 * EVEN


def test_pruned_filters_make_the_next_layer_cheaper() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    alive = rng.random(200) < 0.2
    before = rng.integers(-2, 3, (200, 30, 1)) * alive[:, None, None]
    after = rng.integers(-2, 3, (10, 200, 1)) * alive[None, :, None]
    apart = sum(len(write_blocks(PROFILES["smallest"], [values])) for values in (before, after))
    assert len(write_blocks(PROFILES["smallest"], [before, after])) < apart - 20
