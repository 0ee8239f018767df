"""Convolutions of a trained network become compact blocks (which: nn/compact.py), and what that costs is learnt back.

    start       each block from the trained weight, as near as a closed form comes (start.py), or from scratch
    by block    each block learns the outputs that its layer had (recover.py), from samples without their labels
    whole       all weights are trained together, on the labels and the original's soft targets (Hinton et al. 2015):
                L = H(y, P_S) + τ² · H(P_T^τ, P_S^τ),  τ = 4

A depthwise separable block has 1/T + 1/(h·w) of the weights of a convolution with T outputs (Howard et al. 2017, §3.1).
"""

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import torch
from torch import nn

from laconic.base.edits import Factored, Folded
from laconic.base.errors import RecipeError
from laconic.base.seeds import derive
from laconic.graph.layered import called_layers
from laconic.graph.network import Network
from laconic.graph.replay import replaced
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.replace.recover import error, recover
from laconic.methods.replace.start import set_start
from laconic.methods.step import CUTS, Step, check_fields
from laconic.nn import matching
from laconic.nn.compact import compact, most, obstacle
from laconic.nn.watching import channel_moments, entering, leaving
from laconic.profile import LayerProfile, count
from laconic.train import Training

Block = Literal["depthwise", "grouped", "fire", "inverted", "bottleneck"]
SIZES = {"groups": "grouped", "squeeze": "fire", "expansion": "inverted", "reduction": "bottleneck"}
COLOURS = 3  # what reads an image is small already, and all after it rests on it
JUDGED = 64  # samples on which the plan tells the error of a start


