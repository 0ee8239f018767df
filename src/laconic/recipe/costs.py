"""What each layer costs, before and after: counted on the networks, and clocked in the engine that runs their files."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from laconic.artifact import Artifact
from laconic.base.edits import ROUNDED
from laconic.base.errors import LaconicError, ModelError
from laconic.base.preprocessing import Preprocessing
from laconic.base.records import LayerCost
from laconic.profile import LayerProfile, profile
from laconic.runtime.by_layer import BETWEEN, by_layer

TURNS, PASSES = 5, 3  # turns of the two networks in torch; passes in each, of which every layer's median is taken
CLOCKED = 30  # passes of each file in the engine
LARGEST = 1 << 28  # bytes of weights: of larger networks the engine's copies would take much memory, for a table


@dataclass(frozen=True)
class Costs:
    """Of the layers of both networks, those of the one before in its order.

    Args:
        layers: a row each.
        engine: what clocked them: "ONNX Runtime", or "torch" where a file has no graph, or is very large.
    """

    layers: tuple[LayerCost, ...] = ()
    engine: str = "torch"


def layer_costs(
    modules: tuple[nn.Module, nn.Module], artifacts: tuple[Artifact, Artifact], stage: Preprocessing, sample: np.ndarray
) -> Costs:
    """Costs of the layers of two networks and of their files; none where one of them cannot be watched.

    Args:
        modules: before and after.
        artifacts: what their files hold.
        stage: what their samples go through.
        sample: one that has, `(1, *shape)`.
    """
    try:
        clocked = _in_the_engine(artifacts, sample)
        if clocked is not None:
            return Costs(_rows([[_layers(module, stage, 1) for module in modules]], clocked), "ONNX Runtime")
        turns = [[_layers(module, stage, PASSES) for module in modules] for _ in range(TURNS)]  # what else the machine does falls on both
    except ModelError:
        return Costs()
    return Costs(_rows(turns))


def _in_the_engine(artifacts: tuple[Artifact, Artifact], sample: np.ndarray) -> Sequence[Mapping[str, float]] | None:
    """Layer → ms in each of the files; None where it cannot be known."""
    if any(artifact.graph is None or _bytes(artifact) > LARGEST for artifact in artifacts):
        return None
    try:
        found = by_layer(dict(zip(("before", "after"), artifacts, strict=True)), sample, CLOCKED)
    except LaconicError:
        return None
    return found["before"], found["after"]


def _bytes(artifact: Artifact) -> int:
    return sum(form.size * form.dtype.itemsize for form in artifact.tensors.values())


def _layers(module: nn.Module, stage: Preprocessing, passes: int) -> dict[str, LayerProfile]:
    """All but the roundings of values, which only torch spends time on."""
    found = profile(module, stage.shape, repeats=passes, dtype=stage.dtype, roof=False)
    return {layer.name: layer for layer in found.layers if not layer.name.startswith(f"{ROUNDED}.")}


def _rows(turns: list[list[dict[str, LayerProfile]]], clocked: Sequence[Mapping[str, float]] | None = None) -> tuple[LayerCost, ...]:
    names = dict.fromkeys(name for side in turns[0] for name in side)
    rows = [_row(name, [[side.get(name) for side in turn] for turn in turns], clocked) for name in names]
    if clocked is not None:
        others = [{BETWEEN: sum(ms for name, ms in side.items() if name not in names)} for side in clocked]  # the model's own weights, too
        rows.append(LayerCost(BETWEEN, "", (0, 0), (0, 0), (0, 0), _milliseconds(BETWEEN, others)))
    return tuple(rows)


def _row(name: str, turns: list[list[LayerProfile | None]], clocked: Sequence[Mapping[str, float]] | None) -> LayerCost:
    def both(cost: Callable[[LayerProfile], float]) -> Any:
        return tuple(statistics.median([0 if layer is None else cost(layer) for layer in side]) for side in zip(*turns, strict=True))

    def whole(cost: Callable[[LayerProfile], float]) -> Any:
        return tuple(map(int, both(cost)))

    return LayerCost(
        name,
        kind=next(layer.kind for layer in turns[0] if layer is not None),
        params=whole(lambda layer: layer.params),
        macs=whole(lambda layer: layer.macs),
        moved=whole(lambda layer: layer.moved_bytes),
        ms=both(lambda layer: round(layer.latency.value, 6) if layer.latency else 0.0) if clocked is None else _milliseconds(name, clocked),
    )


def _milliseconds(name: str, clocked: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    before, after = (round(side.get(name, 0.0), 6) for side in clocked)
    return before, after
