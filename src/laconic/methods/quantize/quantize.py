"""Rate-distortion quantisation after training, from calibration samples without labels.

    1. Curvature. How much the outputs mind an error in each weight is measured, not guessed: Kronecker factors of the Gauss-Newton
       matrix of the outputs' squared error (profile/curvature.py).
    2. Steps. Every layer gets the grid on which rounding one weight costs the outputs the same. One number, the coarseness, then sets all
       of them, biases and normalisations included: reverse water-filling (Cover & Thomas 2006, §10.3).
    3. Integers. Layer by layer, on inputs that come through the layers quantised before, the weights that restore the layer's outputs best
       are rounded with error feedback along both sides of the matrix (layer.py, rounding.py).
    4. Target. The coarseness is searched for until the file has the bytes that were asked for, or until the score on the validation
       split may be expected to fall by as much as was allowed, with a standard error to spare (allowance.py).

Nothing is trained; what the entropy coder makes of the integers is their price.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from laconic.codec import entropy
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.quantize.calibrated import quantized
from laconic.methods.quantize.trials import Trials
from laconic.methods.step import Step, check_fields, one_said
from laconic.nn import weights
from laconic.nn.checks import at_home
from laconic.profile.curvature import curvature

MOST_BITS = 12
DRAFT_BITS, DRAFT_SAMPLES = 2.5, 32


@dataclass(frozen=True)
class Quantize(Step):
    """Put every weight on a grid, as coarse as the target allows. Say one of `bits`, `bytes`, `drop`.

    Args:
        bits: coded bits a weight, over the whole weights-only file.
        bytes: of the weights-only file, at most.
        drop: how far the score may fall, in the metric's unit (points of per cent for accuracy). The validation split judges; one
            standard error of its verdict is kept in reserve, and half of the drop where that is more.
        samples: calibration samples, taken from the training split without their labels; fewer where they are large.

    >>> print(Quantize(drop=0.5))
    quantize: {drop: 0.5}
    """

    bits: float | None = None
    bytes: int | None = None
    drop: float | None = None
    samples: int = 512

    def __post_init__(self) -> None:
        one_said(self, ("bits", "bytes", "drop"), "quantize: {drop: 0.5}")
        check_fields(
            self,
            ("bits", self.bits is None or 0 < self.bits <= MOST_BITS, f"a number above 0, at most {MOST_BITS}"),
            ("bytes", self.bytes is None or self.bytes >= 1, "a whole number from 1"),
            ("drop", self.drop is None or 0 <= self.drop < math.inf, "a number from 0"),
            ("samples", self.samples >= 1, "a whole number from 1"),
        )

    def takes(self) -> Mapping[str, str]:
        return {"dense": "grid", "masked": "grid", "grid": "grid"}

    def draft(self) -> Step:
        few = min(self.samples, DRAFT_SAMPLES)
        return replace(self, samples=few) if self.drop is None else Quantize(bits=DRAFT_BITS, samples=few)

    def plan(self, network: Network, context: Context) -> Plan:
        """The step of every parameter; the search for the target happens here."""
        trials = Trials(network, context, self._inputs(network, context))
        coarseness = trials.within_bytes(self._wanted_bytes(network)) if self.drop is None else trials.within_drop(self.drop)
        return Plan(tuple(_row(name, network.array(name), step) for name, step in trials.steps(coarseness).items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        inputs = self._inputs(network, context)
        known = curvature(network.module, inputs, context.seed)
        return network.reformed(quantized(network, known, {row["layer"]: row["step"] for row in plan.rows}, inputs))

    def _wanted_bytes(self, network: Network) -> float:
        if self.bytes is not None:
            return self.bytes
        assert self.bits is not None
        return self.bits * sum(p.numel() for p in weights(network.module).values()) / 8

    def _inputs(self, network: Network, context: Context) -> Tensor:
        return at_home(network.module, context.calibration(self.samples))


def _row(name: str, values: np.ndarray, step: float) -> dict[str, Any]:
    coded = entropy(np.rint(values.astype(np.float64) / step))
    return {"layer": name, "step": step, "of": values.size, "estimated bits": coded, "estimated bytes": round(values.size * coded / 8)}
