"""Graph and weights, put together again: a standard ONNX model."""

import onnx

from laconic.artifact import Artifact, Limits, validate
from laconic.base.errors import GraphError, LimitError, UsageError
from laconic.forms import Form
from laconic.runtime.four_bits import with_four_bits
from laconic.runtime.integers import with_integers

WITH_FOUR_BITS = ("onnxruntime", "laconic")  # the engines that have a kernel for them
MOST_BYTES = (1 << 31) - (1 << 24)  # protobuf counts bytes in 31 bits; the rest is for the graph itself


def assemble(artifact: Artifact, limits: Limits = Limits(), engine: str | None = None) -> onnx.ModelProto:  # noqa: B008  frozen
    """The file's graph, validated, with its decoded weights as initializers: those on a grid as integers, where values are rounded too.

    Args:
        artifact: what a file says.
        limits: what the graph may ask for.
        engine: for this one on this machine; otherwise for any.

    Raises:
        UsageError: the file holds weights only.
        GraphError: the graph may not be run, or does not fit the weights.
        LimitError: the graph asks for too much, or the weights for more than one ONNX model can hold.
    """
    if artifact.graph is None:
        why = artifact.notes.reason or "it was packed with --weights-only"
        raise UsageError(f"the file holds no graph: {why}", hint="laconic.load_into(YourModel(), file) puts its weights into your class")
    model = validate(artifact.graph, frozenset(artifact.tensors), limits)
    weights = {value.name: value for value in model.graph.input if value.name in artifact.tensors}
    _check_total([artifact.tensors[name] for name in weights])
    for name, value in weights.items():
        model.graph.initializer.append(_initializer(name, artifact.tensors[name], value))
        model.graph.input.remove(value)
    with_integers(model, artifact.tensors, here=engine is not None)
    if engine in WITH_FOUR_BITS:
        with_four_bits(model, artifact.tensors)
    return model


def to_onnx(artifact: Artifact, limits: Limits = Limits()) -> bytes:  # noqa: B008  frozen
    """The same as a serialised ONNX model, which any engine runs and which needs nothing of ours. The same artifact gives the same bytes.

    Raises: as `assemble`.
    """
    content: bytes = assemble(artifact, limits).SerializeToString(deterministic=True)
    return content


def _check_total(forms: list[Form]) -> None:
    total = sum(form.size * form.dtype.itemsize for form in forms)
    if total > MOST_BYTES:
        raise LimitError(
            f"the weights take {total} bytes decoded, and one ONNX model holds at most {MOST_BYTES}",
            hint="laconic.load_into(YourModel(), file) has no such limit",
        )


def _initializer(name: str, form: Form, declared: onnx.ValueInfoProto) -> onnx.TensorProto:
    wanted = tuple(axis.dim_value for axis in declared.type.tensor_type.shape.dim)
    kind = onnx.helper.np_dtype_to_tensor_dtype(form.dtype)
    if wanted != form.shape or declared.type.tensor_type.elem_type != kind:
        have = f"{onnx.TensorProto.DataType.Name(kind)} of shape {form.shape}"
        raise GraphError(f"the graph takes another {name!r} than the file holds, which is {have}", where="section graph, inputs")
    return onnx.numpy_helper.from_array(form.array(), name)
