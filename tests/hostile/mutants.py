"""Mutants of a sound file, and what a reader may do with them. One piece of code for the tests and for bench/fuzz.py.

A raw mutant is the file with bytes changed, cut, moved, repeated or added: checksums find it out. A mended one is made with knowledge
of the structure: its checksums are right, its varints are varints, its blocks inflate, its graph is ONNX and its notes are JSON, mostly,
and so it gets past the guards at the gate. Some are files as good as any other and run; most are refused.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx

from laconic.artifact import Artifact, Limits, Notes, TensorEntry, layout, unpack
from laconic.artifact.directory import Directory, Group, pool_counts
from laconic.artifact.entries import DTYPES, FORMS
from laconic.artifact.frame import frame
from laconic.artifact.layout import read_table, write_table
from laconic.artifact.wire import Reader, deflate, inflate
from laconic.base.errors import ArtifactError
from laconic.base.preprocessing import Preprocessing
from laconic.codec.varint import write_varint as varint
from laconic.forms import Codebook, Dense, Grid, Masked
from laconic.runtime import Session

HEAD = '<ir_version: 10, opset_import: ["" : 20]>'
LIMITS = Limits(values=1 << 22, repeated_values=1 << 20, decoded_bytes=1 << 25, activation_bytes=1 << 24)
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 31, 63, 127, 128, 255, 256, 2**16, 2**20, 2**24, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1)
SMALL = (0, 1, 2, 3, 4, 6, 8, 12)
OPERATORS = ("Neg", "MatMul", "Gemm", "Reshape", "Expand", "Tile", "Concat", "Gather", "Div", "Split", "Resize", "Loop", "Softmax")
ODD = (None, True, -1, 0, 1.5, 1e308, "", "x", [], [[]], {}, [1], ["x"], [None], float("nan"))


def graph_of(body: str, signature: str = "(float[n, 4] x, float[4, 3] w) => (y)", head: str = HEAD) -> bytes:
    """A graph of a body in ONNX's own notation, with the input `x` (n, 4) and the file's tensor `w` (4, 3)."""
    return onnx.parser.parse_model(f"{head} g {signature} {{ {body} }}").SerializeToString()


@contextmanager
def in_small_parts() -> Iterator[None]:
    """As if the format had smaller numbers, so that a small file has many groups, folded rows and tails in parts.

    Every dense tensor is a block, rows are at most 4 wide, groups hold 5 to 9 values, tails come 5 at a time.
    """
    smaller = {
        "laconic.artifact.encode.LARGEST_GROUP": 9,
        "laconic.artifact.directory.LARGEST_GROUP": 9,
        "laconic.artifact.directory.LEAST_GROUP": 5,
        "laconic.artifact.tails.PART": 5,
        "laconic.artifact.entries.DENSE_BLOCK": 1,
        "laconic.codec.context.blocks.WIDEST_ROW": 4,
        "laconic.codec.context.blocks.FOLDED_ROW": 3,
    }
    with ExitStack() as patches:
        for name, number in smaller.items():
            patches.enter_context(patch(name, number))
        yield


def sound() -> Artifact:
    """A small network of all Forms, with a graph that computes a shape, and with all notes."""
    body = """
        zero = Constant <value_ints = [0]> ()
        rest = Constant <value_ints = [-1]> ()
        sides = Shape (x)
        batch = Gather (sides, zero)
        hidden = MatMul (x, w)
        sum = Add (hidden, b)
        up = Relu (sum)
        target = Concat <axis = 0> (batch, rest)
        flat = Reshape (up, target)
        y = MatMul (flat, v)
    """
    rng = np.random.default_rng(0)
    tensors = {
        "w": Codebook((4, 3), rng.integers(0, 3, (4, 3)), np.float32([0, 0.5, -1])),
        "b": Dense.of(np.float32([0.25, -0.0, 1e-3])),
        "v": Masked.of(np.float32([[1, 0], [0, 2], [0, -3]])),
        "u": Grid((3, 2), rng.integers(-9, 9, (3, 2)), np.float32([0.5, 0.25, 2])),
        "seen": Dense.of(np.array(7, np.int64)),
    }
    signature = "(float[n, 4] x, float[4, 3] w, float[3] b, float[3, 2] v) => (float[n, 2] y)"
    notes = Notes(Preprocessing((4,), 1.0), ("no", "yes"), (("conv", "bn"),), "")
    return Artifact(tensors | {"seen again": tensors["seen"]}, graph_of(body, signature), notes)


def attempt(file: bytes, run: bool = True) -> str:
    """Do with a file what a reader may do, and say how far it came: refused, decoded, ran. Only an ArtifactError may stop it."""
    try:
        layout(file, LIMITS)
        artifact = unpack(file, LIMITS, threads=1)
        if artifact.graph is None or not run:
            return "decoded"
        session = Session(artifact, limits=LIMITS)
        session(np.ones((2, *session.sample_shape), np.float32))
    except ArtifactError:
        return "refused"
    return "ran"


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


def tensors(rng: random.Random, part: bytes, sections: dict[str, bytes]) -> bytes:
    """Another entry, with a directory that fits it as well as any can; or another directory."""
    streams = len(sections["streams"])
    found, directory, _ = read_table(memoryview(part), streams, Limits())
    entries = list(found)
    if rng.random() < 0.5:
        return write_table(entries, changed_directory(rng, directory), named=True)
    place = rng.randrange(len(entries))
    entries[place] = changed_entry(rng, entries[place])
    if rng.random() < 0.1:
        rng.shuffle(entries)
    return write_table(entries, refitted(rng, entries, directory, streams), named=rng.random() < 0.95)


def changed_directory(rng: random.Random, directory: Directory) -> Directory:
    number = rng.choice(SMALL if rng.random() < 0.7 else NUMBERS)
    lengths = [*directory.pools.items(), *directory.tails.items()]
    kind, key = rng.choice((("length", rng.choice(lengths)[0]), ("rows", ""), ("bytes", ""), ("cut", ""), ("groups", "")))
    groups, place = list(directory.groups), rng.randrange(max(len(directory.groups), 1))
    if kind == "length":
        by = rng.choice((-1, 1, 1, 2, number))
        pools = {name: max(length + by * (name == key), 0) for name, length in directory.pools.items()}
        return Directory(pools, {at: max(length + by * (at == key), 0) for at, length in directory.tails.items()}, directory.groups)
    if kind == "cut":  # the last group's own numbers are in no file
        groups.insert(place, Group(number, rng.choice(SMALL)))
    elif kind == "groups":
        groups = groups[:place] if rng.random() < 0.5 else groups * 2
    elif groups:
        groups[place] = groups[place]._replace(
            **{"rows" if kind == "rows" else "length": max(groups[place][kind == "bytes"] + rng.choice((-1, 1, number)), 0)}
        )
    return Directory(directory.pools, directory.tails, tuple(groups))


def refitted(rng: random.Random, entries: Sequence[TensorEntry], directory: Directory, streams: int) -> Directory:
    """A directory of the streams that these entries have: as long as they were, where there were such."""
    places = {entry.name: place for place, entry in enumerate(entries)}
    pools = {dtype: directory.pools.get(dtype, rng.choice(SMALL)) for dtype in pool_counts(entries)}
    tails = {place: directory.tails.get(place, rng.choice(SMALL)) for place in places.values() if entries[place].has_tail}
    rows = sum(block[0] for entry in entries for block in entry.blocks)
    left = Group(rows, streams)
    return Directory(pools, tails, (*directory.groups[:-1], left) if rows else ())


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
        {"table_count": entry.table_count + rng.choice((-1, 1))},
        {"name": rng.choice(("", "x", "y", "w", "v", entry.name + " "))},
    ]
    return replace(entry, **rng.choice(changes))


def graph(rng: random.Random, part: bytes, _: dict[str, bytes]) -> bytes:
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


def notes(rng: random.Random, part: bytes, _: dict[str, bytes]) -> bytes:
    stated = json.loads(part)
    place = stated["preprocessing"] if rng.random() < 0.6 else stated
    place[rng.choice((*place, "unknown"))] = rng.choice(ODD)
    return json.dumps(stated).encode()


def streams(rng: random.Random, part: bytes, _: dict[str, bytes]) -> bytes:
    return overwrite(rng, part)


FINE: dict[str, Callable[[random.Random, bytes, dict[str, bytes]], bytes]] = {
    "tensors": tensors,
    "streams": streams,
    "graph": graph,
    "notes": notes,
}


def mended(rng: random.Random, sections: dict[str, bytes]) -> bytes:
    """A change to one section or two, under checksums that are right; those of graph and notes are made inside their blocks."""
    changed = dict(sections)
    for name in rng.sample(list(sections), k=rng.choice((1, 1, 1, 2))):
        deflated = name in ("graph", "notes")
        part = inflate(Reader(sections[name], name), 1 << 20) if deflated else sections[name]
        part = FINE[name](rng, part, sections) if rng.random() < 0.8 else blunt(rng, part)
        changed[name] = deflate(part) if deflated else part
        if rng.random() < 0.03:
            changed[name] = blunt(rng, changed[name])
    return frame(changed)


def cut(rng: random.Random, part: bytes) -> bytes:
    """The beginning, and sometimes the end as well."""
    first, second = sorted(rng.randrange(len(part) + 1) for _ in range(2))
    return part[:first] + (part[second:] if rng.random() < 0.5 else b"")


def flip(rng: random.Random, part: bytes) -> bytes:
    """Some bits turned."""
    changed = bytearray(part)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def extend(rng: random.Random, part: bytes) -> bytes:
    """Bytes behind the end."""
    return part + rng.randbytes(rng.choice((1, 4, 100)))


def raw(rng: random.Random, file: bytes, sections: dict[str, bytes]) -> bytes:
    """The file changed without a care for its checksums, or made of its sections in another order, or of some of them twice."""
    if rng.random() < 0.1:
        names = rng.choices(list(sections), k=rng.choice((2, 3, 4, 5)))
        head = file[: len(file) - sum(len(part) + 4 for part in sections.values())]
        sealed = {name: frame({name: part})[-len(part) - 4 :] for name, part in sections.items()}
        return head + b"".join(sealed[name] for name in names)
    return rng.choice((flip, flip, cut, overwrite, splice, shuffle, extend))(rng, file)
