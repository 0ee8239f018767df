"""Artifact → bytes → artifact: nothing is lost, and one content has one file."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic.artifact import (
    Artifact,
    Lazy,
    Limits,
    Notes,
    Source,
    decode,
    directory,
    encode,
    entries,
    layout,
    pack,
    tails,
    unpack,
    unpack_each,
    write,
)
from laconic.artifact.entries import DTYPES
from laconic.artifact.layout import open_contents
from laconic.base.dtypes import MANTISSA, bits, dtype_of
from laconic.base.errors import UsageError
from laconic.codec.context import blocks
from laconic.codec.context.profiles import PROFILES
from laconic.forms import Codebook, Dense, Form, Grid, Masked

SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
FLOATS = tuple(MANTISSA)
TIED = Dense.of(np.float32([1, 2, 3]))
WIDE_FLOATS = ("float32", "float16", "float64", "bfloat16")


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...], kinds: tuple[str, ...] = DTYPES) -> np.ndarray:
    """Any bits at all, as an array of any type."""
    dtype = dtype_of(draw(st.sampled_from(kinds)))
    count = int(np.prod(shape, dtype=int))
    content = np.frombuffer(draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize)), np.uint8)
    return (content & {"bool": 1, "int4": 15, "uint4": 15}.get(dtype.name, 255)).view(dtype).reshape(shape)


@st.composite
def dense(draw: st.DrawFn) -> Form:
    array = draw(SHAPES.flatmap(arrays))
    return Dense.of(array.T if draw(st.booleans()) else array)


@st.composite
def masked(draw: st.DrawFn) -> Form:
    shape = draw(SHAPES)
    mask = draw(st.lists(st.booleans(), min_size=(n := int(np.prod(shape, dtype=int))), max_size=n))
    return Masked.of(draw(arrays(shape, FLOATS)), np.array(mask, bool).reshape(shape))


@st.composite
def codebook(draw: st.DrawFn) -> Form:
    shape, table = draw(SHAPES), draw(st.integers(1, 9).flatmap(lambda n: arrays((n,))))
    places = draw(st.lists(st.integers(0, len(table) - 1), min_size=(n := int(np.prod(shape, dtype=int))), max_size=n))
    return Codebook(shape, np.array(places, np.int64).reshape(shape), table)


@st.composite
def grid(draw: st.DrawFn) -> Form:
    shape = draw(SHAPES)
    n = int(np.prod(shape, dtype=int))
    runs = draw(st.sampled_from([t for t in range(1, n + 1) if n % t == 0] or [0, 1, 3]))
    steps = draw(st.lists(st.floats(-1e3, 1e3, width=16), min_size=runs, max_size=runs))
    multiples = draw(st.lists(st.integers(-60, 60), min_size=n, max_size=n))
    return Grid(shape, np.array(multiples, np.int64).reshape(shape), np.array(steps).astype(dtype_of(draw(st.sampled_from(WIDE_FLOATS)))))


ANY_FORM = st.one_of(dense(), masked(), codebook(), grid())


TENSORS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), ANY_FORM, max_size=3)


def assert_comes_back(tensors: dict[str, Form], profile: str) -> None:
    back = unpack(pack(Artifact(tensors), profile=profile, threads=1), threads=1)
    assert list(back.tensors) == list(tensors)
    for form, other in zip(tensors.values(), back.tensors.values(), strict=True):
        assert (form.kind, form.shape, form.dtype) == (other.kind, other.shape, other.dtype)
        assert bits(form.table).tobytes() == bits(other.table).tobytes()
        assert bits(form.array()).tobytes() == bits(other.array()).tobytes()


@given(tensors=TENSORS, profile=st.sampled_from(list(PROFILES)))
def test_any_tensors_come_back(tensors: dict[str, Form], profile: str) -> None:
    assert_comes_back(tensors, profile)


@contextmanager
def in_small_parts() -> Iterator[None]:
    """Every dense tensor is a block, rows are at most 4 wide, groups hold at most 9 values, tails come 5 at a time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (encode, directory):
            patch.setattr(module, "LARGEST_GROUP", 9)
        patch.setattr(directory, "LEAST_GROUP", 5)
        patch.setattr(tails, "PART", 5)
        patch.setattr(entries, "DENSE_BLOCK", 1)
        patch.setattr(blocks, "WIDEST_ROW", 4)
        patch.setattr(blocks, "FOLDED_ROW", 3)
        yield


@given(tensors=TENSORS, profile=st.sampled_from(list(PROFILES)))
def test_any_cuts_come_back(tensors: dict[str, Form], profile: str) -> None:
    with in_small_parts():
        assert_comes_back(tensors, profile)


