"""The verdict: two networks measured as their files load, side by side."""

import importlib.metadata
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from laconic.artifact import Artifact, Tensor, layout, unpack_each
from laconic.base.dtypes import bits
from laconic.base.errors import ExportError, GraphError, LimitError, ModelError
from laconic.base.latency import clock, ratio
from laconic.base.measures import Measure, machine, timing
from laconic.base.records import Figures, Layer, Verdicts
from laconic.datasets.data import Data
from laconic.forms import Form
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.profile import count
from laconic.recipe.costs import Costs, layer_costs
from laconic.runtime import Session
from laconic.runtime.glance import Better, clearly_faster
from laconic.train import Runner, Task, as_runner, judge

REPEATS = 50
SAME_SPEED = 0.05  # closer than this to 1 is called the same
LIBRARIES = ("laconic", "torch", "numpy", "onnx", "onnxruntime")


@dataclass(frozen=True, eq=False)
class Runnable:
    """A network and the artifact that its file holds; without a graph it is measured through the user's class."""

    module: nn.Module
    artifact: Artifact

    def runner(self) -> Runner:
        """The session of the file, or the class."""
        return as_runner(self.module) if self.artifact.graph is None else Session(self.artifact)


@dataclass(frozen=True)
class Comparison:
    """Before and after, measured in one go."""

    before: Figures
    after: Figures
    speed_ratio: Measure
    speed_line: str
    layers: tuple[Layer, ...]
    parts: Mapping[str, int]
    verdicts: Verdicts
    costs: Costs


def compare(before: Runnable, after: Runnable, content: bytes, data: Data, task: Task) -> Comparison:
    """Size, score and latency of both, the latencies interleaved. This is the one place that reads the test split."""
    runners = {"before": before.runner(), "after": after.runner()}
    sample = data.preprocessing.apply(data.test.inputs[:1])
    times = clock({name: lambda run=run: run(sample) for name, run in runners.items()}, REPEATS)  # type: ignore[misc]
    speed = ratio(times["before"], times["after"], "original against file, interleaved, batch 1, one thread")
    raw = sum(form.array().nbytes for form in _distinct(before.artifact).values())
    sizes = {
        "before": Measure(raw, "bytes", "all tensors of the original, as they lie in memory"),
        "after": Measure(len(content), "bytes", "length of the file"),
    }
    judged = {name: judge(run, data.test, data.preprocessing, task, f"{name}, test split") for name, run in runners.items()}
    clocked = {name: timing(ms, "ms", "batch 1, one thread, interleaved") for name, ms in times.items()}
    costs = {name: _costs(side.module, data) for name, side in (("before", before), ("after", after))}
    figures = {name: Figures(sizes[name], judged[name].score, clocked[name], *costs[name]) for name in runners}
    rows = tuple(_layer_row(tensor) for tensor in unpack_each(content) if tensor.entry.form != "tied")
    has_graph = after.artifact.graph is not None
    better = clearly_faster(after.artifact, runners["after"], sample) if has_graph else None
    line = speed_line(speed, [row.form for row in rows], "ONNX Runtime" if has_graph else "torch", better)
    verdicts = Verdicts(_class_numbers(data, task), judged["before"].decided, judged["after"].decided)
    by_layer = layer_costs((before.module, after.module), (before.artifact, after.artifact), data.preprocessing, sample)
    return Comparison(figures["before"], figures["after"], speed, line, rows, layout(content).sections, verdicts, by_layer)


class SessionClock:
    """Times candidates against the network before as sessions, where they have graphs, in turns on one thread."""

    def __init__(self) -> None:
        self._kept: tuple[Network, Runner] | None = None

    def __call__(self, candidate: Network, before: Network, inputs: np.ndarray) -> float:
        """How many times as long as that of the network before the candidate's forward pass takes on inputs `(n, *shape)`."""
        if self._kept is None or self._kept[0] is not before:
            self._kept = before, _runner(before, inputs)
        runners = {"candidate": _runner(candidate, inputs), "before": self._kept[1]}
        times = clock({name: lambda run=run: run(inputs) for name, run in runners.items()}, REPEATS)  # type: ignore[misc]
        return statistics.median(times["candidate"]) / statistics.median(times["before"])


def _runner(network: Network, inputs: np.ndarray) -> Runner:
    try:
        runner = Session(Artifact(network.tensors(), export(network.module, inputs.shape[1:], str(inputs.dtype))))
        runner(inputs)
    except (ExportError, GraphError, LimitError):
        return as_runner(network.module)
    return runner


def _class_numbers(data: Data, task: Task) -> tuple[int, ...]:
    return () if task.decide is None else tuple(map(int, data.test.targets))


def speed_line(speed: Measure, forms: list[str], engine: str, better: Better | None = None) -> str:
    """The honest sentence about speed: how much, and why not more; and which engine is clearly faster with the file, if one is."""
    said = f"{speed.value:.2f} × as fast in {engine} on this machine."
    if abs(speed.value - 1) <= SAME_SPEED:
        why = ""
        if {"masked", "codebook"} & set(forms):
            why = ": zeros and shared values make the file small, but dense kernels do the same arithmetic with them"
        said = f"About as fast as before ({speed.value:.2f} ×) in {engine} on this machine{why}."
    if better is None:
        return said
    choice, times = better
    return f'{said} In another engine the file runs {times.value:.2f} × as fast as there: laconic.load(FILE, engine="{choice.engine}").'


def _costs(module: nn.Module, data: Data) -> tuple[int, int]:
    parameters = sum(p.numel() for p in module.parameters())
    try:
        return parameters, count(module, data.preprocessing.shape, dtype=data.preprocessing.dtype).macs
    except ModelError:  # counting runs shapes only, which some forward passes cannot
        return parameters, 0


def _distinct(artifact: Artifact) -> dict[int, Form]:
    return {id(form): form for form in artifact.tensors.values()}


def _layer_row(tensor: Tensor) -> Layer:
    patterns = bits(tensor.form.array())
    return Layer(
        name=tensor.entry.name,
        shape=tensor.entry.shape,
        form=tensor.entry.form,
        nonzero=int(np.count_nonzero(patterns)),
        values=len(np.unique(patterns)),
        dense_bytes=patterns.nbytes,
        bytes=tensor.bytes,
    )


def environment() -> dict[str, str]:
    """What the figures depend on: the machine, its instruction set, threads, versions."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "machine": machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        **versions,
    }
