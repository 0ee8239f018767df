"""All layers of a network: Forms that are the weights, steps of equal cost, zeros that stay."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.forms import Form, Grid
from laconic.graph.network import Network
from laconic.methods.prune import Prune
from laconic.methods.quantize import calibrated as module
from laconic.methods.quantize.calibrated import SIGNIFICANT, fitting_step, quantized, unit_step
from laconic.methods.quantize.layer import choose_integers
from laconic.nn.maps import LinearMap
from laconic.nn.moments import moments
from laconic.nn.weights import to_torch
from laconic.profile.curvature import curvature


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def on_grids(model: nn.Module, x: Tensor, coarseness: float, network: Network | None = None) -> tuple[Network, dict[str, float]]:
    """Every parameter on a grid of so many times its unit step."""
    network = network or Network(model)
    known = curvature(network.module, x)
    parameters = {name: p for name, p in network.module.named_parameters() if p.numel()}
    steps = {
        name: fitting_step(coarseness * unit_step(known[name], p.detach()), float(p.detach().abs().max()), p.dtype)
        for name, p in parameters.items()
    }
    return network.reformed(quantized(network, known, steps, x)), steps


def integers(form: Form) -> np.ndarray:
    assert form.integers is not None
    return form.integers


class Net(nn.Module):
    """Two convolutions, normalisation, attention, a linear layer used along a sequence, and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv1d(2, 8, 3, padding=1), nn.BatchNorm1d(8)
        self.mix, self.out = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), nn.Linear(8, 3)
        self.idle = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(torch.relu(self.norm(self.conv(x))).mT)).mean(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_every_parameter_is_its_grid_bit_for_bit(dtype: torch.dtype) -> None:
    model = Net().eval().to(dtype)
    network, steps = on_grids(model, noise(40, 2, 6).to(dtype), 0.005)
    assert set(network.forms) == {name for name, _ in model.named_parameters()}
    for name, form in network.forms.items():
        parameter = network.module.get_parameter(name)
        assert isinstance(form, Grid)
        assert parameter.dtype == dtype
        assert torch.equal(to_torch(form.array()), parameter.detach())
        assert to_torch(form.table).tolist() == [steps[name]]
        assert parameter.isfinite().all()
    assert len(np.unique(integers(network.form("conv.weight")))) > 4
    with torch.no_grad():
        x = noise(40, 2, 6, seed=1).to(dtype)
        off, size = (network.module(x) - model(x)).float(), model(x).float()
    assert float(off.square().mean()) < 0.02 * float(size.var())


def test_what_the_outputs_do_not_depend_on_becomes_zero() -> None:
    network, _ = on_grids(Net().eval(), noise(40, 2, 6), 1e-4)
    for name in ("idle.weight", "idle.bias"):
        assert not network.array(name).any()
    assert network.array("out.weight").any()


def test_masked_weights_stay_zero(trained: nn.Module, digits, apply) -> None:  # type: ignore[no-untyped-def]
    pruned = apply(Prune(sparsity=0.7), Network(trained))
    x = torch.from_numpy(digits.preprocessing.apply(digits.calibration(64)))
    network, _ = on_grids(trained, x, 0.005, pruned)
    for name in ("0.weight", "3.weight", "7.weight"):
        mask = pruned.forms[name].mask  # type: ignore[attr-defined]
        assert not network.array(name)[~mask].any()
        assert np.count_nonzero(network.array(name)[mask]) > 0.5 * mask.sum()


@pytest.mark.parametrize("name", ["linear", "conv", "grouped"])
def test_the_bias_makes_up_for_the_means(name: str) -> None:
    """At a step as coarse as the weights, what the outputs are on average is still right to within half a step of the bias."""
    torch.manual_seed(0)
    layer, shape = {
        "linear": (nn.Linear(6, 4), (200, 6)),
        "conv": (nn.Conv2d(3, 4, 3), (200, 3, 5, 5)),
        "grouped": (nn.Conv2d(4, 6, 3, groups=2), (200, 4, 5, 5)),
    }[name]
    model, x = nn.Sequential(layer, nn.Flatten()), noise(*shape) + 2
    coarse = {"0.weight": 0.3, "0.bias": 0.01}
    network = Network(model).reformed(quantized(Network(model), curvature(model, x), coarse, x))
    with torch.no_grad():
        off = network.module[0](x) - layer(x)
    means = off.transpose(0, 1).flatten(1).mean(1)
    assert float(means.abs().max()) <= 0.005 + 1e-5
    assert float(off.abs().mean()) > 0.02
    assert not np.array_equal(integers(network.form("0.bias")), np.rint(layer.bias.detach().numpy() / 0.01))


def deep() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(24, 24), nn.Tanh())), nn.Linear(24, 4)).eval()