def test_the_parts_of_these_tests_are_small(everything: Artifact) -> None:
    with in_small_parts():
        found = layout(pack(everything)).directory
    assert len(found.groups) > 100
    assert len(found.tails) > 10
    assert len(layout(pack(everything)).directory.groups) == 1


def test_everything_comes_back(everything: Artifact, assert_same_form: Callable[[Form, Form], None]) -> None:
    back = unpack(pack(everything))
    assert list(back.tensors) == list(everything.tensors)
    for name, form in everything.tensors.items():
        assert_same_form(form, back.tensors[name])
    assert (back.graph, back.notes, back.named) == (everything.graph, everything.notes, True)


def test_weights_only_keeps_values_order_and_structure(everything: Artifact, assert_same_form: Callable[[Form, Form], None]) -> None:
    content = pack(everything, weights_only=True)
    back = unpack(content)
    assert list(back.tensors) == [str(place) for place in range(len(everything.tensors))]
    for form, other in zip(everything.tensors.values(), back.tensors.values(), strict=True):
        assert_same_form(form, other)
    known = everything.notes
    structure = Notes(folds=known.folds, cuts=known.cuts, merged=known.merged, rounded=known.rounded)
    assert (back.graph, back.notes, back.named) == (None, structure, False)
    assert b"codebook" not in content
    assert pack(back) == content


def test_tied_tensors_stay_one(everything: Artifact) -> None:
    back = unpack(pack(everything))
    assert back.tensors["tied"] is back.tensors["tied again"]
    tensors = {tensor.entry.name: tensor for tensor in unpack_each(pack(everything))}
    assert tensors["tied again"].form is tensors["tied"].form
    assert tensors["tied again"].bytes == 0
    assert tensors["tied again"].entry.shape == tensors["tied"].entry.shape


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
    assert found.directory.length + 4 == found.sections["streams"]
    assert sum(tensor.bytes for tensor in unpack_each(content)) == found.directory.length
    assert [(entry.name, entry.shape) for entry in found.entries] == [(name, form.shape) for name, form in everything.tensors.items()]
    assert all(entry.size == form.size for entry, form in zip(found.entries, everything.tensors.values(), strict=True))


def test_nothing_at_all_is_a_file() -> None:
    assert unpack(pack(Artifact({}))).tensors == {}


def test_a_tensor_weighs_what_it_adds_to_the_file() -> None:
    """To the byte where it has a stream of its own; nearly, where groups are shared and one teaches the other."""
    rng = np.random.default_rng(0)
    tensors = {str(i): Dense.of(np.rint(rng.normal(0, 4, (64, 64 * (i + 1)))).astype(np.int8)) for i in range(3)}
    weights = [tensor.bytes for tensor in unpack_each(pack(Artifact(tensors)))]
    alone = [
        len(pack(Artifact({name: form}))) - len(pack(Artifact({name: Dense.of(np.zeros(0, np.int8))}))) for name, form in tensors.items()
    ]
    assert weights == pytest.approx(alone, rel=0.05)
    floats = Artifact({"w": Dense.of(rng.normal(size=(64, 64)).astype(np.float32)), "b": Dense.of(np.ones(10, np.float32))})
    tail = layout(pack(floats)).directory.tails[0]
    group, pool = layout(pack(floats)).directory.groups[0].length, layout(pack(floats)).directory.pools["float32"]
    assert [tensor.bytes for tensor in unpack_each(pack(floats))] == [tail + group, pool]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_nothing(threads: int) -> None:
    tensors = {str(i): Dense.of(array) for i, array in enumerate(np.random.default_rng(0).integers(-9, 9, (3, 1200, 900), np.int8))}
    content = pack(Artifact(tensors), profile="fast", threads=threads)
    assert len(layout(content).directory.groups) == 4
    assert content == pack(Artifact(tensors), profile="fast", threads=3)
    for name, form in unpack(content, threads=threads).tensors.items():
        np.testing.assert_array_equal(form.array(), tensors[name].array())


