"""Wall clock of a model and of its layers, on one torch thread."""

import contextlib
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from laconic.base.measures import Measure, timing
from laconic.profile.observe import Part

WARM_UP = 2  # passes before the clock counts: the first ones allocate memory and choose kernels


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def whole_latency(model: nn.Module, sample: Tensor, repeats: int) -> Measure:
    """Milliseconds of one forward pass, without any hook in the way."""
    return timing(_passes(model, sample, repeats), "ms", "forward pass of the whole model, CPU, one thread")


def layer_latencies(model: nn.Module, sample: Tensor, found: list[Part], repeats: int) -> dict[str, Measure]:
    """Milliseconds that each layer takes in one forward pass, all its calls together, by its name."""
    spent: dict[str, list[float]] = {}
    handles = [handle for part in found if part.is_layer for handle in _time(part, spent)]
    try:
        for _ in range(WARM_UP + repeats):
            for passes in spent.values():
                passes.append(0.0)
            model(sample)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: timing(passes[-repeats:], "ms", "all calls of the layer in one forward pass, CPU, one thread")
        for name, passes in spent.items()
    }


def _passes(model: nn.Module, sample: Tensor, repeats: int) -> list[float]:
    spent = []
    for _ in range(WARM_UP + repeats):
        start = perf_counter()
        model(sample)
        spent.append(1000 * (perf_counter() - start))
    return spent[WARM_UP:]


def _time(part: Part, spent: dict[str, list[float]]) -> tuple[Any, Any]:
    starts: list[float] = []

    def enter(module: nn.Module, args: Any) -> None:
        starts.append(perf_counter())

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        passes = spent.setdefault(part.name, [0.0])
        passes[-1] += 1000 * (perf_counter() - starts.pop())

    return part.module.register_forward_pre_hook(enter), part.module.register_forward_hook(leave)
