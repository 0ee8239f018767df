"""The binary CIFAR files, made here byte by byte."""

import numpy as np
import pytest

from laconic.base.errors import DataError
from laconic.datasets.cifar import load_cifar10, load_cifar100


def _records(n, labels, classes, seed):
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (n, labels + 3072), np.uint8)
    records[:, labels - 1] = np.arange(n) % classes
    return records


@pytest.fixture
def ten(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(1, 6):
        (folder / f"data_batch_{i}.bin").write_bytes(_records(4, 1, 10, i).tobytes())
    (folder / "test_batch.bin").write_bytes(_records(6, 1, 10, 0).tobytes())
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n")
    return folder


def test_cifar10_here_or_in_the_archive_s_folder(ten):
    for folder in (ten, ten.parent):
        data = load_cifar10(folder)
        assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 6)
        assert data.classes[:2] == ("airplane", "automobile")


def test_pixels_are_planes_of_red_green_and_blue(ten):
    data, raw = load_cifar10(ten), _records(6, 1, 10, 0)
    assert data.test.targets.tolist() == [0, 1, 2, 3, 4, 5]
    for row, plane, y, x in ((0, 0, 0, 0), (5, 2, 31, 31), (3, 1, 7, 20)):
        assert data.test.inputs[row, plane, y, x] == raw[row, 1 + 1024 * plane + 32 * y + x]


def test_training_batches_are_all_read(ten):
    data = load_cifar10(ten)
    found = {image.tobytes() for split in (data.train, data.validation) for image in split.inputs}
    assert found == {record[1:].tobytes() for i in range(1, 6) for record in _records(4, 1, 10, i)}


def test_cifar100_takes_the_fine_label(tmp_path):
    (tmp_path / "train.bin").write_bytes(_records(200, 2, 100, 0).tobytes())
    (tmp_path / "test.bin").write_bytes(_records(100, 2, 100, 1).tobytes())
    data = load_cifar100(tmp_path)
    assert data.test.targets.tolist() == list(range(100))
    assert data.classes == tuple(map(str, range(100)))
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"kind_{i}" for i in range(100)))
    assert load_cifar100(tmp_path).classes[99] == "kind_99"


def test_a_missing_file_is_named(ten):
    (ten / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match="cannot be read") as caught:
        load_cifar10(ten)
    assert caught.value.where == str(ten / "data_batch_4.bin")
    assert "binary" in caught.value.hint


@pytest.mark.parametrize("content", [b"", bytes(3072), bytes(3073 * 2 + 1)])
def test_a_file_of_broken_records(ten, content):
    (ten / "test_batch.bin").write_bytes(content)
    with pytest.raises(DataError, match="not a whole number of records"):
        load_cifar10(ten)


def test_a_label_out_of_range_is_found(ten):
    (ten / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(DataError, match="class number 10"):
        load_cifar10(ten)