def test_later_layers_make_up_for_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """On samples that it has not seen; beside each layer settled as if its inputs were the original's, and each weight rounded alone."""
    model, x, fresh = deep(), noise(600, 24), noise(600, 24, seed=1)
    network, steps = on_grids(model, x, 0.02)
    monkeypatch.setattr(module, "moments", lambda view, _, inputs: moments(view, inputs, inputs))
    apart, _ = on_grids(model, x, 0.02)
    plain = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.copy_(torch.round(parameter / steps[name]) * steps[name])
        expected = model(fresh)
        off = [float((net(fresh) - expected).square().mean()) for net in (network.module, apart.module, plain)]
    assert off[0] < 0.9 * off[1]
    assert off[1] < 0.5 * off[2]


def test_a_layer_with_a_bias_is_settled_on_covariances() -> None:
    x = noise(300, 6) @ noise(6, 6, seed=1) + 3
    for biased in (True, False):
        layer = nn.Linear(6, 4, bias=biased)
        known = curvature(layer, x)
        steps = {"weight": 0.2, "bias": 0.01} if biased else {"weight": 0.2}
        (seen,) = moments(LinearMap(), x, x)
        inputs = [seen.centred() if biased else seen.mean()]
        matrix = layer.weight.detach().double()[None]
        expected = choose_integers(matrix, torch.ones(1, 4, 6, dtype=torch.bool), known["weight"].outputs, inputs, 0.2)
        assert np.array_equal(integers(quantized(Network(layer), known, steps, x)["weight"]), expected[0])


def test_a_layer_that_is_used_again_keeps_its_integers() -> None:
    class Again(nn.Module):
        def __init__(self, times: int) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.times = nn.Linear(5, 5), times

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(self.times):
                x = torch.sin(3 * self.layer(x))
            return x

    x = noise(60, 5)
    known, steps = curvature(Again(1), x), {"layer.weight": 0.1, "layer.bias": 0.1}
    once, thrice = (quantized(Network(Again(times)), known, steps, x) for times in (1, 3))
    for name in steps:
        assert np.array_equal(integers(once[name]), integers(thrice[name]))


def test_one_unit_costs_a_twelfth() -> None:
    """Where inputs and outputs are white, errors cannot make up for each other; and the cost of one element's is its square."""
    samples, inputs, outputs = 4000, 30, 8
    x, layer = noise(samples, inputs), nn.Linear(inputs, outputs, bias=False)
    unit = unit_step(curvature(layer, x)["weight"], layer.weight.detach())
    error = (torch.rand(outputs, inputs, generator=torch.Generator().manual_seed(1)) - 0.5) * unit
    each = float((x @ error.T).square().sum(1).mean() / error.numel())
    assert each == pytest.approx(1 / 12, rel=0.2)
    assert unit == pytest.approx(1.0, rel=0.08)


@pytest.mark.parametrize("factor", [0.1, 7.0])
def test_steps_follow_the_scale_of_what_they_matter_to(factor: float) -> None:
    class Scaled(nn.Module):
        def __init__(self, inside: float, outside: float) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.gain, self.scales = nn.Linear(5, 3), nn.Parameter(torch.ones(3)), (inside, outside)

        def forward(self, x: Tensor) -> Tensor:
            return self.scales[1] * (self.gain * self.layer(self.scales[0] * x))

    def units(model: nn.Module) -> dict[str, float]:
        known = curvature(model, noise(50, 5))
        return {name: unit_step(known[name], p.detach()) for name, p in model.named_parameters()}

    plain, inside, outside = units(Scaled(1, 1)), units(Scaled(factor, 1)), units(Scaled(1, factor))
    assert inside["layer.weight"] == pytest.approx(plain["layer.weight"] / factor, rel=1e-4)
    assert inside["layer.bias"] == pytest.approx(plain["layer.bias"], rel=1e-4)
    for name in plain:
        assert outside[name] == pytest.approx(plain[name] / factor, rel=1e-4)


