"""SPEC.md is complete: a reader written from it alone finds in our files what we find."""

import json
from types import ModuleType

import numpy as np
import pytest

from laconic.artifact import Artifact, pack, unpack
from laconic.codec import decode
from laconic.codec.coders import CODERS
from laconic.codec.layouts import LAYOUTS
from laconic.codec.varint import write_varint
from laconic.codec.window import reach


def assert_agreement(content: bytes, second_reader: ModuleType) -> None:
    ours, theirs = unpack(content), second_reader.read(content)
    assert list(theirs.tensors) == list(ours.tensors)
    for name, form in ours.tensors.items():
        array, other = form.array(), theirs.tensors[name]
        assert (other.dtype, other.shape) == (array.dtype.name, array.shape)
        assert other.content == array.tobytes(), name
    assert theirs.graph == ours.graph


def test_every_form_and_type(everything: Artifact, second_reader: ModuleType) -> None:
    content = pack(everything)
    assert_agreement(content, second_reader)
    notes = second_reader.read(content).notes
    assert notes["preprocessing"] == json.loads(json.dumps(everything.notes.preprocessing.to_dict()))
    assert (notes["classes"], notes["folds"]) == (list(everything.notes.classes), [list(pair) for pair in everything.notes.folds])
    assert notes["reason"] == everything.notes.reason


def test_weights_only(everything: Artifact, second_reader: ModuleType) -> None:
    content = pack(everything, weights_only=True)
    assert_agreement(content, second_reader)
    assert second_reader.read(content).notes == {"folds": [["conv1", "bn1"]]}


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
KINDS = [(layout, side, main) for layout in range(len(LAYOUTS)) for side in range(len(CODERS)) for main in range(len(CODERS))]


@pytest.mark.parametrize(("layout", "side", "main"), [kind for kind in KINDS if kind[0] or not kind[1]])
def test_every_layout_and_coder(layout: int, side: int, main: int, second_reader: ModuleType) -> None:
    tried = 0
    for name, values in INTEGERS.items():
        content = forced(layout, side, main, values)
        if content is not None:
            assert decode(content, len(values)).tolist() == values.tolist(), name
            assert second_reader.read_integers(second_reader.Bytes(content), len(values)) == values.tolist(), name
            tried += 1
    assert tried >= 2


def forced(layout: int, side: int, main: int, values: np.ndarray) -> bytes | None:
    """The stream of this layout and these coders, which `encode` may not have chosen; None where they do not take such values."""
    parts = LAYOUTS[layout].split(values)
    if parts is None or any(len(part) and reach(part) > CODERS[coder].reach for part, coder in zip(parts, (main, side), strict=True)):
        return None
    head = bytes([layout << 6 | side << 3 | main])
    if len(parts[1]):
        aside = CODERS[side].encode(parts[1])
        head += write_varint(len(parts[1])) + write_varint(len(aside)) + aside
    return head + CODERS[main].encode(parts[0])
