"""Take a model's graph out of torch: an ONNX skeleton without weights, small enough to travel in every file.

The weights become graph *inputs* before the graph is simplified, so that nothing can be folded into them: every name and
every bit of the state dict survives, and the graph still runs as fast as one that was optimised with its weights.
"""

import onnx
import torch
from torch import nn

from laconic.graph.skeleton import simplified, stripped
from laconic.graph.trace import prepared, quiet, refusing

OPSET = 20
INPUT, OUTPUT = "input", "output"


def export(model: nn.Module, sample_shape: tuple[int, ...]) -> bytes:
    """The model's forward pass as a serialised ONNX graph whose weights are inputs, named as in the state dict.

    Args:
        model: plain (no parametrizations); it is copied and put in evaluation mode.
        sample_shape: one input without the batch axis; the batch stays free.

    Raises:
        ExportError: the graph depends on data, or uses what ONNX has no word for.
    """
    traced = _trace(model, sample_shape)
    skeleton: bytes = simplified(stripped(traced, set(model.state_dict()))).SerializeToString(deterministic=True)
    return skeleton


def _trace(model: nn.Module, sample_shape: tuple[int, ...]) -> onnx.ModelProto:
    traceable, example = prepared(model, sample_shape)
    with quiet(), refusing():
        program = torch.onnx.export(
            traceable,
            (example,),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    assert program is not None
    return program.model_proto
