"""Linear layers whose weights have 4 bits, handed to the kernel that ONNX Runtime has for them (MatMulNBits).

It reads an eighth of the bytes, which is what a large layer waits for at batch 1. Inputs are rounded to 8 bits in blocks on the way, as the
kernel does it at its fastest (accuracy level 4). Small layers stay: the kernel gains nothing there.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from laconic.forms import Form, Grid

DOMAIN = "com.microsoft"
GROUPS = (16, 32, 64, 128, 256)
LEAST = 1 << 18  # weights of a layer
MOST, ZERO = 7, 8  # integers go from −7 to 7; the kernel counts from 0, with its zero at 8


def with_four_bits(model: onnx.ModelProto, tensors: Mapping[str, Form]) -> None:
    """Change such layers in place, of a whole model for ONNX Runtime."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    taken = {*constants, *(name for node in model.graph.node for name in (*node.input, *node.output))}
    changed = False
    for node in model.graph.node:
        if node.op_type == "Gemm" and _is_linear(node) and _fits(tensors.get(node.input[1])) and node.input[1] in constants:
            changed = True
            _replace(node, tensors[node.input[1]], model.graph, taken)
    if not changed:
        return
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    read = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    for constant in [one for name, one in constants.items() if name in tensors and name not in read]:
        model.graph.initializer.remove(constant)


def packed(integers: np.ndarray, group: int) -> np.ndarray:
    """Two integers a byte, the first in the lower half: uint8 `(outputs, groups, group / 2)`.

    >>> packed(np.array([[-7, 7, 0, 1] * 4]), 16)[0, 0, :2].tolist()
    [241, 152]
    """
    outputs, inputs = integers.shape
    places = (integers.astype(np.int16) + ZERO).astype(np.uint8).reshape(outputs, inputs // group, group)
    return places[..., 0::2] | places[..., 1::2] << 4


def _replace(node: onnx.NodeProto, form: Form, graph: onnx.GraphProto, taken: set[str]) -> None:
    assert form.integers is not None
    outputs, inputs = form.shape
    group = form.size // len(form.table)
    names = []
    for part, array in (("four_bits", packed(form.integers, group)), ("steps", form.table)):
        name = f"{node.input[1]}.{part}"
        while name in taken:
            name += "_"
        taken.add(name)
        graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        names.append(name)
    bias = list(node.input[2:3])
    given = [node.input[0], *names, *(["", "", bias[0]] if bias and bias[0] else [])]
    made = onnx.helper.make_node(
        "MatMulNBits", given, list(node.output), domain=DOMAIN, K=inputs, N=outputs, bits=4, block_size=group, accuracy_level=4
    )
    node.CopyFrom(made)


def _fits(form: Form | None) -> bool:
    """Whether a weight is on a grid of 4 bits in groups that the kernel knows, and large."""
    if not isinstance(form, Grid) or len(form.shape) != 2 or form.size < LEAST or form.dtype != np.float32:
        return False
    assert form.integers is not None
    grouped = form.size // len(form.table) in GROUPS and form.shape[1] % (form.size // len(form.table)) == 0
    return grouped and int(np.abs(form.integers.astype(np.int64)).max()) <= MOST


def _is_linear(node: onnx.NodeProto) -> bool:
    """x Wᵀ + b, and nothing else."""
    said = {attribute.name: attribute for attribute in node.attribute}
    plain = all(said[name].f == 1 for name in ("alpha", "beta") if name in said)
    return plain and "transB" in said and said["transB"].i == 1 and not ("transA" in said and said["transA"].i)
