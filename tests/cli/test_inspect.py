"""laconic inspect and verify: what a file holds, and whether it is sound."""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_every_byte_of_the_file_is_accounted_for(cli: Any, desk: Any) -> None:
    found = cli("inspect", desk.small, "--json").json()
    assert found["bytes"] == sum(found["sections"].values()) == desk.small.stat().st_size
    assert found["sha256"] == hashlib.sha256(desk.small.read_bytes()).hexdigest()
    assert sum(tensor["bytes"] for tensor in found["tensors"]) <= found["sections"]["streams"]


def test_the_table_tells_form_shape_bytes_and_bits(cli: Any, desk: Any) -> None:
    tensor = next(t for t in cli("inspect", desk.small, "--json").json()["tensors"] if t["name"] == "3.weight")
    line = next(line for line in cli("inspect", desk.small).out.splitlines() if line.startswith("3.weight"))
    assert line.split() == ["3.weight", "codebook", "3×64", "float32", str(tensor["bytes"]), f"{8 * tensor['bytes'] / 192:.2f}"]


def test_bits_a_weight_and_ratio_are_those_of_the_whole_file(cli: Any, desk: Any) -> None:
    weights, whole = 4 * 9 + 4 + 192 + 3, desk.small.stat().st_size
    out = cli("inspect", desk.small).out.replace("\u202f", "")
    assert f"{weights} weights, with its graph, in {whole} bytes: {8 * whole / weights:.2f} bits a weight" in out


def test_names_in_a_strangers_file_cannot_move_the_cursor(cli: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"conv\x1b[2J\u202e": np.zeros(3, np.float32)})
    cli("pack", tmp_path / "x.npz", "-o", tmp_path / "x.lac")
    out = cli("inspect", tmp_path / "x.lac").out
    assert "conv" in out
    assert not set("\x1b\u202e") & set(out)


def test_a_sound_file_is_called_sound_with_its_id(cli: Any, desk: Any) -> None:
    done = cli("verify", desk.small)
    assert done.code == 0
    assert "is sound" in done.out
    assert "1×1×6×6 in, 1×3 out, finite" in done.out
    assert hashlib.sha256(desk.small.read_bytes()).hexdigest() in done.out


def test_a_file_of_weights_says_what_was_not_checked(cli: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3, np.float32))
    cli("pack", tmp_path / "x.npz", "-o", tmp_path / "x.lac")
    checks = cli("verify", tmp_path / "x.lac", "--json").json()["checks"]
    assert checks["graph"].startswith("none")
    assert checks["run"].startswith("none")


def test_a_run_that_is_not_finite_is_said(cli: Any, desk: Any, tmp_path: Path) -> None:
    net = tmp_path / "nan.py"
    net.write_text(
        "import torch\ndef build():\n    n = torch.nn.Linear(2, 2)\n    torch.nn.init.constant_(n.bias, float('nan'))\n    return n\n"
    )
    cli("pack", f"{net}:build", "--input", "2", "-o", tmp_path / "nan.lac")
    assert "NOT ALL FINITE" in cli("verify", tmp_path / "nan.lac").out


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("word", ["inspect", "verify"])
def test_one_flipped_bit_anywhere_exits_5(cli: Any, desk: Any, tmp_path: Path, word: str, share: float) -> None:
    content = bytearray(desk.small.read_bytes())
    content[int(share * (len(content) - 1))] ^= 4
    (tmp_path / "bad.lac").write_bytes(content)
    done = cli(word, tmp_path / "bad.lac")
    assert (done.code, done.out) == (5, "")
    assert re.search("error: ", done.err)


@pytest.mark.parametrize("content", [b"", b"\x89la", b"PK\x03\x04 not a lac file"])
def test_what_is_no_lac_file_exits_5(cli: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.lac").write_bytes(content)
    assert cli("verify", tmp_path / "bad.lac").code == 5


def test_a_folder_or_a_missing_file_exits_2(cli: Any, tmp_path: Path) -> None:
    assert cli("verify", tmp_path).code == 2
    assert cli("inspect", tmp_path / "gone.lac").code == 2
