"""The proof from a fresh process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from laconic.artifact import Artifact, Notes, write
from laconic.base.errors import UsageError
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Dense
from laconic.graph.export import export
from laconic.nn.weights import to_numpy
from laconic.runtime import load
from laconic.runtime.probe import digest, probe


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    tensors = {name: Dense.of(to_numpy(tensor)) for name, tensor in model.state_dict().items()}
    path = tmp_path_factory.mktemp("probe") / "f.lac"
    write(path, Artifact(tensors, export(model, (1, 2, 2)), Notes(Preprocessing((1, 2, 2)))))
    return path


def test_a_fresh_process_gives_the_same_bits_without_torch(file: Path, tmp_path: Path) -> None:
    raw = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (7, 1, 2, 2), np.uint8)
    outputs = load(file)(Preprocessing((1, 2, 2)).apply(raw))
    targets = outputs.argmax(1)
    targets[0] += 1
    np.savez(tmp_path / "s.npz", inputs=raw, targets=targets)
    command = [sys.executable, "-m", "laconic.runtime.probe", str(file), str(tmp_path / "s.npz")]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert told.pop("load_ms") > 0
    assert told == {"bytes": file.stat().st_size, "samples": 7, "correct": 6, "outputs_sha256": digest(outputs), "torch": False}


def test_a_file_that_does_not_say_what_an_input_is_cannot_be_probed(file: Path, tmp_path: Path) -> None:
    from laconic.artifact import read, unpack

    found = unpack(read(file))
    write(tmp_path / "bare.lac", Artifact(found.tensors, found.graph))
    with pytest.raises(UsageError):
        probe(tmp_path / "bare.lac", tmp_path / "s.npz")


def test_the_digest_sees_a_single_bit() -> None:
    one = np.float32([1, 2])
    assert digest(one) != digest(np.nextafter(one, np.float32(3)))
    assert digest(one) == digest(one[::-1][::-1])
