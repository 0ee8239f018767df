"""The search for the coarsest grids that meet a target."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor, nn

from laconic.base.errors import BudgetError
from laconic.codec import entropy
from laconic.graph.network import Network
from laconic.methods.quantize.calibrated import fitting_step, quantized, unit_step
from laconic.methods.step import Context
from laconic.nn import weights
from laconic.profile.curvature import curvature
from laconic.train import as_runner, evaluate

STRIDE = 1.3  # to the second trial, then its square, and so on until the target lies between two
NEAR = 1.02  # the last two trials differ by less in coarseness
SLACK = 1e-9  # of a score, which is a mean of many numbers
FINEST_BITS, COARSEST_BITS = 12.0, 0.02
FIRST_BITS = 2.5  # where the search for an allowed drop begins
TRIALS = 8  # are usual
OTHERWISE = "allow more, or train for size"
SAMPLE = 1 << 16  # weights of a layer from which its entropy is estimated


class Trials:
    """What comes out at one coarseness or another, each tried once.

    Args:
        network: as it came.
        context: its validation split judges, its price weighs.
        inputs: preprocessed calibration samples.
    """

    def __init__(self, network: Network, context: Context, inputs: Tensor) -> None:
        self._network, self._context, self._inputs, self._tried = network, context, inputs, 0
        self._tell("curvature")
        self._known = curvature(network.module, inputs, context.seed)
        floating = {name: p for name, p in network.module.named_parameters() if name in self._known and p.numel()}
        self._units = {name: unit_step(self._known[name], p.detach()) for name, p in floating.items()}
        self._spans = {name: (float(p.detach().abs().max()), p.dtype) for name, p in floating.items()}
        self._weights = {name: network.array(name).reshape(-1)[:SAMPLE].astype(np.float64) for name in weights(network.module)}
        self._sizes = {name: p.numel() for name, p in floating.items()}

    def steps(self, coarseness: float) -> dict[str, float]:
        """The step of every parameter: so many times the one at which all cost the outputs the same."""
        return {name: fitting_step(coarseness * unit, *self._spans[name]) for name, unit in self._units.items()}

    def within_bytes(self, most: float) -> float:
        """The finest at which the weights-only file has at most so many bytes, to about one per cent.

        Raises:
            BudgetError: no grid is so coarse.
        """
        sizes: dict[float, int] = {}

        def too_large(coarseness: float) -> bool:
            sizes[coarseness] = self._context.price(self._at(coarseness))
            self._tell(f"{sizes[coarseness]:,} bytes")
            return sizes[coarseness] > most

        _, small = self._boundary(too_large, 8 * most / sum(self._sizes.values()))
        if small is None:
            least = min(sizes.values())
            found = f"the file does not come below {least:,} bytes, {most:,.0f} are wanted"
            raise BudgetError(found, where="quantize, bytes", hint=OTHERWISE)
        return small

    def within_drop(self, most: float) -> float:
        """The coarsest at which the score on the validation split falls by at most so much.

        Raises:
            BudgetError: it falls by more on the finest grids.
        """
        task = self._context.task
        before, drops = self._score(self._context.original), {}

        def near_enough(coarseness: float) -> bool:
            change = self._score(self._at(coarseness).module) - before
            drops[coarseness] = -change if task.higher_is_better else change
            self._tell(f"{task.metric} {drops[coarseness]:+.2f} {task.unit} worse")
            return drops[coarseness] <= most + SLACK

        coarse, _ = self._boundary(near_enough, FIRST_BITS)
        if coarse is None:
            found = f"{task.metric} falls by {min(drops.values()):.3g} {task.unit} at least, {most:g} is allowed"
            raise BudgetError(found, where="quantize, drop", hint=OTHERWISE)
        return coarse

    def _boundary(self, holds: Callable[[float], bool], bits: float) -> tuple[float | None, float | None]:
        """Where `holds` ends, by a search that begins with so many bits a weight."""
        return boundary(holds, *(self._with_entropy(wanted) for wanted in (bits, FINEST_BITS, COARSEST_BITS)))

    def _with_entropy(self, bits: float) -> float:
        """The coarseness at which the weights, rounded as they are, have so many bits of entropy each."""
        fine, coarse = 1e-12, 1e12
        while coarse / fine > 1.01:
            middle = math.sqrt(fine * coarse)
            fine, coarse = (middle, coarse) if self._entropy(middle) > bits else (fine, middle)
        return coarse

    def _entropy(self, coarseness: float) -> float:
        steps = self.steps(coarseness)
        coded = (self._sizes[name] * entropy(np.rint(values / steps[name])) for name, values in self._weights.items())
        return sum(coded) / sum(self._sizes[name] for name in self._weights)

    def _at(self, coarseness: float) -> Network:
        return self._network.reformed(quantized(self._network, self._known, self.steps(coarseness), self._inputs))

    def _score(self, module: nn.Module) -> float:
        data, task = self._context.data, self._context.task
        return evaluate(as_runner(module), data.validation, data.preprocessing, task, "validation split").value

    def _tell(self, found: str) -> None:
        self._context.progress("quantize", min(self._tried / TRIALS, 1.0), found)
        self._tried += 1


def boundary(holds: Callable[[float], bool], start: float, finest: float, coarsest: float) -> tuple[float | None, float | None]:
    """The last coarseness at which something holds, and the first at which it does not, to `NEAR`; None: there is none in the range.

    >>> [round(found, 3) for found in boundary(lambda coarseness: coarseness < 5, 1.0, 0.01, 100.0)]
    [4.988, 5.07]
    """
    start = min(max(start, finest), coarsest)
    first_held = holds(start)
    same, other = start, None
    for at in _strides(start, coarsest if first_held else finest):
        if holds(at) != first_held:
            other = at
            break
        same = at
    last, first = (same, other) if first_held else (other, same)
    while last is not None and first is not None and first / last > NEAR:
        at = math.sqrt(last * first)
        last, first = (at, first) if holds(at) else (last, at)
    return last, first


def _strides(start: float, end: float) -> Iterator[float]:
    """From `start`, ever faster, to `end`."""
    stride = STRIDE if end > start else 1 / STRIDE
    while start != end:
        start = min(start * stride, end) if stride > 1 else max(start * stride, end)
        stride **= 2
        yield start
