"""What a model must be before any step works on it; found in a moment, not after an hour of training."""

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from laconic.artifact.entries import DTYPES
from laconic.base.dtypes import NIBBLES
from laconic.base.errors import ModelError

_TYPES = [name for name in DTYPES if name not in NIBBLES]


def check_model(model: nn.Module) -> None:
    """Refuse a model that no step could work on.

    Raises:
        ModelError: no weight at all; one that is computed (a parametrization), lazy, on the meta device, of a type that no file
            holds, overlapping another, or not finite; a buffer with NaN; a TorchScript model.
    """
    if not list(model.parameters()):
        raise ModelError("the model has no weights", where=type(model).__name__, hint="give a network with trained parameters")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(
                "a TorchScript model cannot be changed",
                where=name or "the model itself",
                hint="build the Python class that it was made of, and load scripted.state_dict() into it",
            )
        if parametrize.is_parametrized(module):
            raise ModelError(
                "the weights of this layer are computed by a parametrization",
                where=name or "the model itself",
                hint="bake them in with torch.nn.utils.parametrize.remove_parametrizations",
            )
        _check_computed(name, module)
    for name, held in model.state_dict().items():
        _check_type(name, held)
    for name, parameter in model.named_parameters():
        _check_values(name, parameter, infinity=False)
    for name, buffer in model.named_buffers():
        _check_values(name, buffer, infinity=True)  # attention masks hold -inf
    _check_apart(dict(model.named_parameters()))


def _check_computed(name: str, module: nn.Module) -> None:
    for word, value in vars(module).items():
        if isinstance(value, Tensor) and not value.is_leaf:
            raise ModelError(
                f"{word!r} of this layer is computed from other tensors, and cannot be copied",
                where=name or "the model itself",
                hint="torch.nn.utils.remove_weight_norm bakes a normalisation in; otherwise keep a detached tensor",
            )


def _check_type(name: str, held: object) -> None:
    if not isinstance(held, Tensor):
        raise ModelError(f"the state holds a {type(held).__name__}, which is no tensor", where=name, hint="keep it out of the state dict")
    if held.layout != torch.strided:
        kind = str(held.layout).removeprefix("torch.sparse_")
        raise ModelError(f"a sparse tensor ({kind}) cannot be packed", where=name, hint="store tensor.to_dense(); zeros cost little")
    if str(held.dtype).removeprefix("torch.") not in _TYPES:
        hint = f"types that a file holds: {', '.join(_TYPES)}" + ("; torch.view_as_real gives floats" if held.is_complex() else "")
        raise ModelError(f"tensors of type {str(held.dtype).removeprefix('torch.')} cannot be packed", where=name, hint=hint)


def _check_apart(parameters: dict[str, nn.Parameter]) -> None:
    """Two parameters may lie side by side in one piece of memory, but what is pressed in one must not change in the other."""
    ends: dict[int, list[tuple[int, int, str]]] = {}
    for name, p in parameters.items():
        if p.numel():
            reach = 1 + sum((side - 1) * step for side, step in zip(p.shape, p.stride(), strict=True))
            piece = ends.setdefault(p.untyped_storage().data_ptr(), [])
            piece.append((p.data_ptr(), p.data_ptr() + reach * p.element_size(), name))
    for piece in ends.values():
        piece.sort()
        for (_, end, name), (start, _, other) in itertools.pairwise(piece):
            if start < end:
                raise ModelError(
                    "two parameters overlap in memory", where=f"{name} and {other}", hint="clone one of them, or make them one parameter"
                )


def _check_values(name: str, tensor: Tensor, infinity: bool) -> None:
    if is_lazy(tensor) or tensor.is_meta:
        raise ModelError("this tensor has no values yet", where=name, hint="run the model once, or load its weights")
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        return
    wide = tensor.float() if tensor.element_size() == 1 else tensor  # torch cannot ask this of all floats of 8 bits
    sound = ~wide.isnan() if infinity else wide.isfinite()
    if not sound.all():
        strange = tensor.numel() - int(sound.sum())
        raise ModelError(
            f"{strange} of {tensor.numel()} values are not finite (NaN or infinity)",
            where=name,
            hint="its training diverged: load an earlier checkpoint, or train again with half the rate",
        )


def copied(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with the model.

    Raises:
        ModelError: the model holds what cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as cause:  # broad on purpose: whatever a model holds is asked to copy itself
        reason = (str(cause).splitlines() or [""])[0]
        hint = "keep locks, files and generators out of the model"
        raise ModelError(f"the model cannot be copied: {reason}", where=type(model).__name__, hint=hint) from cause


def home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where inputs must go for this model and of what type: those of its first parameter that computes.

    >>> home(nn.Linear(2, 1).double())
    (device(type='cpu'), torch.float64)
    """
    found = next((p for p in model.parameters() if p.is_floating_point() and p.element_size() > 1), torch.empty(0))
    return found.device, found.dtype
