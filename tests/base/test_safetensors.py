"""Files in the safetensors format, against its reference implementation, and forged ones."""

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch

from laconic.base.errors import DataError
from laconic.base.safetensors import DTYPES, open_safetensors, write_safetensors

NUMPYS = [name for name in DTYPES.values() if hasattr(np, name)]


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {name: rng.integers(0, 2, (3, 5)).astype(name) for name in NUMPYS}
    return found | {"z scalar": np.array(7, np.int64), "none": np.zeros((0, 3), np.float32), "größe": np.float32([np.nan, -0.0])}


def written(path: Path, tensors: dict[str, np.ndarray]) -> bytes:
    with path.open("wb") as file:
        write_safetensors(file, {name: (array.dtype, array.shape) for name, array in tensors.items()}, tensors.items())
    return path.read_bytes()


def test_what_is_written_is_what_the_reference_writes(tmp_path: Path) -> None:
    content = written(tmp_path / "ours", arrays())
    back = safetensors.numpy.load(content)
    assert {name: array.tobytes() for name, array in back.items()} == {name: array.tobytes() for name, array in arrays().items()}
    assert content == safetensors.numpy.save(arrays())


def test_what_the_reference_writes_is_read(tmp_path: Path) -> None:
    safetensors.numpy.save_file(arrays(), tmp_path / "x.safetensors", metadata={"format": "np"})
    found = open_safetensors(tmp_path / "x.safetensors")
    assert found.keys() == arrays().keys()
    for name, array in arrays().items():
        assert found[name].bytes == array.nbytes
        back = found[name].read()
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_types_that_only_torch_and_ml_dtypes_know(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    array = np.float32([[1, -0.5], [0, 2]]).astype(getattr(ml_dtypes, name))
    written(tmp_path / "x", {"x": array})
    back = safetensors.torch.load((tmp_path / "x").read_bytes())["x"]
    assert back.dtype == getattr(torch, name)
    assert back.float().tolist() == array.astype(np.float32).tolist()
    assert open_safetensors(tmp_path / "x")["x"].read().tobytes() == array.tobytes()


def test_tensors_may_come_in_any_order(tmp_path: Path) -> None:
    kinds = {name: (array.dtype, array.shape) for name, array in arrays().items()}
    with (tmp_path / "x").open("wb") as file:
        write_safetensors(file, kinds, reversed(arrays().items()))
    assert (tmp_path / "x").read_bytes() == safetensors.numpy.save(arrays())


def test_a_type_that_the_format_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="w is of type int4"), (tmp_path / "x").open("wb") as file:
        write_safetensors(file, {"w": (np.dtype(ml_dtypes.int4), (3,))}, [])


def file(path: Path, header: Any, content: bytes = bytes(8), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)
    return path


def one(**said: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | said}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        {"w": 3},
        {"w": {"dtype": "F32"}},
        one(shape=[3]),
        one(shape="2"),
        one(shape=[2.0]),
        one(shape=[-2]),
        one(shape=[True, 2]),
        one(shape=[2**62, 2**62]),
        one(data_offsets=[0]),
        one(data_offsets=[8, 0]),
        one(data_offsets=[4, 12]),
        one(data_offsets=[0, 2**63]),
        one(data_offsets=["0", "8"]),
        one(dtype=["F32"]),
        {**one(), "v": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {},
    ],
    ids=lambda header: str(header)[:80],
)
def test_headers_that_lie_are_refused(header: Any, tmp_path: Path) -> None:
    assert open_safetensors(file(tmp_path / "x", one()))["w"].read().tolist() == [0, 0]
    with pytest.raises(DataError, match="damaged"):
        open_safetensors(file(tmp_path / "x", header))


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\0" * 7, b"not a safetensors file", struct.pack("<Q", 2**63)):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            open_safetensors(tmp_path / "x")
    for length in (3, 10**6):
        with pytest.raises(DataError, match="damaged"):
            open_safetensors(file(tmp_path / "x", one(), length=length))
    for content in (bytes(7), bytes(9)):
        with pytest.raises(DataError, match="its tensors at byte"):
            open_safetensors(file(tmp_path / "x", one(), content))
    with pytest.raises(DataError, match="no such file"):
        open_safetensors(tmp_path / "gone")
    with pytest.raises(DataError, match="folder"):
        open_safetensors(tmp_path)
    with pytest.raises(DataError, match="type C64"):
        open_safetensors(file(tmp_path / "x", one(dtype="C64")))


def test_a_file_that_becomes_shorter_is_noticed(tmp_path: Path) -> None:
    found = open_safetensors(file(tmp_path / "x", one()))
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-1])
    with pytest.raises(DataError, match="shorter"):
        found["w"].read()
