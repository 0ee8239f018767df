"""ONNX Runtime, set up so that its errors are ours and its threads are counted."""

from pathlib import Path

import onnxruntime

from laconic.base.errors import GraphError

NOTHING_BUT_CRASHES = 4  # errors reach the caller as exceptions; printed as well, they would only spoil the output


def start(model: bytes | Path, threads: int, notes: Path | None = None) -> onnxruntime.InferenceSession:
    """The engine on a serialised model, or on an ONNX file.

    Args:
        model: the graph with its weights.
        threads: that one call may use.
        notes: where the engine writes down when each kernel ran, if it shall: the beginning of a file's path.

    Raises:
        GraphError: ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = NOTHING_BUT_CRASHES
    if notes is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(notes)
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as cause:  # of a dozen kinds, from C++
        raise GraphError(f"ONNX Runtime refuses the graph: {first_line(cause)}", where="section graph") from cause


def first_line(cause: Exception) -> str:
    """What an exception says, in one line."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
