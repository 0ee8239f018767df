"""Thousands of files, each a little wrong in a place that no checksum guards: whatever a reader does with them, it does not crash.

A mutant is made with knowledge of the structure: its checksums are right, its varints are varints, its blocks inflate, its graph is
ONNX and its notes are JSON, mostly, and so it gets past the guards at the gate. Some are files as good as any other and run; most are
refused. Both are fine; anything else is not.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import onnx
import pytest

from laconic.artifact import Artifact, pack
from laconic.artifact.frame import frame, unframe
from laconic.artifact.layout import DTYPES, FORMS, TensorEntry, read_table, write_table
from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader, deflate, inflate, varint

Trial = Callable[[bytes], str]
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 31, 63, 127, 128, 255, 256, 2**16, 2**20, 2**24, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1)
SMALL = (0, 1, 2, 3, 4, 6, 8, 12)
OPERATORS = ("Neg", "MatMul", "Gemm", "Reshape", "Expand", "Tile", "Concat", "Gather", "Div", "Split", "Resize", "Loop", "Softmax")
ODD = (None, True, -1, 0, 1.5, 1e308, "", "x", [], [[]], {}, [1], ["x"], [None], float("nan"))


def overwrite(rng: random.Random, part: bytes) -> bytes:
    """Other bytes, as many."""
    if not part:
        return part
    at = rng.randrange(len(part))
    length = min(rng.choice((1, 1, 1, 2, 4)), len(part) - at)
    return part[:at] + rng.randbytes(length) + part[at + length :]


def splice(rng: random.Random, part: bytes) -> bytes:
    """A number in the place of one byte, or of none."""
    at = rng.randrange(len(part) + 1)
    return part[:at] + varint(rng.choice(NUMBERS)) + part[at + rng.choice((0, 1)) :]


def shuffle(rng: random.Random, part: bytes) -> bytes:
    """A piece moved, repeated or dropped."""
    first, second, third = sorted(rng.randrange(len(part) + 1) for _ in range(3))
    pieces = [part[:first], part[first:second], part[second:third], part[third:]]
    order = rng.choice(((0, 2, 1, 3), (0, 1, 1, 2, 3), (0, 2, 3)))
    return b"".join(pieces[place] for place in order)


def blunt(rng: random.Random, part: bytes) -> bytes:
    return rng.choice((overwrite, overwrite, splice, shuffle))(rng, part)


def tensors(rng: random.Random, part: bytes) -> bytes:
    entries = list(read_table(memoryview(part), Limits())[0])
    place = rng.randrange(len(entries))
    entries[place] = changed_entry(rng, entries[place])
    if rng.random() < 0.1:
        rng.shuffle(entries)
    return write_table(entries, named=rng.random() < 0.95)


def changed_entry(rng: random.Random, entry: TensorEntry) -> TensorEntry:
    number = rng.choice(SMALL if rng.random() < 0.7 else NUMBERS)
    shape = [rng.choice((side, side, number)) for side in entry.shape]
    rng.shuffle(shape)
    changes: list[dict[str, Any]] = [
        {"form": rng.choice(FORMS), "tied_to": rng.choice(SMALL)},
        {"dtype": rng.choice(DTYPES)},
        {"shape": tuple(shape)},
        {"shape": (*entry.shape, rng.choice((0, 1, number)))},
        {"table_count": number},
        {"integer_bytes": entry.integer_bytes + 1, "table_bytes": max(entry.table_bytes - 1, 0)},
        {"table_bytes": number},
        {"name": rng.choice(("", "x", "y", "w", "v", entry.name + " "))},
    ]
    return replace(entry, **rng.choice(changes))


def graph(rng: random.Random, part: bytes) -> bytes:
    model = onnx.load_from_string(part)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice((rewire, rename_operator, change_attribute, drop_node, repeat_node, change_type))(rng, model.graph)
    return model.SerializeToString()


def names(graph: onnx.GraphProto) -> list[str]:
    return ["", "nobody", *(value.name for value in graph.input), *(name for node in graph.node for name in node.output)]


def rewire(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = rng.choice(graph.node)
    side = rng.choice((node.input, node.input, node.input, node.output))
    if side:
        side[rng.randrange(len(side))] = rng.choice(names(graph))


def rename_operator(rng: random.Random, graph: onnx.GraphProto) -> None:
    rng.choice(graph.node).op_type = rng.choice(OPERATORS)


def change_attribute(rng: random.Random, graph: onnx.GraphProto) -> None:
    with_some = [node for node in graph.node if node.attribute]
    if with_some:
        attribute = rng.choice(rng.choice(with_some).attribute)
        number = rng.choice((-1, -4, *NUMBERS))
        attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, rng.choice((number, [number], [number] * 3, 0.5, "x"))))


def drop_node(rng: random.Random, graph: onnx.GraphProto) -> None:
    if len(graph.node) > 1:
        del graph.node[rng.randrange(len(graph.node))]


def repeat_node(rng: random.Random, graph: onnx.GraphProto) -> None:
    node = graph.node[rng.randrange(len(graph.node))]
    again = onnx.NodeProto()
    again.CopyFrom(node)
    again.output[0] = f"again {rng.random()}"
    graph.node.insert(rng.randrange(len(graph.node) + 1), again)


def change_type(rng: random.Random, graph: onnx.GraphProto) -> None:
    kind = rng.choice((*graph.input, *graph.output)).type.tensor_type
    if rng.random() < 0.3 or not kind.shape.dim:
        kind.elem_type = rng.choice((0, 1, 7, 10, 11, 16, 99))
    else:
        rng.choice(kind.shape.dim).dim_value = rng.choice(NUMBERS)


def notes(rng: random.Random, part: bytes) -> bytes:
    stated = json.loads(part)
    place = stated["preprocessing"] if rng.random() < 0.6 else stated
    place[rng.choice((*place, "unknown"))] = rng.choice(ODD)
    return json.dumps(stated).encode()


FINE: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "tensors": tensors,
    "streams": overwrite,
    "graph": graph,
    "notes": notes,
}


def mutant(rng: random.Random, sections: dict[str, bytes]) -> bytes:
    """A change to one section or two; those of graph and notes are made inside their blocks."""
    changed = dict(sections)
    for name in rng.sample(list(sections), k=rng.choice((1, 1, 1, 2))):
        deflated = name in ("graph", "notes")
        part = inflate(Reader(sections[name], name), 1 << 20) if deflated else sections[name]
        part = (FINE[name] if rng.random() < 0.8 else blunt)(rng, part)
        changed[name] = deflate(part) if deflated else part
        if rng.random() < 0.03:
            changed[name] = blunt(rng, changed[name])
    return frame(changed)


def outcomes(sound: Artifact, trial: Trial, seed: int, count: int) -> Counter[str]:
    sections = {name: bytes(part) for name, part in unframe(pack(sound), Limits()).items()}
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(count):
        content = mutant(rng, sections)
        try:
            seen[trial(content)] += 1
        except Exception as cause:  # noqa: BLE001 - whatever it is, the mutant is to be named
            pytest.fail(f"mutant {number} of seed {seed}: {type(cause).__name__}: {cause}")
    return seen


def test_two_thousand_mutants(sound: Artifact, trial: Trial) -> None:
    seen = outcomes(sound, trial, seed=0, count=2000)
    assert seen["refused"] > 500
    assert seen["ran"] > 200  # or else the mutants are too coarse to reach the engine


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_twenty_thousand_mutants(seed: int, sound: Artifact, trial: Trial) -> None:
    assert outcomes(sound, trial, seed, count=2000).keys() == {"refused", "ran"}


def test_the_original_runs(sound: Artifact, trial: Trial) -> None:
    assert trial(pack(sound)) == "ran"
    assert trial(pack(sound, weights_only=True)) == "decoded"
    assert trial(pack(sound)[:-1]) == "refused"
