"""Thousands of files, each a little wrong: whatever a reader does with them, it does not crash, and it does not decode other values.

`python bench/fuzz.py --mutants 1000000` does the same a million times.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from types import ModuleType

import pytest

from laconic.artifact import Artifact, Limits, pack, unpack
from laconic.artifact.frame import unframe


def sections_of(file: bytes) -> dict[str, bytes]:
    return {name: bytes(part) for name, part in unframe(file, Limits()).items()}


@pytest.fixture(params=[False, True], ids=["whole", "in small parts"])
def _parts(request: pytest.FixtureRequest, mutants: ModuleType) -> Iterator[None]:
    """As the format is, and with so small parts that a small file has many."""
    with mutants.in_small_parts() if request.param else nullcontext():
        yield


pytestmark = pytest.mark.usefixtures("_parts")


def outcomes(sound: Artifact, mutants: ModuleType, seed: int, count: int) -> Counter[str]:
    sections = sections_of(pack(sound))
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(count):
        content = mutants.mended(rng, sections)
        try:
            seen[mutants.attempt(content)] += 1
        except Exception as cause:  # noqa: BLE001 - whatever it is, the mutant is to be named
            pytest.fail(f"mutant {number} of seed {seed}: {type(cause).__name__}: {cause}")
    return seen


def test_two_thousand_mended_mutants(sound: Artifact, mutants: ModuleType) -> None:
    seen = outcomes(sound, mutants, seed=0, count=2000)
    assert seen["refused"] > 500
    assert seen["ran"] > 200  # or else the mutants are too coarse to reach the engine


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_twenty_thousand_mended_mutants(seed: int, sound: Artifact, mutants: ModuleType) -> None:
    assert outcomes(sound, mutants, seed, count=2000).keys() == {"refused", "ran"}


def test_ten_thousand_raw_mutants_are_refused_or_no_mutants(sound: Artifact, mutants: ModuleType) -> None:
    file, rng = pack(sound), random.Random(0)
    sections = sections_of(file)
    same = 0
    for _ in range(10_000):
        content = mutants.raw(rng, file, sections)
        if mutants.attempt(content, run=False) == "decoded":
            same += 1
            assert pack(unpack(content)) == file
    assert 0 < same < 2000


def test_the_original_runs(sound: Artifact, mutants: ModuleType) -> None:
    assert mutants.attempt(pack(sound)) == "ran"
    assert mutants.attempt(pack(sound, weights_only=True)) == "decoded"
    assert mutants.attempt(pack(sound)[:-1]) == "refused"