def test_large_files_are_coded_fast_and_small_ones_small(everything: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack(everything) == pack(everything, profile="smallest") != pack(everything, profile="fast")
    in_blocks = sum(entry.size for entry in layout(pack(everything)).entries if entry.blocks)
    monkeypatch.setattr(encode, "SMALLEST_UP_TO", in_blocks)
    assert pack(everything) == pack(everything, profile="smallest")
    monkeypatch.setattr(encode, "SMALLEST_UP_TO", in_blocks - 1)
    assert pack(everything) == pack(everything, profile="fast")
    with pytest.raises(UsageError, match="no profile 'tiny'"):
        pack(everything, profile="tiny")


def test_plain_floats_are_read_without_contexts_unless_the_smallest_file_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (encode, directory):
        monkeypatch.setattr(module, "LEAST_GROUP", 4096)
    rng = np.random.default_rng(0)
    floats = {f"floats {i}": Dense.of(rng.laplace(size=(64, 128)).astype(np.float32)) for i in range(2)}
    grid = {"grid": Grid((64, 128), np.rint(rng.laplace(size=(64, 128))).astype(np.int8), np.float32([0.5]))}
    few = {"few floats": Dense.of(rng.laplace(size=(9, 300)).astype(np.float32))}

    def coded(tensors: dict[str, Form], profile: str) -> list[int]:
        """The first byte of each group's stream: 0 without contexts, else the number of the profile."""
        content = pack(Artifact(tensors), profile=profile)
        for name, form in unpack(content).tensors.items():
            assert form.array().tobytes() == tensors[name].array().tobytes()
        found = open_contents(content, Limits())
        lengths = [group.length for group in found.directory.groups]
        streams = found.sections["streams"][-sum(lengths) :]
        return [streams[sum(lengths[:i])] for i in range(len(lengths))]

    assert coded(floats, "auto") == coded(floats, "fast") == [0]
    assert coded(floats, "smallest") == [2]
    assert coded(grid | floats, "auto") == [2, 0]
    assert coded(floats | grid, "auto") == [0, 2]
    assert coded(few | grid, "auto") == [2]  # too few for a group of their own


class Counted:
    """Forms that are made one at a time; `alive` says how many of their arrays there are, `most` how many there ever were."""

    def __init__(self, number: int) -> None:
        self.alive = self.most = 0
        self.sources = {str(i): Source(1 << 16, lambda i=i: self.make(i)) for i in range(number)}  # type: ignore[misc]

    def make(self, seed: int) -> Form:
        form = Dense.of(np.random.default_rng(seed).normal(size=(256, 256)).astype(np.float32))
        self.watch(form)
        return form

    def watch(self, form: Form) -> None:
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(form.table, self.let_go)

    def let_go(self) -> None:
        self.alive -= 1


def test_tensors_are_made_and_let_go_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "SMALLEST_UP_TO", 1)
    counted = Counted(20)
    write(tmp_path / "net.lac", Artifact(Lazy(counted.sources)), threads=2)
    assert counted.most == 1
    assert (tmp_path / "net.lac").read_bytes() == pack(Artifact({name: source.make() for name, source in counted.sources.items()}))


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Counts the tensors that are decoded, from where the next begins to be put together."""
    counted, honest = Counted(0), decode.builder

    class Watched:
        def __init__(self, *given: Any) -> None:
            counted.most = max(counted.most, counted.alive + 1)
            self.made = honest(*given)
            self.put = self.made.put

        def form(self) -> Form:
            form = self.made.form()
            counted.watch(form)
            return form

    monkeypatch.setattr(decode, "builder", Watched)
    return counted


def test_tensors_are_given_out_and_let_go_one_by_one(rebuilt: Counted) -> None:
    for tensor in unpack_each(pack(Artifact(Lazy(Counted(20).sources)), profile="fast"), threads=2):
        assert tensor.form.size == 1 << 16
        del tensor
    assert rebuilt.most == 1


def test_tensors_are_verified_and_let_go_one_by_one(rebuilt: Counted, tmp_path: Path) -> None:
    write(tmp_path / "net.lac", Artifact(Lazy(Counted(20).sources)), profile="fast", threads=2)
    assert rebuilt.most == 1


def test_one_source_under_two_names_is_tied() -> None:
    made: list[int] = []
    source = Source(3, lambda: made.append(1) or TIED)
    content = pack(Artifact(Lazy({"a": source, "b": Source(3, lambda: TIED), "c": source})))
    assert made == [1]
    assert [entry.tied_to for entry in layout(content).entries] == [-1, -1, 0]


@pytest.mark.parametrize("dtype", ["complex64", "float8_e4m3b11fnuz", "datetime64[s]"])
def test_types_without_a_number_are_refused(dtype: str) -> None:
    array = np.ones(3).astype(getattr(ml_dtypes, dtype, dtype))
    with pytest.raises(UsageError, match="cannot be packed"):
        pack(Artifact({"w": Dense.of(array)}))


@pytest.mark.parametrize("artifact", [Artifact({"\ud800": Dense.of(np.ones(1))}), Artifact({}, notes=Notes(classes=("caf\udce9",)))])
def test_names_that_are_no_text_are_refused(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        pack(artifact)
