"""What a node of an ONNX graph says of itself."""

import onnx


def attributes(node: onnx.NodeProto) -> dict[str, onnx.AttributeProto]:
    """Name → attribute, of those that are said."""
    return {attribute.name: attribute for attribute in node.attribute}


def unscaled(node: onnx.NodeProto) -> bool:
    """Whether a Gemm adds its product and its bias as they are."""
    said = attributes(node)
    return all(said[name].f == 1 for name in ("alpha", "beta") if name in said)


def turns(node: onnx.NodeProto) -> bool:
    """Whether a Transpose of a matrix makes columns of its rows."""
    return all(list(attribute.ints) == [1, 0] for attribute in node.attribute)
