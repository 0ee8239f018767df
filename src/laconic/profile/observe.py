"""Looks at a model: what its layers are, which parameters each holds, and what passes through them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.flop_counter import FlopCounterMode

from laconic.base.errors import ModelError
from laconic.profile.families import family, macs


@dataclass(frozen=True)
class Part:
    """A module that computes something, or that holds parameters of its own.

    Args:
        name: its name in the model; "model" for the whole.
        module: the module.
        family: as `families.family` says.
        params: its own parameters, without those that an earlier part shares.
        is_layer: it has no children, or multiplies by weights itself. What passes through it is counted and timed;
            what passes through any other part (a container with a parameter of its own) is that of the layers in it.
    """

    name: str
    module: nn.Module
    family: str
    params: int
    is_layer: bool


@dataclass(frozen=True)
class Call:
    """One passage through a layer: shapes of the first tensor in and out, bytes of all tensors, multiply-adds."""

    entered: tuple[int, ...]
    left: tuple[int, ...]
    bytes_in: int
    bytes_out: int
    macs: int


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
            params = sum(size for address, size in held.items() if address not in counted)
            found[module] = Part(name or "model", module, kind, params, is_leaf or kind in ("conv", "fc"))
            counted.update(held)
    return list(found.values())


def _walk(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module, bool]]:
    """Every module with its name and whether it is a leaf. What a parametrization is made of belongs to the module it serves."""
    inner = "parametrizations" if parametrize.is_parametrized(module) else None
    children = [(word, child) for word, child in module.named_children() if word != inner]
    yield name, module, not children
    for word, child in children:
        yield from _walk(child, f"{name}.{word}".lstrip("."))


def _held(module: nn.Module) -> dict[int, int]:
    """Address → number of values of the parameters that the module holds itself; a parametrized one counts as what it yields."""
    held = {id(parameter): parameter.numel() for parameter in module.parameters(recurse=False)}
    if parametrize.is_parametrized(module) and isinstance(module.parametrizations, nn.ModuleDict):
        for name, source in module.parametrizations.items():
            held[id(source)] = getattr(module, name).numel()
    return held


def observe(model: nn.Module, sample: Tensor, found: list[Part]) -> tuple[dict[str, list[Call]], int]:
    """Run the model once: the calls of each layer by its name, in the order of the first call, and all MACs that torch itself saw.

    Raises:
        ModelError: when the forward pass does not take the sample.
    """
    calls: dict[str, list[Call]] = {}
    handles = [part.module.register_forward_hook(_note(part.name, calls), with_kwargs=True) for part in found if part.is_layer]
    counter = FlopCounterMode(display=False)
    try:
        with counter:
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
    return calls, counter.get_total_flops() // 2


def _note(name: str, calls: dict[str, list[Call]]) -> Any:
    def note(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        into, out = list(_tensors((args, kwargs))), list(_tensors(output))
        entered, left = _first_shape(into), _first_shape(out)
        calls.setdefault(name, []).append(Call(entered, left, _bytes(into), _bytes(out), macs(module, entered, left)))

    return note


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _first_shape(tensors: list[Tensor]) -> tuple[int, ...]:
    return tuple(tensors[0].shape) if tensors else ()


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
