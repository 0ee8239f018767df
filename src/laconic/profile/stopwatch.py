"""Wall clock of a model and of its layers, on one torch thread."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of a forward pass, and where they go.

    Args:
        whole: without any hook in the way.
        layers: of each layer by its name, all its calls together.
        between: of a pass outside of all layers.
    """

    whole: Measure
    layers: Mapping[str, Measure]
    between: Measure


def latencies(model: nn.Module, sample: Tensor, found: Sequence[Part], repeats: int) -> Latencies:
    """Passes with a watch on every layer and passes without any, in turn, so that both see the same machine."""
    watch = _Watch()
    whole, watched = [], []
    for _ in range(WARM_UP + repeats):
        whole.append(_pass(model, sample))
        with watch.on([part for part in found if part.is_layer]):
            watched.append(_pass(model, sample))
    between = [total - sum(spent[at] for spent in watch.spent.values()) for at, total in enumerate(watched)]
    return Latencies(
        timing(whole[WARM_UP:], "ms", "forward pass of the whole model, CPU, one thread"),
        {
            name: timing(spent[WARM_UP:], "ms", "all calls of the layer in one forward pass, CPU, one thread")
            for name, spent in watch.spent.items()
        },
        timing(between[WARM_UP:], "ms", "forward pass outside of all layers, CPU, one thread"),
    )


@contextlib.contextmanager
def layer_by_layer() -> Iterator[None]:
    """Without torch's own fusion of a transformer's layers, inside of which no layer is called: nothing that is shipped runs so."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _pass(model: nn.Module, sample: Tensor) -> float:
    start = perf_counter()
    model(sample)
    return 1000 * (perf_counter() - start)


class _Watch:
    """Layer → ms of each pass so far. A layer within a layer (one that its parent runs) counts as the parent's.

    The module is the profile's own copy: what it is left like after an exception does not matter.
    """

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self._passes = 0
        self._inside = 0

    @contextlib.contextmanager
    def on(self, layers: Sequence[Part]) -> Iterator[None]:
        """Watch one pass."""
        self._passes += 1
        with contextlib.ExitStack() as stack:
            for part in layers:
                stack.enter_context(self._watched(part.name, part.module))
            yield
        for passes in self.spent.values():
            self._fill(passes)

    def _fill(self, passes: list[float]) -> None:
        passes += [0.0] * (self._passes - len(passes))

    @contextlib.contextmanager
    def _watched(self, name: str, module: nn.Module) -> Iterator[None]:
        """A forward that is clocked, in the place of the layer's own: hooks would take longer than small layers do."""
        forward, patched = module.forward, "forward" in vars(module)

        def clocked(*args: Any, **kwargs: Any) -> Any:
            self._inside += 1
            start = perf_counter()
            output = forward(*args, **kwargs)
            spent = 1000 * (perf_counter() - start)
            self._inside -= 1
            self._add(name, 0.0 if self._inside else spent)
            return output

        module.forward = clocked
        yield
        if patched:
            module.forward = forward
        else:
            del module.forward

    def _add(self, name: str, spent: float) -> None:
        passes = self.spent.setdefault(name, [])
        self._fill(passes)
        passes[-1] += spent
