"""Take a model's graph out of torch: an ONNX skeleton without weights, small enough to travel in every file.

The weights become graph *inputs* before the graph is simplified, so that nothing can be folded into them: every name and
every bit of the state dict survives, and the graph still runs as fast as one that was optimised with its weights.
"""

from collections.abc import Collection
from typing import Any

import onnx
import torch
from torch import nn

import laconic.nn.rounded  # noqa: F401  registers its operator
from laconic.graph.skeleton import simplified, stripped
from laconic.graph.trace import FIXED_BATCH, FLOAT, prepared, quiet, refusing

OPSET = 20
INPUT, OUTPUT = "input", "output"


def export(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> bytes:
    """The model's forward pass as a serialised ONNX graph whose weights are inputs, named as in the state dict.

    Args:
        model: plain (no parametrizations); it is copied and put in evaluation mode.
        sample_shape: one input without the batch axis; the batch stays free.
        dtype: of the input, "float32" or "int64".

    Raises:
        ExportError: the graph depends on data, or uses what ONNX has no word for.
    """
    names = {f"{_Whole.PREFIX}{name}": name for name in model.state_dict()}
    traced = _trace(model, sample_shape, dtype, _free(INPUT, names.values()), _free(OUTPUT, names.values()))
    skeleton: bytes = simplified(stripped(traced, names), names).SerializeToString(deterministic=True)
    return skeleton


def _free(name: str, taken: Collection[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


class _Whole(nn.Module):
    """A model inside another: its tensors then have a prefix, and none is called what the exporter calls its own values (`val_1`)."""

    PREFIX = "model."

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x)


def _quantize_and_back(x: Any, scale: Any, zero_point: Any) -> Any:
    """Two nodes between which an engine has an integer (QDQ)."""
    from onnxscript import opset20

    return opset20.DequantizeLinear(opset20.QuantizeLinear(x, scale, zero_point), scale, zero_point)


def _trace(model: nn.Module, sample_shape: tuple[int, ...], dtype: str, given: str, made: str) -> onnx.ModelProto:
    traceable, example = prepared(model, sample_shape, dtype)
    with quiet(), refusing():
        program = torch.onnx.export(
            _Whole(traceable).eval(),
            (example,),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=[given],
            output_names=[made],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            custom_translation_table={torch.ops.laconic.rounded.default: _quantize_and_back},
        )
        assert program is not None
        _check_batch(next(value for value in program.model_proto.graph.input if value.name == given))
    return program.model_proto


def _check_batch(sample: onnx.ValueInfoProto) -> None:
    """The exporter itself settles for the number of samples of its example where the forward pass asks for one."""
    if sample.type.tensor_type.shape.dim[0].dim_value:
        raise ValueError(f"you {FIXED_BATCH} but the graph takes {sample.type.tensor_type.shape.dim[0].dim_value} samples")
