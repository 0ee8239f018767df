"""SPEC.md is complete: a reader written from it alone finds in our files what we find."""

import json
from types import ModuleType

import numpy as np
import pytest

from laconic.artifact import Artifact, layout, pack, unpack
from laconic.base.dtypes import NIBBLES
from laconic.codec import decode
from laconic.codec.coders import CODERS
from laconic.codec.context.group import write_blocks
from laconic.codec.context.profiles import PROFILES
from laconic.codec.layouts import LAYOUTS
from laconic.codec.varint import write_varint
from laconic.codec.window import reach
from laconic.forms import Dense


def assert_agreement(content: bytes, second_reader: ModuleType) -> None:
    ours, theirs = unpack(content), second_reader.read(content)
    assert list(theirs.tensors) == list(ours.tensors)
    for name, form in ours.tensors.items():
        array, other = form.array(), theirs.tensors[name]
        assert (other.dtype, other.shape) == (array.dtype.name, array.shape)
        assert other.content == (array.astype(np.int8) if array.dtype.name in NIBBLES else array).tobytes(), name
    assert theirs.graph == ours.graph


@pytest.mark.parametrize("profile", ["fast", pytest.param("smallest", marks=pytest.mark.slow)])
def test_every_form_and_type(profile: str, everything: Artifact, second_reader: ModuleType) -> None:
    content = pack(everything, profile=profile)
    assert_agreement(content, second_reader)
    notes = second_reader.read(content).notes
    assert notes["preprocessing"] == json.loads(json.dumps(everything.notes.preprocessing.to_dict()))
    assert (notes["classes"], notes["folds"]) == (list(everything.notes.classes), [list(pair) for pair in everything.notes.folds])
    assert notes["reason"] == everything.notes.reason


def test_weights_only(everything: Artifact, second_reader: ModuleType) -> None:
    content = pack(everything, weights_only=True, profile="fast")
    assert_agreement(content, second_reader)
    narrowed = {"shape": [3, 8, 8], "dtype": "float32", "channels": {"Hündin.weight": "20", "conv1.weight": f"{1 + 4 + (1 << 70):x}"}}
    shortened = {"shape": [3, 8, 8], "dtype": "int64", "branches": ["layer1.0.conv2"]}
    factored = {"layer": "fc", "kind": "tucker", "ranks": [3, 4]}
    merged = {"shape": [3, 8, 8], "dtype": "float32", "layers": [["query", "key", "value"], ["a.up", "a.gate"]]}
    rounded = {"shape": [3, 8, 8], "dtype": "float32", "values": ["x", "relu_1", "Hündin"]}
    structure = {"folds": [["conv1", "bn1"]], "cuts": [narrowed, shortened, factored], "merged": [merged], "rounded": rounded}
    assert second_reader.read(content).notes == structure


def integers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    extremes = np.array([-(2**63), 2**63 - 1, 0, -1, 1, 2**62, -(2**40)], np.int64)
    return {
        "extremes": rng.choice(extremes, 60),
        "sparse": rng.integers(-9, 10, 500) * (rng.random(500) < 0.1),
        "skewed": rng.geometric(0.3, 500) - 4,
        "wide": rng.integers(-(2**11), 2**11, 400),
        "heavy tails": np.rint(rng.standard_cauchy(400) * 100).astype(np.int64),
        "almost equal": np.where(np.arange(3000) == 1700, 5, 0),
        "alternating": np.tile([7, 8], 900),
        "bytes": rng.integers(0, 256, 300),
    }


INTEGERS = integers()
KINDS = [(number, side, main) for number in range(len(LAYOUTS)) for side in range(len(CODERS)) for main in range(len(CODERS))]


@pytest.mark.parametrize(("number", "side", "main"), [kind for kind in KINDS if kind[0] or not kind[1]])
def test_every_layout_and_coder(number: int, side: int, main: int, second_reader: ModuleType) -> None:
    tried = 0
    for name, values in INTEGERS.items():
        content = forced(number, side, main, values)
        if content is not None:
            assert decode(content, len(values)).tolist() == values.tolist(), name
            assert second_reader.read_integers(second_reader.Bytes(content), len(values)) == values.tolist(), name
            tried += 1
    assert tried >= 2


def blocks() -> dict[str, list[np.ndarray]]:
    """Blocks as tensors have them, and as nobody has."""
    rng = np.random.default_rng(2)
    extremes = np.array([-(2**63), 2**63 - 1, 0, -1, 1, 2**62, -(2**40)], np.int64)
    return {
        "kernels": [np.rint(rng.laplace(0, scale, (12, 8, 9))).astype(np.int64) for scale in (0.5, 2, 20)],
        "matrices": [np.rint(rng.normal(0, 3, shape)).astype(np.int64) for shape in ((30, 40, 1), (1, 90, 1), (1, 1, 1))],
        "long kernels": [np.rint(rng.laplace(0, 1, (3, 4, 49))).astype(np.int64)],
        "sparse": [rng.integers(-9, 10, (20, 30, 1)) * (rng.random((20, 30, 1)) < 0.1)],
        "heavy tails": [np.rint(rng.standard_cauchy((9, 20, 4)) * 1000).astype(np.int64)],
        "extremes": [rng.choice(extremes, (5, 20, 1)), rng.choice(extremes, (4, 3, 9))],
    }


BLOCKS = blocks()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", BLOCKS)
def test_every_profile(name: str, profile: str, second_reader: ModuleType) -> None:
    number = 1 + list(PROFILES).index(profile)
    content = bytes([number]) + write_blocks(PROFILES[profile], BLOCKS[name])
    values = np.concatenate([block.reshape(-1) for block in BLOCKS[name]]).tolist()
    assert second_reader.read_group(second_reader.Bytes(content), [block.shape for block in BLOCKS[name]]) == values


def test_groups_of_a_large_tensor(second_reader: ModuleType) -> None:
    """Two groups, the cut inside a tensor, and tails in two parts."""
    values = np.zeros((300, 4000), np.float32)
    values[7, 5], values[-1, -1] = 1.5, np.nan
    content = pack(Artifact({"w": Dense.of(values), "v": Dense.of(np.ones((90, 70), np.int8))}))
    assert [group.rows for group in layout(content).directory.groups] == [262, 38 + 90]
    assert_agreement(content, second_reader)


def forced(number: int, side: int, main: int, values: np.ndarray) -> bytes | None:
    """The stream of this layout and these coders, which `encode` may not have chosen; None where they do not take such values."""
    parts = LAYOUTS[number].split(values)
    if parts is None or any(len(part) and reach(part) > CODERS[coder].reach for part, coder in zip(parts, (main, side), strict=True)):
        return None
    head = bytes([number << 6 | side << 3 | main])
    if len(parts[1]):
        aside = CODERS[side].encode(parts[1])
        head += write_varint(len(parts[1])) + write_varint(len(aside)) + aside
    return head + CODERS[main].encode(parts[0])
