"""ONNX files that are broken or that attack: each is refused in words, quickly, and nothing outside its folder is read."""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from laconic.base.errors import ModelError
from laconic.graph.importing import import_model
from laconic.graph.reading import open_onnx, read_onnx

Change = Callable[[onnx.ModelProto], object]


def sound() -> onnx.ModelProto:
    weights = [onnx.numpy_helper.from_array(np.ones((3, 4), np.float32), "w"), onnx.numpy_helper.from_array(np.ones(4, np.float32), "b")]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Add", ["h", "b"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", side]) for name, side in (("x", 3), ("y", 4))]
    return helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], weights), opset_imports=[helper.make_opsetid("", 17)])


def outside(model: onnx.ModelProto, location: str, **said: object) -> None:
    """Let the weight w be elsewhere."""
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **said}.items():
        weight.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))


def recursive(model: onnx.ModelProto) -> None:
    body = [helper.make_node("F", ["a"], ["b"], domain="own")]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("own", 1)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.insert(0, helper.make_node("F", ["x"], ["z"], domain="own"))


def exploding(model: onnx.ModelProto) -> None:
    """Twenty functions of ten calls of the next: 10^20 nodes."""
    model.opset_import.append(helper.make_opsetid("own", 1))
    for depth in range(20):
        inner = helper.make_node if depth < 19 else None
        names = ["a", *(f"v{i}" for i in range(9)), "b"]
        kind = {"op_type": f"F{depth + 1}", "domain": "own"} if inner else {"op_type": "Relu"}
        body = [helper.make_node(inputs=[one], outputs=[two], **kind) for one, two in itertools.pairwise(names)]
        versions = [helper.make_opsetid("own", 1), helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("own", f"F{depth}", ["a"], ["b"], body, versions))
    model.graph.node.insert(0, helper.make_node("F0", ["x"], ["z"], domain="own"))


def nested(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([helper.make_node("Relu", ["gone"], ["r"])], "b", [], [helper.make_empty_tensor_value_info("r")])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "c"))
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))


BROKEN: dict[str, tuple[Change, str]] = {
    "a cycle": (lambda m: m.graph.node[0].input.__setitem__(0, "y"), "nothing before this node makes its input 'y'"),
    "nodes out of order": (lambda m: m.graph.node.append(m.graph.node.pop(0)), "nothing before this node makes its input 'h'"),
    "a missing initializer": (lambda m: m.graph.initializer.pop(), "nothing before this node makes its input 'b'"),
    "an output that nobody makes": (lambda m: setattr(m.graph.output[0], "name", "z"), "nothing makes the output 'z'"),
    "no output": (lambda m: m.graph.ClearField("output"), "no output"),
    "a value made twice": (lambda m: m.graph.node[2].output.__setitem__(0, "s"), "a second value is called 's'"),
    "a value with a weight's name": (lambda m: m.graph.node[2].output.__setitem__(0, "w"), "a second value is called 'w'"),
    "two weights of one name": (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "two tensors have one name"),
    "too few bytes": (lambda m: setattr(m.graph.initializer[0], "raw_data", b"abcd"), "do not fill its shape"),
    "no bytes at all": (lambda m: m.graph.initializer[0].ClearField("raw_data"), "do not fill its shape"),
    "a huge shape": (lambda m: m.graph.initializer[0].dims.__setitem__(0, 1 << 62), "do not fill its shape"),
    "a negative side": (lambda m: m.graph.initializer[0].dims.__setitem__(0, -3), "has the shape"),
    "a type of no kind": (lambda m: setattr(m.graph.initializer[0], "data_type", 99), "no type that ONNX knows"),
    "text for weights": (lambda m: m.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.STRING, [1], [b"a"])), "text"),
    "no opset": (lambda m: m.ClearField("opset_import"), "no graph"),
    "no graph": (lambda m: m.ClearField("graph"), "no graph"),
    "a function that calls itself": (recursive, "calls itself"),
    "functions that explode": (exploding, "more than 65536 nodes"),
    "a branch that reads what is not there": (nested, "makes its input 'gone'"),
    "sparse weights": (lambda m: m.graph.sparse_initializer.add(), "sparse"),
}


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused(tmp_path: Path, name: str) -> None:
    model = sound()
    change, words = BROKEN[name]
    change(model)
    with pytest.raises(ModelError, match=words) as caught:
        open_onnx(saved(model, tmp_path))
    assert "m.onnx" in caught.value.where


