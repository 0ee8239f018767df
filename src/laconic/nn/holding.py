"""Hold Forms while a model trains: zeros stay zero, and weights that share a value keep sharing it.

A held model is a *copy* with one parametrization a Form. What trains is the Form's table: the centroids of a codebook
(gradient = sum over the cluster, Han 2016 §3), the steps of a grid, the kept values of a mask. A parametrised module
cannot be copied or pickled safely, so it never leaves this file's `Held`: `release` gives a plain model and Forms back.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from laconic.forms import Codebook, Form, Grid, Masked
from laconic.forms.form import narrow
from laconic.nn.weights import to_numpy, to_torch


class Holder(nn.Module):
    """A parametrization from the trained tensor to the weight, and back to a Form."""

    def form(self, trained: torch.Tensor) -> Form:
        """The Form of the weight, given the parameter that was trained."""
        raise NotImplementedError


class MaskedWeight(Holder):
    """weight × mask. The mask may be tightened while the model trains (gradual pruning)."""

    mask: torch.Tensor

    def __init__(self, form: Masked) -> None:
        super().__init__()
        self.register_buffer("mask", to_torch(form.mask))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight * self.mask

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight

    def form(self, trained: torch.Tensor) -> Masked:
        return Masked.of(to_numpy(trained), to_numpy(self.mask))


class CodebookWeight(Holder):
    """table[integers]; the table is the parameter. An entry that is zero at the start stays zero."""

    integers: torch.Tensor
    free: torch.Tensor
    table: torch.Tensor

    def __init__(self, form: Codebook) -> None:
        super().__init__()
        assert form.integers is not None
        self.register_buffer("integers", torch.from_numpy(form.integers.astype(np.int32)))  # uint8 would index as a mask
        self.register_buffer("table", to_torch(form.table))
        self.register_buffer("free", self.table != 0)

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        return _lookup(table * self.free, self.integers)

    def right_inverse(self, _: torch.Tensor) -> torch.Tensor:
        return self.table.clone()

    def form(self, trained: torch.Tensor) -> Codebook:
        return Codebook.of(to_numpy(self.integers), to_numpy(trained * self.free))


class GridWeight(Holder):
    """integers × step; the steps, each for an equal run of weights, are the parameter."""

    integers: torch.Tensor
    steps: torch.Tensor

    def __init__(self, form: Grid) -> None:
        super().__init__()
        assert form.integers is not None
        self.register_buffer("integers", torch.from_numpy(form.integers.astype(np.int32)))
        self.register_buffer("steps", to_torch(form.table))

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        runs = self.integers.reshape(len(steps), self.integers.numel() // max(len(steps), 1))
        return (runs.to(steps.dtype) * steps[:, None]).reshape(self.integers.shape)

    def right_inverse(self, _: torch.Tensor) -> torch.Tensor:
        return self.steps.clone()

    def form(self, trained: torch.Tensor) -> Grid:
        return Grid(tuple(self.integers.shape), narrow(to_numpy(self.integers)), to_numpy(trained))


HOLDERS: dict[str, Callable[..., Holder]] = {
    Masked.kind: MaskedWeight,
    Codebook.kind: CodebookWeight,
    Grid.kind: GridWeight,
}


@dataclass(frozen=True, eq=False)
class Held:
    """A training copy of `plain` whose weights cannot leave their Forms."""

    module: nn.Module
    plain: nn.Module
    names: tuple[str, ...]

    def holder(self, name: str) -> tuple[Holder, torch.Tensor]:
        """What holds the weight `name`, and the parameter that trains in it."""
        owner, attribute = _owner(self.module, name)
        chain = owner.get_submodule(f"parametrizations.{attribute}")
        holder, trained = chain.get_submodule("0"), chain.get_parameter("original")
        assert isinstance(holder, Holder)
        return holder, trained

    def tighten(self, name: str, mask: np.ndarray) -> None:
        """Replace the mask of the masked weight `name`; optimiser state and values stay."""
        holder, _ = self.holder(name)
        assert isinstance(holder, MaskedWeight)
        holder.mask.copy_(torch.from_numpy(mask))

    def form(self, name: str) -> Form:
        """The Form of the weight `name` as it is trained now."""
        holder, trained = self.holder(name)
        return holder.form(trained)

    @torch.no_grad()
    def release(self) -> tuple[nn.Module, dict[str, Form]]:
        """A plain model with the trained values, in the mode of `plain`, and the Forms that describe it bit for bit."""
        model = copy.deepcopy(self.plain)
        trained = dict(self.module.named_parameters(remove_duplicate=False)) | dict(self.module.named_buffers(remove_duplicate=False))
        forms = {name: self.form(name) for name in self.names}
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            tensor.copy_(to_torch(forms[name].array()) if name in forms else trained[name])
        return model, forms


def hold(model: nn.Module, forms: Mapping[str, Form]) -> Held:
    """A copy of `model` in which each weight named in `forms` trains inside its Form; `model` is not touched.

    Args:
        model: plain, and left alone for as long as the copy trains.
        forms: weight name, as `weights` gives it, → Form. Where a weight is tied, all its names are held together.
    """
    return hold_by(model, {name: HOLDERS[form.kind](form) for name, form in forms.items()})


def hold_by(model: nn.Module, holders: Mapping[str, Holder]) -> Held:
    """A copy of `model` in which each weight named in `holders` trains inside its holder; `model` is not touched."""
    held = copy.deepcopy(model)
    places = [_places(held, name) for name in holders]  # before any weight is held: it then goes by another name
    for holder, owners in zip(holders.values(), places, strict=True):
        holder.to(getattr(*owners[0]).device)
        for owner, attribute in owners:
            # unsafe: the parameter may be a table, whose shape is not the weight's
            parametrize.register_parametrization(owner, attribute, holder, unsafe=True)
    return Held(held, model, tuple(holders))


def _places(model: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Every (module, attribute) at which the weight `name` stands: more than one if it is tied, each once."""
    weight = model.get_parameter(name)
    names = [other for other, parameter in model.named_parameters(remove_duplicate=False) if parameter is weight]
    return list(dict.fromkeys(_owner(model, other) for other in names))


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute


class _Lookup(torch.autograd.Function):
    """table[integers] whose backward is one pass of bincount; torch's own scatters serially and is ten times slower."""

    @staticmethod
    def forward(ctx, table: torch.Tensor, integers: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(integers)
        ctx.entries = len(table)
        return table[integers]

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[no-untyped-def]
        (integers,) = ctx.saved_tensors
        sums = torch.bincount(integers.reshape(-1), gradient.reshape(-1), minlength=ctx.entries)
        return sums.to(gradient.dtype), None


def _lookup(table: torch.Tensor, integers: torch.Tensor) -> torch.Tensor:
    return _Lookup.apply(table, integers)  # type: ignore[no-untyped-call]
