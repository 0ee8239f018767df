"""An ONNX graph as a torch module."""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from laconic.base.errors import LaconicError, ModelError
from laconic.graph.importing.operators import OPERATORS, OWN
from laconic.graph.reading.arithmetic import compute
from laconic.graph.reading.slots import SIZES
from laconic.graph.reading.structure import first_line

Value = Tensor | np.ndarray | None
"""A tensor; or a few numbers that shapes depend on, which torch must see as numbers when it traces."""


@dataclass(frozen=True)
class Call:
    """One step of the forward pass.

    Args:
        operator: of ONNX, or one of our `OWN`.
        inputs: names of values; empty where one is left out.
        outputs: names of the values that it makes.
        attributes: by name, as plain values.
        layer: path of the module that does it, with the first input alone; empty where a function does.
        place: where it stands in the graph, for messages.
        done: values that nobody reads after this step.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""
    place: str = ""
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """What one input takes.

    Args:
        floats: floating-point numbers, or else integers.
        batch: the only length of its first axis; 0 where that is free.
    """

    floats: bool
    batch: int = 0

    def fitting(self, given: Tensor, name: str) -> Tensor:
        """The samples in the kind of numbers that is taken; whole numbers may come as floating-point ones.

        Raises:
            ModelError: another batch than the one that the graph is made for.
        """
        if self.batch and given.shape[0] != self.batch:
            hint = "export it with a free batch: torch.onnx.export(…, dynamic_shapes=…), dynamic_axes=… in old versions"
            raise ModelError(f"the graph was made for a batch of {self.batch}, got {given.shape[0]}", where=f"input {name!r}", hint=hint)
        return given if given.is_floating_point() == self.floats else given.to(torch.float32 if self.floats else torch.int64)


@dataclass(frozen=True)
class Plan:
    """What an imported module does.

    Args:
        inputs: names of the samples' inputs, and what each takes.
        outputs: names of the outputs.
        calls: in their order.
        held: name of a tensor → path of its module and the attribute that it is there.
        numbers: constants of the graph by name; those that are computed with are held as buffers as well.
    """

    inputs: Mapping[str, Samples] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    held: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)


class Imported(nn.Module):
    """A module that runs a plan: layers that torch knows are modules of their own, all else are functions of torch.

    It is an ordinary module: it can be copied, trained, traced by `torch.export`, and changed layer by layer. Its layers and tensors are
    put in from outside; then it is told to `follow` a plan.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plan = Plan()

    def follow(self, plan: Plan) -> "Imported":
        """This module, which from now on does what the plan says."""
        self._plan = plan
        return self

    def forward(self, first: Tensor, *more: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of the graph for its inputs, in its order; one alone is no tuple.

        Raises:
            ModelError: too few inputs, another batch than the graph is made for, or an operator that fails; with its place.
        """
        given, wanted = (first, *more), self._plan.inputs
        if len(given) != len(wanted):
            raise ModelError(f"the graph takes {len(wanted)} inputs ({', '.join(wanted)}), got {len(given)}")
        values: dict[str, Value] = {name: samples.fitting(x, name) for (name, samples), x in zip(wanted.items(), given, strict=True)}
        with contextlib.nullcontext() if first.device.type == "cpu" else first.device:
            for call in self._plan.calls:
                values |= zip(call.outputs, self._run(call, values), strict=False)
                for name in call.done:
                    values.pop(name, None)
            outputs = tuple(self._tensor(name, self._value(name, values)) for name in self._plan.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _run(self, call: Call, values: Mapping[str, Value]) -> Sequence[Value]:
        given = [self._value(name, values) for name in call.inputs]
        try:
            found = _few(call, given) or self._compute(call, given)
            if len(found) < len(call.outputs):
                raise ModelError(f"of the outputs of {call.operator} only the first {len(found)} are known here")
            return found
        except LaconicError as cause:
            raise type(cause)(cause.what, where=call.place, hint=cause.hint) from cause
        except (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError) as cause:
            raise ModelError(f"{call.operator} fails: {first_line(cause)}", where=call.place) from cause

    def _compute(self, call: Call, given: Sequence[Value]) -> Sequence[Value]:
        if call.layer:
            return (self.get_submodule(call.layer)(self._tensor(call.inputs[0], given[0])),)
        function, sizes = OWN.get(call.operator) or OPERATORS[call.operator], SIZES.get(call.operator, ())
        ready = [
            _plain(value) if place in sizes else self._tensor(name, value)
            for place, (name, value) in enumerate(zip(call.inputs, given, strict=True))
        ]
        found = function(*ready, **call.attributes)
        return (found,) if isinstance(found, Tensor) else found

    def _value(self, name: str, values: Mapping[str, Value]) -> Value:
        if name in self._plan.numbers:
            return self._plan.numbers[name]
        return self._held(name) if name in self._plan.held else values[name] if name else None

    def _held(self, name: str) -> Tensor:
        path, attribute = self._plan.held[name]
        tensor: Tensor = getattr(self.get_submodule(path), attribute)  # by name: while it trains, a parametrization stands there
        return tensor

    def _tensor(self, name: str, value: Value) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        if name in self._plan.held:
            return self._held(name)
        found = torch.tensor(value.tolist()) if value.dtype == object else torch.from_numpy(value.copy())
        return found.to(next(self.parameters(), found).device)

    def extra_repr(self) -> str:
        """What tells two graphs of the same layers apart."""
        return f"graph {hashlib.sha256(repr(self._plan).encode()).hexdigest()[:12]}, {len(self._plan.calls)} steps"


def _few(call: Call, given: Sequence[Value]) -> Sequence[Value] | None:
    """The outputs of a call of shape arithmetic; None where it is none."""
    if call.operator in ("Shape", "Size"):
        assert given[0] is not None
        sides = list(given[0].shape[call.attributes.get("start", 0) : call.attributes.get("end")])
        return [_numbers(sides) if call.operator == "Shape" else _numbers(sides).prod()]
    few = [value for value in given if not isinstance(value, Tensor)]
    return compute(call.operator, few, call.attributes) if len(few) == len(given) and not call.layer else None


def _numbers(sides: list[Any]) -> np.ndarray:
    return np.array(sides, np.int64 if all(isinstance(side, int) for side in sides) else object)


def _plain(value: Value) -> Any:
    return None if value is None else value.tolist()
