"""A graph without its weights, simplified and cleaned of all that does not compute.

The weights become graph *inputs* before the graph is simplified, so that nothing can be folded into them: every name and
every bit survives, and the graph still runs as fast as one that was optimised with its weights.
"""

from collections.abc import Container, Mapping
from types import MappingProxyType

import onnx

from laconic.graph.trace import quiet


def stripped(model: onnx.ModelProto, names: Container[str]) -> onnx.ModelProto:
    """Turn the initializers of these names into inputs, in place; small constants of the graph itself stay."""
    for weight in [w for w in model.graph.initializer if w.name in names]:
        model.graph.input.append(onnx.helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims)))
        model.graph.initializer.remove(weight)
    return model


def simplified(model: onnx.ModelProto, names: Mapping[str, str] = MappingProxyType({})) -> onnx.ModelProto:
    """The same computation with constants folded, and nothing said that does not compute.

    Args:
        model: without weights.
        names: input → the name that it shall have instead.
    """
    from onnxscript import optimizer

    with quiet():
        model = optimizer.optimize(model, onnx_shape_inference=False)
    _clean(model)
    _rename_values(model.graph, names)
    return model


def _clean(model: onnx.ModelProto) -> None:
    """Remove all that does not compute: documentation, metadata, node names, value infos, who made it."""
    for field in ("producer_name", "producer_version", "doc_string", "domain", "functions", "metadata_props"):
        model.ClearField(field)
    model.graph.ClearField("value_info")
    model.graph.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.graph.name = "g"
    for node in model.graph.node:
        for field in ("name", "doc_string", "metadata_props"):
            node.ClearField(field)
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("doc_string")
        value.ClearField("metadata_props")
    used = {node.domain for node in model.graph.node}
    for entry in [e for e in model.opset_import if e.domain not in used]:
        model.opset_import.remove(entry)


def _rename_values(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Give inner values short names (a, b, … in base 36): names are a third of a small graph."""
    named = {v.name: names.get(v.name, v.name) for v in (*graph.input, *graph.output)}
    taken, short = set(named.values()), {"": "", **named}
    for name in [*(w.name for w in graph.initializer), *(n for node in graph.node for n in node.output)]:
        if name not in short:
            short[name] = _fresh(len(short) - len(named), taken)
    for value in (*graph.input, *graph.initializer, *graph.output):
        value.name = short[value.name]
    for node in graph.node:
        node.input[:] = [short.get(n, n) for n in node.input]
        node.output[:] = [short[n] for n in node.output]


def _fresh(number: int, taken: set[str]) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    while digits in taken:
        digits = f"_{digits}"
    return digits
