"""The one front on which a model is traced: `torch.export`, with a clear refusal."""

import copy
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from laconic.base.errors import ExportError
from laconic.nn.checks import at_home, home

FLOAT = "float32"
FIXED_BATCH = "marked batch as dynamic"  # as torch tells of it


def trace(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> tuple[fx.Graph, dict[str, str]]:
    """The graph of one forward pass in evaluation mode, and its placeholders: node name → state-dict name.

    Raises:
        ExportError: the forward pass depends on the data's values.
    """
    program = exported(model, sample_shape, dtype)
    return program.graph, held_names(program)


def exported(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT, *, free_batch: bool = False) -> ExportedProgram:
    """One forward pass in evaluation mode, for the example's batch or for any.

    Raises:
        ExportError: as `trace`.
    """
    traceable, example = prepared(model, sample_shape, dtype)
    with quiet(), refusing():
        shapes: Any = ({0: torch.export.Dim("batch", min=1)},) if free_batch else None
        first = next(iter(inspect.signature(traceable.forward).parameters.values()), None)
        if shapes and first is not None and first.kind is inspect.Parameter.VAR_POSITIONAL:
            shapes = (shapes,)
        return torch.export.export(traceable, (example,), dynamic_shapes=shapes)


def held_names(program: ExportedProgram) -> dict[str, str]:
    """Placeholder → state-dict name, of parameters and buffers."""
    held = (InputKind.PARAMETER, InputKind.BUFFER)
    return {s.arg.name: s.target for s in program.graph_signature.input_specs if s.kind in held and s.target is not None}


def prepared(model: nn.Module, sample_shape: tuple[int, ...], dtype: str = FLOAT) -> tuple[nn.Module, torch.Tensor]:
    """A copy of the model to trace, on the CPU and in evaluation mode, and an example `(2, *sample_shape)` for it.

    Input (unless it is whole numbers) and output are float32 whatever the type of the weights: that is what a file takes and gives.
    """
    traceable = copy.deepcopy(model).cpu().eval()
    if home(model)[1] != torch.float32:
        traceable.register_forward_pre_hook(lambda module, inputs: (at_home(module, inputs[0]),))
        traceable.register_forward_hook(lambda _, __, output: output.float())
    return traceable, torch.zeros(2, *sample_shape, dtype=getattr(torch, dtype))  # a batch of one would be traced as a constant


@contextmanager
def refusing() -> Iterator[None]:
    """Tell whatever torch cannot trace as an `ExportError`, in one line."""
    try:
        yield
    # Broad on purpose: the tracer runs the user's code and its own compiler, and passes on whatever either raises.
    except Exception as cause:
        root: BaseException = cause
        while root.__cause__ is not None:
            root = root.__cause__
        text = str(root).strip()
        why, hint = _reason(text)
        raise ExportError(
            f"the model's graph cannot be exported{why}",
            where=f"{type(root).__name__}: {text.splitlines()[0] if text else 'no message'}",
            hint=f"pack it with --weights-only, or {hint}",
        ) from cause


def _reason(text: str) -> tuple[str, str]:
    if FIXED_BATCH in text:
        return ": its forward pass takes the number of samples for a constant", "write x.shape[0] in it for len(x)"
    on_data = ": its forward pass branches or loops on the data's values" if "data-dependent" in text else ""
    return on_data, "make the forward pass free of data-dependent control flow"


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter logs its progress, prints the graphs that it fails on, and warns of its own future; a user can act on none."""
    others = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")]
    levels = [other.level for other in others]
    for other in others:
        other.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", module="torch")
            warnings.filterwarnings("ignore", message="The tensor attribute")  # of recurrent layers, told of the caller
            yield
    finally:
        for other, level in zip(others, levels, strict=True):
            other.setLevel(level)
