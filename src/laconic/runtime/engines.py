"""The engines that can run a graph, and in which precision: one table. What is measured decides which is best, on each machine anew.

onnxruntime comes with laconic; openvino is an extra, and faster on many a processor. "laconic" is ONNX Runtime with our own kernels for the
layers whose weights are mostly zero, where they are measured to be faster.
"""

import importlib.util
import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconic.base.errors import GraphError, UsageError
from laconic.runtime.engine import first_line, start

Run = Callable[[np.ndarray], np.ndarray]
SHAPES = 8  # batch sizes that OpenVINO keeps a compiled graph for; it runs fixed shapes faster than free ones


@dataclass(frozen=True)
class Choice:
    """What a session runs on.

    Args:
        engine: one of `ENGINES`.
        precision: "fp32", or "bf16" where the engine has a use for it.

    Raises:
        UsageError: no such engine, or it is not installed or has no such precision.
    """

    engine: str = "onnxruntime"
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"there is no engine {self.engine!r}", hint=f"known: auto, {', '.join(ENGINES)}")
        engine = ENGINES[self.engine]
        if not engine.installed:
            raise UsageError(f"{self.engine} is not installed", hint=f"pip install {self.engine}")
        if self.precision not in engine.precisions():
            found = f"{self.engine} has no use for {self.precision!r} on this machine"
            raise UsageError(found, hint=f"it has one for {', '.join(engine.precisions())}")

    def __str__(self) -> str:
        return f"{self.engine}, {self.precision}"


@dataclass(frozen=True)
class Engine:
    """One engine.

    Args:
        module: what must be importable for it.
        precisions: what it computes in on this machine.
        open: (serialised ONNX, threads, precision) → from an input array to the first output.
    """

    module: str
    precisions: Callable[[], tuple[str, ...]]
    open: Callable[[bytes, int, str], Run]

    @property
    def installed(self) -> bool:
        """Whether it can be imported; it is not, yet."""
        return importlib.util.find_spec(self.module) is not None


def choices() -> list[Choice]:
    """All that can be had on this machine."""
    installed = {name: engine for name, engine in ENGINES.items() if engine.installed}
    return [Choice(name, precision) for name, engine in installed.items() for precision in engine.precisions()]


def open_graph(model: bytes, threads: int, choice: Choice) -> Run:
    """A function that runs the graph.

    Raises:
        GraphError: the engine refuses it, at once or in the middle of a run.
    """
    run = ENGINES[choice.engine].open(model, threads, choice.precision)

    def checked(inputs: np.ndarray) -> np.ndarray:
        try:
            return run(inputs)
        except Exception as cause:  # of a dozen kinds, from C++
            raise GraphError(f"{choice.engine} fails in the graph: {first_line(cause)}", where="section graph") from cause

    return checked


def _onnxruntime(model: bytes, threads: int, precision: str) -> Run:
    engine = start(model, threads)
    name = engine.get_inputs()[0].name

    def run(inputs: np.ndarray) -> np.ndarray:
        outputs: np.ndarray = engine.run(None, {name: inputs})[0]
        return outputs

    return run


def _openvino(model: bytes, threads: int, precision: str) -> Run:
    import openvino

    core, alone = openvino.Core(), threading.Lock()
    words = {"fp32": "f32", "bf16": "bf16"}
    setting = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": words[precision],
    }
    compiled: dict[tuple[int, ...], Run] = {}
    try:
        graph = core.read_model(io.BytesIO(model))
        if not graph.is_dynamic():
            compiled[tuple(graph.inputs[0].shape)] = _in_its_own_memory(core.compile_model(graph, "CPU", setting))
    except RuntimeError as cause:
        raise GraphError(f"OpenVINO refuses the graph: {first_line(cause)}", where="section graph") from cause

    def run(inputs: np.ndarray) -> np.ndarray:
        with alone:
            if inputs.shape not in compiled:
                if len(compiled) == SHAPES:
                    compiled.pop(next(iter(compiled)))
                graph.reshape(list(inputs.shape))
                compiled[inputs.shape] = _in_its_own_memory(core.compile_model(graph, "CPU", setting))
            return compiled[inputs.shape](inputs)

    return run


def _in_its_own_memory(compiled: Any) -> Run:
    """A compiled graph, whose tensors are filled and read where they are: to hand arrays over takes longer than a small network."""
    request = compiled.create_infer_request()
    into = request.get_input_tensor(0).data

    def run(inputs: np.ndarray) -> np.ndarray:
        np.copyto(into, inputs)
        request.infer(share_outputs=True)
        return np.array(request.get_output_tensor(0).data)

    return run


def _laconic(model: bytes, threads: int, precision: str) -> Run:
    from laconic.runtime.partition import open_partitioned

    return open_partitioned(model, threads)


def _of_openvino() -> tuple[str, ...]:
    import openvino

    able: Any = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("fp32", "bf16") if "BF16" in able else ("fp32",)


ENGINES: Mapping[str, Engine] = {
    "onnxruntime": Engine("onnxruntime", lambda: ("fp32",), _onnxruntime),
    "openvino": Engine("openvino", _of_openvino, _openvino),
    "laconic": Engine("numba", lambda: ("fp32",), _laconic),
}
