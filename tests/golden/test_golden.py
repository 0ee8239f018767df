"""Files of every frozen version are read, bit for bit, by any number of threads and by the reader that knows the specification alone."""

import importlib.util
import json
import runpy
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from laconic.artifact import unpack
from laconic.base.dtypes import NIBBLES
from laconic.codec import decode
from laconic.codec.context.group import read_blocks
from laconic.codec.context.profiles import PROFILES
from laconic.runtime import Session

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("version-*/*.lac"))
STREAMS = [(name, one) for path in HERE.glob("version-*/streams.json") for name, one in json.loads(path.read_text("utf-8")).items()]
LONG = ("groups", "large", "large-fast", "tokens", "network", "weights-only", "smallest-fine")  # for a reader in plain Python
digest = runpy.run_path(str(HERE / "make.py"), run_name="make")["digest"]


def digests_of(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((path.parent / "digests.json").read_text("utf-8"))[path.stem]
    return found


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(scope="module")
def second_reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("second_reader", HERE.parent / "artifact" / "second_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_a_dozen_files_of_each_version_at_least() -> None:
    assert all(len(list(folder.glob("*.lac"))) >= 12 for folder in HERE.glob("version-*"))
    assert {path.stem for path in FILES} == set().union(*(json.loads(p.read_text("utf-8")) for p in HERE.glob("version-*/digests.json")))


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_golden_file_is_read_bit_for_bit(path: Path, threads: int) -> None:
    tensors = unpack(path.read_bytes(), threads=threads).tensors
    assert {name: digest(form) for name, form in tensors.items()} == digests_of(path)


@pytest.mark.parametrize("path", [pytest.param(p, marks=[pytest.mark.slow] * (p.stem in LONG)) for p in FILES], ids=named)
def test_the_specification_alone_reads_a_golden_file(path: Path, second_reader: ModuleType) -> None:
    ours, theirs = unpack(path.read_bytes()), second_reader.read(path.read_bytes())
    assert list(theirs.tensors) == list(ours.tensors)
    for name, form in ours.tensors.items():
        array = form.array()
        assert (theirs.tensors[name].dtype, theirs.tensors[name].shape) == (array.dtype.name, array.shape)
        assert theirs.tensors[name].content == (array.astype(np.int8) if array.dtype.name in NIBBLES else array).tobytes()


@pytest.mark.parametrize(("name", "one"), STREAMS, ids=[name for name, _ in STREAMS])
def test_a_golden_stream_is_decoded(name: str, one: dict[str, object], second_reader: ModuleType) -> None:
    stream, values = bytes.fromhex(str(one["stream"])), one["values"]
    assert isinstance(values, list)
    if name.startswith("group "):
        assert read_blocks(PROFILES[name.removeprefix("group ")], stream, [(4, 5, 3)])[0].reshape(-1).tolist() == values
        return
    assert decode(stream, len(values)).tolist() == values
    assert second_reader.read_integers(second_reader.Bytes(stream), len(values)) == values


def test_every_layout_coder_and_profile_has_a_golden_stream() -> None:
    assert len(STREAMS) == 4 + 2 * 16 + len(PROFILES)


def test_a_golden_network_runs() -> None:
    artifact = unpack((HERE / "version-1" / "network.lac").read_bytes())
    outputs = Session(artifact)(np.zeros((2, 1, 28, 28), np.float32))
    assert outputs.shape == (2, 10)
    assert np.isfinite(outputs).all()
