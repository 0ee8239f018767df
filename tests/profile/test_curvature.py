"""Curvature against Jacobians that autograd takes sample by sample, and against what an error really does to the outputs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.nn.maps import ConvMap, EmbeddingMap, LinearMap
from laconic.profile import curvature as module
from laconic.profile.curvature import Curvature, curvature


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told(known: Curvature, error: Tensor) -> float:
    """tr(G E A Eᵀ) of an error in the weight."""
    assert known.map is not None
    (inputs,) = (part.mean().own for part in known.inputs)
    matrix = known.map.matrix(error.double())
    return float(torch.einsum("grs,gsc,gcd,grd->", known.outputs, matrix, inputs, matrix))


SINGLE: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 4), (100, 6)),
    "linear, one output": (nn.Linear(6, 1), (100, 6)),
    "linear along a sequence": (nn.Sequential(nn.Linear(6, 2), nn.Flatten()), (100, 3, 6)),
    "convolution": (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()), (100, 3, 4, 4)),
    "grouped convolution": (nn.Sequential(nn.Conv1d(4, 4, 3, stride=2, groups=2, padding=1), nn.Flatten()), (100, 4, 4)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_of_a_single_layer_an_errors_cost_is_told_exactly(name: str) -> None:
    net, shape = SINGLE[name]
    x = noise(*shape) + 0.3
    found = curvature(net, x)
    (weight,) = (name for name in found if name.endswith("weight"))
    for seed in range(3):
        error = noise(*net.get_parameter(weight).shape, seed=seed)
        with torch.no_grad():
            moved = torch.func.functional_call(net, {weight: net.get_parameter(weight) + error}, (x,)) - net(x)
        assert told(found[weight], error) == pytest.approx(float(moved.double().square().sum() / len(x)), rel=1e-4)


def test_of_an_embedding_the_words_are_a_diagonal_of_trace_one() -> None:
    net, words = nn.Sequential(nn.Embedding(5, 4), nn.Flatten()), torch.randint(0, 5, (100, 2), generator=torch.Generator().manual_seed(0))
    known = curvature(net, words)["0.weight"]
    assert isinstance(known.map, EmbeddingMap)
    assert known.inputs == []
    error = noise(5, 4)
    shares = torch.bincount(words.reshape(-1), minlength=5) / words.numel()
    columns = known.map.matrix(error.double())[0]
    cost = torch.einsum("rs,sc,c,rc->", known.outputs[0], columns, shares.double(), columns)
    assert float(cost) == pytest.approx(float(error[words].double().square().sum() / len(words)), rel=1e-5)


class Net(nn.Module):
    """A convolution, a normalisation, a linear layer used along a sequence, and one that is never used."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 3, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.along = nn.Linear(4, 5)
        self.out = nn.Linear(5, outputs)
        self.idle = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.norm(self.conv(x))).flatten(2).mT
        return self.out(torch.tanh(self.along(y)).mean(1))


def squared_gradients(net: nn.Module, layer: nn.Module, x: Tensor, columns: Callable[[Tensor], Tensor]) -> Tensor:
    """Σ over outputs and positions of g gᵀ, mean over samples: one output of one sample at a time."""
    put_out: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, y: put_out.append(y))
    total: Tensor | float = 0.0
    for sample in x:
        put_out.clear()
        outputs = net(sample[None])
        for value in outputs.reshape(-1):
            (gradient,) = torch.autograd.grad(value, put_out, retain_graph=True)
            seen = columns(gradient).double()
            total = total + seen @ seen.mT / len(x)
    handle.remove()
    assert isinstance(total, Tensor)
    return total


