"""Every limit is honoured, at its very edge, and nothing is allocated before it was checked."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
import pytest

from laconic.artifact import Artifact, Limits, Notes, TensorEntry, layout, pack, unpack
from laconic.artifact.directory import Directory, Group
from laconic.artifact.frame import frame
from laconic.artifact.layout import write_table
from laconic.base.errors import ArtifactError, LimitError
from laconic.forms import Codebook, Dense

MIB = 1 << 20
LARGE = Artifact(
    {
        "first": Dense.of(np.arange(24, dtype=np.float32).reshape(2, 3, 4)),
        "second": Codebook((50,), np.arange(50) % 3, np.float32([1, 2, 3])),
    },
    b"g" * 1000,
    Notes(reason="r" * 100),
)
EDGES = {
    "file_bytes": len(pack(LARGE)),
    "tensors": 2,
    "rank": 3,
    "name_bytes": 6,
    "values": 50,
    "decoded_bytes": 4 * (24 + 50 + 3),
    "graph_bytes": 1000,
    "notes_bytes": len('{"reason":""}') + 100,
}
ELSEWHERE = {"repeated_values", "graph_nodes", "activation_bytes"}  # below; the graph's own with the validator


@contextmanager
def at_most(most: int) -> Iterator[None]:
    """Fail if the block allocates more than `most` bytes at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most


def test_every_limit_is_tested() -> None:
    assert {field.name for field in fields(Limits)} == EDGES.keys() | ELSEWHERE


@pytest.mark.parametrize("name", EDGES)
def test_a_limit_holds_at_its_edge(name: str) -> None:
    unpack(pack(LARGE), Limits(**{name: EDGES[name]}))
    with pytest.raises(LimitError):
        unpack(pack(LARGE), Limits(**{name: EDGES[name] - 1}))


@pytest.mark.parametrize("name", sorted(EDGES.keys() - {"graph_bytes", "notes_bytes"}))
def test_the_layout_is_bounded_too(name: str) -> None:
    with pytest.raises(LimitError):
        layout(pack(LARGE), Limits(**{name: EDGES[name] - 1}))


def test_tied_tensors_count_every_time() -> None:
    shared = Dense.of(np.arange(100, dtype=np.float32))
    file = pack(Artifact({str(i): shared for i in range(10)}))
    unpack(file, Limits(decoded_bytes=4000))
    with pytest.raises(LimitError, match="4000 bytes decoded"):
        unpack(file, Limits(decoded_bytes=3999))


ENDLESS = 1 << 26
EQUAL = bytes(2)  # a stream of any number of zeros


@pytest.mark.parametrize(("form", "dtype", "entries"), [("dense", "uint8", 0), ("masked", "float32", 0), ("codebook", "uint8", 1)])
def test_repetitions_are_bounded_before_they_are_made(form: str, dtype: str, entries: int) -> None:
    """Of groups of a million equal values each, which take three bytes."""
    entry = TensorEntry("w", form, dtype, (ENDLESS // 4096, 4096), entries)
    groups = (Group(256, 3),) * (ENDLESS >> 20)
    directory = Directory({dtype: 2} if entries else {}, {0: 0} if entry.has_tail else {}, groups)
    file = frame({"tensors": write_table([entry], directory, True), "streams": EQUAL * entries + b"\0" * 3 * len(groups)})
    with at_most(1 * MIB), pytest.raises(LimitError, match="repetitions"):
        unpack(file)


def test_repetitions_in_a_pool_count_too() -> None:
    file = pack(Artifact({str(i): Dense.of(np.zeros(4000, np.uint8)) for i in range(10)}))
    assert unpack(file, Limits(repeated_values=40_000)).tensors["9"].size == 4000
    with pytest.raises(LimitError, match="too short for 40000"):
        unpack(file, Limits(repeated_values=39_999))


def test_repetitions_can_be_allowed() -> None:
    file = pack(Artifact({"w": Dense.of(np.zeros(70_000, np.uint8))}))
    assert unpack(file, Limits(repeated_values=70_000)).tensors["w"].size == 70_000
    with pytest.raises(LimitError):
        unpack(file, Limits(repeated_values=69_999))


@pytest.mark.parametrize(
    ("form", "dtype", "shares"),
    [
        ("dense", "int8", {}),
        ("dense", "float32", {"tail": 2}),
        ("masked", "float16", {"tail": 2}),
        ("grid", "float32", {"pool": 11, "table_count": 1}),
        ("codebook", "int8", {"pool": 2, "table_count": 1}),
    ],
)
def test_a_stream_too_short_for_its_values_costs_nothing(
    form: str, dtype: str, shares: dict[str, int], file_of: Callable[..., bytes]
) -> None:
    before = bytes.fromhex("020000020000020000" + "0000") if form == "grid" else bytes(shares.get("pool", 0) + shares.get("tail", 0))
    for kind in (0, 1, 2, 3, 255):
        for head in range(256):
            file = file_of(before + bytes([kind, head, 3, 2, 0x87, 6, 1, 0, 7]), form=form, dtype=dtype, shape=(1 << 12, 1 << 8), **shares)
            with at_most(1 * MIB), pytest.raises(ArtifactError):
                unpack(file)


@pytest.mark.parametrize(
    "shape", [(2**63 - 1,), (2**62, 2**62), (0, 2**63 - 1), (2**32, 2**32, 0), (2**63 - 1,) * 16, (1,) * 17, (2**16, 2**15, 2)]
)
def test_shapes_beyond_reason(shape: tuple[int, ...]) -> None:
    for form in ("dense", "codebook"):
        with at_most(1 * MIB), pytest.raises(LimitError):
            unpack(
                frame({"tensors": write_table([TensorEntry("w", form, "float32", shape, 1)], Directory({}, {}, ()), True), "streams": b""})
            )


def test_a_codebook_of_millions_of_weights_takes_little_room() -> None:
    n = 1 << 22
    rng = np.random.default_rng(0)
    places = rng.choice(32, n, p=rng.dirichlet(np.ones(32)))
    file = pack(Artifact({"w": Codebook((n,), places, rng.normal(size=32).astype(np.float32))}))
    unpack(file)  # compiles
    with at_most(3 * 4 * n):
        unpacked = unpack(file)
    np.testing.assert_array_equal(unpacked.tensors["w"].integers, places)


def test_no_memory_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("laconic.artifact.pools.decode_array", exhausted)
    with pytest.raises(LimitError, match="more memory than there is"):
        unpack(pack(LARGE))
