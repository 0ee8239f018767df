"""Every limit is honoured, at its very edge, and nothing is allocated before it was checked."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from laconic.artifact import Artifact, Limits, Notes, layout, pack, unpack
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
EQUAL = bytes(2)  # any number of zeros


@pytest.mark.parametrize(
    "stated",
    [
        {"shape": (ENDLESS,), "table_bytes": 2},
        {"form": "codebook", "shape": (ENDLESS,), "integer_bytes": 2, "table_count": 1, "table_bytes": 2},
        {"form": "codebook", "shape": (1,), "integer_bytes": 2, "table_count": ENDLESS, "table_bytes": 2},
    ],
    ids=["dense", "codebook", "table"],
)
def test_repetitions_are_bounded_before_they_are_made(stated: dict[str, Any], file_of: Callable[..., bytes]) -> None:
    file = file_of(EQUAL * (len(stated) // 2), dtype="uint8", **stated)
    with at_most(1 * MIB), pytest.raises(LimitError, match="repetitions"):
        unpack(file)


def test_repetitions_can_be_allowed() -> None:
    file = pack(Artifact({"w": Dense.of(np.zeros(70_000, np.uint8))}))
    assert unpack(file, Limits(repeated_values=70_000)).tensors["w"].size == 70_000
    with pytest.raises(LimitError):
        unpack(file, Limits(repeated_values=69_999))


@pytest.mark.parametrize("form", ["dense", "masked", "grid", "codebook"])
def test_a_stream_too_short_for_its_values_costs_nothing(form: str, file_of: Callable[..., bytes]) -> None:
    shares = {"table_bytes": 8} if form == "dense" else {"integer_bytes": 8, "table_bytes": 0}
    for head in range(256):
        file = file_of(bytes([head, 3, 2, 0x87, 6, 1, 0, 7]), form=form, dtype="int8", shape=(1 << 24,), **shares)
        with at_most(1 * MIB), pytest.raises(ArtifactError):
            unpack(file)


@pytest.mark.parametrize(
    "shape", [(2**63 - 1,), (2**62, 2**62), (0, 2**63 - 1), (2**32, 2**32, 0), (2**63 - 1,) * 16, (1,) * 17, (2**14, 2**14, 2)]
)
def test_shapes_beyond_reason(shape: tuple[int, ...], file_of: Callable[..., bytes]) -> None:
    for form in ("dense", "codebook"):
        with at_most(1 * MIB), pytest.raises(LimitError):
            unpack(file_of(form=form, shape=shape))


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

    monkeypatch.setattr("laconic.codec.decode_array", exhausted)
    with pytest.raises(LimitError, match="more memory than there is"):
        unpack(pack(LARGE))
