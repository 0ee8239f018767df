"""The tools beside which ours are measured, each where it can be imported: (model, data) → what it made, and how that runs."""

import copy
import importlib.util
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from laconic.artifact import Artifact
from laconic.datasets.data import Data
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.runtime.assemble import assemble
from laconic.runtime.engine import start
from laconic.train import Runner

Found = tuple[str, str, Runner, int | None, int | None, bool]
"""Method, engine, runner, multiply-adds, bytes, and whether its accuracy means anything."""
CALIBRATION = 300  # samples; NNCF's default


def compiled(model: nn.Module, data: Data) -> Iterator[Found]:
    """torch.compile, weights frozen."""
    import torch._inductor.config as settings

    settings.freezing = True
    with torch.no_grad():
        faster = torch.compile(copy.deepcopy(model).eval(), dynamic=False)
        faster(torch.zeros(1, *data.preprocessing.shape))

    def run(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.concatenate([faster(torch.from_numpy(one[None])).numpy() for one in inputs])

    yield "as it came", "torch.compile, fp32", run, None, None, True


def nncf(model: nn.Module, data: Data) -> Iterator[Found]:
    """What NNCF and OpenVINO give a user: `nncf.quantize` on calibration images, then compiled for latency."""
    if not (importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")):
        return
    import nncf as peer
    import openvino

    samples = data.preprocessing.apply(data.train.inputs[:CALIBRATION])
    graph = openvino.Core().read_model(io.BytesIO(onnx_of(model, data)))
    graph.reshape([1, *data.preprocessing.shape])
    integers = peer.quantize(graph, peer.Dataset([one[None] for one in samples]), subset_size=len(samples))
    for method, made, precision in (("as it came", graph, "fp32"), ("nncf.quantize", integers, "int8")):
        yield method, f"NNCF and OpenVINO, {precision}", _openvino(made, "f32"), None, None, True
        if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):  # what OpenVINO takes by itself, then
            yield method, f"NNCF and OpenVINO, {precision} and bf16", _openvino(made, "bf16"), None, None, True


def torch_pruning(model: nn.Module, data: Data) -> Iterator[Found]:
    """Half the channels by L2, in ONNX Runtime."""
    if not importlib.util.find_spec("torch_pruning"):
        return
    import torch_pruning as peer

    smaller, example = copy.deepcopy(model).eval(), torch.zeros(1, *data.preprocessing.shape)
    last = [layer for layer in smaller.modules() if isinstance(layer, nn.Linear)][-1]
    importance = peer.importance.MagnitudeImportance(p=2)
    peer.pruner.MagnitudePruner(smaller, example, importance, pruning_ratio=0.5, ignored_layers=[last], round_to=8).step()
    macs, _ = peer.utils.count_ops_and_params(smaller, example)
    engine = start(onnx_of(smaller, data), 1)
    name = engine.get_inputs()[0].name
    yield (
        "half the channels",
        "torch-pruning and ONNX Runtime, fp32",
        lambda inputs: engine.run(None, {name: inputs})[0],
        int(macs),
        None,
        False,
    )


def onnx_of(model: nn.Module, data: Data) -> bytes:
    """The graph with its weights, as any tool reads it."""
    network = Network(model)
    graph = export(model, data.preprocessing.shape)
    whole: bytes = assemble(Artifact(network.tensors(), graph)).SerializeToString()
    return whole


def _openvino(graph: Any, precision: str) -> Runner:
    import openvino

    setting = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(graph, "CPU", setting).create_infer_request()

    def run(inputs: np.ndarray) -> np.ndarray:
        found = [np.array(request.infer({0: one[None]}, share_inputs=True, share_outputs=True)[0]) for one in np.ascontiguousarray(inputs)]
        return np.concatenate(found)

    return run


PEERS: tuple[Callable[[nn.Module, Data], Iterator[Found]], ...] = (compiled, nncf, torch_pruning)
