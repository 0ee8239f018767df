"""Low rank: a layer becomes several thin ones in a row (kinds: nn/factored.py; how their weights are found: nn/decompose.py).

Ranks come from one number, the share of a layer's energy that its factors keep, the same in every layer: said outright, or searched for
until the whole network has the share of MACs, parameters or measured time that was asked for, or has lost as much of its score on the
validation split as was allowed. Or each matrix has the rank that stands above its noise (`vbmf`), or the one that is said (`rank`).

With samples, it is the layer's outputs whose energy is kept, not the weight's. A layer is only split where that makes it cheaper, and,
unless parameters are the target, where it takes less time on this machine: chain and layer are measured against each other.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from torch import nn

from laconic.base.edits import Factored
from laconic.base.errors import BudgetError, RecipeError
from laconic.graph.layered import called_layers
from laconic.graph.network import Network
from laconic.graph.replay import factored
from laconic.methods.context import Context
from laconic.methods.factorize.vbmf import vbmf_rank
from laconic.methods.plan import Plan
from laconic.methods.step import CUTS, Step, check_fields, one_said
from laconic.nn import matching
from laconic.nn.decompose import decompose, matrices, spectra
from laconic.nn.factored import KINDS, chain, macs, most, suits
from laconic.nn.watching import channel_moments
from laconic.profile import LayerProfile, count
from laconic.train import as_runner, evaluate

Kind = Literal["auto", "svd", "spatial", "tucker", "cp", "separable"]
SHARES = ("macs", "params", "latency", "energy")
TARGETS = (*SHARES, "drop", "rank", "vbmf")
HALVINGS, TRIALS = 20, 6  # of the interval of energies; where a trial takes a measurement
LOWEST = -1.0  # energy at which each of two ranks may lose all that it has


@dataclass(frozen=True)
class Candidate:
    """A layer that could be split.

    Args:
        name: of the layer.
        module: the layer.
        cost: what it costs now.
        shares: kind → for each of its ranks, the share of energy of every component.
        moments: of its input channels, where samples were given.
    """

    name: str
    module: nn.Linear | nn.Conv1d | nn.Conv2d
    cost: LayerProfile
    shares: Mapping[str, list[np.ndarray]]
    moments: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its weight."""
        return tuple(self.module.weight.shape)

    def macs(self, kind: str, ranks: Sequence[int]) -> float:
        """Of the chain, a position of the output."""
        stride = () if isinstance(self.module, nn.Linear) else tuple(self.module.stride)
        return macs(kind, ranks, self.shape, stride)

    def params(self, kind: str, ranks: Sequence[int]) -> float:
        """Of the chain's weights."""
        return macs(kind, ranks, self.shape)

    def macs_saved(self, choice: "Choice") -> float:
        """In a forward pass."""
        return self.cost.macs * (1 - self.share(*choice))

    def params_saved(self, choice: "Choice") -> float:
        """Of the weight's."""
        return math.prod(self.shape) - self.params(*choice)

    def share(self, kind: str, ranks: Sequence[int]) -> float:
        """Of the layer's MACs."""
        return self.macs(kind, ranks) / math.prod(self.shape)


