"""Linear layers whose weights have 4 bits, handed to the kernel that ONNX Runtime has for them (MatMulNBits).

It reads an eighth of the bytes, which is what a large layer waits for at batch 1. Inputs are rounded to 8 bits in blocks on the way, as the
kernel does it at its fastest (accuracy level 4). Small layers stay: the kernel gains nothing there.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from laconic.forms import Form, Grid
from laconic.forms.rows import GROUPS, levels
from laconic.runtime.linear import Linear, linear_layers

DOMAIN = "com.microsoft"
LEAST = 1 << 18  # weights of a layer
ZERO = 8  # the kernel counts from 0, with its zero here


def with_four_bits(model: onnx.ModelProto, tensors: Mapping[str, Form]) -> None:
    """Change such layers in place, of a whole model for ONNX Runtime."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    taken = {*constants, *(name for node in model.graph.node for name in (*node.input, *node.output))}
    changed = False
    for linear in list(linear_layers(model.graph)):
        form = tensors.get(linear.weight) if linear.weight in constants and not linear.turned else None
        if form is not None and _fits(form) and _fits_bias(linear, tensors, form.shape[0]):
            changed = True
            _replace(linear, form, model.graph, taken)
    if not changed:
        return
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    read = _forget_nodes(model.graph)
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


def _replace(linear: Linear, form: Form, graph: onnx.GraphProto, taken: set[str]) -> None:
    """Put the kernel in the place of a layer's last node; the others are read no more."""
    assert form.integers is not None
    outputs, inputs = form.shape
    group = form.size // len(form.table)
    names = []
    for part, array in (("four_bits", packed(form.integers, group)), ("steps", form.table)):
        name = f"{linear.weight}.{part}"
        while name in taken:
            name += "_"
        taken.add(name)
        graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        names.append(name)
    given = [linear.given, *names, *(["", "", linear.bias] if linear.bias else [])]
    made = onnx.helper.make_node(
        "MatMulNBits", given, [linear.made], domain=DOMAIN, K=inputs, N=outputs, bits=4, block_size=group, accuracy_level=4
    )
    linear.nodes[-1].CopyFrom(made)


def _forget_nodes(graph: onnx.GraphProto) -> set[str]:
    """Drop the nodes whose outputs nothing reads any more; the names of all that is read."""
    read, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    del graph.node[:]
    graph.node.extend(kept[::-1])
    return read


def _fits_bias(linear: Linear, tensors: Mapping[str, Form], outputs: int) -> bool:
    """Whether there is no bias, or one number for each output: the kernel spreads none out."""
    return not linear.bias or (linear.bias in tensors and tensors[linear.bias].shape == (outputs,))


def _fits(form: Form) -> bool:
    """Whether a weight is on a grid of 4 bits in groups that the kernel knows, and large."""
    if not isinstance(form, Grid) or len(form.shape) != 2 or form.size < LEAST or form.dtype != np.float32:
        return False
    assert form.integers is not None
    grouped = form.size // len(form.table) in GROUPS and form.shape[1] % (form.size // len(form.table)) == 0
    return grouped and int(np.abs(form.integers.astype(np.int64)).max()) <= levels(4)