def test_what_is_not_broken_is_read(tmp_path: Path) -> None:
    assert set(open_onnx(saved(sound(), tmp_path)).arrays) == {"w", "b"}


def test_a_file_cut_off_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    content = sound().SerializeToString()
    for length in range(len(content)):
        (tmp_path / "m.onnx").write_bytes(content[:length])
        with pytest.raises(ModelError):
            open_onnx(tmp_path / "m.onnx")


def test_noise_never_ends_in_anything_but_an_error_of_ours(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    content = np.frombuffer(sound().SerializeToString(), np.uint8)
    for _ in range(150):
        noisy = content.copy()
        noisy[rng.integers(0, len(noisy), 3)] = rng.integers(0, 256, 3)
        (tmp_path / "m.onnx").write_bytes(noisy.tobytes())
        try:
            import_model(tmp_path / "m.onnx")
        except ModelError:
            continue


SECRETS: dict[str, str] = {
    "above": "../secret.bin",
    "by its whole path": "{folder}/secret.bin",
    "above, in disguise": "sub/../../secret.bin",
    "through a link": "link.bin",
    "through a linked folder": "folder/secret.bin",
    "nowhere": "",
    "a folder": "sub",
    "gone": "gone.bin",
    "with a null": "w\0.bin",
    "as in Windows": "..\\secret.bin",
    "on a drive": "C:/secret.bin",
}


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    (inside / "folder").symlink_to(tmp_path)
    model = sound()
    outside(model, SECRETS[name].format(folder=tmp_path))
    with pytest.raises(ModelError) as caught:
        open_onnx(saved(model, inside))
    assert any(words in caught.value.what for words in ("outside of its own folder", "is not there"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    model = sound()
    outside(model, "pipe")
    with pytest.raises(ModelError, match="is not there"):
        open_onnx(saved(model, tmp_path))


COUNTS: dict[str, tuple[dict[str, Any], str]] = {
    "too short": ({"offset": 8}, "too short"),
    "another length": ({"length": 44}, "has 48 bytes and its entry speaks of 44"),
    "an offset below zero": ({"offset": -4}, "no number"),
    "an offset in words": ({"offset": "four"}, "no number"),
    "an offset out of range": ({"offset": 1 << 62}, "too short|cannot be read"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_weights_beside_the_model_must_fit(tmp_path: Path, name: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(48))
    said, words = COUNTS[name]
    model = sound()
    outside(model, "w.bin", **said)
    with pytest.raises(ModelError, match=words):
        open_onnx(saved(model, tmp_path))


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"head" + np.arange(12, dtype=np.float32).tobytes())
    model = sound()
    outside(model, "sub/w.bin", offset=4, length=48)
    np.testing.assert_array_equal(open_onnx(saved(model, tmp_path)).arrays["w"], np.arange(12, dtype=np.float32).reshape(3, 4))


UNKNOWN: dict[str, tuple[Change, str]] = {
    "an operator of a stranger's": (lambda m: m.graph.node[2].MergeFrom(onnx.NodeProto(domain="com.acme")), "com.acme:Relu"),
    "an operator that is not known": (lambda m: setattr(m.graph.node[2], "op_type", "Rleu"), "Rleu is not known"),
    "an attribute that is not known": (lambda m: m.graph.node[2].attribute.append(helper.make_attribute("slope", 1.0)), "slope"),
    "shapes that contradict each other": (lambda m: m.graph.input[0].type.tensor_type.shape.dim[1].MergeFrom(FIVE), "contradict"),
}
FIVE = onnx.TensorShapeProto.Dimension(dim_value=5)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_torch_cannot_compute_is_refused_by_name(tmp_path: Path, name: str) -> None:
    model = sound()
    change, words = UNKNOWN[name]
    change(model)
    with pytest.raises(ModelError, match=words) as caught:
        import_model(saved(model, tmp_path))
    assert "node" in caught.value.where


def test_old_operators_that_cannot_be_brought_up_are_refused(tmp_path: Path) -> None:
    model = sound()
    model.opset_import[0].version = 7
    model.graph.node[2].op_type, model.ir_version = "Upsample", 3
    with pytest.raises(ModelError, match="operators of version 7 cannot be brought to version 13"):
        read_onnx(saved(model, tmp_path))


@pytest.mark.parametrize("word", ["folder", "gone.onnx"])
def test_a_file_that_is_none(tmp_path: Path, word: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match=r"folder stands|no such file"):
        open_onnx(tmp_path / word)
