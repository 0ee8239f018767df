"""Filters from fewer: convolutions keep base filters, and the graph makes the others of them (kinds: nn/transferred/filters.py).

A layer keeps its inputs, its outputs and their order, so what stands around it stays as it is. It starts from the base filters whose
images come closest to the trained ones (match.py). Trained filters are seldom images of one another, so train on afterwards.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

from laconic.base.edits import Transferred, folds_of
from laconic.base.errors import RecipeError
from laconic.graph.layered import called_layers
from laconic.graph.network import Network
from laconic.graph.replay import transferred
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.step import SHARES, Step, check_fields
from laconic.methods.transfer.match import Match, match
from laconic.nn import matching
from laconic.nn.transferred import KINDS, unsuited
from laconic.nn.watching import channel_moments

Kind = Literal["crelu", "mba", "flip", "c4", "circulant", "dcnn"]


@dataclass(frozen=True)
class Transfer(Step):
    """Let the filters of convolutions be images of fewer base filters.

    Args:
        kind: crelu (negatives), mba (repeated, with biases of their own), flip (mirrored), c4 (turned by quarters), circulant (channels
            shifted around, in fours) or dcnn (windows in larger filters); one for all convolutions that can be so, or a table of layer
            patterns. Layers not named stay as they are.
        samples: of the training split, without their labels, that outputs are fitted on; 0 fits the weights alone.

    >>> print(Transfer(kind={"layer1.*": "crelu"}))
    transfer: {kind: {layer1.*: crelu}}
    """

    kind: Kind | dict[str, Kind] = "crelu"
    samples: int = 256
    changes = SHARES

    def __post_init__(self) -> None:
        kinds = self.kind.values() if isinstance(self.kind, Mapping) else [self.kind]
        check_fields(
            self,
            (
                "kind",
                bool(kinds) and all(kind in get_args(Kind) for kind in kinds),
                f"one of {', '.join(get_args(Kind))}, or a table of them",
            ),
            ("samples", self.samples >= 0, "a whole number from 0"),
        )

    def takes(self) -> Mapping[str, str]:
        return {"dense": "dense"}

    def touches(self, names: list[str]) -> list[str]:
        return list(matching(names, self.kind, "transfer"))

    def everywhere(self) -> bool:
        return not isinstance(self.kind, Mapping)

    def check(self, network: Network, context: Context) -> None:
        self._decided(network, _convolutions(network))

    def draft(self) -> Step:
        return Transfer(self.kind, samples=0)

    def plan(self, network: Network, context: Context) -> Plan:
        """Every convolution that was named: what it becomes, with what is lost at the start, or why it stays.

        Raises:
            RecipeError: a layer that was named cannot be converted, or none can. ExportError: the model cannot be traced.
        """
        stage = context.data.preprocessing
        kinds, reasons = self._decided(network, called_layers(network.module, stage.shape, stage.dtype))
        found = self._matches(network, {name: kind for name, kind in kinds.items() if not reasons[name]}, context)
        return Plan(tuple(_row(network, name, kind, found.get(name), reasons[name]) for name, kind in kinds.items()))

    def apply(self, network: Network, plan: Plan, context: Context) -> Network:
        kinds = {row["layer"]: row["kind"] for row in plan.rows if row["kind"] in KINDS}
        for name, found in self._matches(network, kinds, context).items():
            network = transferred(network, Transferred(name, kinds[name]), found.base, found.order)
        return network

    def _decided(self, network: Network, called: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Layer → the kind that is wanted, of all convolutions; and why it stays, empty where it does not."""
        every = _convolutions(network)
        names = [name for name in dict.fromkeys((*called, *every)) if name in every]
        said = matching([f"{name}.weight" for name in names], self.kind, "transfer")
        wanted = {name.removesuffix(".weight"): kind for name, kind in said.items()}
        reasons = {name: _obstacle(network, name, kind, called) for name, kind in wanted.items()}
        stay = [name for name, reason in reasons.items() if reason]
        if stay and (isinstance(self.kind, Mapping) or len(stay) == len(wanted)):
            raise RecipeError(
                f"the filters of {stay[0]} cannot be transferred as {wanted[stay[0]]}: {reasons[stay[0]]}",
                where=str(self),
                hint="another kind for this layer, or leave it out",
            )
        if not wanted:
            raise RecipeError("the model has no convolution in two dimensions", where=str(self), hint="leave the step out")
        return wanted, reasons

    def _matches(self, network: Network, kinds: Mapping[str, str], context: Context) -> dict[str, Match]:
        names = list(kinds)
        moments = channel_moments(network.module, names, context.calibration(self.samples)) if self.samples else {}
        found = {}
        for number, name in enumerate(names):
            context.progress("transfer", number / len(names), f"{name} as {kinds[name]}")
            found[name] = match(kinds[name], network.array(f"{name}.weight"), moments.get(name))
        return found


def _convolutions(network: Network) -> list[str]:
    return [name for name, module in network.module.named_modules() if name and isinstance(module, nn.Conv2d)]


def _obstacle(network: Network, name: str, kind: str, called: list[str]) -> str:
    """Why this layer cannot be converted; empty if it can."""
    layer = network.module.get_submodule(name)
    if any(pair.layer == name for pair in folds_of(network.edits)):
        return "a normalisation is folded into it: put transfer before fold"
    names = Counter(id(parameter) for _, parameter in network.module.named_parameters(remove_duplicate=False))
    if any(names[id(parameter)] > 1 for parameter in layer.parameters(recurse=False)):
        return "it shares its weights with another layer"
    return unsuited(kind, layer) or ("" if name in called else "the forward pass does not call it as a layer")


def _row(network: Network, name: str, kind: str, found: Match | None, reason: str) -> dict[str, Any]:
    size = network.module.get_submodule(name).get_parameter("weight").numel()
    return {
        "layer": name,
        "kind": f"stays: {reason}" if reason else kind,
        "parameters": size,
        "after": found.base.size if found else size,
        "relative error": found.error if found else 0.0,
    }
