"""The search for the coarsest grids that meet a target."""

import math

import numpy as np
from torch import Tensor, nn

from laconic.base.errors import BudgetError
from laconic.codec import entropy
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.quantize.allowance import Drop, coarsest
from laconic.methods.quantize.calibrated import fitting_step, quantized, unit_step
from laconic.methods.quantize.search import boundary
from laconic.nn import weights
from laconic.profile.curvature import curvature
from laconic.train import as_runner, scores

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

        _, small = boundary(too_large, *self._range(8 * most / sum(self._sizes.values())))
        if small is None:
            least = min(sizes.values())
            found = f"the file does not come below {least:,} bytes, {most:,.0f} are wanted"
            raise BudgetError(found, where="quantize, bytes", hint=OTHERWISE)
        return small

    def within_drop(self, most: float) -> float:
        """The coarsest at which the score on the validation split is expected to fall by at most so much (see allowance.py).

        Raises:
            BudgetError: it falls by more on the finest grids.
        """
        task = self._context.task
        before = self._scores(self._context.original)

        def tried(coarseness: float) -> Drop:
            change = self._scores(self._at(coarseness).module) - before
            drop = Drop.of(-change if task.higher_is_better else change)
            self._tell(f"{task.metric} {drop.mean:+.2f} ± {drop.error:.2f} {task.unit} worse")
            return drop

        found, least = coarsest(tried, most, *self._range(FIRST_BITS))
        if found is None:
            failed = f"{task.metric} is worse by {least:.3g} {task.unit} at least, {most:g} is allowed"
            raise BudgetError(failed, where="quantize, drop", hint=OTHERWISE)
        return found

    def _range(self, bits: float) -> tuple[float, float, float]:
        """Where a search begins, with so many bits a weight, and its ends."""
        start, finest, end = (self._with_entropy(wanted) for wanted in (bits, FINEST_BITS, COARSEST_BITS))
        return start, finest, end

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

    def _scores(self, module: nn.Module) -> np.ndarray:
        data, task = self._context.data, self._context.task
        return scores(as_runner(module), data.validation, data.preprocessing, task)

    def _tell(self, found: str) -> None:
        self._context.progress("quantize", min(self._tried / TRIALS, 1.0), found)
        self._tried += 1
