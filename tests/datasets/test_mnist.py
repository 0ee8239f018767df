"""IDX files, made here byte by byte."""

import gzip
import struct

import numpy as np
import pytest

from laconic.base.errors import DataError
from laconic.datasets.mnist import load_mnist


def _idx(values):
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


_RNG = np.random.default_rng(0)
_IMAGES = {"train": _RNG.integers(0, 256, (40, 6, 5)), "t10k": _RNG.integers(0, 256, (8, 6, 5))}
_LABELS = {"train": np.arange(40) % 4, "t10k": np.arange(8) % 4}


@pytest.fixture
def write(tmp_path):
    def _write(style="-", suffix=""):
        for part in ("train", "t10k"):
            for kind, values in (("images", _IMAGES[part]), ("labels", _LABELS[part])):
                content = _idx(values)
                name = f"{part}-{kind}{style}idx{values.ndim}-ubyte{suffix}"
                (tmp_path / name).write_bytes(gzip.compress(content) if suffix else content)
        return tmp_path

    return _write


@pytest.mark.parametrize("style", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_all_four_ways_of_naming(write, style, suffix):
    data = load_mnist(write(style, suffix))
    assert (data.test.inputs[:, 0] == _IMAGES["t10k"]).all()
    assert (data.test.targets == _LABELS["t10k"]).all()
    assert (len(data.train), len(data.validation)) == (36, 4)
    rows = {image.astype(np.uint8).tobytes(): label for image, label in zip(_IMAGES["train"], _LABELS["train"], strict=True)}
    for split in (data.train, data.validation):
        assert all(rows.pop(image.tobytes()) == label for image, label in zip(split.inputs, split.targets, strict=True))
    assert rows == {}
    assert data.classes == ("0", "1", "2", "3")
    assert data.preprocessing.shape == (1, 6, 5)


def test_a_missing_file_is_named(write):
    folder = write()
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no t10k-labels-idx1-ubyte"):
        load_mnist(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"\0\0\x08", "damaged"),
        (b"\0\0\x08\x03\0\0", "damaged"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "not an IDX file of bytes"),
        (b"PK\x03\x04" + bytes(40), "not an IDX file of bytes|damaged"),
        (struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + bytes(23), "promises 24 bytes"),
        (struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + bytes(25), "promises 24 bytes"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31) + bytes(9), "promises"),
        (struct.pack(">HBB1I", 0, 8, 1, 9) + bytes(9), "images of 1 axes"),
        (struct.pack(">HBB3I", 0, 8, 3, 0, 6, 5), "0 images and 40 labels"),
        (struct.pack(">HBB3I", 0, 8, 3, 2, 1, 1) + bytes(2), "2 images and 40 labels"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_refused(write, content, words, suffix):
    folder = write(suffix=suffix)
    (folder / f"train-images-idx3-ubyte{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DataError, match=words):
        load_mnist(folder)


@pytest.mark.parametrize(
    "damage",
    [lambda raw: raw[:-9], lambda raw: b"no gzip at all", lambda raw: raw[:10] + b"\xff" + raw[11:], lambda raw: raw[:-8] + bytes(8)],
)
def test_a_damaged_compression_is_refused(write, damage):
    path = write(suffix=".gz") / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load_mnist(path.parent)
    assert caught.value.where == str(path)


def test_files_without_images_are_refused(write):
    folder = write()
    (folder / "train-images-idx3-ubyte").write_bytes(_idx(np.zeros((0, 6, 5))))
    (folder / "train-labels-idx1-ubyte").write_bytes(_idx(np.zeros(0)))
    with pytest.raises(DataError, match="0 images and 0 labels"):
        load_mnist(folder)
