"""LSTM, GRU and plain RNN, by torch's own kernels: ONNX orders the gates otherwise, and keeps both biases in one tensor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from laconic.base.errors import ModelError


@dataclass(frozen=True)
class Cell:
    """One kind of cell.

    Args:
        run: torch's function over a whole sequence.
        gates: where each of torch's gates stands among ONNX's.
        activations: the only ones that torch's kernel has.
        states: how many states it hands on.
    """

    run: Callable[..., Any]
    gates: tuple[int, ...]
    activations: tuple[str, ...]
    states: int = 1


LSTM = Cell(torch.lstm, (0, 2, 3, 1), ("sigmoid", "tanh", "tanh"), 2)  # i f g o from i o f c
GRU = Cell(torch.gru, (1, 0, 2), ("sigmoid", "tanh"))  # r z n from z r h
RNN = {"tanh": Cell(torch.rnn_tanh, (0,), ("tanh",)), "relu": Cell(torch.rnn_relu, (0,), ("relu",))}


def lstm(
    x: Tensor,
    *tensors: Tensor | None,
    activations: list[str] | None = None,
    direction: str = "forward",
    hidden_size: int = 0,
    input_forget: int = 0,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    if input_forget or any(tensor is not None for tensor in tensors[6:]):
        raise ModelError("an LSTM with peepholes or coupled gates is not known to torch")
    return _sequence(LSTM, x, *tensors[:6], activations=activations, direction=direction, layout=layout)


def gru(
    x: Tensor,
    *tensors: Tensor | None,
    activations: list[str] | None = None,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> tuple[Tensor, ...]:
    if not linear_before_reset:
        raise ModelError("a GRU that resets before its product is not known to torch", hint="export it with linear_before_reset=1")
    return _sequence(GRU, x, *tensors, activations=activations, direction=direction, layout=layout)


def rnn(
    x: Tensor,
    *tensors: Tensor | None,
    activations: list[str] | None = None,
    direction: str = "forward",
    hidden_size: int = 0,
    layout: int = 0,
) -> tuple[Tensor, ...]:
    kinds = {word.lower() for word in activations or ["tanh"]}
    if len(kinds) != 1 or not kinds <= RNN.keys():
        raise ModelError(f"an RNN with the activations {', '.join(sorted(kinds))} is not known to torch")
    return _sequence(RNN[kinds.pop()], x, *tensors, activations=None, direction=direction, layout=layout)


def _sequence(
    cell: Cell,
    x: Tensor,
    weight: Tensor | None = None,
    recurrence: Tensor | None = None,
    bias: Tensor | None = None,
    lengths: Tensor | None = None,
    *states: Tensor | None,
    activations: list[str] | None,
    direction: str,
    layout: int,
) -> tuple[Tensor, ...]:
    """Outputs `(steps, directions, n, hidden)` and the last states `(directions, n, hidden)` of inputs `(steps, n, features)`."""
    both = direction == "bidirectional"
    if layout or lengths is not None or direction == "reverse":
        raise ModelError("sequences batch first, of several lengths, or run from the end are not known here")
    if activations and tuple(word.lower() for word in activations) != cell.activations * (1 + both):
        raise ModelError(f"the activations {', '.join(activations)} are not those of torch's kernel")
    assert weight is not None
    assert recurrence is not None
    zeros = x.new_zeros(len(weight), x.shape[1], recurrence.shape[-1])
    first = [zeros if state is None else state.expand_as(zeros).contiguous() for state in (*states, *[None] * cell.states)[: cell.states]]
    _check(cell, x, weight, recurrence, bias)
    flat = [
        tensor
        for way in range(len(weight))
        for tensor in _parameters(cell, weight[way], recurrence[way], None if bias is None else bias[way])
    ]
    given: Any = tuple(first) if cell.states > 1 else first[0]
    outputs, *last = cell.run(x, given, flat, bias is not None, 1, 0.0, False, both, False)
    return (outputs.reshape(*outputs.shape[:2], len(weight), -1).transpose(1, 2), *last)


def _check(cell: Cell, x: Tensor, weight: Tensor, recurrence: Tensor, bias: Tensor | None) -> None:
    """Refuse shapes that do not fit each other: torch's kernels read beyond them."""
    ways, hidden = len(weight), recurrence.shape[-1]
    gates = len(cell.gates) * hidden
    wanted = [(weight, (ways, gates, x.shape[-1])), (recurrence, (ways, gates, hidden)), (bias, (ways, 2 * gates))]
    if any(tensor is not None and tuple(tensor.shape) != shape for tensor, shape in wanted):
        raise ModelError("the weights of the recurrent layer do not fit each other or its input")


def _parameters(cell: Cell, weight: Tensor, recurrence: Tensor, bias: Tensor | None) -> list[Tensor]:
    """As torch's kernel takes them: input weight, recurrent weight, and the bias of each."""
    halves = [] if bias is None else list(bias.chunk(2))
    return [_ordered(tensor.chunk(len(cell.gates)), cell.gates) for tensor in (weight, recurrence, *halves)]


def _ordered(gates: Sequence[Tensor], places: Sequence[int]) -> Tensor:
    return torch.cat([gates[place] for place in places]) if len(places) > 1 else gates[0]
