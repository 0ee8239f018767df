"""Counts and times a model, layer by layer, on a copy: the model that was given stays as it is."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from laconic.base.errors import ModelError, UsageError
from laconic.base.measures import Measure
from laconic.profile import energy
from laconic.profile.density import densities
from laconic.profile.families import connectivity
from laconic.profile.layers import LayerProfile, Profile, share_of
from laconic.profile.observe import Call, Part, observe, parts
from laconic.profile.roofline import Roofline, roofline
from laconic.profile.stopwatch import Latencies, latencies, layer_by_layer, one_thread


def count(model: nn.Module, sample_shape: tuple[int, ...], *, batch: int = 1, dtype: str = "float32") -> Profile:
    """Parameters, MACs and activation bytes, without computing anything: only shapes run, on torch's meta device.

    Args:
        model: any module whose forward pass takes one tensor `(batch, *sample_shape)`.
        sample_shape: one sample, without the batch.
        batch: samples in the batch.
        dtype: of the samples: "float32", or "int64" for token numbers.

    Raises:
        ModelError: when the model does not take such samples, or its forward pass reads values (`.item()`, branches on data).

    >>> count(nn.Conv2d(3, 64, 7, 2, 3, bias=False), (3, 224, 224)).macs
    118013952
    """
    twin = _twin(model)
    found = parts(twin)  # before the move, which unties what is tied
    twin.to("meta")
    with torch.inference_mode():
        return _profile(twin, found, _sample(twin, (batch, *sample_shape), dtype))


def profile(
    model: nn.Module,
    sample_shape: tuple[int, ...],
    *,
    batch: int = 1,
    repeats: int = 20,
    dtype: str = "float32",
    samples: np.ndarray | None = None,
    roof: bool = True,
) -> Profile:
    """What `count` tells, with the measured latency of every layer and of the whole: eval mode, CPU, one torch thread.

    Args:
        model: any module whose forward pass takes one tensor `(batch, *sample_shape)`.
        sample_shape: one sample, without the batch.
        batch: samples in the batch.
        repeats: timed passes behind each median, at least 1.
        dtype: as for `count`.
        samples: inputs `(n, *sample_shape)`, as the network takes them, to see how many values are zero on their way through.
        roof: measure the machine's ceilings as well; about a second, once in a process.

    Raises:
        ModelError: when the model does not take such samples, or is on the meta device.
        UsageError: when `repeats` is below 1.
    """
    if repeats < 1:
        raise UsageError(f"{repeats} timed passes give no latency", hint="repeats is at least 1; count() times nothing")
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError("a model on the meta device has no values to compute with", hint="count() needs none")
    twin = _twin(model)
    found = parts(twin)
    twin.to("cpu")
    sample = _sample(twin, (batch, *sample_shape), dtype)
    # Parametrized weights are computed once and kept: otherwise the clock would measure the parametrization.
    with torch.inference_mode(), parametrize.cached(), one_thread(), layer_by_layer():
        observe(twin, sample, [])  # refuses a wrong sample shape before anything is timed
        ceilings, spent = roofline() if roof else None, latencies(twin, sample, found, repeats)
        dense = {} if samples is None else densities(twin, torch.from_numpy(samples).to(sample.dtype), found)
        counted = _profile(twin, found, sample, spent, ceilings, dense)
        joules = energy.measured(lambda: twin(sample)) or energy.estimated(counted.macs, sum(layer.moved_bytes for layer in counted.layers))
        return replace(counted, energy=joules)


def by_batch(model: nn.Module, sample_shape: tuple[int, ...], batches: Sequence[int], **rest: Any) -> Iterator[Profile]:
    """The same model on one batch after the other: what fully connected layers take shrinks, as their weights are read once a batch.

    Args:
        model, sample_shape: as for `profile`.
        batches: samples in each.
        rest: as for `profile`.

    >>> [found.batch for found in by_batch(nn.Linear(4, 2), (4,), (1, 8), repeats=2)]
    [1, 8]
    """
    for batch in batches:
        yield profile(model, sample_shape, batch=batch, **rest)


def _twin(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).eval().requires_grad_(False)


def _sample(model: nn.Module, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Normal noise of the parameters' dtype and device, from a generator of its own; zeros where it is whole numbers."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    if dtype == "int64":
        return torch.zeros(shape, dtype=torch.int64, device=like.device)
    if like.is_meta:
        return torch.empty(shape, dtype=like.dtype, device="meta")
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(like.dtype)


def _profile(
    model: nn.Module,
    found: list[Part],
    sample: Tensor,
    spent: Latencies | None = None,
    roof: Roofline | None = None,
    dense: Mapping[str, float] | None = None,
) -> Profile:
    seen = observe(model, sample, found)
    layers = _layers(found, seen.calls, spent.layers if spent else {}, dense or {})
    counted = sum(layer.macs for layer in layers)
    return Profile(
        sample_shape=tuple(sample.shape[1:]),
        batch=len(sample),
        layers=layers,
        params=sum(layer.params for layer in layers),
        macs=counted,
        outside_macs=max(0, seen.macs - counted),
        activation_bytes=sum(layer.bytes_out for layer in layers),
        peak_bytes=seen.peak_bytes,
        peak_layer=seen.peak_layer,
        latency=spent.whole if spent else None,
        between=spent.between if spent else None,
        energy=None,
        roofline=roof,
        conv=share_of("conv", layers),
        fc=share_of("fc", layers),
        unknown=tuple(layer.name for layer in layers if layer.family == "unknown"),
    )


def _layers(
    found: Sequence[Part], calls: Mapping[str, Sequence[Call]], spent: Mapping[str, Measure], dense: Mapping[str, float]
) -> tuple[LayerProfile, ...]:
    """One row a part: the called ones in the order of their first call, then those that only hold parameters."""
    named = {part.name: part for part in found}
    idle = [part.name for part in found if part.name not in calls and part.params]
    return tuple(_layer(named[name], calls.get(name, ()), spent.get(name), dense.get(name)) for name in (*calls, *idle))


def _layer(part: Part, calls: Sequence[Call], latency: Measure | None, density: float | None) -> LayerProfile:
    return LayerProfile(
        name=part.name,
        kind=type(part.module).__name__,
        family=part.family,
        input_shape=calls[0].entered if calls else (),
        output_shape=calls[0].left if calls else (),
        params=part.params,
        macs=sum(call.macs for call in calls),
        bytes_in=sum(call.bytes_in for call in calls),
        bytes_out=sum(call.bytes_out for call in calls),
        calls=len(calls),
        weight_bytes=part.weight_bytes,
        weight_density=part.weight_density,
        input_density=density,
        latency=latency,
        connectivity=connectivity(part.module),
    )
