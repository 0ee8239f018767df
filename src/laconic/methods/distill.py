"""Learn from a teacher's soft targets (Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network", §2).

    L = H(y, P_S) + λ · τ² · H(P_T^τ, P_S^τ),   P^τ = softmax(a / τ)

The factor τ² keeps the two gradients in proportion when the temperature changes. Here the cross-entropy of the softened
outputs is written as the Kullback-Leibler divergence, which differs by the teacher's own entropy, a constant.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from laconic.base.errors import ModelError, RecipeError
from laconic.graph.network import Network
from laconic.methods.step import KEEPS, Context, Plan, Step
from laconic.nn import home
from laconic.train import Training, as_runner
from laconic.train.soft_targets import soft_targets
from laconic.train.task import BatchLoss
from laconic.zoo.checkpoint import load_weights
from laconic.zoo.reference import build_model

ORIGINAL = "original"


@dataclass(frozen=True)
class Distill(Training, Step):
    """Train with the soft targets of a teacher, beside the labels.

    Args:
        temperature: τ, softens both outputs.
        weight: λ, of the teacher's term beside the labels' term of weight 1.
        labels: False leaves the labels out; the teacher alone speaks.
        teacher: "original" (the model as it came) or a model reference such as `zoo:resnet56`.
        teacher_weights: checkpoint of a referenced teacher; without one, the reference must be to code that loads its own.

    >>> print(Distill(epochs=3, temperature=6.0))
    distill: {epochs: 3, temperature: 6.0}
    """

    temperature: float = 4.0
    weight: float = 1.0
    labels: bool = True
    teacher: str = ORIGINAL
    teacher_weights: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.temperature < math.inf:
            raise RecipeError(
                f"temperature is a number above 0, got {self.temperature}", where="distill, temperature", hint="1 … 20 is usual"
            )
        if not 0 <= self.weight < math.inf:
            raise RecipeError(f"weight is a number from 0, got {self.weight}", where="distill, weight", hint="1 weighs it as the labels")
        if self.teacher_weights and self.teacher == ORIGINAL:
            raise RecipeError("the original has its own weights", where="distill, teacher_weights", hint="say which model: teacher: zoo:…")
        if not self.teacher_weights and self.teacher.startswith(("zoo:", "torchvision:", "timm:")):
            raise RecipeError(
                f"{self.teacher} would teach what it was initialised with", where="distill, teacher", hint="teacher_weights: FILE"
            )

    def takes(self) -> Mapping[str, str]:
        return KEEPS

    def plan(self, network: Network, context: Context) -> Plan:
        term = f"{self.weight:g} · {self.temperature:g}² · H(teacher, student; τ = {self.temperature:g})"
        loss = f"H(labels, student) + {term}" if self.labels else term
        return Plan(({"teacher": self.teacher, "epochs": self.epochs, "lr": self.lr, "loss": loss},))

    def check(self, network: Network, context: Context) -> None:
        few = context.data.preprocessing.apply(context.data.train.inputs[:2])
        ours, theirs = as_runner(network.module)(few), as_runner(self._teacher(context))(few)
        if ours.shape != theirs.shape:
            found = f"the teacher's outputs have shape {theirs.shape[1:]}, the student's {ours.shape[1:]}"
            raise ModelError(found, where=f"distill, {self.teacher}")

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        device, dtype = home(network.module)
        loss = self._loss(self._teacher(context).to(device, dtype), context)
        return context.fit(network, loss, self, "distill")

    def _teacher(self, context: Context) -> nn.Module:
        """A model of its own, in evaluation mode."""
        if self.teacher == ORIGINAL:
            return copy.deepcopy(context.original).eval()
        shape, classes = context.data.preprocessing.shape, len(context.data.classes) or None
        model = build_model(self.teacher, classes=classes, sample_shape=shape)
        return (load_weights(model, self.teacher_weights) if self.teacher_weights else model).eval()

    def _loss(self, teacher: nn.Module, context: Context) -> BatchLoss:
        def loss(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            outputs = model(inputs)
            with torch.no_grad():
                wanted = teacher(inputs)
            taught = self.weight * soft_targets(outputs, wanted, self.temperature)
            return taught + context.task.loss(outputs, targets) if self.labels else taught

        return loss
