"""laconic pack with a target: a size, or an allowed drop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic
from laconic.base.imports import call_attribute


def outputs(desk: Any, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of the file and of the model that it was made of, on the same noise."""
    inputs = np.random.default_rng(0).standard_normal((64, 1, 6, 6)).astype(np.float32)
    model = call_attribute(desk.net, error=Exception)
    return laconic.load(file)(inputs), laconic.train.as_runner(model)(inputs)


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    path = tmp_path / "unlabelled.npz"
    np.savez(path, inputs=np.random.default_rng(1).standard_normal((200, 1, 6, 6)).astype(np.float32))
    return path


def test_a_size_is_met_by_the_whole_file_from_samples_without_labels(cli: Any, desk: Any, unlabelled: Path, tmp_path: Path) -> None:
    lossless = tmp_path / "lossless.lac"
    cli("pack", desk.net, "--input", "1x6x6", "-o", lossless)
    errors = []
    for size in (700, 850):
        file = tmp_path / f"{size}.lac"
        assert cli("pack", desk.net, "--data", f"npz:{unlabelled}", "--size", size, "-o", file).code == 0
        assert size * 0.9 < file.stat().st_size <= size < lossless.stat().st_size
        got, wanted = outputs(desk, file)
        errors.append(np.square(got - wanted).mean() / np.square(wanted).mean())
    assert errors[1] < errors[0] < 0.2


def test_a_drop_is_allowed_for(cli: Any, desk: Any, tmp_path: Path) -> None:
    file, lossless = tmp_path / "f.lac", tmp_path / "lossless.lac"
    cli("pack", desk.net, "--input", "1x6x6", "-o", lossless)
    done = cli("pack", desk.net, "--data", desk.data, "--drop", "50", "-o", file, "--json")
    assert done.code == 0
    assert set(done.json()["forms"].values()) == {"grid"}
    assert file.stat().st_size < lossless.stat().st_size


WRONG = {
    "both": (["--size", "700", "--drop", "1", "--data", "digits"], "two targets"),
    "no data": (["--size", "700"], "--data DATA"),
}


@pytest.mark.parametrize("words", WRONG)
def test_targets_that_make_no_sense_are_refused(cli: Any, desk: Any, tmp_path: Path, words: str) -> None:
    options, said = WRONG[words]
    done = cli("pack", desk.net, *options, "-o", tmp_path / "f.lac")
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "f.lac").exists()


def test_a_drop_without_labels_is_refused(cli: Any, desk: Any, unlabelled: Path, tmp_path: Path) -> None:
    done = cli("pack", desk.net, "--data", f"npz:{unlabelled}", "--drop", "1", "-o", tmp_path / "f.lac")
    assert done.code != 0
    assert "--size BYTES needs none" in done.err


def test_weights_without_a_network_are_refused(cli: Any, unlabelled: Path, tmp_path: Path) -> None:
    done = cli("pack", unlabelled, "--data", f"npz:{unlabelled}", "--size", 100, "-o", tmp_path / "f.lac")
    assert done.code == 2
    assert "weights alone cannot be run" in done.err


def test_a_size_that_cannot_be_met_is_said_and_nothing_is_written(cli: Any, desk: Any, unlabelled: Path, tmp_path: Path) -> None:
    done = cli("pack", desk.net, "--data", f"npz:{unlabelled}", "--size", 60, "-o", tmp_path / "f.lac")
    assert done.code == 4
    assert "the file does not come below" in done.err
    assert not (tmp_path / "f.lac").exists()
