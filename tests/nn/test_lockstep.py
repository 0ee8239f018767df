"""Two networks hand in hand see what each sees alone, and whatever goes wrong in either ends both."""

import copy
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.nn.lockstep import hand_in_hand
from laconic.nn.maps import Use, Uses


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "reference network"] == []


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.mix = nn.Conv1d(3, 8, 3, padding=1), nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, dropout=0.0)
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mix(torch.relu(self.conv(x)).mT)
        return self.out(self.out(y).repeat(1, 1, 2))


def call(use: Use) -> Tensor:
    return use.call(use.operands.inputs, use.operands.weight, use.operands.bias)


def alone(model: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    """What each call of a network multiplies, in its order."""
    seen: list[tuple[str, Tensor]] = []

    def visit(use: Use) -> Tensor:
        seen.append((use.name, use.operands.inputs))
        return call(use)

    with torch.no_grad(), Uses(model, visit):
        model(x)
    return seen


def pair() -> tuple[nn.Module, nn.Module, Tensor]:
    reference = Net().eval()
    model = copy.deepcopy(reference)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    return reference, model, torch.randn(20, 3, 7, generator=torch.Generator().manual_seed(1))


def test_both_see_what_they_see_alone() -> None:
    reference, model, x = pair()
    theirs, ours = [], []

    def visit(seen: Tensor, use: Use) -> Tensor:
        theirs.append((use.name, seen))
        ours.append((use.name, use.operands.inputs))
        assert not torch.is_grad_enabled()
        return call(use)

    hand_in_hand(reference, model, x, visit)
    for found, expected in ((theirs, alone(reference, x)), (ours, alone(model, x))):
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert len(found) == 7
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))


def test_what_is_changed_on_the_way_is_felt_by_the_model_behind_it_and_never_by_the_reference() -> None:
    reference, _, x = pair()
    model = copy.deepcopy(reference)
    off: dict[str, float] = {}

    def visit(seen: Tensor, use: Use) -> Tensor:
        off.setdefault(use.name, float((seen - use.operands.inputs).abs().max()))
        with torch.no_grad():
            use.operands.weight.mul_(0.9)
        return call(use)

    before = copy.deepcopy(reference.state_dict())
    hand_in_hand(reference, model, x, visit)
    assert off.pop("conv.weight") == 0
    assert min(off.values()) > 1e-3
    assert all(torch.equal(value, before[name]) for name, value in reference.state_dict().items())


def test_what_the_visitor_returns_goes_on() -> None:
    reference, model, x = pair()
    seen: list[Tensor] = []

    def visit(_: Tensor, use: Use) -> Tensor:
        if use.name == "out.weight":
            seen.append(use.operands.inputs)
        return call(use) if use.name != "out.weight" else torch.full((*use.operands.inputs.shape[:-1], 4), 3.0)

    hand_in_hand(reference, model, x, visit)
    assert torch.equal(seen[1], torch.full((20, 7, 8), 3.0))


class Broken(nn.Module):
    """Fails after so many layers, once it is told to."""

    def __init__(self, after: int, broken: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers, self.after, self.broken = nn.ModuleList(nn.Linear(4, 4) for _ in range(5)), after, broken

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            if self.broken and number == self.after:
                raise ZeroDivisionError(f"after {number} layers")
            x = layer(x)
        return x


@pytest.mark.parametrize("after", [0, 2, 4])
@pytest.mark.parametrize("which", ["reference", "model", "both"])
def test_an_error_in_either_is_raised_as_it_is(after: int, which: str) -> None:
    reference, model = Broken(after, which != "model"), Broken(after, which != "reference")
    with pytest.raises(ZeroDivisionError, match=f"after {after} layers"):
        hand_in_hand(reference, model, torch.randn(3, 4), lambda _, use: call(use))


def test_an_error_of_the_visitor_is_raised_as_it_is() -> None:
    def visit(_: Tensor, use: Use) -> Tensor:
        raise KeyError(use.name)

    with pytest.raises(KeyError, match=r"layers\.0\.weight"):
        hand_in_hand(Broken(9), Broken(9), torch.randn(3, 4), visit)


class Short(Broken):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[: self.after]:
            x = layer(x)
        return x


def test_networks_that_go_different_ways_do_not_wait_for_each_other() -> None:
    visited: list[str] = []

    def visit(_: Tensor, use: Use) -> Tensor:
        visited.append(use.name)
        return call(use)

    with pytest.raises(ModelError, match="does not take the same way twice"):
        hand_in_hand(Short(2), Short(5), torch.randn(3, 4), visit)
    assert len(visited) == 2
    hand_in_hand(Short(5), Short(2), torch.randn(3, 4), visit)  # whatever the model has, it has been seen
    assert len(visited) == 4
