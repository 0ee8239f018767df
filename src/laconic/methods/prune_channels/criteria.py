"""How much each channel of a group matters, by one of seven criteria; the more, the longer it stays.

    l1          Σ|w| of the filter that makes it (Li et al. 2017, "Pruning Filters for Efficient ConvNets", §3.1)
    l2          ‖w‖₂ of that filter (He et al. 2018, "Soft Filter Pruning", eq. 2)
    fpgm        Σⱼ ‖wᵢ − wⱼ‖₂ to the layer's other filters: what lies amid them can be replaced (He et al. 2019, "Filter Pruning via
                Geometric Median", eq. 4)
    bn          |γ| of its normalisation (Liu et al. 2017, "Network Slimming", §3)
    taylor      (Σ g·w)² over all that makes it: what the loss would change by to first order, squared (Molchanov et al. 2019,
                "Importance Estimation for Neural Network Pruning", eq. 8)
    activation  mean |output| on the samples (Molchanov et al. 2017, §2.2)
    random      a draw

A channel may be made by several layers at once, as where residuals are added. Each of them is scored by itself and divided by its mean,
and the scores are added up; those of `taylor` and `bn` are in a unit of their own, that of the loss and of normalised values, and added as
they are.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import DataError, RecipeError
from laconic.datasets.batches import batches
from laconic.graph.channels import Group, Member, output_axis
from laconic.methods.context import Context
from laconic.methods.prune_channels.activations import mean_outputs
from laconic.nn.checks import at_home

Criterion = Literal["l1", "l2", "fpgm", "bn", "taylor", "activation", "random"]
CRITERIA: tuple[str, ...] = get_args(Criterion)
UNSEEN: Mapping[str, str] = {
    "bn": "no normalisation scales its channels",
    "activation": "nothing that makes its channels is seen at work",
}
"""criterion → why it leaves a group out, where it may."""

BATCH = 64
Norm = nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm


def makers(model: nn.Module, group: Group) -> list[Member]:
    """Where the group's channels are made: the output axes of weights, and the scales and shifts behind them."""
    return [member for member in group.members if _is_parameter(model, member.tensor) and member.axis == output_axis(model, member.tensor)]


def filters(model: nn.Module, group: Group) -> list[Member]:
    """Those makers that are weights of two axes or more."""
    return [member for member in makers(model, group) if model.get_parameter(member.tensor).ndim > 1]


def scores(criterion: Criterion, model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
    """Group name → float64 `(size,)`; groups that the criterion cannot judge are left out.

    Args:
        criterion: one of `CRITERIA`.
        model: in evaluation mode while it is looked at; stays as it is.
        groups: of its channels.
        context: of the step; `taylor` and `activation` look at the training split.
        samples: of it, at most.

    Raises:
        RecipeError: no group has what the criterion goes by.
    """
    found = JUDGES[criterion](model, groups, context, samples)
    if groups and not found:
        raise RecipeError(f"{criterion} has nothing to go by in this model", where="prune-channels, criterion", hint="l2 suits any model")
    return found


def _by_filters(judge: Callable[[np.ndarray], np.ndarray]) -> "Judge":
    def judged(model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
        rows = {group.name: [_rows(model, member) for member in filters(model, group)] for group in groups}
        return {name: np.sum([_relative(judge(one)) for one in own], axis=0) for name, own in rows.items() if own}

    return judged


def _by_scales(model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
    found = {}
    for group in groups:
        own = [_rows(model, member) for member in group.members if _is_scale(model, member.tensor)]
        if own:
            found[group.name] = np.sum([np.abs(one).mean(1) for one in own], axis=0)
    return found


def _by_taylor(model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
    twin = copy.deepcopy(model).eval()
    trained = {name: value.requires_grad_() for name, value in twin.named_parameters()}
    found = {group.name: np.zeros(group.size) for group in groups if makers(model, group)}
    for inputs, targets in _batches(context, samples):
        own = at_home(twin, inputs)
        outputs = twin(own)
        loss = context.task.loss(outputs, targets.to(own.device) if context.data.labelled else _decided(outputs, context))
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        products = {name: g * value.detach() for (name, value), g in zip(trained.items(), gradients, strict=True) if g is not None}
        for group in groups:
            own_products = [_gathered(products[one.tensor], one) for one in makers(model, group) if one.tensor in products]
            if own_products:
                found[group.name] += sum(one.double().sum(1).cpu().numpy() for one in own_products) ** 2
    return found


def _decided(outputs: torch.Tensor, context: Context) -> torch.Tensor:
    """The network's own decisions, for want of labels."""
    if context.task.decide is None:
        found = "taylor asks what the loss would change by, and the data have no targets"
        raise DataError(found, where="prune-channels, criterion", hint="criterion: l2, or activation")
    return context.task.decide(outputs.detach())


def _by_activation(model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
    watched = {group.name: member for group in groups for member in _last_maker(model, group)}
    names = {member.tensor for member in watched.values()}
    seen = mean_outputs(model, names, (inputs for inputs, _ in _batches(context, samples)))
    return {name: _relative(seen[one.tensor][np.array(one.places)].sum(1)) for name, one in watched.items() if one.tensor in seen}


def _at_random(model: nn.Module, groups: Sequence[Group], context: Context, samples: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(context.seed)
    return {group.name: rng.random(group.size) for group in groups}


def _geometric(rows: np.ndarray) -> np.ndarray:
    squares = np.square(rows).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0)
    summed: np.ndarray = np.sqrt(distances).sum(1)
    return summed


Judge = Callable[[nn.Module, Sequence[Group], Context, int], dict[str, np.ndarray]]
JUDGES: Mapping[str, Judge] = {
    "l1": _by_filters(lambda rows: np.abs(rows).sum(1)),
    "l2": _by_filters(lambda rows: np.sqrt(np.square(rows).sum(1))),
    "fpgm": _by_filters(_geometric),
    "bn": _by_scales,
    "taylor": _by_taylor,
    "activation": _by_activation,
    "random": _at_random,
}


def _relative(own: np.ndarray) -> np.ndarray:
    mean = own.mean()
    return own / mean if mean > 0 else own


def _rows(model: nn.Module, member: Member) -> np.ndarray:
    """`(channels, values of each)` in float64."""
    found: np.ndarray = _gathered(model.get_parameter(member.tensor).detach(), member).double().cpu().numpy()
    return found


def _gathered(value: Tensor, member: Member) -> Tensor:
    """A channel a row, with all that lies in its places."""
    places = torch.tensor(member.places, device=value.device)
    return value.movedim(member.axis, 0)[places].reshape(len(places), -1)


def _batches(context: Context, samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    split, seed = context.data.train, context.seed
    drawn = batches(split, context.data.preprocessing, BATCH, seed=seed)
    for _, batch in zip(range(-(-samples // BATCH)), drawn, strict=False):
        yield batch


def _last_maker(model: nn.Module, group: Group) -> list[Member]:
    """The maker whose outputs are looked at: a normalisation, where there is one."""
    scales = [member for member in makers(model, group) if _is_scale(model, member.tensor)]
    return (scales or filters(model, group))[:1]


def _layer(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name.rpartition(".")[0])


def _is_parameter(model: nn.Module, name: str) -> bool:
    return isinstance(getattr(_layer(model, name), name.rpartition(".")[2], None), nn.Parameter)


def _is_scale(model: nn.Module, name: str) -> bool:
    return isinstance(_layer(model, name), Norm) and name.endswith("weight")
