"""Old graphs brought to the oldest version of the operators that a `.lac` file may have."""

import onnx
import onnx.version_converter

from laconic.artifact.validate import OLDEST_OPSET
from laconic.base.errors import ModelError
from laconic.graph.reading.structure import first_line

STANDARD = ("", "ai.onnx")


def modernised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with standard operators of version 13 or later, under the one name that their domain has.

    Raises:
        ModelError: no standard operators at all, or old ones that onnx cannot convert.
    """
    for node in model.graph.node:
        node.domain = "" if node.domain in STANDARD else node.domain
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD]
    if not versions:
        raise ModelError("the graph has no standard operators", where="opset_import")
    others = [entry for entry in model.opset_import if entry.domain not in STANDARD]
    del model.opset_import[:]
    model.opset_import.extend([onnx.helper.make_opsetid("", max(versions)), *others])
    return model if max(versions) >= OLDEST_OPSET else _converted(model, max(versions))


def _converted(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    model.ir_version = max(model.ir_version, 4)  # before, every initializer had to be an input too
    try:
        return onnx.version_converter.convert_version(model, OLDEST_OPSET)
    except Exception as cause:  # of several kinds, from onnx's C++
        raise ModelError(
            f"operators of version {version} cannot be brought to version {OLDEST_OPSET}: {first_line(cause)}",
            where="opset_import",
            hint=f"export the model again with opset_version={OLDEST_OPSET} or later",
        ) from cause
