"""DATA references: each word, and each way to get one wrong."""

import struct

import numpy as np
import pytest
from PIL import Image

from laconic.base.errors import DataError, UsageError
from laconic.datasets.reference import load_data

_MAKE = """
import numpy as np
def arrays():
    x, y = np.zeros((20, 1, 4, 4), np.uint8), np.arange(20) % 2
    return {"train": (x, y), "test": (x[:5], y[:5])}
def with_validation():
    return {**arrays(), "validation": (np.ones((3, 1, 4, 4), np.uint8), np.zeros(3, int))}
def data():
    from laconic.datasets.arrays import from_arrays
    return from_arrays(**arrays(), name="mine")
def lacking():
    return {"train": arrays()["train"]}
def odd():
    return {**arrays(), "extra": 1}
def nothing():
    return None
def broken():
    return arrays()["tset"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "make.py"
    path.write_text(_MAKE)
    return path


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "d.npz", inputs=np.zeros((20, 4, 5, 3), np.uint8), targets=np.arange(20) % 2)
    return tmp_path / "d.npz"


def test_digits():
    assert load_data("digits").preprocessing.shape == (1, 8, 8)
    assert load_data("digits", sample_shape=(3, 32, 32)).preprocessing.shape == (3, 32, 32)


def test_mnist(tmp_path):
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 4, 2, 2) + bytes(16))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + bytes(4))
    assert load_data(f"mnist:{tmp_path}").name == f"mnist:{tmp_path}"


def test_cifar(tmp_path):
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (tmp_path / f"{name}.bin").write_bytes(bytes(3073))
    assert len(load_data(f"cifar10:{tmp_path}").classes) == 10
    for name in ("train", "test"):
        (tmp_path / f"{name}.bin").write_bytes(bytes(3074 * 2))
    assert len(load_data(f"cifar100:{tmp_path}").classes) == 100


def test_folder(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(4):
        Image.new("RGB", (6, 5)).save(tmp_path / "a" / f"{i}.png")
    assert load_data(f"folder:{tmp_path}", sample_shape=(1, 8, 8)).preprocessing.shape == (1, 8, 8)


def test_npz(npz):
    assert load_data(f"npz:{npz}").name == f"npz:{npz}"


def test_axes_are_not_guessed(npz):
    with pytest.raises(DataError, match=r"shape \(4, 5, 3\) where the network takes \(3, 4, 5\)") as caught:
        load_data(f"npz:{npz}", sample_shape=(3, 4, 5))
    assert "transpose" in caught.value.hint


def test_functions(file):
    arrays = load_data(f"{file}:arrays")
    assert (len(arrays.train), len(arrays.validation), len(arrays.test)) == (18, 2, 5)
    assert load_data(f"{file}:with_validation").validation.inputs.min() == 1
    assert load_data(f"{file}:data").name == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lacking", "returned a dict of train"),
        ("odd", "returned a dict of train, test, extra"),
        ("nothing", "returned a NoneType"),
        ("broken", "KeyError: 'tset'"),
        ("nowhere", "has no 'nowhere'"),
    ],
)
def test_functions_that_do_not_give_data(file, name, words):
    with pytest.raises(DataError, match=words):
        load_data(f"{file}:{name}")


def test_another_mean_and_deviation():
    found = load_data("digits", sample_shape=(3, 8, 8), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)).preprocessing
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    with pytest.raises(UsageError, match="go together"):
        load_data("digits", mean=(0.5,))
    with pytest.raises(DataError, match="2 values for 1 channels"):
        load_data("digits", mean=(0.5, 0.5), std=(1.0,))


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("minst:/data", "did you mean mnist?"),
        ("digit", "did you mean digits?"),
        ("digits:/data", "did you mean digits?"),
        ("cifar:/data", "did you mean cifar"),
        ("mnist", "write mnist:DIR"),
        ("npz:", "write npz:FILE"),
        ("", "known:"),
        ("zzz:/data", "known:"),
    ],
)
def test_words_that_name_no_data(reference, hint):
    with pytest.raises(UsageError, match="names no data") as caught:
        load_data(reference)
    assert caught.value.hint.startswith(hint)