@pytest.mark.parametrize("batch", [64, 7], ids=["in one batch", "in batches that do not come out even"])
def test_output_factors_are_those_of_the_jacobians(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    net, x = Net().eval(), noise(30, 2, 6, 6)
    found = curvature(net, x)
    expected = {
        "conv.weight": squared_gradients(net, net.conv, x, lambda g: g.transpose(0, 1).reshape(2, 2, -1)),
        "along.weight": squared_gradients(net, net.along, x, lambda g: g.reshape(-1, 5).T[None]),
        "out.weight": squared_gradients(net, net.out, x, lambda g: g.reshape(-1, 3).T[None]),
    }
    for name, factor in expected.items():
        torch.testing.assert_close(found[name].outputs, factor, rtol=1e-4, atol=1e-7)
        assert found[name].squares == 0.0
    patches = F.unfold(x, 3).transpose(0, 1).reshape(2, 9, -1).double()
    torch.testing.assert_close(found["conv.weight"].inputs[0].own, patches @ patches.mT, rtol=1e-5, atol=1e-3)
    assert found["conv.weight"].inputs[0].count == 30 * 16


def test_whatever_multiplies_nothing_is_told_by_its_squared_gradients() -> None:
    """The squares of a batch are those of its samples only on average over the signs that are drawn."""
    net, x = Net().eval(), noise(30, 2, 6, 6)
    jacobians = [torch.autograd.grad(value, list(net.norm.parameters()), retain_graph=True) for s in x for value in net(s[None])[0]]
    drawn = [curvature(net, x, seed) for seed in range(400)]
    for place, name in enumerate(("norm.weight", "norm.bias")):
        exact = sum(float(found[place].square().mean()) for found in jacobians) / len(x)
        assert all(known[name].map is None for known in drawn)
        assert sum(known[name].squares for known in drawn) / 400 == pytest.approx(exact, rel=0.15)
        alone = sum(curvature(net, s[None])[name].squares for s in x) / len(x)
        assert alone == pytest.approx(exact, rel=1e-4)


def test_a_parameter_that_is_never_used_is_told_as_such() -> None:
    found = curvature(Net().eval(), noise(4, 2, 6, 6))
    assert set(found) == {name for name, _ in Net().named_parameters()}
    for name in ("idle.weight", "idle.bias"):
        assert found[name].map is None
        assert found[name].squares == 0.0


def test_many_outputs_are_looked_at_by_random_combinations_without_bias() -> None:
    samples, outputs = 400, 40
    found = curvature(nn.Linear(5, outputs), noise(samples, 5))["weight"].outputs[0]
    torch.testing.assert_close(found.diagonal(), torch.ones(outputs, dtype=torch.float64), rtol=1e-5, atol=0)
    off = found[~torch.eye(outputs, dtype=torch.bool)]
    spread = (samples * module.PROBES) ** -0.5
    assert float(off.abs().max()) < 5.5 * spread
    assert float(off.std()) == pytest.approx(spread, rel=0.15)
    assert abs(float(off.mean())) < 5 * spread / outputs


def test_many_outputs_of_a_deep_network_are_met_on_average() -> None:
    net, x = Net(outputs=30).eval(), noise(20, 2, 6, 6)
    exact = squared_gradients(net, net.along, x, lambda g: g.reshape(-1, 5).T[None])
    drawn = [curvature(net, x, seed)["along.weight"].outputs for seed in range(30)]
    off = torch.stack(drawn).mean(0) - exact
    assert float(off.abs().max()) < 0.1 * float(exact.diagonal(dim1=1, dim2=2).mean())


def test_the_same_seed_draws_the_same() -> None:
    net, x = Net(outputs=30).eval(), noise(20, 2, 6, 6)
    one, same, other = (curvature(net, x, seed)["along.weight"].outputs for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_networks_are_looked_at_in_wider_numbers(dtype: torch.dtype) -> None:
    class Steep(Net):
        def forward(self, x: Tensor) -> Tensor:
            return 200 * super().forward(x)  # squared and summed over a batch: beyond float16

    net, x = Steep().eval().to(dtype), noise(64, 2, 6, 6).to(dtype)
    narrow, wide = curvature(net, x), curvature(net.float(), x.float())
    for name in ("conv.weight", "along.weight", "out.weight"):
        assert narrow[name].outputs.dtype == torch.float64
        torch.testing.assert_close(narrow[name].outputs, wide[name].outputs, rtol=0.05, atol=0.05 * float(wide[name].outputs.abs().max()))
        torch.testing.assert_close(narrow[name].inputs[0].own, wide[name].inputs[0].own, rtol=0.05, atol=2.0)
    assert narrow["norm.weight"].squares == pytest.approx(wide["norm.weight"].squares, rel=0.1)


def test_the_network_is_left_alone_and_looked_at_in_evaluation_mode(history: Callable[[nn.Module], nn.Module]) -> None:
    net, x = history(Net()).train(), noise(10, 2, 6, 6)
    net.conv.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = curvature(net, x)
    assert net.training
    assert not net.conv.weight.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(found["conv.weight"].outputs, curvature(net.eval(), x)["conv.weight"].outputs)
    assert found["conv.weight"].outputs.any()


class Language(nn.Module):
    """Words in and out through one matrix; whichever comes first."""

    def __init__(self, head_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.head, self.first = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False), head_first
        self.head.weight = self.words.weight

    def forward(self, words: Tensor) -> Tensor:
        known = self.head(torch.ones(len(words), 4)).mean(1, keepdim=True) if self.first else 0.0
        return self.head(torch.tanh(self.words(words)).mean(1)) + known


@pytest.mark.parametrize("head_first", [False, True])
def test_an_embedding_that_is_tied_to_a_matrix_counts_as_the_matrix(head_first: bool) -> None:
    net, words = Language(head_first), torch.randint(0, 7, (100, 5), generator=torch.Generator().manual_seed(0))
    known = curvature(net, words)["words.weight"]
    assert isinstance(known.map, LinearMap)
    assert known.outputs.shape == (1, 7, 7)
    (inputs,) = known.inputs
    assert inputs.own.shape == (1, 4, 4)
    assert inputs.count == (200 if head_first else 100)
    if not head_first:
        torch.testing.assert_close(known.outputs[0], torch.eye(7, dtype=torch.float64), rtol=1e-5, atol=1e-5)


def test_a_weight_that_is_used_twice_counts_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(2, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat((self.conv(x)[..., 0], F.conv1d(x, self.conv.weight, stride=2)[..., 1]), 1)

    net, x = Twice(), noise(50, 2, 7)
    known = curvature(net, x)["conv.weight"]
    assert isinstance(known.map, ConvMap)
    torch.testing.assert_close(known.outputs[0], 2 * torch.eye(2, dtype=torch.float64), rtol=1e-5, atol=1e-6)
    assert known.inputs[0].count == 50 * (5 + 3)


def test_attention_is_seen_in_evaluation_mode() -> None:
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), nn.Flatten(), nn.Linear(32, 3)).eval()
    found = curvature(encoder, noise(6, 4, 8))
    assert {name for name, known in found.items() if known.map is not None} == {
        name for name, p in encoder.named_parameters() if p.ndim == 2
    }
    assert all(known.outputs.any() for known in found.values() if known.map is not None)
