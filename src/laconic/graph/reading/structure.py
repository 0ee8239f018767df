"""Whether a graph is one: every value made once, and before it is read. Checked here because onnx's own C++ trusts what it is given."""

from collections.abc import Iterator, Set

import onnx

from laconic.base.errors import ModelError

MOST_NODES = 1 << 16  # as in a .lac file
BROKEN = "save the model again, and try it with onnx.checker.check_model"


def check_structure(graph: onnx.GraphProto, outer: Set[str] = frozenset()) -> None:
    """Refuse a graph with a cycle, a missing or doubled value, or names that are no text.

    Args:
        graph: the whole, or a branch or body inside a node.
        outer: values that are known around it.

    Raises:
        ModelError: with the node.
    """
    known = {_text(value.name) for value in (*graph.input, *graph.initializer)} | outer
    for index, node in enumerate(graph.node):
        place = f"node {index} ({node.op_type})"
        missing = [name for name in map(_text, node.input) if name and name not in known]
        if missing:
            raise ModelError(f"nothing before this node makes its input {missing[0]!r}", where=place, hint=BROKEN)
        for inner in subgraphs(node):
            check_structure(inner, known)
        made = [name for name in map(_text, node.output) if name]
        twice = [name for name in made if name in known or made.count(name) > 1]
        if twice:
            raise ModelError(f"a second value is called {twice[0]!r}", where=place, hint=BROKEN)
        known |= set(made)
    lost = [value.name for value in graph.output if _text(value.name) not in known]
    if lost or not graph.output:
        raise ModelError(f"nothing makes the output {lost[0]!r}" if lost else "the graph has no output", where="graph", hint=BROKEN)


def _text(name: object) -> str:
    if not isinstance(name, str):  # protobuf hands out names that are not UTF-8 as bytes
        raise ModelError(f"the name {name!r} is no text", where="graph", hint=BROKEN)
    return name


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The branches and bodies of a node of control flow."""
    return [graph for attribute in node.attribute for graph in ([attribute.g] if attribute.HasField("g") else attribute.graphs)]


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all those inside it, outermost first."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from all_graphs(inner)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own: each call is replaced by the function's nodes.

    Raises:
        ModelError: functions that call each other in a circle, or that come to more nodes than a graph may have.
    """
    if not model.functions:
        return model
    _check_functions(model)
    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as cause:  # of several kinds, from onnx's C++
        raise ModelError(f"the functions in the model cannot be resolved: {first_line(cause)}", where="functions", hint=BROKEN) from cause


def _check_functions(model: onnx.ModelProto) -> None:
    sizes: dict[tuple[str, str], int] = {}
    bodies = {(function.domain, function.name): function.node for function in model.functions}

    def size(nodes: object) -> int:
        total = 0
        for node in nodes:  # type: ignore[attr-defined]
            inner = sum(size(graph.node) for graph in subgraphs(node))
            total += 1 + inner + called((node.domain, node.op_type))
        return total

    def called(name: tuple[str, str]) -> int:
        if name not in bodies:
            return 0
        if sizes.get(name) == _OPEN:
            raise ModelError("a function in the model calls itself", where=f"function {name[1]!r}", hint=BROKEN)
        if name not in sizes:
            sizes[name] = _OPEN
            sizes[name] = size(bodies[name])
        return sizes[name]

    if size(model.graph.node) > MOST_NODES:
        raise ModelError(f"with its functions resolved the graph has more than {MOST_NODES} nodes", where="functions")


_OPEN = -1  # a function whose body is being counted


def first_line(cause: BaseException) -> str:
    """What an exception says, in one line."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
