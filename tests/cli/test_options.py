"""Words on the command line, read."""

import pytest

from laconic.base.errors import UsageError
from laconic.cli.options import read_numbers, read_sample, read_shape


@pytest.mark.parametrize(("word", "shape"), [("3x32x32", (3, 32, 32)), ("1X28×28", (1, 28, 28)), ("784", (784,)), (None, None)])
def test_shapes(word: str | None, shape: tuple[int, ...] | None) -> None:
    assert read_shape(word) == shape


@pytest.mark.parametrize("word", ["", "3x", "3x-1", "3x0x2", "3,32,32", "axb", "3.5", "²x2"])
def test_what_is_no_shape_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="no shape"):
        read_shape(word)


def test_numbers() -> None:
    assert read_numbers("0.485, 0.456,0", "--mean") == (0.485, 0.456, 0.0)
    assert read_numbers(None, "--mean") is None
    with pytest.raises(UsageError, match="no numbers"):
        read_numbers("0.5;0.5", "--mean")


def test_mean_and_std_go_together() -> None:
    with pytest.raises(UsageError, match="together"):
        read_sample(None, "0.5", None)
    with pytest.raises(UsageError, match="together"):
        read_sample(None, None, "0.5")
