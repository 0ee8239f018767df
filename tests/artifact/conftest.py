"""What the artifact's tests share: an artifact of every kind, and the second reader."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from laconic.artifact import Artifact, Notes, TensorEntry
from laconic.artifact.directory import Directory, Group
from laconic.artifact.frame import frame
from laconic.artifact.layout import write_table
from laconic.base.dtypes import bits
from laconic.base.edits import Factored, Merged, Narrowed, Rounded, Shortened
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Codebook, Dense, Form, Grid, Masked

bfloat16 = np.dtype(ml_dtypes.bfloat16)
TIED = Dense.of(np.float32([[1, -2, 0.5]]))
CUTS = (
    Narrowed.of((3, 8, 8), "float32", {"conv1.weight": [0, 2, 70], "Hündin.weight": [5]}),
    Shortened((3, 8, 8), "int64", ("layer1.0.conv2",)),
    Factored("fc", "tucker", (3, 4)),
)
NOTES = Notes(
    Preprocessing((3, 8, 8), 1 / 255, (0.1, 0.2, 1 / 3), (0.5, 0.25, 1e-3)),
    ("cat", "Hündin", "犬"),
    (("conv1", "bn1"),),
    "none: why",
    CUTS,
    (Merged((3, 8, 8), "float32", (("query", "key", "value"), ("a.up", "a.gate"))),),
    Rounded((3, 8, 8), "float32", ("x", "relu_1", "Hündin")),
)


def forms() -> dict[str, Form]:
    """Every Form, every type, and every shape and value that has gone wrong somewhere."""
    rng = np.random.default_rng(0)
    odd = np.float32([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -1e-40, np.finfo(np.float32).max])
    weights = rng.normal(size=(8, 3, 3)).astype(np.float32)
    return {
        "empty": Dense.of(np.empty((0, 3), np.float32)),
        "scalar": Dense.of(np.array(3, np.int64)),
        "one": Dense.of(np.float32([[-0.0]])),
        "equal": Dense.of(np.full(300, np.float32(0.1))),
        "odd": Dense.of(odd),
        "payload": Dense.of(np.array([0x7FC00001, 0xFFC12345], np.uint32).view(np.float32)),
        "float16": Dense.of(weights.astype(np.float16)),
        "bfloat16": Dense.of(weights.astype(bfloat16)),
        "float64": Dense.of(weights.astype(np.float64) / 3),
        "int8": Dense.of(rng.integers(-128, 128, (5, 7)).astype(np.int8)),
        "uint8": Dense.of(rng.integers(0, 256, (5, 7)).astype(np.uint8)),
        "int16": Dense.of(rng.integers(-(2**15), 2**15, 9).astype(np.int16)),
        "int32": Dense.of(rng.integers(-(2**31), 2**31, 9).astype(np.int32)),
        "int64": Dense.of(np.array([-(2**63), 2**63 - 1, 0, -1], np.int64)),
        "bool": Dense.of(rng.random((4, 5)) < 0.5),
        "uint16": Dense.of(rng.integers(0, 2**16, 9).astype(np.uint16)),
        "uint32": Dense.of(rng.integers(0, 2**32, 9).astype(np.uint32)),
        "uint64": Dense.of(np.array([2**64 - 1, 2**63, 0, 1], np.uint64)),
        "int4": Dense.of(np.arange(-8, 8).astype(ml_dtypes.int4)),
        "uint4": Dense.of(np.arange(16).reshape(4, 4).astype(ml_dtypes.uint4)),
        "float8_e4m3fn": Dense.of(np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn)),
        "float8_e5m2": Dense.of(np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e5m2)),
        "strided": Dense.of(weights.transpose(2, 0, 1)[::-1, ::2]),
        "tied": TIED,
        "tied again": TIED,
        "masked": Masked.of(np.where(rng.random((6, 9)) < 0.2, rng.normal(size=(6, 9)), 0).astype(np.float32)),
        "masked odd": Masked.of(odd, np.array([1, 0, 1, 1, 1, 0, 1, 0], bool)),
        "masked bfloat16": Masked.of((weights * (weights > 0.5)).astype(bfloat16)),
        "masked float8": Masked.of((weights * (weights > 0.5)).astype(ml_dtypes.float8_e4m3fn)),
        "masked float64": Masked.of(weights.astype(np.float64) * (weights > 0.5)),
        "nothing kept": Masked.of(np.zeros((3, 4), np.float32)),
        "all kept": Masked.of(np.ones(5, np.float16)),
        "grid": Grid((5, 4), rng.integers(-7, 8, (5, 4)), np.float32([0.037])),
        "grid rows": Grid((5, 4), rng.integers(-127, 128, (5, 4)), rng.random(5).astype(np.float32)),
        "grid groups": Grid((3, 8), rng.integers(-7, 8, (3, 8)), rng.random(6).astype(np.float32)),
        "grid float16": Grid((40,), rng.integers(-3000, 3000, 40), np.float16([0.0123])),
        "grid bfloat16": Grid((40,), rng.integers(-3000, 3000, 40), np.array([0.0123], bfloat16)),
        "grid float64": Grid((9,), rng.integers(-(2**24), 2**24, 9), np.array([1 / 3])),
        "grid scalar": Grid((), np.array(-3), np.float32([0.5])),
        "no rows": Grid((0, 4), np.empty((0, 4), np.int64), np.empty(0, np.float32)),
        "codebook": Codebook((30, 4), rng.integers(0, 32, (30, 4)), rng.normal(size=32).astype(np.float32)),
        "one entry": Codebook((7,), np.zeros(7, np.int64), np.float32([-0.0])),
        "more entries than weights": Codebook((2,), np.array([9, 4]), np.arange(10, dtype=np.float32)),
        "codebook odd": Codebook((8,), np.arange(8), odd),
        "codebook of integers": Codebook((9,), rng.integers(0, 4, 9), np.array([-(2**63), 5, -2, 2])),
        "codebook of four bits": Codebook((9,), rng.integers(0, 3, 9), np.array([-8, 7, -1]).astype(ml_dtypes.int4)),
        "codebook of booleans": Codebook((5,), np.array([0, 1, 1, 0, 1]), np.array([True, False])),
        "no weights": Codebook((2, 0), np.empty((2, 0), np.int64), np.float32([1])),
        "large": Dense.of((rng.normal(size=(40, 120)) * 0.1).astype(np.float32)),
        "large bfloat16": Dense.of(rng.normal(size=(16, 32, 3, 3)).astype(bfloat16)),
        "large odd": Dense.of(np.resize(odd, (64, 64)).copy()),
        "large float8": Dense.of(rng.normal(size=5000).astype(ml_dtypes.float8_e5m2)),
        "large int8": Dense.of(np.rint(rng.normal(0, 9, (70, 60))).astype(np.int8)),
        "large uint64": Dense.of(
            rng.geometric(0.3, 4096).astype(np.uint64) * np.uint64(2**63 - 1) ** (np.arange(4096) == 9).astype(np.uint64)
        ),
        "large bool": Dense.of(rng.random((64, 65)) < 0.1),
        "large int4": Dense.of(rng.integers(-8, 8, (64, 65)).astype(ml_dtypes.int4)),
        "wide": Codebook.of(rng.integers(0, 3, (1, 66_000)) * (rng.random((1, 66_000)) < 0.01), np.float32([-1, 0, 1])),
        "": Dense.of(np.float32([1])),
        "网络.weight": Dense.of(np.float32([2])),
    }


@pytest.fixture
def everything() -> Artifact:
    """A file with all of `forms`, a graph and all notes."""
    return Artifact(forms(), b"not looked at when packing", NOTES)


@pytest.fixture
def small() -> Artifact:
    """A file short enough to be damaged in every possible way."""
    tensors = {"a": Codebook((4, 2), np.array([[0, 1], [2, 1], [0, 0], [2, 2]]), np.float32([0, 0.5, -0.5])), "b": TIED, "c": TIED}
    return Artifact(tensors, b"graph" * 9, Notes(classes=("x", "y")))


@pytest.fixture(scope="session")
def second_reader() -> ModuleType:
    """The module `second_reader`."""
    spec = importlib.util.spec_from_file_location("second_reader", Path(__file__).parent / "second_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def assert_same_form() -> Callable[[Form, Form], None]:
    """A call that compares two Forms: kind, shape, type, every bit."""

    def check(form: Form, other: Form) -> None:
        assert (form.kind, form.shape, form.dtype) == (other.kind, other.shape, other.dtype)
        np.testing.assert_array_equal(bits(form.table), bits(other.table))
        np.testing.assert_array_equal(bits(form.array()), bits(other.array()))
        if form.integers is not None:
            np.testing.assert_array_equal(form.integers, other.integers)

    return check


@pytest.fixture
def file_of() -> Callable[..., bytes]:
    """A call that makes a file with right checksums of one entry, given by its fields, and its streams.

    Of these, `pool` bytes are its pool's (all of them where it has no block), `tail` its tail's, and the rest is one group.
    """

    def build(streams: bytes = b"", pool: int = 0, tail: int = 0, **fields: Any) -> bytes:
        entry = TensorEntry(**{"name": "w", "form": "dense", "dtype": "float32"} | fields)
        rows = sum(block[0] for block in entry.blocks)
        pools = {entry.dtype: pool if rows else len(streams)} if entry.pooled else {}
        groups = (Group(rows, len(streams) - pool - tail),) if rows else ()
        return frame(
            {"tensors": write_table([entry], Directory(pools, {0: tail} if entry.has_tail else {}, groups), True), "streams": streams}
        )

    return build