Choice = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Factorize(Step):
    """Split layers into factors of low rank. Say one of `macs`, `params`, `latency`, `energy`, `drop`, `rank` and `vbmf`.

    Args:
        macs: share of the layers' multiply-adds to keep, 0 … 1.
        params: share of the parameters to keep.
        latency: share of the time of a forward pass to keep, at batch 1 on one thread of this machine.
        energy: share of each layer's energy to keep.
        drop: how far the score on the validation split may fall, in the metric's unit.
        rank: of the factors; one number, or a table of layer patterns. Layers not named stay whole.
        vbmf: true for the ranks that stand above the noise of each weight.
        multiple: ranks are whole multiples of this, as far as there are components: kernels work in blocks of 8 or 16 channels.
        kind: svd, spatial, tucker, cp or separable; "auto" takes the cheapest of all but cp in each layer.
        samples: of the training split, without their labels, that outputs are fitted on; 0 fits the weights alone.

    >>> print(Factorize(macs=0.5))
    factorize: {macs: 0.5}
    """

    macs: float | None = None
    params: float | None = None
    latency: float | None = None
    energy: float | None = None
    drop: float | None = None
    rank: int | dict[str, int] | None = None
    vbmf: bool | None = None
    multiple: int = 1
    kind: Kind = "auto"
    samples: int = 256
    changes = CUTS

    def __post_init__(self) -> None:
        said = one_said(self, TARGETS, "factorize: {macs: 0.5}")
        check_fields(
            self,
            (said, said not in SHARES or 0 < getattr(self, said) <= 1, "a share between 0 and 1"),
            ("vbmf", self.vbmf is not False, "true, or left out"),
            ("drop", self.drop is None or 0 <= self.drop < math.inf, "a number from 0"),
            ("rank", all(rank >= 1 for rank in _ranks(self.rank)), "a whole number from 1"),
            ("kind", self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
            ("multiple", self.multiple >= 1, "a whole number from 1"),
            ("samples", self.samples >= 0, "a whole number from 0"),
        )
        if self.kind == "cp" and self.rank is None:
            raise RecipeError("cp has no spectrum to go by", where="factorize, kind", hint="say its rank: {kind: cp, rank: 16}")
        if self.vbmf and self.kind == "separable":
            raise RecipeError("vbmf knows no rank of separable filters", where="factorize, kind", hint="energy, or another kind")

    @property
    def _rank(self) -> int | dict[str, int]:
        assert self.rank is not None
        return self.rank

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense"}

    def touches(self, names: list[str]) -> list[str]:
        if not isinstance(self.rank, Mapping):
            return names
        return list(matching(names, self._rank, "factorize"))

    def everywhere(self) -> bool:
        return not isinstance(self.rank, Mapping)

    def draft(self) -> Step:
        if self.rank is not None or self.vbmf:
            return Factorize(rank=self.rank, vbmf=self.vbmf, kind=self.kind, samples=0)
        return Factorize(energy=self.energy or 0.9, multiple=self.multiple, kind=self.kind, samples=0)

    def plan(self, network: Network, context: Context) -> Plan:
        """Kind and ranks of every layer that is split, and why the others stay.

        Raises:
            BudgetError: no ranks meet the target. ExportError: the model cannot be traced. RecipeError: a pattern names no layer.
        """
        layers = self._candidates(network, context)
        choices, slower = self._settled(layers, network, context)
        return Plan(tuple(_row(layer, choices.get(name), name in slower) for name, layer in layers.items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        choices = {row["layer"]: (row["kind"], tuple(map(int, str(row["ranks"]).split("×")))) for row in plan.rows if row["ranks"]}
        return _split(network, choices, self._moments(network, list(choices), context), context)

    def _candidates(self, network: Network, context: Context) -> dict[str, Candidate]:
        stage = context.data.preprocessing
        costs = {layer.name: layer for layer in count(network.module, stage.shape, dtype=stage.dtype).layers}
        all_names = _layers(network, context)
        wanted = set(self.touches([f"{name}.weight" for name in all_names]))
        names = [name for name in all_names if f"{name}.weight" in wanted]
        moments = self._moments(network, names, context)
        found = {}
        for name in names:
            module = network.module.get_submodule(name)
            kinds = [kind for kind in KINDS if suits(kind, module) and self._wants(kind)]
            assert isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)
            weight = network.array(f"{name}.weight")
            shares = {kind: spectra(kind, weight, moments.get(name)) for kind in kinds}
            if kinds and name in costs:
                found[name] = Candidate(name, module, costs[name], shares, moments.get(name))
        return found

    def _wants(self, kind: str) -> bool:
        return kind == self.kind or (self.kind == "auto" and kind != "cp" and not (self.vbmf and kind == "separable"))

    def _settled(self, layers: Mapping[str, Candidate], network: Network, context: Context) -> tuple[dict[str, Choice], set[str]]:
        """What is split, and the layers that would only be slower: where there is a target, the others meet it without them."""
        slower: set[str] = set()
        while True:
            choices = self._choices({name: layer for name, layer in layers.items() if name not in slower}, network, context)
            if self.params is not None:
                return choices, slower
            found = {name for name, choice in choices.items() if not self._faster(layers[name], choice, context)}
            slower |= found
            if not found or all(one is None for one in (self.macs, self.latency, self.drop)):
                return {name: choice for name, choice in choices.items() if name not in found}, slower

    def _choices(self, layers: Mapping[str, Candidate], network: Network, context: Context) -> dict[str, Choice]:
        if self.rank is not None:
            said = matching([f"{name}.weight" for name in layers], self._rank, "factorize")
            return {(layer := name.removesuffix(".weight")): _of_rank(layers[layer], rank) for name, rank in said.items()}
        if self.vbmf:
            weights = {name: network.array(f"{name}.weight") for name in layers}
            found = {name: self._by_noise(layer, weights[name]) for name, layer in layers.items()}
            return {name: choice for name, choice in found.items() if layers[name].share(*choice) < 1}
        return self._at(layers, self._energy(layers, network, context))

    def _by_noise(self, layer: Candidate, weight: np.ndarray) -> Choice:
        choices = [(kind, tuple(vbmf_rank(matrix) for matrix in matrices(kind, weight))) for kind in layer.shares]
        return min(choices, key=lambda choice: layer.macs(*choice))

    def _energy(self, layers: Mapping[str, Candidate], network: Network, context: Context) -> float:
        if self.energy is not None:
            return self.energy
        met, halvings = self._test(layers, network, context)
        if not met(LOWEST):
            found = "with every rank at 1, where that is faster, the target is not met"
            raise BudgetError(found, where=str(self), hint="a larger share, params for what the clock is not asked, or prune-channels")
        low, high = LOWEST, 1.0
        for _ in range(halvings):
            middle = (low + high) / 2
            low, high = (middle, high) if met(middle) else (low, middle)
        return high if self.drop is not None else low

    def _test(self, layers: Mapping[str, Candidate], network: Network, context: Context) -> tuple[Callable[[float], bool], int]:
        """Whether so little energy is kept that the network meets the target, or loses more than the allowed drop; and how often to ask."""
        if self.macs is not None:
            stage = context.data.preprocessing
            macs_now, share = count(network.module, stage.shape, dtype=stage.dtype).macs, self.macs
            return lambda energy: macs_now - self._saved(layers, energy, Candidate.macs_saved) <= share * macs_now, HALVINGS
        if self.params is not None:
            params_now, share = sum(value.numel() for value in network.module.parameters()), self.params
            return lambda energy: params_now - self._saved(layers, energy, Candidate.params_saved) <= share * params_now, HALVINGS
        moments = {name: layer.moments for name, layer in layers.items() if layer.moments is not None}

        def at(energy: float) -> Network:
            return _split(network, self._at(layers, energy), moments, context)

        if self.latency is not None:
            share = self.latency
            return lambda energy: context.clock(at(energy), network, context.sample()) <= share, TRIALS
        allowed, sign = self.drop, 1 if context.task.higher_is_better else -1
        assert allowed is not None
        before = _score(network, context)
        return lambda energy: energy == LOWEST or sign * (before - _score(at(energy), context)) > allowed, TRIALS

    def _at(self, layers: Mapping[str, Candidate], energy: float) -> dict[str, Choice]:
        """The cheapest kind that keeps so much, where it is cheaper than the layer."""
        found = {name: _cheapest(layer, lambda shares: _rank_at(shares, energy, self.multiple)) for name, layer in layers.items()}
        return {name: choice for name, choice in found.items() if layers[name].share(*choice) < 1}

    def _saved(self, layers: Mapping[str, Candidate], energy: float, saving: Callable[[Candidate, Choice], float]) -> float:
        return sum(saving(layers[name], choice) for name, choice in self._at(layers, energy).items())

    def _faster(self, layer: Candidate, choice: Choice, context: Context) -> bool:
        """Measured on inputs of the layer's own shape."""
        if layer.share(*choice) >= 1:
            return False
        inputs = np.zeros((1, *layer.cost.input_shape[1:]), np.float32)
        alone = copy.deepcopy(layer.module)
        ratio = context.clock(Network(nn.Sequential(chain(alone, *choice))), Network(nn.Sequential(alone)), inputs)
        context.progress("factorize", 0.0, f"{layer.name} as {choice[0]} of rank {_said(choice[1])}: {ratio:.2f} × the time")
        return ratio < 1

    def _moments(self, network: Network, names: list[str], context: Context) -> dict[str, np.ndarray]:
        return channel_moments(network.module, names, context.calibration(self.samples)) if self.samples and names else {}


def _layers(network: Network, context: Context) -> list[str]:
    stage = context.data.preprocessing
    paths = called_layers(network.module, stage.shape, stage.dtype)
    return [path for path in paths if any(suits(kind, network.module.get_submodule(path)) for kind in KINDS)]


def _cheapest(layer: Candidate, ranks: Callable[[list[np.ndarray]], tuple[int, ...]]) -> Choice:
    choices = [(kind, ranks(shares)) for kind, shares in layer.shares.items()]
    return min(choices, key=lambda choice: layer.macs(*choice))


def _rank_at(spectra: list[np.ndarray], energy: float, multiple: int) -> tuple[int, ...]:
    """The least ranks that keep so much, as multiples; where there are two, each may lose half of the rest."""
    allowed = (1 - energy) / max(len(spectra), 1)
    lost = [np.cumsum(shares[::-1])[::-1] for shares in spectra]  # at i: with i components kept
    least = [max(int(np.count_nonzero(own > allowed)), 1) for own in lost]
    return tuple(min(math.ceil(rank / multiple) * multiple, len(own)) for rank, own in zip(least, lost, strict=True))


def _of_rank(layer: Candidate, rank: int) -> Choice:
    """The cheapest kind of the rank that was said, as far as there are components."""
    choices = [(kind, tuple(min(rank, limit) for limit in most(kind, layer.shape))) for kind in layer.shares]
    return min(choices, key=lambda choice: layer.macs(*choice))


def _split(network: Network, choices: Mapping[str, Choice], moments: Mapping[str, np.ndarray], context: Context) -> Network:
    for name, (kind, ranks) in choices.items():
        factors = decompose(kind, network.array(f"{name}.weight"), ranks, moments.get(name), context.seed)
        network = factored(network, Factored(name, kind, ranks), factors)
    return network


def _score(network: Network, context: Context) -> float:
    data = context.data
    return evaluate(as_runner(network.module), data.validation, data.preprocessing, context.task, "validation split").value


def _row(layer: Candidate, choice: Choice | None, slower: bool) -> dict[str, Any]:
    whole = math.prod(layer.shape)
    params = layer.params(*choice) if choice else whole
    return {
        "layer": layer.name,
        "kind": choice[0] if choice else f"stays: {'slower in parts here' if slower else 'no less work in parts'}",
        "ranks": _said(choice[1]) if choice else "",
        "MACs": layer.share(*choice) if choice else 1.0,
        "parameters": params / whole,
        "estimated bytes": round(params) * layer.module.weight.element_size(),
    }


def _said(ranks: Sequence[int]) -> str:
    return "×".join(map(str, ranks))


def _ranks(rank: int | Mapping[str, int] | None) -> list[int]:
    if rank is None:
        return []
    return list(rank.values()) if isinstance(rank, Mapping) else [rank]
