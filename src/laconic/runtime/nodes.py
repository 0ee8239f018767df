"""What a node of an ONNX graph says of itself."""

import onnx


def attributes(node: onnx.NodeProto) -> dict[str, onnx.AttributeProto]:
    """Name → attribute, of those that are said."""
    return {attribute.name: attribute for attribute in node.attribute}


def unscaled(node: onnx.NodeProto) -> bool:
    """Whether a Gemm adds its product and its bias as they are."""
    said = attributes(node)
    return all(said[name].f == 1 for name in ("alpha", "beta") if name in said)


def is_linear(node: onnx.NodeProto) -> bool:
    """Whether a node is x Wᵀ + b, and nothing else."""
    said = attributes(node)
    turned = {name: name in said and bool(said[name].i) for name in ("transA", "transB")}
    return node.op_type == "Gemm" and unscaled(node) and turned == {"transA": False, "transB": True}
