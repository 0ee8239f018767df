"""What a traced graph says of its values: shapes as numbers, and the arguments of a call by their names."""

from typing import Any

from torch import SymInt, fx


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a node's tensor, the example's batch for the free one."""
    return tuple(hint(side) for side in node.meta["val"].shape)


def hint(side: int | SymInt) -> int:
    """What a side that may be free was in the example."""
    return side if isinstance(side, int) else int(side.node.hint)


def number(value: Any) -> int:
    """An integer argument: a number, or a node that computes one."""
    return hint(value.meta["val"]) if isinstance(value, fx.Node) else int(value)


def is_tensor(value: Any) -> bool:
    """Whether a node's value is one tensor."""
    return isinstance(value, fx.Node) and hasattr(value.meta.get("val"), "shape")


def arguments(node: fx.Node) -> dict[str, Any]:
    """Argument name → value of a call of a torch operator; what was left out has its default."""
    schema = node.target._schema  # type: ignore[union-attr]
    found = {arg.name: arg.default_value for arg in schema.arguments}
    found |= dict(zip((arg.name for arg in schema.arguments), node.args, strict=False))
    return found | dict(node.kwargs)


def operator(node: fx.Node) -> str:
    """The name of a torch operator without namespace and overload: `conv2d`; of anything else, its own name."""
    packet = getattr(node.target, "overloadpacket", None)
    return packet.__name__ if packet is not None else getattr(node.target, "__name__", str(node.target))
