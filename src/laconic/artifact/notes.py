"""The section `notes`: a deflated JSON object. What a reader does not know in it, it passes over; what it knows must be sound."""

import json
import math
from typing import Any

from laconic.artifact.artifact import Notes
from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader, deflate, inflate
from laconic.base.edits import Cut, Factored, Merged, Narrowed, Rounded, Shortened, Transferred
from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing, tokens

SAMPLES = {"float32": 4, "int64": 8}  # what a class can be traced with, and the bytes of one value


def write_notes(notes: Notes) -> bytes:
    """The section; empty when there is nothing to say."""
    fields = {
        "preprocessing": notes.preprocessing and _write_preprocessing(notes.preprocessing),
        "classes": notes.classes,
        "folds": notes.folds,
        "cuts": [_write_cut(cut) for cut in notes.cuts],
        "merged": [_write_sample(one) | {"layers": [list(group) for group in one.layers]} for one in notes.merged],
        "rounded": notes.rounded and _write_sample(notes.rounded) | {"values": list(notes.rounded.values)},
        "reason": notes.reason,
    }
    said = {key: value for key, value in fields.items() if value}
    return deflate(json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()) if said else b""


def _write_preprocessing(stage: Preprocessing) -> dict[str, Any]:
    """Plain numbers: numpy's own would not pass as JSON."""
    if stage.dtype == "int64":
        return {"shape": list(map(int, stage.shape)), "dtype": stage.dtype}
    return {
        "shape": list(map(int, stage.shape)),
        "scale": float(stage.scale),
        "mean": list(map(float, stage.mean)),
        "std": list(map(float, stage.std)),
    }


def _write_cut(cut: Cut) -> dict[str, Any]:
    """Channels as bits of a hexadecimal number: half a byte stands for four of them."""
    if isinstance(cut, Factored):
        return {"layer": cut.layer, "kind": cut.kind, "ranks": list(cut.ranks)}
    if isinstance(cut, Transferred):
        return {"transferred": cut.layer, "kind": cut.kind}
    if isinstance(cut, Shortened):
        return _write_sample(cut) | {"branches": list(cut.removed)}
    return _write_sample(cut) | {"channels": {name: f"{bits:x}" for name, bits in cut.removed}}


def _write_sample(traced: Narrowed | Shortened | Merged | Rounded) -> dict[str, Any]:
    """What the class was traced with."""
    return {"shape": list(map(int, traced.shape)), "dtype": traced.dtype}


def read_notes(reader: Reader, limits: Limits) -> Notes:
    """The inverse of `write_notes`.

    Raises:
        ArtifactError: no such object, or one with a field that is not what it should be.
    """
    content = inflate(reader, limits.notes_bytes)
    try:
        fields = _expect(dict, json.loads(str(content, "utf-8")))
        stated = fields.get("preprocessing")
        return Notes(
            preprocessing=None if stated is None else _read_preprocessing(_expect(dict, stated)),
            classes=_texts(fields.get("classes", [])),
            folds=tuple(_pair(names) for names in _expect(list, fields.get("folds", []))),
            reason=_text(fields.get("reason", "")),
            cuts=tuple(_read_cut(_expect(dict, cut), limits) for cut in _expect(list, fields.get("cuts", []))),
            merged=tuple(_read_merged(_expect(dict, one), limits) for one in _expect(list, fields.get("merged", []))),
            rounded=_read_rounded(_expect(dict, fields["rounded"]), limits) if "rounded" in fields else None,
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, DataError) as cause:
        raise reader.fault(f"the notes cannot be read: {type(cause).__name__}") from cause


def _read_preprocessing(fields: dict[str, Any]) -> Preprocessing:
    shape = _shape(fields["shape"])
    if fields.get("dtype") == "int64":
        return tokens(*shape)
    mean, std = (tuple(_number(value) for value in _expect(list, fields[name])) for name in ("mean", "std"))
    return Preprocessing(shape, _number(fields["scale"]), mean, std)


def _read_cut(fields: dict[str, Any], limits: Limits) -> Cut:
    if "layer" in fields:
        return Factored(_text(fields["layer"]), _text(fields["kind"]), _shape(fields["ranks"]))
    if "transferred" in fields:
        return Transferred(_text(fields["transferred"]), _text(fields["kind"]))
    shape, dtype = _read_sample(fields, limits)
    if "branches" in fields:
        return Shortened(shape, dtype, _texts(fields["branches"]))
    return Narrowed(shape, dtype, tuple((_text(name), _bits(_text(bits))) for name, bits in _expect(dict, fields["channels"]).items()))


def _read_merged(fields: dict[str, Any], limits: Limits) -> Merged:
    return Merged(*_read_sample(fields, limits), tuple(_texts(group) for group in _expect(list, fields["layers"])))


def _read_rounded(fields: dict[str, Any], limits: Limits) -> Rounded:
    return Rounded(*_read_sample(fields, limits), _texts(fields["values"]))


def _read_sample(fields: dict[str, Any], limits: Limits) -> tuple[tuple[int, ...], str]:
    shape, dtype = _shape(fields["shape"]), _text(fields["dtype"])
    if dtype not in SAMPLES or math.prod(shape) * SAMPLES[dtype] > limits.activation_bytes:
        raise ValueError("no sample that a class could be traced with")
    return shape, dtype


def _bits(text: str) -> int:
    """A hexadecimal number as we write it: `int` alone would take signs, spaces and underscores."""
    if not set(text) <= set("0123456789abcdef"):
        raise ValueError("channels are no hexadecimal number")
    return int(text, 16)


def _shape(sides: object) -> tuple[int, ...]:
    shape = tuple(_expect(int, side) for side in _expect(list, sides))
    if any(side < 0 for side in shape):
        raise ValueError("a side or a rank is negative")
    return shape


def _expect(kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{kind.__name__} expected, got {type(value).__name__}")
    return value


def _number(value: object) -> float:
    return float(value if isinstance(value, float) else _expect(int, value))


def _pair(names: object) -> tuple[str, str]:
    layer, norm = _expect(list, names)
    return _text(layer), _text(norm)


def _texts(names: object) -> tuple[str, ...]:
    return tuple(_text(name) for name in _expect(list, names))


def _text(value: object) -> str:
    text: str = _expect(str, value)
    text.encode()  # JSON can spell halves of surrogate pairs, which are no text
    return text
