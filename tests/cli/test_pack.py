"""laconic pack and unpack: not a bit is changed, there and back."""

import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch

import laconic
from laconic.base.imports import call_attribute


def test_a_model_keeps_its_graph_and_every_bit(desk: Any, packed: Path) -> None:
    model = call_attribute(desk.net, error=Exception)
    loaded = laconic.load_into(model, packed).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
    inputs = np.linspace(-1, 1, 72, dtype=np.float32).reshape(2, 1, 6, 6)
    np.testing.assert_allclose(laconic.load(packed)(inputs), model(torch.from_numpy(inputs)).detach(), rtol=1e-5, atol=1e-6)


def test_what_the_network_was_trained_with_is_stored(cli: Any, desk: Any, tmp_path: Path) -> None:
    cli("pack", desk.net, "--input", "1x6x6", "--mean", "0.5", "--std", "0.25", "-o", tmp_path / "net.lac")
    stage = laconic.load(tmp_path / "net.lac").notes.preprocessing
    assert stage is not None
    assert (stage.shape, stage.mean, stage.std) == ((1, 6, 6), (0.5,), (0.25,))


def test_a_model_without_a_graph_is_packed_with_its_names_and_the_reason(cli: Any, desk: Any, tmp_path: Path) -> None:
    done = cli("pack", desk.sly, "--input", "1x6x6", "-o", tmp_path / "sly.lac", "--json")
    assert done.json()["graph"] is False
    assert list(done.json()["forms"]) == ["line.weight", "line.bias"]
    assert "warning" in done.err
    assert cli("run", tmp_path / "sly.lac", tmp_path).code == 2


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_goes_there_and_back(cli: Any, tmp_path: Path, suffix: str) -> None:
    state = {
        "a.weight": torch.randn(5, 7, generator=torch.Generator().manual_seed(0)),
        "a.half": torch.tensor([[0.5, -2.0], [0.0, 0.25]], dtype=torch.bfloat16),
        "a.count": torch.tensor(7),
    }
    there, file, back = tmp_path / f"there{suffix}", tmp_path / "f.lac", tmp_path / "back.safetensors"
    safetensors.torch.save_file(state, there) if suffix == ".safetensors" else torch.save(state, there)
    assert cli("pack", there, "-o", file).code == 0
    assert cli("unpack", file, "-o", back).code == 0
    found = safetensors.torch.load_file(back)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in state.items())


ARRAYS = {
    "file": np.float32([[1.5, 0], [0, np.nan]]),
    "allow_pickle": np.arange(24, dtype=np.int64).reshape(2, 3, 4),
    "pruned": np.where(np.arange(64) % 4, 0, np.arange(64)).astype(np.float32),
    "scalar": np.array(True),
    "none": np.zeros((0, 3), np.float16),
    "-0": np.float64([0.0, -0.0]),
}


def save_archive(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array)


def test_arrays_go_there_and_back_whatever_their_names(cli: Any, tmp_path: Path) -> None:
    save_archive(tmp_path / "there.npz", ARRAYS)
    assert cli("pack", tmp_path / "there.npz", "-o", tmp_path / "f.lac").code == 0
    assert cli("unpack", tmp_path / "f.lac", "-o", tmp_path / "back.npz").code == 0
    with np.load(tmp_path / "back.npz") as back:
        assert list(back.files) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
            assert back[name].tobytes() == array.tobytes()


def test_bytes_in_the_other_order_are_the_same_values(cli: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "there.npz", x=np.arange(9, dtype=">f4"))
    assert cli("pack", tmp_path / "there.npz", "-o", tmp_path / "f.lac").code == 0
    cli("unpack", tmp_path / "f.lac", "-o", tmp_path / "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        np.testing.assert_array_equal(back["x"], np.arange(9, dtype=np.float32))


def test_bfloat16_in_an_archive_of_numpys_is_float32_of_the_same_values(cli: Any, tmp_path: Path) -> None:
    values = np.float32([0.5, -2.0, 3.0])
    safetensors.torch.save_file({"x": torch.from_numpy(values).bfloat16()}, tmp_path / "x.safetensors")
    cli("pack", tmp_path / "x.safetensors", "-o", tmp_path / "f.lac")
    cli("unpack", tmp_path / "f.lac", "-o", tmp_path / "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        assert back["x"].dtype == np.float32
        np.testing.assert_array_equal(back["x"], values.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_an_archive_tells_no_time(cli: Any, desk: Any, tmp_path: Path) -> None:
    cli("unpack", desk.small, "-o", tmp_path / "back.npz")
    with zipfile.ZipFile(tmp_path / "back.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("array", [np.array(["a"]), np.complex64([1j]), np.array([(1, 2.0)], "i4,f4"), np.array([object()])])
def test_arrays_that_no_file_holds_are_refused(cli: Any, tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", strange=array)
    done = cli("pack", tmp_path / "x.npz", "-o", tmp_path / "f.lac")
    assert done.code == 3, done.err
    assert not (tmp_path / "f.lac").exists()


@pytest.mark.parametrize(
    ("source", "code", "clue"),
    [
        ("gone.npz", 3, "gone.npz"),
        ("gone.pt", 3, "gone.pt"),
        ("text.npz", 3, "archive"),
        ("array.npz", 3, "archive"),
        ("stranger.npz", 3, "archive"),
        ("text.safetensors", 3, "damaged"),
        ("small.lac", 2, "unpack"),
        ("lenet5", 3, "zoo:lenet5"),
        ("zoo:lenet", 3, "lenet5"),
    ],
)
def test_what_cannot_be_packed_is_refused(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: int, clue: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text.npz", "text.safetensors"):
        Path(name).write_text("not an archive")
    with Path("array.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with zipfile.ZipFile("stranger.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    done = cli("pack", source, "-o", "f.lac")
    assert (done.code, done.out) == (code, "")
    assert clue in done.err
    assert not Path("f.lac").exists()


def test_arrays_are_written_in_two_formats_only(cli: Any, desk: Any, tmp_path: Path) -> None:
    done = cli("unpack", desk.small, "-o", tmp_path / "back.txt")
    assert done.code == 2
    assert not (tmp_path / "back.txt").exists()
