"""Notes: what is known must be sound, what is not known is passed over."""

import json
from typing import Any

import numpy as np
import pytest

from laconic.artifact import Artifact, Notes, pack, unpack
from laconic.artifact.frame import frame, unframe
from laconic.artifact.limits import Limits
from laconic.artifact.wire import deflate
from laconic.base.errors import ArtifactError, LimitError
from laconic.base.preprocessing import Preprocessing

SOUND = {"shape": [1, 2, 2], "scale": 0.5, "mean": [0], "std": [1.5]}


def with_notes(text: str | bytes) -> bytes:
    """A file with these notes, as they stand."""
    parts = unframe(pack(Artifact({})), Limits())
    notes = deflate(text.encode() if isinstance(text, str) else text)
    return frame({**{name: bytes(part) for name, part in parts.items()}, "notes": notes})


def test_numbers_of_numpy_are_plain_numbers() -> None:
    stage = Preprocessing((np.int64(1), 2, 2), np.float32(0.1), (np.float32(0.1),), (np.float64(2),))
    back = unpack(pack(Artifact({}, notes=Notes(stage)))).notes.preprocessing
    assert back == Preprocessing((1, 2, 2), float(np.float32(0.1)), (float(np.float32(0.1)),), (2.0,))


def test_unknown_keys_are_passed_over() -> None:
    stated = {"preprocessing": SOUND, "from the future": {"x": [None]}}
    assert unpack(with_notes(json.dumps(stated))).notes == Notes(Preprocessing((1, 2, 2), 0.5, (0.0,), (1.5,)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"a": 1} x',
        b'{"reason": "\xff"}',
        '{"reason": "x"}'.encode("utf-16"),
        '{"reason": 1}',
        '{"reason": "\\ud800"}',
        '{"classes": "abc"}',
        '{"classes": [1]}',
        '{"classes": {"a": "b"}}',
        '{"folds": [["a"]]}',
        '{"folds": [["a", "b", "c"]]}',
        '{"folds": ["ab"]}',
        '{"folds": [["a", null]]}',
        '{"cuts": [1]}',
        '{"cuts": [{"shape": [3], "channels": {}}]}',
        '{"cuts": [{"shape": [-3], "dtype": "float32", "channels": {}}]}',
        '{"cuts": [{"shape": [3], "dtype": "float32", "channels": {"a": ""}}]}',
        '{"cuts": [{"shape": [3], "dtype": "float32", "channels": {"a": "-1"}}]}',
        '{"cuts": [{"shape": [3], "dtype": "float32", "channels": {"a": 3}}]}',
        '{"cuts": [{"shape": [3], "dtype": "float32", "branches": "a"}]}',
        '{"cuts": [{"shape": [3], "dtype": "load", "branches": []}]}',
        '{"cuts": [{"shape": [1000000, 1000000], "dtype": "float32", "branches": []}]}',
        '{"cuts": [{"shape": [3], "dtype": "float32", "channels": {"a": "0x1"}}]}',
        '{"cuts": [{"layer": "a", "kind": "svd", "ranks": [-1]}]}',
        '{"cuts": [{"transferred": "a"}]}',
        '{"cuts": [{"transferred": "a", "kind": 4}]}',
        '{"merged": {"shape": [3], "dtype": "float32", "layers": []}}',
        '{"merged": [{"shape": [3], "dtype": "float32", "layers": ["ab"]}]}',
        '{"merged": [{"shape": [3], "dtype": "float32", "layers": [["a", 1]]}]}',
        '{"merged": [{"shape": [3], "dtype": "load", "layers": []}]}',
        '{"merged": [{"shape": [3], "dtype": "float32"}]}',
        '{"rounded": null}',
        '{"rounded": []}',
        '{"rounded": {}}',
        '{"rounded": {"dtype": "float32", "values": []}}',
        '{"rounded": {"shape": [3], "values": []}}',
        '{"rounded": {"shape": [3], "dtype": "float32"}}',
        '{"rounded": {"shape": [3], "dtype": "float32", "values": "x"}}',
        '{"rounded": {"shape": [3], "dtype": "float32", "values": [1]}}',
        '{"rounded": {"shape": [3], "dtype": "float32", "values": ["\\ud800"]}}',
        '{"rounded": {"shape": [3], "dtype": "float32", "values": {"x": 1}}}',
        '{"rounded": {"shape": [-3], "dtype": "float32", "values": []}}',
        '{"rounded": {"shape": [3.5], "dtype": "float32", "values": []}}',
        '{"rounded": {"shape": 3, "dtype": "float32", "values": []}}',
        '{"rounded": {"shape": [3], "dtype": "uint8", "values": []}}',
        '{"rounded": {"shape": [3], "dtype": null, "values": []}}',
        '{"rounded": {"shape": [1000000, 1000000], "dtype": "float32", "values": []}}',
        "[" * 500_000,
        '{"a":' * 100_000,
        '{"a": ' + "9" * 100_000 + "}",
    ],
    ids=lambda text: repr(text[:90]),
)
def test_unsound_notes_are_refused(text: str | bytes) -> None:
    with pytest.raises(ArtifactError, match="notes cannot be read"):
        unpack(with_notes(text))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", "12"),
        ("shape", [1, -2]),
        ("shape", [1.5]),
        ("shape", [True]),
        ("shape", None),
        ("scale", "1"),
        ("scale", True),
        ("scale", float("nan")),
        ("scale", float("inf")),
        ("scale", 10**400),
        ("mean", [float("-inf")]),
        ("mean", [0, 0]),
        ("mean", [[0]]),
        ("mean", 0),
        ("std", [0]),
        ("std", [-1]),
        ("std", [float("nan")]),
        ("std", ["1"]),
        ("std", []),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_unsound_preprocessing_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ArtifactError, match="notes cannot be read"):
        unpack(with_notes(json.dumps({"preprocessing": SOUND | {key: value}})))


@pytest.mark.parametrize("key", list(SOUND))
def test_incomplete_preprocessing_is_refused(key: str) -> None:
    with pytest.raises(ArtifactError, match="KeyError"):
        unpack(with_notes(json.dumps({"preprocessing": {name: SOUND[name] for name in SOUND if name != key}})))


def test_notes_are_bounded() -> None:
    file = with_notes(json.dumps({"reason": "x" * 5000}))
    assert len(file) < 200
    with pytest.raises(LimitError, match="inflated bytes: 5014 where at most 5013"):
        unpack(file, Limits(notes_bytes=5013))
    assert len(unpack(file, Limits(notes_bytes=5014)).notes.reason) == 5000
