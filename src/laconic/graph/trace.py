"""The one front on which a model is traced: `torch.export`, with a clear refusal."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind

from laconic.base.errors import ExportError


def trace(model: nn.Module, sample_shape: tuple[int, ...]) -> tuple[fx.Graph, dict[str, str]]:
    """The graph of one forward pass in evaluation mode, and its placeholders: node name → state-dict name.

    Raises:
        ExportError: the forward pass depends on the data's values.
    """
    example = torch.zeros(2, *sample_shape)
    try:
        with quiet():
            program = torch.export.export(copy.deepcopy(model).cpu().eval(), (example,))
    except Exception as cause:
        raise refused(cause) from cause
    specs = program.graph_signature.input_specs
    held = (InputKind.PARAMETER, InputKind.BUFFER)
    return program.graph, {s.arg.name: s.target for s in specs if s.kind in held and s.target is not None}


def refused(cause: BaseException) -> ExportError:
    """Why torch could not trace the model, in one line."""
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = str(cause).strip()
    return ExportError(
        "the model's graph cannot be exported",
        where=f"{type(cause).__name__}: {text.splitlines()[0] if text else 'no message'}",
        hint="pack it with --weights-only, or make the forward pass free of data-dependent control flow",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter logs its progress and warns of its own future; a user can act on neither."""
    others = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [other.level for other in others]
    for other in others:
        other.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", module="torch")
            yield
    finally:
        for other, level in zip(others, levels, strict=True):
            other.setLevel(level)
