"""After correction, every channel has the mean that it had."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.graph.network import Network
from laconic.methods.int8.correct import MOST, correct_moments, scalable

Means = dict[str, list[Tensor]]


def means(model: nn.Module, names: list[str], x: Tensor) -> Means:
    """Mean outputs of each call of these layers, a number a channel."""
    found: Means = {name: [] for name in names}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(layer: nn.Module, _: object, output: Tensor) -> None:
            last = output if isinstance(layer, nn.Linear) else output.movedim(1, -1)
            found[name].append(last.flatten(0, -2).mean(0))

        return hook

    handles = [model.get_submodule(name).register_forward_hook(note(name)) for name in names]
    with torch.no_grad():
        model.eval()(x)
    for handle in handles:
        handle.remove()
    return found


def coarse(model: nn.Module) -> nn.Module:
    """A copy with weights rounded to multiples of 0.2."""
    copied = Network(model).reformed({}).module
    for name, value in copied.named_parameters():
        if name.endswith("weight"):
            value.data = (value / 0.2).round() * 0.2
    return copied


def images(samples: int = 40) -> Tensor:
    return torch.rand(samples, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.5


def deep() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 1),
        nn.Flatten(2),
        nn.Linear(16, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20, 4),
    )


def test_means_are_what_they_were_after_each_of_many_layers() -> None:
    model, x = deep(), images()
    rounded, names = coarse(model), ["0", "2", "4", "6", "9"]
    wanted, before = means(model, names, x), means(rounded, names, x)
    correct_moments(rounded, model, names, x)
    after = means(rounded, names, x)
    for name in names:
        assert (before[name][0] - wanted[name][0]).abs().max() > 0.002
        torch.testing.assert_close(after[name], wanted[name], rtol=1e-4, atol=1e-5)


def test_only_biases_change_and_only_those_of_these_layers() -> None:
    model, x = deep(), images()
    rounded = coarse(model)
    before = {name: value.clone() for name, value in rounded.state_dict().items()}
    correct_moments(rounded, model, ["0", "6"], x)
    changed = {name for name, value in rounded.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"0.bias", "6.bias"}
    assert all(torch.equal(value, deep().state_dict()[name]) for name, value in model.state_dict().items())


def test_layers_without_a_bias_stay_and_those_behind_make_up_for_them() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.ReLU(), nn.Conv2d(6, 4, 3)), images()
    rounded = coarse(model)
    before = rounded[0].weight.clone()
    correct_moments(rounded, model, ["0", "2"], x)
    assert rounded[0].bias is None
    assert torch.equal(rounded[0].weight, before)
    torch.testing.assert_close(means(rounded, ["2"], x), means(model, ["2"], x), rtol=1e-4, atol=1e-5)


def test_nothing_changes_where_nothing_was_moved() -> None:
    model, x = deep(), images()
    same = Network(model).reformed({}).module
    correct_moments(same, model, ["0", "2", "4", "6", "9"], x)
    for name, value in same.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=0, atol=1e-6)


class Twice(nn.Module):
    """One layer on two values that have nothing in common."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared, self.last = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.shared(x) + self.shared(-3 * x).relu())


@pytest.mark.parametrize("listed", [1, 2])
def test_a_layer_that_is_called_twice_is_put_right_at_its_first_call(listed: int) -> None:
    model, x = Twice(), images()
    rounded, names = coarse(model), [*["shared"] * listed, "last"]
    correct_moments(rounded, model, names, x)
    torch.testing.assert_close(means(rounded, ["shared"], x)["shared"][0], means(model, ["shared"], x)["shared"][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(means(rounded, ["last"], x), means(model, ["last"], x), rtol=1e-4, atol=1e-5)


def moments(model: nn.Module, names: list[str], x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of each channel that these layers put out, by numpy."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name in names:
        kept: list[Tensor] = []
        handle = model.get_submodule(name).register_forward_hook(lambda _layer, _inputs, output, kept=kept: kept.append(output))
        with torch.no_grad():
            model.eval()(x)
        handle.remove()
        last = kept[0] if isinstance(model.get_submodule(name), nn.Linear) else kept[0].movedim(1, -1)
        rows = last.flatten(0, -2).numpy().astype(np.float64)
        found[name] = torch.from_numpy(rows.mean(0)).float(), torch.from_numpy(rows.std(0)).float()
    return found


def test_standard_deviations_are_what_they_were_where_rows_may_be_scaled() -> None:
    model, x = deep(), images()
    rounded, names = coarse(model), ["0", "2", "4", "6", "9"]
    scaled = ["0", "4", "9"]
    weights = {name: rounded.get_submodule(name).weight.clone() for name in names}
    wanted = moments(model, names, x)
    factors = correct_moments(rounded, model, names, x, scaled)
    after = moments(rounded, names, x)
    assert set(factors) == set(scaled)
    for name in names:
        torch.testing.assert_close(after[name][0], wanted[name][0], rtol=1e-4, atol=1e-5)
        rows = factors.get(name, torch.ones(len(weights[name]))).reshape(-1, *[1] * (weights[name].ndim - 1))
        assert torch.equal(rounded.get_submodule(name).weight, weights[name] * rows)
        if name in scaled:
            assert not torch.allclose(rows, torch.ones_like(rows), atol=1e-3)
            inside = (rows.flatten() > 1 / MOST) & (rows.flatten() < MOST)
            assert inside.any()
            torch.testing.assert_close(after[name][1][inside], wanted[name][1][inside], rtol=1e-4, atol=1e-5)


def test_factors_are_bounded_and_channels_of_nothing_stay() -> None:
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3)), images()
    rounded = Network(model).reformed({}).module
    with torch.no_grad():
        for row, factor in enumerate((0.01, 100, 0, 0.8)):
            rounded[0].weight[row] *= factor
    assert correct_moments(rounded, model, ["0"], x, ["0"])["0"].tolist() == pytest.approx([MOST, 1 / MOST, 1, 1.25])


def test_who_may_be_scaled() -> None:
    class Many(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.up, self.one, self.other = nn.Conv1d(2, 3, 1), nn.ConvTranspose2d(3, 3, 2), nn.Linear(4, 4), nn.Linear(4, 4)
            self.other.weight = self.one.weight
            self.last = nn.Linear(4, 2)

    assert scalable(Many(), ["conv", "up", "one", "other", "last"]) == {"conv", "last"}


def test_no_hooks_are_left_behind() -> None:
    model = deep()
    rounded = coarse(model)
    correct_moments(rounded, model, ["0", "2"], images())
    assert not any(one._forward_hooks for network in (model, rounded) for one in network.modules())
