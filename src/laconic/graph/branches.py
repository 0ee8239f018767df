"""Branches whose output is added to what goes past them, as the residuals of He et al. 2016: which there are, and a model without some."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import fx, nn

from laconic.base.errors import ModelError
from laconic.graph.layered import assembled, layer_of
from laconic.graph.trace import FLOAT, exported, held_names
from laconic.graph.values import is_tensor, operator, shape_of

ENDS = (nn.modules.conv._ConvNd, nn.Linear)


@dataclass(frozen=True)
class Branch:
    """One branch.

    Args:
        name: of its last convolution or linear layer.
        tensors: names of the state that only it reads.
    """

    name: str
    tensors: tuple[str, ...]


class Branches:
    """A model's graph, in which branches can be left out again and again without tracing it anew.

    Args:
        model: stays as it is.
        sample_shape: one sample, without the batch.
        dtype: of the samples.

    Raises:
        ExportError: the model cannot be traced.

    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
    ...     def forward(self, x):
    ...         x = self.a(x)
    ...         return x + self.b(x.relu())
    >>> branches = Branches(Net(), (4,))
    >>> [branch.name for branch in branches.found]
    ['b']
    >>> list(branches.without(["b"]).state_dict())
    ['a.weight', 'a.bias']
    """

    def __init__(self, model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> None:
        self._model = model
        self._program = exported(model, sample_shape, dtype, free_batch=True)
        self._names = held_names(self._program)
        self._sums: dict[str, tuple[fx.Node, fx.Node]] = {}
        self.found: list[Branch] = []
        for node in self._program.graph.nodes:
            found = self._branch(node) if operator(node) in ("add", "add_") and node.op == "call_function" else None
            if found is not None:
                branch, past = found
                self._sums[branch.name] = (node, past)
                self.found.append(branch)

    def without(self, names: Collection[str]) -> fx.GraphModule:
        """The model without these branches, as its graph with its own layers.

        Raises:
            ModelError: there is no such branch.
        """
        for name in names:
            if name not in self._sums:
                raise ModelError(f"no branch ends with {name!r}", hint=f"there are {', '.join(self._sums) or 'none'}")
        return assembled(self._model, self._program, instead=dict(self._sums[name] for name in names))

    def _branch(self, node: fx.Node) -> tuple[Branch, fx.Node] | None:
        """The operand with more layers of its own, where the sum has the shape of the other."""
        operands = [one for one in node.args if isinstance(one, fx.Node) and is_tensor(one)]
        if len(operands) != 2 or operands[0] is operands[1] or any(shape_of(one) != shape_of(node) for one in operands):
            return None
        if node.kwargs.get("alpha", 1) != 1:  # what goes past may be the one that is scaled
            return None
        regions = [self._own(one, node) for one in operands]
        layers = [self._layers(region) for region in regions]
        if len(layers[0]) == len(layers[1]):
            return None
        more = int(len(layers[1]) > len(layers[0]))
        read = {self._names[one.name] for one in regions[more] if one.name in self._names}
        return Branch(layers[more][-1], tuple(sorted(read))), operands[1 - more]

    def _own(self, operand: fx.Node, node: fx.Node) -> list[fx.Node]:
        """What is computed and read for this operand alone, in the graph's order."""
        own = {operand} if set(operand.users) == {node} else set()
        for other in reversed(self._program.graph.nodes):
            if other.users and set(other.users) <= own:
                own.add(other)
        return [other for other in self._program.graph.nodes if other in own]

    def _layers(self, region: list[fx.Node]) -> list[str]:
        """Paths of the convolutions and linear layers."""
        paths = [layer_of(self._model, node, self._names) for node in region if node.op == "call_function"]
        return [path for path in paths if path is not None and isinstance(self._model.get_submodule(path), ENDS)]
