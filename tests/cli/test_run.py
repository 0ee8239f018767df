"""laconic run: from a file of samples to class names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import laconic
from laconic.cli.samples import read_image


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.Generator(np.random.PCG64(5)).integers(0, 256, (4, 1, 6, 6), np.uint8)


def expected(desk: Any, raw: np.ndarray) -> np.ndarray:
    session = laconic.load(desk.small)
    assert session.notes.preprocessing is not None
    return session(session.notes.preprocessing.apply(raw))


def test_a_batch_of_raw_pixels(cli: Any, desk: Any, tmp_path: Path, pixels: np.ndarray) -> None:
    np.save(tmp_path / "batch.npy", pixels)
    samples = cli("run", desk.small, tmp_path / "batch.npy", "--json").json()["samples"]
    outputs = expected(desk, pixels)
    for ranked, row in zip(samples, outputs, strict=True):
        assert [entry["number"] for entry in ranked] == list(np.argsort(-row))
        assert [entry["output"] for entry in ranked] == pytest.approx(sorted(row, reverse=True), abs=1e-6)
        assert [entry["probability"] for entry in ranked] == pytest.approx(sorted(np.exp(row) / np.exp(row).sum(), reverse=True), abs=1e-6)


def test_one_sample_without_a_batch_axis_and_the_best_class_only(cli: Any, desk: Any, tmp_path: Path, pixels: np.ndarray) -> None:
    np.save(tmp_path / "one.npy", pixels[0])
    done = cli("run", desk.small, tmp_path / "one.npy", "--top", "1")
    best = str(expected(desk, pixels[:1]).argmax())
    assert done.out.splitlines()[1].split()[0] == best
    assert f"one.npy is {best} " in done.out


def test_a_table_has_a_line_a_sample(cli: Any, desk: Any, tmp_path: Path, pixels: np.ndarray) -> None:
    np.save(tmp_path / "batch.npy", pixels)
    lines = cli("run", desk.small, tmp_path / "batch.npy").out.splitlines()
    assert [line.split()[1] for line in lines[1:]] == [str(best) for best in expected(desk, pixels).argmax(1)]


def test_an_image_is_converted_and_resized(cli: Any, desk: Any, tmp_path: Path, pixels: np.ndarray) -> None:
    grey = Image.fromarray(pixels[0, 0])
    grey.save(tmp_path / "same.png")
    grey.convert("RGB").resize((60, 60), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    same, large = (cli("run", desk.small, tmp_path / name, "--json").json()["samples"][0] for name in ("same.png", "large.png"))
    assert {entry["number"]: entry["output"] for entry in same} == pytest.approx(dict(enumerate(expected(desk, pixels[:1])[0])), abs=1e-6)
    assert large[0]["output"] == pytest.approx(same[0]["output"], abs=0.5)


def test_an_image_in_colour_has_its_channels_first(tmp_path: Path) -> None:
    raw = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (5, 4, 3), np.uint8)
    Image.fromarray(raw).save(tmp_path / "c.png")
    np.testing.assert_array_equal(read_image(tmp_path / "c.png", (3, 5, 4)), raw.transpose(2, 0, 1))


def test_inputs_go_in_as_they_are_where_no_preprocessing_is_stored(cli: Any, packed: Path, tmp_path: Path, pixels: np.ndarray) -> None:
    inputs = pixels.astype(np.float32) / 255
    np.save(tmp_path / "in.npy", inputs)
    samples = cli("run", packed, tmp_path / "in.npy", "--top", "1", "--json").json()["samples"]
    assert [ranked[0]["output"] for ranked in samples] == pytest.approx(laconic.load(packed)(inputs).max(1), abs=1e-6)
    Image.fromarray(pixels[0, 0]).save(tmp_path / "i.png")
    assert cli("run", packed, tmp_path / "i.png").code == 2


def test_outputs_that_are_no_classes_are_not_named_so(cli: Any, tmp_path: Path) -> None:
    net = tmp_path / "conv.py"
    net.write_text("from torch import nn\ndef build():\n    return nn.Conv2d(1, 2, 3)\n")
    cli("pack", f"{net}:build", "--input", "1x6x6", "-o", tmp_path / "conv.lac")
    np.save(tmp_path / "in.npy", np.zeros((1, 1, 6, 6), np.float32))
    done = cli("run", tmp_path / "conv.lac", tmp_path / "in.npy")
    assert done.code == 2
    assert "1×2×4×4" in done.err


@pytest.mark.parametrize(
    ("name", "code"),
    [("gone.npy", 2), ("folder", 2), ("text.png", 3), ("text.npy", 3), ("archive.npy", 3), ("shape.npy", 3), ("deep.png", 3)],
)
def test_inputs_that_do_not_fit_are_refused(cli: Any, desk: Any, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "folder").mkdir()
    for text in ("text.png", "text.npy"):
        (tmp_path / text).write_text("neither")
    with (tmp_path / "archive.npy").open("wb") as file:
        np.savez(file, x=np.zeros(3))
    np.save(tmp_path / "shape.npy", np.zeros((2, 1, 7, 7), np.uint8))
    Image.fromarray(np.zeros((6, 6), np.uint16)).save(tmp_path / "deep.png")
    done = cli("run", desk.small, tmp_path / name)
    assert (done.code, done.out) == (code, "")
    assert name in done.err or "(1, 7, 7)" in done.err
