"""A fresh process runs a file without the class, without torch, and to the same bits."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, unpack, write
from laconic.forms import recognise
from laconic.graph.export import export
from laconic.runtime import load

PROGRAM = """
import sys
import numpy as np
import laconic
session = laconic.load(sys.argv[1])
outputs = session(np.load(sys.argv[2]))
np.save(sys.argv[3], outputs)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "onnxscript", "sklearn", "pydantic", "matplotlib", "jinja2"}))
"""
DECODE = """
import hashlib, sys
from pathlib import Path
from laconic.artifact import read, unpack
arrays = [form.array() for form in unpack(read(Path(sys.argv[1]))).tensors.values()]
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


@pytest.fixture
def file(tmp_path: Path, model: nn.Module) -> Path:
    path = tmp_path / "f.lac"
    write(path, Artifact({name: recognise(tensor.numpy()) for name, tensor in model.state_dict().items()}, export(model, (1, 8, 8))))
    return path


def test_outputs_are_torchs_and_torch_is_not_there(tmp_path: Path, file: Path, model: nn.Module) -> None:
    inputs = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    np.save(tmp_path / "x.npy", inputs.numpy())
    command = [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("[]\n", "")
    outputs = np.load(tmp_path / "y.npy")
    with torch.no_grad():
        np.testing.assert_allclose(outputs, model(inputs).numpy(), atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(outputs, load(file)(inputs.numpy()))


def test_decoding_does_not_depend_on_threads(file: Path) -> None:
    arrays = [form.array() for form in unpack(file.read_bytes()).tensors.values()]
    expected = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        command = [sys.executable, "-c", DECODE, str(file)]
        assert subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout == f"{expected}\n"
