"""Faults in data are found when the data are made, with split and row."""

import numpy as np
import pytest

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split

_CLASSES = ("a", "b", "c")


def _split(inputs=None, targets=None):
    inputs = np.zeros((5, 1, 2, 2), np.float32) if inputs is None else inputs
    return Split(inputs, np.array([0, 1, 2, 0, 1]) if targets is None else targets)


def _data(classes=_CLASSES, **splits):
    parts = {"train": _split(), "validation": _split(), "test": _split(), **splits}
    return Data("x", **parts, preprocessing=Preprocessing((1, 2, 2)), classes=classes)


def test_sound_data_pass():
    assert len(_data().train) == 5


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found_in_their_row(name, bad):
    inputs = np.zeros((5, 1, 2, 2), np.float32)
    inputs[3, 0, 1, 1] = bad
    with pytest.raises(DataError, match="inputs that are not finite") as caught:
        _data(**{name: _split(inputs)})
    assert caught.value.where == f"{name} split, row 3"


def test_rows_are_counted_over_the_whole_split():
    inputs = np.zeros((5000, 1, 2, 2), np.float32)
    inputs[4321] = np.nan
    with pytest.raises(DataError) as caught:
        _data(train=Split(inputs, np.zeros(5000, np.int64)))
    assert caught.value.where == "train split, row 4321"


def test_targets_must_be_finite_too():
    with pytest.raises(DataError, match="targets that are not finite") as caught:
        _data(classes=(), test=_split(targets=np.array([0.0, 1.0, np.nan, 0.0, 0.0])))
    assert caught.value.where == "test split, row 2"


def test_an_empty_split():
    empty = Split(np.zeros((0, 1, 2, 2)), np.zeros(0, np.int64))
    with pytest.raises(DataError, match="without samples") as caught:
        _data(validation=empty)
    assert caught.value.where == "validation split"


@pytest.mark.parametrize("dtype", [object, complex, "U3"])
def test_inputs_that_are_no_real_numbers(dtype):
    with pytest.raises(DataError, match="inputs of dtype"):
        _data(train=_split(np.zeros((5, 1, 2, 2)).astype(dtype)))


def test_a_split_of_another_shape():
    with pytest.raises(DataError, match=r"shape \(2, 2, 1\) where \(1, 2, 2\)") as caught:
        _data(test=_split(np.zeros((5, 2, 2, 1))))
    assert caught.value.where == "test split"


@pytest.mark.parametrize("bad", [-1, 3, 200])
def test_a_class_number_out_of_range(bad):
    with pytest.raises(DataError, match=f"class number {bad} where there are 3") as caught:
        _data(train=_split(targets=np.array([0, 1, 2, 0, bad])))
    assert caught.value.where == "train split, row 4"


@pytest.mark.parametrize("targets", [np.zeros(5), np.zeros((5, 3), np.int64), np.zeros((5, 1), np.int64), np.zeros(5, bool)])
def test_targets_that_are_no_class_numbers(targets):
    with pytest.raises(DataError, match="where classes are named"):
        _data(train=_split(targets=targets))
    assert len(_data(classes=(), train=_split(targets=targets)).train) == 5
