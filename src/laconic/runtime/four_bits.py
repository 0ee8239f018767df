"""Linear layers whose weights have 4 bits, handed to the kernel that ONNX Runtime has for them (MatMulNBits).

It reads an eighth of the bytes, which is what a large layer waits for at batch 1. Inputs are rounded to 8 bits in blocks on the way, as the
kernel does it at its fastest (accuracy level 4). Small layers stay: the kernel gains nothing there.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from laconic.forms import Form, Grid
from laconic.forms.rows import GROUPS, levels
from laconic.runtime.nodes import is_linear

DOMAIN = "com.microsoft"
LEAST = 1 << 18  # weights of a layer
ZERO = 8  # the kernel counts from 0, with its zero here


def with_four_bits(model: onnx.ModelProto, tensors: Mapping[str, Form]) -> None:
    """Change such layers in place, of a whole model for ONNX Runtime."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    taken = {*constants, *(name for node in model.graph.node for name in (*node.input, *node.output))}
    changed = False
    for node in model.graph.node:
        form = tensors.get(node.input[1]) if is_linear(node) and node.input[1] in constants else None
        if form is not None and _fits(form) and _fits_bias(node, tensors, form.shape[0]):
            changed = True
            _replace(node, form, model.graph, taken)
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


def _fits_bias(node: onnx.NodeProto, tensors: Mapping[str, Form], outputs: int) -> bool:
    """Whether there is no bias, or one number for each output: the kernel spreads none out."""
    bias = node.input[2] if len(node.input) > 2 else ""
    return not bias or (bias in tensors and tensors[bias].shape == (outputs,))


def _fits(form: Form) -> bool:
    """Whether a weight is on a grid of 4 bits in groups that the kernel knows, and large."""
    if not isinstance(form, Grid) or len(form.shape) != 2 or form.size < LEAST or form.dtype != np.float32:
        return False
    assert form.integers is not None
    grouped = form.size // len(form.table) in GROUPS and form.shape[1] % (form.size // len(form.table)) == 0
    return grouped and int(np.abs(form.integers.astype(np.int64)).max()) <= levels(4)
