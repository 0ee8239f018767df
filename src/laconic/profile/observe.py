"""Looks at a model: what its layers are, which parameters each holds, and what passes through them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize
from torch.utils.flop_counter import FlopCounterMode

from laconic.base.errors import ModelError
from laconic.profile.families import family, macs
from laconic.profile.memory import Alive, tensors


@dataclass(frozen=True)
class Part:
    """A module that computes something, or that holds parameters of its own.

    Args:
        name: its name in the model; "model" for the whole.
        module: the module.
        family: as `families.family` says.
        params: its own parameters, without those that an earlier part shares.
        weight_bytes: what it reads of parameters in one call, shared ones too.
        weight_density: share of its weights (parameters of two axes and more) that are not zero; 1 where it has none, or no values.
        is_layer: it has no children, or multiplies by weights itself. What passes through it is counted and timed;
            what passes through any other part (a container with a parameter of its own) is that of the layers in it.
    """

    name: str
    module: nn.Module
    family: str
    params: int
    weight_bytes: int
    weight_density: float
    is_layer: bool


@dataclass(frozen=True)
class Call:
    """One passage through a layer: shapes of the first tensor in and out, bytes of all tensors, multiply-adds."""

    entered: tuple[int, ...]
    left: tuple[int, ...]
    bytes_in: int
    bytes_out: int
    macs: int


@dataclass(frozen=True)
class Seen:
    """What one forward pass showed.

    Args:
        calls: those of each layer by its name, in the order of the first call.
        macs: all that torch itself saw, outside of layers too.
        peak_bytes: of activations that were alive at once.
        peak_layer: the layer that was at work then; empty outside of all.
    """

    calls: dict[str, list[Call]] = field(default_factory=dict)
    macs: int = 0
    peak_bytes: int = 0
    peak_layer: str = ""


def parts(model: nn.Module) -> list[Part]:
    """The parts of a model, in the order in which they are defined. A module that is used under two names is one part.

    >>> [part.name for part in parts(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))]
    ['0', '1']
    """
    found: dict[nn.Module, Part] = {}
    counted: set[int] = set()
    for name, module, is_leaf in _walk(model, ""):
        held = _held(module)
        kind = family(module, bool(held))
        if module not in found and (is_leaf or held):
            params = sum(value.numel() for address, value in held.items() if address not in counted)
            size = sum(value.numel() * value.element_size() for value in held.values())
            is_layer = is_leaf or kind in ("conv", "fc")
            found[module] = Part(name or "model", module, kind, params, size, _density(held.values()), is_layer)
            counted.update(held)
    return list(found.values())


def _walk(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module, bool]]:
    """Every module with its name and whether it is a leaf. What a parametrization is made of belongs to the module it serves."""
    inner = "parametrizations" if parametrize.is_parametrized(module) else None
    children = [(word, child) for word, child in module.named_children() if word != inner]
    yield name, module, not children
    for word, child in children:
        yield from _walk(child, f"{name}.{word}".lstrip("."))


def _held(module: nn.Module) -> dict[int, Tensor]:
    """Address → value of the parameters that the module holds itself; a parametrized one counts as what it yields."""
    held: dict[int, Tensor] = {id(parameter): parameter for parameter in module.parameters(recurse=False)}
    if parametrize.is_parametrized(module) and isinstance(module.parametrizations, nn.ModuleDict):
        for name, source in module.parametrizations.items():
            held[id(source)] = getattr(module, name)
    return held


def nonzeros(values: Tensor) -> int:
    """How many values are not zero; of any dtype, also of those in which torch does not count.

    >>> import torch
    >>> nonzeros(torch.tensor([0.0, 2.0, 0.0]).to(torch.float8_e4m3fn))
    1
    """
    return int((values.float() if values.itemsize == 1 and values.is_floating_point() else values).count_nonzero())


def _density(held: Iterable[Tensor]) -> float:
    weights = [value for value in held if value.ndim > 1 and value.numel()]
    if not weights or any(weight.is_meta for weight in weights):
        return 1.0
    return sum(map(nonzeros, weights)) / sum(weight.numel() for weight in weights)


def observe(model: nn.Module, sample: Tensor, found: Sequence[Part]) -> Seen:
    """Run the model once and look on.

    Raises:
        ModelError: when the forward pass does not take the sample.
    """
    calls: dict[str, list[Call]] = {}
    alive, counter = Alive(model, sample), FlopCounterMode(display=False)
    layers = [part for part in found if part.is_layer]
    handles = [part.module.register_forward_hook(_note(part.name, calls, alive), with_kwargs=True) for part in layers]
    handles += [part.module.register_forward_pre_hook(_enter(part.name, alive)) for part in layers]
    try:
        with counter, alive, sdpa_kernel(SDPBackend.MATH):  # fused, its products would not be seen
            model(sample)
    except (RuntimeError, ValueError, IndexError, TypeError) as cause:
        raise ModelError(
            f"the forward pass fails: {cause}",
            where=f"{type(model).__name__} on an input of shape {tuple(sample.shape)} ({sample.device})",
            hint="say the shape of one sample as the model takes it: channels first, without the batch",
        ) from cause
    finally:
        for handle in handles:
            handle.remove()
    return Seen(calls, counter.get_total_flops() // 2, alive.peak, alive.where)


def _enter(name: str, alive: Alive) -> Any:
    def enter(module: nn.Module, args: Any) -> None:
        alive.place = name

    return enter


def _note(name: str, calls: dict[str, list[Call]], alive: Alive) -> Any:
    def note(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        alive.place = ""
        into, out = list(tensors((args, kwargs))), list(tensors(output))
        entered, left = _first_shape(into), _first_shape(out)
        calls.setdefault(name, []).append(Call(entered, left, _bytes(into), _bytes(out), macs(module, entered, left)))

    return note


def _first_shape(found: list[Tensor]) -> tuple[int, ...]:
    return tuple(found[0].shape) if found else ()


def _bytes(found: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in found)
