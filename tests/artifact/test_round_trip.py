"""Artifact → bytes → artifact: nothing is lost, and one content has one file."""

from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.artifact import Artifact, Notes, layout, pack, unpack
from laconic.artifact.layout import DTYPES
from laconic.base.errors import UsageError
from laconic.forms import Codebook, Dense, Form, Grid, Masked

SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
FLOATS = ("float32", "float16", "float64")


def dtype_of(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...], kinds: tuple[str, ...] = DTYPES) -> np.ndarray:
    """Any bits at all, as an array of any type."""
    dtype = dtype_of(draw(st.sampled_from(kinds)))
    count = int(np.prod(shape, dtype=int))
    content = np.frombuffer(draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize)), np.uint8)
    return (content & 1 if dtype == np.bool_ else content).view(dtype).reshape(shape)


@st.composite
def dense(draw: st.DrawFn) -> Form:
    array = draw(SHAPES.flatmap(arrays))
    return Dense.of(array.T if draw(st.booleans()) else array)


@st.composite
def masked(draw: st.DrawFn) -> Form:
    shape = draw(SHAPES)
    mask = draw(st.lists(st.booleans(), min_size=(n := int(np.prod(shape, dtype=int))), max_size=n))
    return Masked.of(draw(arrays(shape)), np.array(mask, bool).reshape(shape))


@st.composite
def codebook(draw: st.DrawFn) -> Form:
    shape, table = draw(SHAPES), draw(st.integers(1, 9).flatmap(lambda n: arrays((n,))))
    places = draw(st.lists(st.integers(0, len(table) - 1), min_size=(n := int(np.prod(shape, dtype=int))), max_size=n))
    return Codebook(shape, np.array(places, np.int64).reshape(shape), table)


@st.composite
def grid(draw: st.DrawFn) -> Form:
    shape = draw(SHAPES)
    rows = shape[0] if shape and draw(st.booleans()) else 1
    steps = draw(st.lists(st.floats(-1e3, 1e3, width=16), min_size=rows, max_size=rows))
    multiples = draw(st.lists(st.integers(-60, 60), min_size=(n := int(np.prod(shape, dtype=int))), max_size=n))
    return Grid(shape, np.array(multiples, np.int64).reshape(shape), np.array(steps, draw(st.sampled_from(FLOATS))))


ANY_FORM = st.one_of(dense(), masked(), codebook(), grid())


@given(tensors=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), ANY_FORM, max_size=3))
def test_any_tensors_come_back(tensors: dict[str, Form]) -> None:
    back = unpack(pack(Artifact(tensors)))
    assert list(back.tensors) == list(tensors)
    for form, other in zip(tensors.values(), back.tensors.values(), strict=True):
        assert (form.kind, form.shape, form.dtype) == (other.kind, other.shape, other.dtype)
        assert form.table.tobytes() == other.table.tobytes()
        assert form.array().tobytes() == other.array().tobytes()


def test_everything_comes_back(everything: Artifact, assert_same_form: Callable[[Form, Form], None]) -> None:
    back = unpack(pack(everything))
    assert list(back.tensors) == list(everything.tensors)
    for name, form in everything.tensors.items():
        assert_same_form(form, back.tensors[name])
    assert (back.graph, back.notes, back.named) == (everything.graph, everything.notes, True)


def test_weights_only_keeps_values_order_and_folds(everything: Artifact, assert_same_form: Callable[[Form, Form], None]) -> None:
    content = pack(everything, weights_only=True)
    back = unpack(content)
    assert list(back.tensors) == [str(place) for place in range(len(everything.tensors))]
    for form, other in zip(everything.tensors.values(), back.tensors.values(), strict=True):
        assert_same_form(form, other)
    assert (back.graph, back.notes, back.named) == (None, Notes(folds=everything.notes.folds), False)
    assert b"codebook" not in content
    assert pack(back) == content


def test_tied_tensors_stay_one(everything: Artifact) -> None:
    back = unpack(pack(everything))
    assert back.tensors["tied"] is back.tensors["tied again"]
    entries = {entry.name: entry for entry in layout(pack(everything)).entries}
    assert entries["tied again"].stream_bytes == 0
    assert entries["tied again"].shape == entries["tied"].shape


def test_one_content_has_one_file(everything: Artifact) -> None:
    content = pack(everything)
    assert pack(everything) == content
    assert pack(unpack(content)) == content
    assert pack(replace(everything, tensors=dict(reversed(everything.tensors.items())))) != content


def test_byte_order_and_strides_of_the_input_do_not_matter() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    swapped = Dense((3, 4), None, array.reshape(-1).astype(">f4"))
    strided = Dense((3, 4), None, np.repeat(array.reshape(-1), 2)[::2])
    assert pack(Artifact({"w": swapped})) == pack(Artifact({"w": strided})) == pack(Artifact({"w": Dense.of(array)}))


def test_layout_accounts_for_every_byte(everything: Artifact) -> None:
    content = pack(everything)
    found = layout(content)
    assert sum(found.sections.values()) == len(content)
    assert sum(entry.stream_bytes for entry in found.entries) + 4 == found.sections["streams"]
    assert [(entry.name, entry.shape) for entry in found.entries] == [(name, form.shape) for name, form in everything.tensors.items()]
    assert all(entry.size == form.size for entry, form in zip(found.entries, everything.tensors.values(), strict=True))


def test_nothing_at_all_is_a_file() -> None:
    assert unpack(pack(Artifact({}))).tensors == {}


@pytest.mark.parametrize("dtype", ["uint32", "complex64", "float8_e4m3fn"])
def test_types_without_a_number_are_refused(dtype: str) -> None:
    array = np.ones(3).astype(getattr(ml_dtypes, dtype, dtype))
    with pytest.raises(UsageError, match="cannot be packed"):
        pack(Artifact({"w": Dense.of(array)}))


@pytest.mark.parametrize("artifact", [Artifact({"\ud800": Dense.of(np.ones(1))}), Artifact({}, notes=Notes(classes=("caf\udce9",)))])
def test_names_that_are_no_text_are_refused(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        pack(artifact)