def test_an_embedding_has_the_step_of_the_matrix_that_it_is() -> None:
    """Looking up words that are equally frequent is multiplying by single ones."""
    count, width = 12, 5
    words = torch.arange(count).repeat(20)[:, None]
    lookup = nn.Sequential(nn.Embedding(count, width), nn.Flatten(), nn.Tanh(), nn.Linear(width, 3))
    matrix = nn.Sequential(nn.Linear(count, width, bias=False), nn.Tanh(), nn.Linear(width, 3))
    with torch.no_grad():
        matrix[0].weight.copy_(lookup[0].weight.T)
        matrix[2].load_state_dict(lookup[3].state_dict())
    ones = F.one_hot(words[:, 0], count).float()
    units = [unit_step(curvature(net, x)["0.weight"], net[0].weight.detach()) for net, x in ((lookup, words), (matrix, ones))]
    assert units[0] == pytest.approx(units[1], rel=0.01)
    grids = [
        quantized(Network(net), curvature(net, x), {"0.weight": 0.4}, x)["0.weight"].integers
        for net, x in ((lookup, words), (matrix, ones))
    ]
    assert grids[0] is not None
    assert grids[1] is not None
    assert np.array_equal(grids[0].T, grids[1])


@pytest.mark.parametrize("coarseness", [1e-6, 0.3, 3.0, 100.0, 1e12])
def test_no_grid_is_too_fine_or_too_coarse(coarseness: float) -> None:
    """Behind layers that are all zeros by now, inputs are constant but for their rounding."""
    for network in (on_grids(deep(), noise(100, 24) + 5, coarseness)[0], on_grids(Net().eval(), noise(40, 2, 6), coarseness)[0]):
        assert all(np.isfinite(network.array(name)).all() for name in network.forms)


class Moody(nn.Module):
    """Takes another way when many samples come together."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.few, self.always = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.always(self.few(x) if len(x) <= 64 else x)


def test_a_layer_that_all_samples_together_pass_by_is_rounded_as_it_is() -> None:
    model = Moody()
    network, steps = on_grids(model, noise(100, 4), 0.1)
    expected = torch.round(model.few.weight.detach().double() / steps["few.weight"])
    assert np.array_equal(integers(network.form("few.weight")), expected)


def test_tied_weights_have_one_grid() -> None:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.words, self.head = nn.Embedding(9, 6), nn.Linear(6, 9)
            self.head.weight = self.words.weight

        def forward(self, words: Tensor) -> Tensor:
            return self.head(torch.tanh(self.words(words)).mean(1))

    words = torch.randint(0, 9, (80, 4), generator=torch.Generator().manual_seed(0))
    model = Language()
    network, steps = on_grids(model, words, 0.1)
    assert set(network.forms) == {"words.weight", "head.bias"}
    assert network.module.head.weight is network.module.words.weight
    assert torch.equal(to_torch(network.forms["words.weight"].array()), network.module.head.weight.detach())
    known = curvature(model, words)["words.weight"]
    (seen,) = moments(LinearMap(), *[torch.tanh(model.words(words)).mean(1).detach()] * 2)
    matrix = model.words.weight.detach().double()[None]
    expected = choose_integers(matrix, torch.ones(1, 9, 6, dtype=torch.bool), known.outputs, [seen.centred()], steps["words.weight"])
    assert np.array_equal(integers(network.forms["words.weight"]), expected[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("wanted", [1e-30, 3.7e-5, 0.1, 7.7, 1e30, math.inf])
@pytest.mark.parametrize("greatest", [0.0, 1e-3, 2.0, 6e4])
def test_a_step_fits_its_type(wanted: float, greatest: float, dtype: torch.dtype) -> None:
    step = fitting_step(wanted, greatest, dtype)
    assert step > 0
    assert float(torch.tensor(step, dtype=dtype)) == step
    assert math.isfinite(float(torch.tensor(round(greatest / step), dtype=dtype)))
    fraction, _ = math.frexp(step)
    assert (fraction * 2**SIGNIFICANT).is_integer() or step == torch.finfo(dtype).max
    if math.isinf(wanted):
        limits = torch.finfo(dtype)
        assert step == pytest.approx(min(max(3 * greatest, limits.smallest_normal), limits.max), rel=2.0**-SIGNIFICANT)
    elif torch.finfo(dtype).smallest_normal < wanted < torch.finfo(dtype).max and wanted > greatest / 2**15:
        assert step == pytest.approx(wanted, rel=2.0**-SIGNIFICANT)
