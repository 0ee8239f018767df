"""Which values of a network must be rounded so that its layers can multiply integers, and the network with them rounded.

Engines run a convolution on integers where its input and its output are both integers, so the values between two of them are rounded
once, after the activation that belongs to the first (which an engine does with it). Sums, concatenations and average pooling of what comes
from convolutions run on integers too. What only moves values, as maximum pooling and reshaping do, has the rounding of what it moves on
both sides. The output of the network is not rounded, and neither is what linear layers hand to anything but another layer: their products
come out as floating-point numbers anyway.
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import fx, nn

from laconic.base.edits import ROUNDED
from laconic.base.errors import ModelError
from laconic.graph.layered import layered
from laconic.graph.trace import FLOAT
from laconic.graph.values import arguments, operator
from laconic.nn.rounded import Rounded

CONVOLUTIONS = {"conv1d", "conv2d", "Conv1d", "Conv2d"}
LAYERS = {*CONVOLUTIONS, "linear", "Linear"}
SUMS = {"add", "add_"}
JOINS = {*SUMS, "cat", "avg_pool2d"}  # on integers where they are between convolutions
ACTIVATIONS = {"relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_"}  # done with the layer before
MOVES = {
    "max_pool1d",
    "max_pool2d",
    "flatten",
    "view",
    "reshape",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "slice",
    "split",
    "split_with_sizes",
    "chunk",
    "getitem",
    "contiguous",
    "alias",
    "pad",
    "constant_pad_nd",
}
RESERVED = frozenset(dir(nn.ModuleDict()))  # what no module in it can be called
BETWEEN = {*ACTIVATIONS, *MOVES, "BatchNorm1d", "BatchNorm2d", "batch_norm", "dropout", "Dropout", "Dropout2d"}


class Points:
    """A model's graph, and the values in it that can be rounded.

    Args:
        model: stays as it is.
        sample_shape: one sample, without the batch.
        dtype: of the samples.

    Raises:
        ExportError: the model cannot be traced. ModelError: values are rounded in it already.

    >>> points = Points(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (4,))
    >>> points.values
    ('x', 'relu')
    """

    def __init__(self, model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> None:
        self._module = layered(model, sample_shape, dtype)
        if any(name == ROUNDED for name, _ in self._module.named_children()):
            raise ModelError(
                f"the model has a part called {ROUNDED!r}, as int8 calls its own",
                where=type(model).__name__,
                hint="call it something else; values are rounded once",
            )
        self._source: dict[fx.Node, fx.Node] = {}  # what is rounded → the value whose grid it has
        self._from_convolutions: dict[fx.Node, bool] = {}
        for node in self._module.graph.nodes:
            for value in self._around(node):
                self._round(value)
        self._names = _named(n for n in self._module.graph.nodes if n in self._source and self._source[n] is n)
        self.values: tuple[str, ...] = tuple(self._names.values())

    def layers(self) -> list[str]:
        """Paths of the convolutions and linear layers whose input can be rounded."""
        found = (n for n in self._module.graph.nodes if n.op == "call_module" and self._kind(n) in LAYERS)
        return [str(node.target) for node in found if node.args[0] in self._source]

    def rounded(self, values: Collection[str]) -> fx.GraphModule:
        """The model with these values rounded, on grids that are still to be chosen.

        Raises:
            ModelError: there is no such value.
        """
        unknown = sorted(set(values) - set(self.values))
        if unknown:
            raise ModelError(f"the model has no value {unknown[0]!r} to round", hint=f"there are {', '.join(self.values) or 'none'}")
        return self.through({name: Rounded() for name in self.values if name in values})

    def through(self, modules: Mapping[str, nn.Module]) -> fx.GraphModule:
        """The model in which values go through modules of their own, called `rounded.NAME`."""
        module, graph, copied = copy.deepcopy(self._module), fx.Graph(), dict[fx.Node, fx.Node]()
        module.add_module(ROUNDED, nn.ModuleDict(dict(modules)))
        for node in self._module.graph.nodes:
            copied[node] = graph.node_copy(node, copied.__getitem__)
            source = self._source.get(node)
            if source is not None and self._names[source] in modules:
                copied[node] = graph.call_module(f"{ROUNDED}.{self._names[source]}", (copied[node],))
        module.graph = graph
        return module

    def _around(self, node: fx.Node) -> list[fx.Node]:
        """What must be rounded so that a node runs on integers."""
        kind = self._kind(node)
        if kind in LAYERS:
            operands = [node.args[0]]
        elif kind in JOINS and self._between_convolutions(node):
            operands = self._joined(node)
        else:
            return []
        found = [one for one in operands if isinstance(one, fx.Node)]
        return found if kind in ("linear", "Linear") or self._is_output(node) else [*found, self._activated(node)]

    def _round(self, value: fx.Node) -> None:
        """Round a value, and all that it was before it was only moved."""
        chain = [value]
        while (before := self._moved(chain[-1])) is not None:
            chain.append(before)
        if chain[-1].op != "get_attr":
            self._source |= {node: chain[-1] for node in chain if not self._is_list(node)}

    def _moved(self, node: fx.Node) -> fx.Node | None:
        """What a node moves, where it does nothing else; one of several results of an operator is a value of its own."""
        before = node.args[0] if self._kind(node) in MOVES and not _fills(node) else None
        return before if isinstance(before, fx.Node) and (self._kind(before) in MOVES or not self._is_list(before)) else None

    def _between_convolutions(self, node: fx.Node) -> bool:
        """Whether all its operands are tensors that come from convolutions."""
        if node not in self._from_convolutions:
            self._from_convolutions[node] = all(isinstance(one, fx.Node) and self._convolved(one) for one in self._joined(node))
        return self._from_convolutions[node]

    def _joined(self, node: fx.Node) -> list[Any]:
        """The operands of a sum, a concatenation or a pooling."""
        first: Any = node.args[0]
        return list(first) if self._kind(node) == "cat" else list(node.args[: 2 if self._kind(node) in SUMS else 1])

    def _convolved(self, node: fx.Node) -> bool:
        while self._kind(node) in BETWEEN and isinstance(node.args[0], fx.Node):
            node = node.args[0]
        return self._kind(node) in CONVOLUTIONS or (self._kind(node) in JOINS and self._between_convolutions(node))

    def _activated(self, node: fx.Node) -> fx.Node:
        """The node after its activation."""
        user = next(iter(node.users), node)
        return user if len(node.users) == 1 and self._kind(user) in ACTIVATIONS else node

    def _is_output(self, node: fx.Node) -> bool:
        """Whether nothing but the output of the network takes it up, moved or not."""
        users = list(self._activated(node).users)
        return all(user.op == "output" or (self._kind(user) in MOVES and self._is_output(user)) for user in users)

    def _is_list(self, node: fx.Node) -> bool:
        """Whether it is several values, which others take apart."""
        return bool(node.users) and all(self._kind(user) == "getitem" for user in node.users)

    def _kind(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return type(self._module.get_submodule(str(node.target))).__name__
        return operator(node) if node.op == "call_function" else node.op


def _fills(node: fx.Node) -> bool:
    """Whether a padding brings numbers of its own, which need not be on any grid: zero is on all of them."""
    return node.op == "call_function" and operator(node) in ("pad", "constant_pad_nd") and bool(arguments(node).get("value"))


def _named(nodes: Iterable[fx.Node]) -> dict[fx.Node, str]:
    """Each a name of its own: `relu_3` of what torch calls `relu_default_3`, where that is free."""
    found, taken = dict[fx.Node, str](), set(RESERVED)
    for node in nodes:
        name = node.name.replace("_default", "")
        while name in taken:
            name += "_"
        taken.add(name)
        found[node] = name
    return found
