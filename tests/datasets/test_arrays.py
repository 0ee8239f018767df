"""Arrays, tensors and torch datasets in memory; NumPy archives."""

import zipfile

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.arrays import from_arrays, load_npz

_RNG = np.random.default_rng(0)
X = _RNG.integers(0, 256, (20, 1, 4, 4), np.uint8)
Y = np.arange(20) % 3


def test_arrays_tensors_datasets_and_lists_give_the_same_data():
    class Indexed(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return X[index], int(Y[index])

    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    for train in ((X, Y), tensors, TensorDataset(*tensors), Indexed(), list(zip(X, Y, strict=True))):
        data = from_arrays(train, (X[:5], Y[:5]), (X[5:9], Y[5:9]))
        assert (data.train.inputs == X).all()
        assert data.train.inputs.dtype == np.uint8
        assert data.train.targets.tolist() == Y.tolist()
        assert data.train.targets.dtype == np.int64
        assert data.classes == ("0", "1", "2")
        assert data.validation.targets.tolist() == Y[5:9].tolist()


def test_a_tensor_that_learns_is_taken_by_value():
    x = torch.ones(4, 2, requires_grad=True)
    assert (from_arrays((x, Y[:4]), (x, Y[:4])).test.inputs == 1).all()


def test_small_integers_become_class_numbers():
    assert from_arrays((X, Y.astype(np.uint8)), (X, Y)).train.targets.dtype == np.int64


def test_validation_is_held_out_of_training():
    data = from_arrays((X, Y), (X[:5], Y[:5]))
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 5)


def test_pixels_are_normalised_and_floats_are_left_as_they_are():
    pixels = from_arrays((X, Y), (X, Y), (X, Y)).preprocessing
    assert pixels.scale == 1 / 255
    assert pixels.mean[0] == pytest.approx(X.mean() / 255)
    floats = from_arrays((X / 3.0, Y), (X / 3.0, Y)).preprocessing
    assert floats == Preprocessing((1, 4, 4), scale=1.0)
    own = Preprocessing((1, 4, 4), std=(3.0,))
    assert from_arrays((X, Y), (X, Y), preprocessing=own).preprocessing == own


def test_classes_are_counted_over_all_splits_and_may_be_named():
    assert len(from_arrays((X, Y), (X[:2], np.array([0, 7]))).classes) == 8
    assert from_arrays((X, Y), (X, Y), classes=("a", "b", "c")).classes == ("a", "b", "c")
    assert from_arrays((X, Y * 0.5), (X, Y * 0.5)).classes == ()
    assert from_arrays((X, np.eye(20)), (X, np.eye(20))).classes == ()


def test_faults_are_refused():
    with pytest.raises(DataError, match="class number -1"):
        from_arrays((X, Y - 1), (X, Y))
    with pytest.raises(DataError, match="20 inputs but 19 targets"):
        from_arrays((X, Y[1:]), (X, Y))
    with pytest.raises(DataError, match="where"):
        from_arrays((X, Y), (X.transpose(0, 2, 3, 1), Y))
    with pytest.raises(DataError, match="no array"):
        from_arrays(([[1.0], [1.0, 2.0]], [0, 1]), (X, Y))
    with pytest.raises(DataError, match=r"\(sample, target\)"):
        from_arrays([np.zeros(3), np.zeros(3)], (X, Y))
    with pytest.raises(DataError, match="not of one shape"):
        from_arrays([(np.zeros(3), 0), (np.zeros(4), 0)], (X, Y))
    with pytest.raises(DataError, match=r"\(sample, target\)"):
        from_arrays((X, Y, X), (X, Y))


def test_an_archive_with_its_own_splits(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4])
    data = load_npz(path)
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 4)
    np.savez_compressed(path, x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4], x_validation=X[:3], y_validation=Y[:3])
    assert (len(load_npz(path).train), len(load_npz(path).validation)) == (20, 3)


def test_an_archive_without_splits(tmp_path):
    np.savez(tmp_path / "d.npz", inputs=np.arange(100.0).reshape(50, 2), targets=np.arange(50) % 2)
    data = load_npz(tmp_path / "d.npz")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [36, 4, 10]
    assert sorted(np.concatenate([s.inputs[:, 0] for s in (data.train, data.validation, data.test)])) == list(range(0, 100, 2))


def test_an_archive_of_python_objects_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", inputs=np.array([{"a": 1}], dtype=object), targets=np.arange(1))
    with pytest.raises(DataError, match="allow_pickle=False"):
        load_npz(tmp_path / "d.npz")


def test_other_keys_are_listed(tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    with pytest.raises(DataError, match="the archive holds x, y"):
        load_npz(tmp_path / "d.npz")


def test_what_is_no_archive(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_npz(tmp_path / "none.npz")
    np.save(tmp_path / "d.npy", X)
    with pytest.raises(DataError, match="no NumPy archive"):
        load_npz(tmp_path / "d.npy")
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("inputs.npy", b"\x93NUMPY\x01\x00broken")
        archive.writestr("targets.npy", b"\x93NUMPY\x01\x00broken")
    with pytest.raises(DataError, match="cannot be read"):
        load_npz(tmp_path / "z.npz")


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, inputs=X, targets=Y)
    raw = bytearray(path.read_bytes())
    raw[200] ^= 255
    path.write_bytes(raw)
    with pytest.raises(DataError, match="cannot be read"):
        load_npz(path)
