"""Chains of factors against the weights that they stand for, and against torch's own convolution."""

import numpy as np
import pytest
import torch
from torch import nn

from laconic.methods.factorize.vbmf import vbmf_rank
from laconic.nn.decompose import decompose, spectra
from laconic.nn.factored import KINDS, chain, macs, product, suits

FULL = {"svd": (8,), "spatial": (18,), "tucker": (6, 8), "cp": (60,), "separable": (8,)}


def weight(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((8, 6, 3, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_with_all_its_ranks_a_chain_is_the_weight(kind: str) -> None:
    found = product(kind, FULL[kind], decompose(kind, weight(), FULL[kind]))
    np.testing.assert_allclose(found, weight(), atol=1e-3 if kind == "cp" else 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_low_rank_is_found_again(kind: str) -> None:
    ranks = (2, 3) if kind == "tucker" else (2,)
    low = product(kind, ranks, decompose(kind, weight(), ranks))
    np.testing.assert_allclose(product(kind, ranks, decompose(kind, low, ranks)), low, atol=1e-4 if kind == "cp" else 1e-10)
    for shares, rank in zip(spectra(kind, low), ranks, strict=False):
        assert shares[:rank].sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["svd", "spatial", "separable"])
def test_what_is_lost_is_what_the_spectrum_says(kind: str) -> None:
    error = product(kind, (2,), decompose(kind, weight(), (2,))) - weight()
    shares = spectra(kind, weight())[0]
    assert np.square(error).sum() / np.square(weight()).sum() == pytest.approx(shares[2:].sum())


@pytest.mark.parametrize("kind", ["svd", "spatial", "tucker"])
def test_given_moments_the_outputs_are_met_better_than_by_the_weight(kind: str) -> None:
    rng, ranks = np.random.default_rng(1), (3, 4) if kind == "tucker" else (3,)
    inputs = rng.standard_normal((500, 6)) @ np.diag([10, 3, 1, 0.3, 0.1, 0.1])
    moments = inputs.T @ inputs / len(inputs)

    def error(aware: bool) -> float:
        rest = product(kind, ranks, decompose(kind, weight(), ranks, moments if aware else None)) - weight()
        return float(np.square(np.einsum("tchw,nc->nthw", rest, inputs)).sum())

    assert error(True) < 0.7 * error(False)


def test_a_channel_that_is_never_on_does_no_harm() -> None:
    moments = np.diag([1.0, 1, 1, 1, 1, 0])
    found = product("svd", (8,), decompose("svd", weight(), (8,), moments))
    np.testing.assert_allclose(found, weight(), atol=1e-6)


LAYERS = {
    "conv": nn.Conv2d(6, 8, 3, padding=1),
    "stride and dilation": nn.Conv2d(6, 8, 3, stride=2, padding=(2, 1), dilation=(2, 1), bias=False),
    "not square": nn.Conv2d(6, 8, (3, 5), stride=(1, 2), padding=(0, 2)),
    "conv1d": nn.Conv1d(6, 8, 5, padding=2),
    "linear": nn.Linear(6, 8),
    "1 × 1": nn.Conv2d(6, 8, 1),
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, layer in LAYERS.items() for kind in KINDS if suits(kind, layer)])
@torch.no_grad()
def test_a_chain_computes_what_its_product_does(name: str, kind: str) -> None:
    layer, ranks = LAYERS[name], (3, 4) if kind == "tucker" else (3,)
    made = chain(layer, kind, ranks)
    factors = [p.numpy() for p in made.parameters() if p.ndim > 1]
    same = (
        type(layer)(**{key: getattr(layer, key) for key in ("in_features", "out_features")})
        if name == "linear"
        else type(layer)(6, 8, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    )
    same.weight.copy_(torch.from_numpy(product(kind, ranks, factors)))
    same.bias.zero_()
    if made[-1].bias is not None:
        same.bias.copy_(made[-1].bias)
    inputs = torch.randn(2, 6) if name == "linear" else torch.randn(2, 6, *[12] * (layer.weight.ndim - 2))
    assert torch.allclose(made(inputs), same(inputs), atol=1e-5)
    weights = sum(p.numel() for p in made.parameters() if p.ndim > 1)
    assert macs(kind, ranks, tuple(layer.weight.shape)) == weights


def test_the_rank_behind_noise_is_found() -> None:
    rng = np.random.default_rng(0)
    for shape in ((50, 80), (80, 50), (64, 64)):
        signal = rng.standard_normal((shape[0], 5)) @ rng.standard_normal((5, shape[1]))
        assert vbmf_rank(signal + 0.5 * rng.standard_normal(shape)) == 5
    assert vbmf_rank(rng.standard_normal((50, 80))) == 1
    assert vbmf_rank(np.zeros((5, 6))) == 1