@dataclass(frozen=True)
class Replace(Training, Step):
    """Rebuild convolutions as compact blocks, and train.

    Layers that would not have both fewer weights and fewer multiply-adds stay, as do those that read an image's colours.

    Args:
        block: depthwise, grouped, fire, inverted or bottleneck; or a table of layer patterns. Layers not named stay.
        start: "trained", from the weights that are there, or "scratch".
        groups: of grouped blocks.
        squeeze: channels that a fire block squeezes to, for each output.
        expansion: hidden channels of an inverted block, for each input.
        reduction: outputs for each channel between, in a bottleneck.
        samples: of the training split, without their labels, from which blocks learn the outputs of their layers.
        iterations: for each block, on batches of 32 of them; 0 leaves that out.
        epochs: of training the whole; 0 leaves that out. A `distill` step after it takes another teacher or temperature.

    >>> print(Replace(epochs=3, block="fire", squeeze=0.25))
    replace: {epochs: 3, block: fire, squeeze: 0.25}
    """

    block: Block | dict[str, Block] = "depthwise"
    start: Literal["trained", "scratch"] = "trained"
    groups: int = 4
    squeeze: float = 0.5
    expansion: int = 2
    reduction: float = 2.0
    samples: int = 512
    iterations: int = 200
    changes = CUTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fields(
            self,
            ("block", bool(self._kinds()) and self._kinds() <= set(get_args(Block)), f"one of {', '.join(get_args(Block))}, or a table"),
            ("start", self.start in ("trained", "scratch"), "trained or scratch"),
            ("groups", self.groups >= 2, "a whole number from 2"),
            ("squeeze", 0 < self.squeeze <= 1, "a share between 0 and 1"),
            ("expansion", self.expansion >= 2, "a whole number from 2"),
            ("reduction", 1 <= self.reduction < float("inf"), "a number from 1"),
            ("samples", self.samples >= 1, "a whole number from 1"),
            ("iterations", self.iterations >= 0, "a whole number from 0"),
        )
        defaults = {field.name: field.default for field in fields(self)}
        for name, kind in SIZES.items():
            if kind not in self._kinds() and getattr(self, name) != defaults[name]:
                raise RecipeError(f"{name} is of blocks {kind}, and there are none", where=f"replace, {name}", hint=f"block: {kind}")

    def _kinds(self) -> set[str]:
        return set(self.block.values()) if isinstance(self.block, Mapping) else {self.block}

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense"}

    def touches(self, names: list[str]) -> list[str]:
        return list(matching(names, self.block, "replace"))

    def everywhere(self) -> bool:
        return not isinstance(self.block, Mapping)

    def draft(self) -> Step:
        return replace(self, epochs=0, iterations=0, samples=1)

    def check(self, network: Network, context: Context) -> None:
        self._named(network, self._called(network, context))

    def plan(self, network: Network, context: Context) -> Plan:
        """Every convolution that was named: what it becomes, or why it stays; and how far its block is from it at the start.

        Raises:
            ExportError: the model cannot be traced.
        """
        stage = context.data.preprocessing
        costs = {layer.name: layer for layer in count(network.module, stage.shape, dtype=stage.dtype).layers}
        called = self._called(network, context)
        kinds = self._named(network, called)
        reasons = {name: self._reason(network, name, kind, called, costs[name]) for name, kind in kinds.items()}
        moments = self._moments(network, [name for name in kinds if not reasons[name]], context)
        samples, model = context.calibration(min(self.samples, JUDGED)), copy.deepcopy(network.module)
        rows = []
        for name, kind in kinds.items():
            cost = costs[name]
            if reasons[name]:
                rows.append(_row(cost, f"stays: {reasons[name]}", 0, cost.params, cost.macs, 0.0))
                continue
            size = self._size(kind, _convolution(network, name))
            block = self._block(network, name, kind, size, moments.get(name), context.seed)
            wrong = error(block, entering(model, name, samples), leaving(model, name, samples))
            rows.append(_row(cost, kind, size, *_cost(block, cost), wrong))
        return Plan(tuple(rows))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        chosen = {row["layer"]: (row["block"], row["size"]) for row in plan.rows if row["size"]}
        moments = self._moments(network, list(chosen), context)
        smaller = network
        for name, (kind, size) in chosen.items():
            block = self._block(network, name, kind, size, moments.get(name), context.seed)
            smaller = replaced(smaller, Factored(name, kind, (size,)), block)
        if self.iterations:
            inputs, before = context.calibration(self.samples), copy.deepcopy(network.module).eval()
            recover(smaller.module, before, list(chosen), inputs, self.iterations, context.progress, derive(context.seed, "by block"))
        if not self.epochs:
            return smaller
        return context.fit(smaller, context.lesson(self, smaller.module, usual="both"), context.bounded(self, usual="both"), "replace")

    def _called(self, network: Network, context: Context) -> list[str]:
        stage = context.data.preprocessing
        return called_layers(network.module, stage.shape, stage.dtype)

    def _named(self, network: Network, called: list[str]) -> dict[str, str]:
        """Convolution → kind, in the order of the calls, and behind them those that are not called as layers."""
        every = [name for name, module in network.module.named_modules() if name and type(module) is nn.Conv2d]
        names = [name for name in dict.fromkeys((*called, *every)) if name in every]
        found = matching([f"{name}.weight" for name in names], self.block, "replace")
        return {name.removesuffix(".weight"): kind for name, kind in found.items()}

    def _moments(self, network: Network, names: list[str], context: Context) -> dict[str, Any]:
        return channel_moments(network.module, names, context.calibration(self.samples)) if names and self.start == "trained" else {}

    def _size(self, kind: str, layer: nn.Conv2d) -> int:
        """Of the block; even where half of its channels are to be the negatives of the others."""
        match kind:
            case "grouped":
                return self.groups
            case "fire":
                return min(2 * max(round(self.squeeze * layer.out_channels / 2), 1), most(layer, kind))
            case "inverted":
                return min(self.expansion, most(layer, kind))
            case "bottleneck":
                return min(2 * max(round(layer.out_channels / self.reduction / 2), 1), most(layer, kind))
            case _:
                return 1

    def _reason(self, network: Network, name: str, kind: str, called: list[str], cost: LayerProfile) -> str:
        """Why a layer stays; empty where it does not."""
        layer = _convolution(network, name)
        size = self._size(kind, layer)
        reason = obstacle(layer, kind, size)
        if reason:
            return reason
        if _shares(network.module, layer):
            return "it shares its weights with another layer"
        if name not in called or not cost.calls:
            return "the forward pass does not call it as a layer"
        if layer.in_channels <= COLOURS:
            return f"it reads {layer.in_channels} channels only"
        if kind == "fire" and any(isinstance(edit, Folded) and edit.layer == name for edit in network.edits):
            return "a normalisation is folded into it: fold after replace"
        params, macs = _cost(_fresh(layer, kind, size, 0), cost)
        return "" if params < cost.params and macs < cost.macs else f"a block has {params} weights and {macs} MACs"

    def _block(self, network: Network, name: str, kind: str, size: int, moments: Any, seed: int) -> nn.Sequential:
        """What stands in the place of a layer at the start."""
        layer = _convolution(network, name)
        block = _fresh(layer, kind, size, derive(seed, name))
        if self.start == "trained":
            set_start(block, kind, layer, network.array(f"{name}.weight"), moments)
        return block


def _convolution(network: Network, name: str) -> nn.Conv2d:
    layer = network.module.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    return layer


def _shares(model: nn.Module, layer: nn.Conv2d) -> bool:
    """Whether one of its parameters has another name as well."""
    names = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    return any(names[id(parameter)] > 1 for parameter in layer.parameters(recurse=False))


def _fresh(layer: nn.Conv2d, kind: str, size: int, seed: int) -> nn.Sequential:
    """A block with weights drawn from a seed; torch's own generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return compact(layer, kind, size).eval()


def _row(cost: LayerProfile, block: str, size: int, params: int, macs: int, wrong: float) -> dict[str, Any]:
    return {
        "layer": cost.name,
        "block": block,
        "size": size,
        "parameters": f"{cost.params} → {params}",
        "MACs": f"{cost.macs} → {macs}",
        "error of the start": wrong,
    }


def _cost(block: nn.Module, cost: LayerProfile) -> tuple[int, int]:
    """Parameters and MACs of a block on the layer's own inputs."""
    found = count(block, cost.input_shape[1:])
    return found.params, found.macs
