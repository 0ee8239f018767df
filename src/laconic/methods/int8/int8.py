"""Multiply integers: weights and activations on grids of 8 bits, chosen after training from calibration samples.

Jacob et al. 2018 ("Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"): the value that enters a
convolution or a linear layer is s · (q − z) with q a uint8, its weight a step of each row times an int8. What the engine multiplies and
sums is integers. The file holds the same integers, coded; a session hands them to the engine as they are (runtime/integers.py).

Batch normalisation is folded first where it can be. Weights that are on a grid of at most 8 bits, as `quantize` leaves them, stay on it.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.edits import ROUNDED
from laconic.base.edits import Rounded as Edit
from laconic.base.errors import ModelError
from laconic.forms import Form, Grid, Masked
from laconic.forms.rows import in_groups, levels, nearest, row_steps, runs_as_it_is
from laconic.graph.fold import fold_free
from laconic.graph.network import Network
from laconic.graph.rounding import Points
from laconic.methods.context import Context
from laconic.methods.int8.adaround import round_adaptively
from laconic.methods.int8.correct import correct_moments, scalable
from laconic.methods.int8.equalize import equalize
from laconic.methods.int8.learned import LearnedGrid, start_learning
from laconic.methods.int8.ranges import criterion, ends, grid_between, seen
from laconic.methods.plan import Plan
from laconic.methods.step import ROUNDS, Step, check_fields
from laconic.nn.checks import home
from laconic.nn.holding import HOLDERS, Holder, hold_by
from laconic.nn.rounded import Rounded
from laconic.nn.weights import to_numpy, to_torch
from laconic.train import Training

DRAFT_SAMPLES = 16


@dataclass(frozen=True)
class Int8(Step):
    """Let convolutions and linear layers multiply integers.

    Args:
        bits: of the weights, 2 … 8, one grid a row. With 7, processors without VNNI multiply as fast as they can; 8 would saturate there,
            and is run more slowly.
        calibration: where the grid of an activation ends (see ranges.py).
        percentile: per cent of the numbers inside, for that criterion.
        rounding: of weights: to the nearest point, or adaptive (AdaRound).
        iterations: of adaptive rounding, for each layer.
        equalize: bring the channels between two layers to like ranges first (Nagel et al. 2019, §4.1).
        correct: let biases make up for the means that rounding moved (Nagel et al. 2019, §4.2); "spread" lets the steps of the weights
            make up for the standard deviations too, which pays in deep networks of few bits.
        samples: calibration samples, taken from the training split without their labels; fewer where they are large.
        training: go on training with the integers in place; without it, nothing is trained.
        learn: what of the grids trains along: steps of weights and activations (LSQ), or the ends of activations (PACT).

    >>> print(Int8())
    int8: {bits: 7}
    """

    bits: int = 7
    calibration: Literal["mse", "minmax", "percentile", "entropy"] = "mse"
    percentile: float = 99.99
    rounding: Literal["nearest", "adaptive"] = "nearest"
    iterations: int = 1000
    equalize: bool = False
    correct: bool | Literal["spread"] = True
    samples: int = 256
    training: Training | None = None
    learn: Literal["lsq", "pact"] = "lsq"
    changes = ROUNDS

    def __post_init__(self) -> None:
        check_fields(
            self,
            ("bits", 2 <= self.bits <= 8, "a whole number from 2 to 8"),
            ("calibration", self.calibration in ("mse", "minmax", "percentile", "entropy"), "mse, minmax, percentile or entropy"),
            ("percentile", 50 <= self.percentile <= 100, "a number from 50 to 100"),
            ("rounding", self.rounding in ("nearest", "adaptive"), "nearest or adaptive"),
            ("iterations", self.iterations >= 1, "a whole number from 1"),
            ("correct", self.correct in (True, False, "spread"), "true, false or spread"),
            ("samples", self.samples >= 1, "a whole number from 1"),
            ("learn", self.learn in ("lsq", "pact"), "lsq or pact"),
        )

    def takes(self) -> Mapping[str, str]:
        return {"dense": "grid", "masked": "grid", "grid": "grid"}

    def trains(self) -> Training | None:
        return self.training

    def draft(self) -> Step:
        return Int8(bits=self.bits, samples=DRAFT_SAMPLES)

    def check(self, network: Network, context: Context) -> None:
        if home(network.module)[1] != torch.float32:
            raise ModelError("int8 needs weights of type float32", hint="give it model.float()")
        if not self._points(network, context).layers():
            raise ModelError("no convolution or linear layer of this model can multiply integers", where=type(network.module).__name__)

    def plan(self, network: Network, context: Context) -> Plan:
        """The range of every value that is rounded, and how many numbers are clipped.

        Raises:
            ModelError: a value is not finite. ExportError: the model cannot be traced.
        """
        points = self._points(self._ready(network, context), context)
        known = seen(points, context.calibration(self.samples))
        chosen = ends(known.values(), criterion(self.calibration, self.percentile))
        rows = []
        for (name, histogram), (low, high) in zip(known.items(), chosen, strict=True):
            grid = grid_between(low, high)
            clipped = 100 * histogram.clipped(low, high)
            rows.append({"value": name, "low": low, "high": high, "step": grid.scale, "zero point": grid.zero_point, "clipped %": clipped})
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        network = self._ready(network, context)
        stage = context.data.preprocessing
        points = self._points(network, context)
        edit = Edit(stage.shape, stage.dtype, tuple(row["value"] for row in plan.rows))
        module = points.rounded(edit.values)
        for row in plan.rows:
            value = module.get_submodule(f"{ROUNDED}.{row['value']}")
            assert isinstance(value, Rounded)
            value.set(row["step"], row["zero point"])
        held = {name: form for name, form in network.forms.items() if name in dict(module.named_parameters(remove_duplicate=False))}
        settled = Network(module, held, (*network.edits, edit)).reformed(self._weights(network, module, points.layers(), context))
        if self.correct:
            settled = self._corrected(network, settled, points.layers(), context)
        return settled if self.training is None else self._trained(network, settled, context, self.training)

    def _corrected(self, network: Network, settled: Network, layers: list[str], context: Context) -> Network:
        own = [name for name in scalable(settled.module, layers) if not _stays(network.form(f"{name}.weight"))]
        spread = own if self.correct == "spread" else []
        factors = correct_moments(settled.module, network.module, layers, context.calibration(self.samples), spread)
        moved = {f"{name}.bias" for name in layers}  # off the grids that they may have been on
        settled = Network(settled.module, {name: form for name, form in settled.forms.items() if name not in moved}, settled.edits)
        return settled.reformed({f"{name}.weight": _times(settled.forms[f"{name}.weight"], by) for name, by in factors.items()})

    def _trained(self, network: Network, settled: Network, context: Context, training: Training) -> Network:
        """Trained on from the weights as they were, on grids that learn."""
        start = copy.deepcopy(settled.module)
        holders: dict[str, Holder] = {}
        for name, form in settled.forms.items():
            if isinstance(form, Grid) and runs_as_it_is(form):
                holders[name] = LearnedGrid(*_start(form, network.form(name), self.bits), learn=self.learn == "lsq")
                start.get_parameter(name).data.copy_(to_torch(network.array(name)))
            else:
                holders[name] = HOLDERS[form.kind](form)
        held = hold_by(start, holders)
        start_learning(held.module, inside=self.learn == "lsq")
        for tick in context.train(held.module, context.lesson(training, network.module), context.bounded(training), "int8"):
            context.progress("int8", tick.progress, str(tick))
        return settled.released(held)

    def _weights(self, network: Network, module: nn.Module, layers: list[str], context: Context) -> dict[str, Form]:
        """The weights of these layers, on grids that an integer kernel takes."""
        known = {name: network.form(f"{name}.weight") for name in layers}
        kept = {name: form for name, form in known.items() if _stays(form)}
        arrays = {name: network.array(f"{name}.weight") for name in layers if name not in kept}
        steps = {name: row_steps(array, levels(self.bits)) for name, array in arrays.items()}
        if self.rounding == "adaptive":
            inputs = context.calibration(self.samples)
            found = round_adaptively(module, network.module, steps, levels(self.bits), inputs, self.iterations, context.progress)
        else:
            found = {name: nearest(array, steps[name], levels(self.bits)) for name, array in arrays.items()}
        return {f"{name}.weight": form for name, form in (kept | found).items()}

    def _ready(self, network: Network, context: Context) -> Network:
        """Normalisations folded, and channels equalised."""
        stage = context.data.preprocessing
        network = fold_free(network, stage.shape, stage.dtype)
        return equalize(network, stage.shape, stage.dtype) if self.equalize else network

    def _points(self, network: Network, context: Context) -> Points:
        return Points(network.module, context.data.preprocessing.shape, context.data.preprocessing.dtype)


def _stays(form: Form) -> bool:
    """Whether a weight is on a grid already, chosen by somebody else."""
    return runs_as_it_is(form) or in_groups(form)


def _times(form: Form, factors: Tensor) -> Grid:
    """The same integers, with steps times a factor for each row."""
    assert isinstance(form, Grid)
    return replace(form, table=form.table * to_numpy(factors))


def _start(form: Grid, before: Form, bits: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Steps of each row, the largest integer, and what is kept, of a weight that is to learn its grid."""
    assert form.integers is not None
    steps = np.repeat(form.table, form.shape[0] // len(form.table))
    kept = before.mask if isinstance(before, Masked) else np.ones(form.shape, bool)
    return steps, max(levels(bits), int(np.abs(form.integers.astype(np.int64)).max())), kept
