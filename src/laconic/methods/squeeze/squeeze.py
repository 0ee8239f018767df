"""Train for size: rate as a term of the loss, with pruning as the case in which an integer becomes zero.

    L = H(y, f(x; ŵ)) + κ · τ² · KL(f₀(x) ‖ f(x; ŵ); τ) + λ · R(u) / target,    ŵ = s · round(u)

with |f₀(x) − f(x; ŵ)|² for the second term where the task does not decide between classes.

u and s of every tensor train (latent.py), R is what the coder would about charge for the integers (rate.py), f₀ is the model as it came,
and λ is steered so that the size arrives at the target while there is training left to settle in (steering.py). There, the dead zone
around zero is widened by as much as the size is still off, and the network trains with it. It is the entropy-penalised
reparameterisation of Oktay et al. 2020 ("Scalable Model Compression by Entropy Penalized Reparameterization") with rounding in place of
noise, steps in place of a learned decoder, and a probability model that sees the neighbours of a weight, as the coder does.

If the file is still larger than the target at the end, the dead zone is widened until it fits.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import BudgetError, RecipeError
from laconic.codec import entropy
from laconic.forms import Grid, Masked
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.squeeze.latent import Latent
from laconic.methods.squeeze.pressed import Pressed
from laconic.methods.squeeze.steering import Schedule, gain_of
from laconic.methods.step import Step, check_fields, check_no_patience
from laconic.nn.checks import at_home
from laconic.nn.holding import Held, hold_by
from laconic.nn.weights import to_torch
from laconic.train import Training
from laconic.train.loop import steps_an_epoch
from laconic.train.soft_targets import apart
from laconic.train.task import BatchLoss

COARSENESS = 0.6  # steps to start from, in standard deviations
REFIT_EVERY, REFITS = 20, 50  # steps between two refits of the rate's table and of λ; at least so many in a whole training
GRAIN = 0.2  # of a typical weight: as much as that is learnt at the least where the learning rate says 1
HALVINGS = 14  # of the interval in which the dead zone is searched


@dataclass(frozen=True)
class Squeeze(Training, Step):
    """Train the network into a weights-only file of at most so many bytes. Fields are those of `Training`, and:

    Args:
        bytes: of the weights-only file. Say this or `bits`.
        bits: coded bits a parameter, instead.
        lr: in steps of each tensor's grid.
        weight: κ, of the original's soft targets beside the labels' term of weight 1; 0 leaves the original out.
        temperature: τ, softens both outputs.
        ramp: share of the training after which the size is to be reached.

    >>> print(Squeeze(epochs=30, bytes=1500))
    squeeze: {epochs: 30, bytes: 1500}
    """

    lr: float = 0.02
    optimizer: Literal["sgd", "adam"] = "adam"
    warmup: float = 0.01
    bytes: int | None = None
    bits: float | None = None
    weight: float = 1.0
    temperature: float = 2.0
    ramp: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.bytes is None) == (self.bits is None):
            raise RecipeError("say either bytes or bits", where="squeeze", hint="squeeze: {epochs: 30, bytes: 40000}")
        check_fields(
            self,
            ("bytes", self.bytes is None or self.bytes >= 1, "a whole number from 1"),
            ("bits", self.bits is None or 0 < self.bits < math.inf, "a number above 0"),
            ("weight", 0 <= self.weight < math.inf, "a number from 0"),
            ("temperature", 0 < self.temperature < math.inf, "a number above 0"),
            ("ramp", 0 < self.ramp <= 1, "a share from above 0 to 1"),
        )
        check_no_patience(self)

    def takes(self) -> Mapping[str, str]:
        return {"dense": "grid", "masked": "grid", "grid": "grid"}

    def draft(self) -> Step:
        return replace(self, epochs=0)

    def check(self, network: Network, context: Context) -> None:
        if not self.weight and context.source(self, usual="both") == "original":
            found = "labels and the original are both left out: there is nothing to learn from"
            raise RecipeError(found, where="squeeze, weight", hint="weight: 1.0")

    def plan(self, network: Network, context: Context) -> Plan:
        """The steps to start from.

        Raises:
            BudgetError: a file of zeros alone is larger than the target.
        """
        steps = {name: _first_step(network, name) for name in _pressed(network)}
        self._check_target(network, context)
        return Plan(tuple(_row(name, network.array(name), step) for name, step in steps.items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        held = hold_by(network.module, {row["layer"]: _latent(network, row["layer"], row["first step"]) for row in plan.rows})
        pressed = Pressed(held, [row["layer"] for row in plan.rows])
        target = self._target(network)
        steps = self.epochs * steps_an_epoch(len(context.data.train), self.batch, self.accumulate)
        every = max(min(REFIT_EVERY, steps // REFITS), 1)
        _balance(network, held, pressed, context)
        schedule = Schedule(pressed.weigh(), target, self.ramp, gain_of(every, steps))
        pressed.start(schedule)
        for tick in context.train(pressed, self._loss(target, context), self, "squeeze"):
            if (tick.step + 1) % every == 0:
                pressed.steer(schedule, tick.progress)
            if (tick.step + 1) * self.epochs % tick.steps < self.epochs:  # an epoch's end
                _balance(network, held, pressed, context)
            context.progress("squeeze", tick.progress, f"{tick}, about {float(pressed.size):,.0f} bytes")
        return _within(network, held, pressed, target, context)

    def _target(self, network: Network) -> float:
        if self.bytes is not None:
            return self.bytes
        assert self.bits is not None
        return self.bits * sum(p.numel() for p in network.module.parameters()) / 8

    def _loss(self, target: float, context: Context) -> BatchLoss:
        source, task = context.source(self, usual="both"), context.task
        labelled, weight = source != "original", 0.0 if source == "labels" else self.weight
        teacher, labels = copy.deepcopy(context.original).eval(), context.labels(self)

        def loss(model: nn.Module, inputs: Tensor, targets: Any) -> Tensor:
            assert isinstance(model, Pressed)
            outputs = model(inputs)
            total = model.price * model.cost() / target
            if labelled:
                total = total + labels(outputs, targets)
            if not weight:
                return total
            with torch.no_grad():
                wanted = teacher(at_home(teacher, inputs))
            return total + weight * apart(outputs, wanted, task.match, self.temperature)

        return loss

    def _check_target(self, network: Network, context: Context) -> None:
        arrays = {name: network.array(name) for name in _pressed(network)}
        zeros = {name: Grid(array.shape, np.zeros(array.shape, np.int8), np.ones(1, array.dtype)) for name, array in arrays.items()}
        least, target = context.price(network.reformed(zeros)), self._target(network)
        if least > target:
            found = f"with every weight at zero the file has {least:,} bytes, {target:,.0f} are wanted"
            raise BudgetError(found, where=str(self), hint="fold batch normalisation first, or allow more bytes")


def _pressed(network: Network) -> list[str]:
    """Names of all parameters that train, tied ones once."""
    return [name for name, p in network.module.named_parameters() if p.requires_grad and p.is_floating_point() and p.numel()]


def _first_step(network: Network, name: str) -> float:
    """The step that the weight is on, or one for its spread; half of it for biases, of which there are few."""
    form = network.form(name)
    if isinstance(form, Grid) and len(form.table) == 1 and form.table[0] > 0:
        return float(form.table[0])
    values = form.array().astype(np.float64)
    spread = float(np.std(values)) or float(np.abs(values).max()) or 1.0
    return COARSENESS * spread / (1 if values.ndim > 1 else 2)


def _latent(network: Network, name: str, step: float) -> Latent:
    form = network.form(name)
    kept = form.mask if isinstance(form, Masked) else np.ones(form.shape, bool)
    size = float(np.sqrt(np.mean(np.square(form.array().astype(np.float64)))))
    return Latent(step, to_torch(kept), network.module.get_parameter(name).dtype, grain=max(GRAIN * size / step, 1.0))


def _balance(network: Network, held: Held, pressed: Pressed, context: Context) -> None:
    """Make the estimate right: all that it does not see, as headers and what the coder does better, is its overhead."""
    pressed.overhead.fill_(context.price(network.released(held)) - pressed.refit())


def _within(network: Network, held: Held, pressed: Pressed, target: float, context: Context) -> Network:
    """The trained network, its dead zone as wide as the target asks for."""

    def at(dead_zone: float) -> Network:
        pressed.widen(dead_zone)
        return network.released(held)

    narrow, wide = pressed.dead_zone(), pressed.largest() + 1
    found = at(narrow)
    if context.price(found) <= target:
        return found
    for _ in range(HALVINGS):
        middle = math.sqrt(narrow * wide)  # a bias may be a thousand steps, and the dead zone that is wanted hardly more than half of one
        narrow, wide = (narrow, middle) if context.price(at(middle)) <= target else (middle, wide)
    return at(wide)


def _row(name: str, values: np.ndarray, step: float) -> dict[str, Any]:
    coded = entropy(np.rint(values.astype(np.float64) / step))
    return {
        "layer": name,
        "first step": step,
        "of": values.size,
        "estimated bits": coded,
        "estimated bytes": round(values.size * coded / 8),
    }
