"""A model as its traced graph with its own layers in it: what it computes is open to change, and it still trains.

Convolutions, linear layers, normalisations and embeddings are the model's own modules under their own names; all between them is calls of
torch operators. Normalisation and dropout follow the mode that the module is in, as they do in the model.
"""

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from laconic.base.errors import ExportError
from laconic.graph.trace import FLOAT, exported, held_names
from laconic.graph.values import arguments, operator

Rewrite = Callable[[fx.Node, tuple[Any, ...], dict[str, Any]], tuple[Any, tuple[Any, ...], dict[str, Any]]]
"""A node of the traced graph with its operands in the new one → target, arguments and keywords of the call in its place."""

LAYERS: Mapping[type[nn.Module], str] = {
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.Conv3d: "conv3d",
    nn.ConvTranspose1d: "conv_transpose1d",
    nn.ConvTranspose2d: "conv_transpose2d",
    nn.ConvTranspose3d: "conv_transpose3d",
    nn.Linear: "linear",
    nn.BatchNorm1d: "batch_norm",
    nn.BatchNorm2d: "batch_norm",
    nn.BatchNorm3d: "batch_norm",
    nn.LayerNorm: "layer_norm",
    nn.GroupNorm: "group_norm",
    nn.PReLU: "prelu",
    nn.Embedding: "embedding",
}
GEOMETRY = ("stride", "padding", "dilation", "groups", "output_padding")


def layered(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> fx.GraphModule:
    """The model's graph with copies of its layers; any batch size.

    Raises:
        ExportError: it cannot be traced, or only for one batch size.

    >>> module = layered(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (4,))
    >>> list(module.state_dict())
    ['0.weight', '0.bias']
    """
    return assembled(model, exported(model, sample_shape, dtype, free_batch=True))


def assembled(
    model: nn.Module, program: ExportedProgram, rewrite: Rewrite | None = None, instead: Mapping[fx.Node, fx.Node] = MappingProxyType({})
) -> fx.GraphModule:
    """A traced program with the model's layers in place of the calls that they are.

    Args:
        model: that was traced.
        program: its trace.
        rewrite: what becomes of calls that are no layers.
        instead: nodes that go, and the earlier ones that stand for them.
    """
    if program.graph_signature.buffers_to_mutate:
        raise ExportError("the forward pass writes to buffers", hint="a model that is to be narrowed keeps no state while it runs")
    root, graph = copy.deepcopy(model), fx.Graph()
    names, made = held_names(program), {}
    for name, value in program.constants.items():
        if isinstance(value, torch.Tensor) and not _has(root, name):
            root.register_buffer(_constant(name), value, persistent=False)
    constants = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.arg.name not in names and spec.target}
    for node in program.graph.nodes:
        if node.name in names:
            continue  # read where it is used
        if node.op == "placeholder":
            constant = constants.get(node.name)
            made[node] = (
                graph.placeholder("x") if constant is None else graph.get_attr(constant if _has(root, constant) else _constant(constant))
            )
        elif node in instead:
            made[node] = made[instead[node]]
        elif node.op == "output":
            graph.output(_only(fx.map_arg(node.args[0], lambda one: made[one])))
        else:
            made[node] = _call(graph, root, node, names, made, rewrite)
    module = fx.GraphModule(root, graph, class_name=type(model).__name__)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return module.train(model.training)


def _call(
    graph: fx.Graph, root: nn.Module, node: fx.Node, names: Mapping[str, str], made: dict[fx.Node, fx.Node], rewrite: Rewrite | None
) -> fx.Node:
    def operand(one: fx.Node) -> fx.Node:
        return graph.get_attr(names[one.name]) if one.name in names else made[one]

    path = layer_of(root, node, names)
    if path is not None:
        return graph.call_module(path, (operand(_entering(node)),))
    if operator(node) in ("dropout", "feature_dropout") and isinstance(node.args[1], float):
        root.add_module(node.name, nn.Dropout(node.args[1]) if operator(node) == "dropout" else nn.Dropout2d(node.args[1]))
        return graph.call_module(node.name, (operand(_entering(node)),))
    args, kwargs = fx.map_arg(node.args, operand), fx.map_arg(dict(node.kwargs), operand)
    target: Any = node.target
    if rewrite is not None:
        target, args, kwargs = rewrite(node, args, kwargs)
    return graph.call_function(target, args, kwargs)


def _entering(node: fx.Node) -> fx.Node:
    """What passes through a layer."""
    found = node.args[1 if operator(node) == "embedding" else 0]
    assert isinstance(found, fx.Node)
    return found


def called_layers(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> list[str]:
    """Paths of the layers that the forward pass calls as layers, and not by their weights, in the order of the calls.

    Raises:
        ExportError: the model cannot be traced.

    >>> called_layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), (4,))
    ['0']
    """
    program = exported(model, sample_shape, dtype, free_batch=True)
    names = held_names(program)
    paths = [layer_of(model, node, names) for node in program.graph.nodes if node.op == "call_function"]
    return [path for path in dict.fromkeys(paths) if path]


def layer_of(model: nn.Module, node: fx.Node, names: Mapping[str, str]) -> str | None:
    """The path of the layer that a call is: it reads all of the layer's own tensors and no others, and does what the layer does."""
    read = {names[one.name] for one in node.all_input_nodes if one.name in names}
    paths = {name.rpartition(".")[0] for name in read}
    if node.op != "call_function" or len(paths) != 1:
        return None
    path = paths.pop()
    module = model.get_submodule(path)
    own = {f"{path}.{name}".lstrip(".") for name, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))}
    plain = type(module) in LAYERS and not (module._forward_hooks or module._forward_pre_hooks)
    if not plain or LAYERS[type(module)] != operator(node) or own - {f"{path}.num_batches_tracked"} != read:
        return None
    return path if path and _same_geometry(module, arguments(node)) else None


def _same_geometry(module: nn.Module, given: Mapping[str, Any]) -> bool:
    if getattr(module, "padding_mode", "zeros") != "zeros":
        return False
    return all(_sides(getattr(module, name)) == _sides(given[name]) for name in GEOMETRY if hasattr(module, name) and name in given)


def _sides(value: Any) -> Any:
    sides = tuple(value) if isinstance(value, list | tuple) else value
    return sides[0] if isinstance(sides, tuple) and len(set(sides)) == 1 else sides


def _only(outputs: Any) -> Any:
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs


def _constant(name: str) -> str:
    return "constant_" + name.replace(".", "_")


def _has(root: nn.Module, name: str) -> bool:
    try:
        found: Any = root
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        return False
    return True
