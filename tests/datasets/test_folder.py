"""Folders of image files, drawn here."""

import numpy as np
import pytest
from PIL import Image

from laconic.base.errors import DataError
from laconic.datasets.folder import load_folder


def _draw(path, *, mode="RGB", size=(6, 4), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels, mode if mode != "I;16" else None).save(path)
    return pixels


@pytest.fixture
def split_folder(tmp_path):
    for part, n in (("train", 10), ("test", 3)):
        for name in ("dog", "cat"):
            for i in range(n):
                _draw(tmp_path / part / name / f"{i:04}.png", seed=i + 100 * (name == "dog") + 1000 * (part == "test"))
    return tmp_path


def test_classes_are_alphabetical_and_pixels_lossless(split_folder):
    data = load_folder(split_folder)
    assert data.classes == ("cat", "dog")
    assert data.test.targets.tolist() == [0, 0, 0, 1, 1, 1]
    expected = np.random.default_rng(1102).integers(0, 256, (4, 6, 3), np.uint8)
    assert (data.test.inputs[5] == expected.transpose(2, 0, 1)).all()
    assert data.test.inputs.dtype == np.uint8
    assert (len(data.train), len(data.validation)) == (18, 2)


@pytest.mark.parametrize("name", ["val", "validation"])
def test_a_validation_folder_of_its_own(split_folder, name):
    _draw(split_folder / name / "dog" / "x.png", seed=7)
    data = load_folder(split_folder)
    assert (len(data.train), data.validation.targets.tolist()) == (20, [1])


def test_without_a_split_one_is_made(tmp_path):
    for i in range(50):
        _draw(tmp_path / ("a" if i % 2 else "b") / f"{i}.png", mode="L", seed=i)
    data = load_folder(tmp_path)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [36, 4, 10]
    images = {image.tobytes() for split in (data.train, data.validation, data.test) for image in split.inputs}
    assert len(images) == 50
    assert data.preprocessing.shape == (1, 4, 6)


def test_images_are_brought_to_the_network(split_folder):
    data = load_folder(split_folder, (1, 8, 8))
    with Image.open(split_folder / "test" / "cat" / "0000.png") as image:
        expected = np.asarray(image.convert("L").resize((8, 8), Image.Resampling.BILINEAR))
    assert (data.test.inputs[0, 0] == expected).all()


def test_grey_files_become_rgb_where_asked(tmp_path):
    for i in range(4):
        pixels = _draw(tmp_path / "a" / f"{i}.png", mode="L", seed=i)
    data = load_folder(tmp_path, (3, 4, 6))
    splits = np.concatenate([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert any((image == pixels[None]).all() for image in splits)


def test_files_that_are_no_images_by_name_are_passed_over(split_folder):
    (split_folder / "train" / "cat" / "notes.txt").write_text("hello")
    (split_folder / "train" / "cat" / ".hidden.png").write_text("hello")
    (split_folder / "train" / ".cache").mkdir()
    assert load_folder(split_folder).classes == ("cat", "dog")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40), None])
def test_a_broken_image_names_its_file(split_folder, content):
    path = split_folder / "train" / "dog" / "0003.png"
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        load_folder(split_folder)
    assert caught.value.where == str(path)


def test_a_broken_first_image_names_its_file(split_folder):
    (split_folder / "train" / "cat" / "0000.png").write_bytes(b"?")
    with pytest.raises(DataError, match="cannot be decoded"):
        load_folder(split_folder)


def test_sixteen_bits_are_refused_and_not_clipped(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        load_folder(tmp_path)


def test_what_is_not_there_is_said(split_folder, tmp_path_factory):
    with pytest.raises(DataError, match="no such folder"):
        load_folder(split_folder / "none")
    with pytest.raises(DataError, match="no folders of classes"):
        load_folder(tmp_path_factory.mktemp("empty"))
    (split_folder / "train" / "ant").mkdir()
    with pytest.raises(DataError, match="a class without images") as caught:
        load_folder(split_folder)
    assert caught.value.where.endswith("ant")


def test_a_test_class_without_training_images(split_folder):
    _draw(split_folder / "test" / "zebra" / "x.png")
    with pytest.raises(DataError, match="class 'zebra' has no training images"):
        load_folder(split_folder)


def test_training_without_a_test_folder(tmp_path):
    _draw(tmp_path / "train" / "cat" / "x.png")
    with pytest.raises(DataError, match="no such folder") as caught:
        load_folder(tmp_path)
    assert caught.value.where == str(tmp_path / "test")


@pytest.mark.parametrize("shape", [(784,), (2, 4, 4)])
def test_shapes_that_images_cannot_have(split_folder, shape):
    with pytest.raises(DataError):
        load_folder(split_folder, shape)
