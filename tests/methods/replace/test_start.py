"""What a block starts from: the convolution itself where it has the block's structure, else the nearest that has."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic.methods.replace.start import set_start
from laconic.nn.compact import BLOCKS, compact, convolutions, product

SIZES = {"depthwise": 1, "grouped": 2, "fire": 6, "inverted": 4, "bottleneck": 8}


def of_the_structure(kind: str) -> Tensor:
    """A weight `(12, 6, 3, 3)` that such a block can have: at half of its channels, where the other half are their negatives."""
    draw = torch.randn
    match kind:
        case "depthwise":
            return torch.einsum("tc,chw->tchw", draw(12, 6), draw(6, 3, 3))
        case "inverted":
            return torch.einsum("tcm,cmhw->tchw", draw(12, 6, 2), draw(6, 2, 3, 3))
        case "bottleneck":
            return torch.einsum("ts,srhw,rc->tchw", draw(12, 4), draw(4, 4, 3, 3), draw(4, 6))
        case "fire":
            core = draw(12, 3, 3, 3)
            core[:6] *= torch.eye(3)[1].outer(torch.eye(3)[1])  # 1 × 1 kernels have the middle tap only
            return torch.einsum("tshw,sc->tchw", core, draw(3, 6))
        case _:
            block = compact(nn.Conv2d(6, 12, 3), "grouped", 2)
            return torch.from_numpy(product("grouped", 2, *(one.weight.detach().numpy() for one in convolutions(block))))


def started(kind: str, weight: Tensor, moments: np.ndarray | None = None, bias: bool = True) -> tuple[nn.Conv2d, nn.Sequential]:
    layer = nn.Conv2d(6, 12, 3, padding=1, bias=bias)
    layer.weight = nn.Parameter(weight)
    block = compact(layer, kind, SIZES[kind])
    set_start(block, kind, layer, weight.numpy(), moments)
    return layer, block


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("aware", [False, True], ids=["weights", "outputs"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_the_block_s_structure_is_replaced_exactly(kind: str, aware: bool, bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.rand(3, 6, 8, 7)
    rows = x.movedim(1, -1).reshape(-1, 6).double().numpy()
    layer, block = started(kind, of_the_structure(kind), rows.T @ rows / len(rows) if aware else None, bias)
    with torch.no_grad():
        assert torch.allclose(block(x), layer(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["depthwise", "grouped"])
def test_no_convolution_of_a_linear_block_s_structure_is_nearer(kind: str) -> None:
    """Eckart & Young 1936, piece by piece: what is lost are the smaller singular values."""
    torch.manual_seed(0)
    weight = torch.randn(12, 6, 3, 3)
    _, block = started(kind, weight)
    found = product(kind, SIZES[kind], *(one.weight.detach().numpy() for one in convolutions(block)))
    inputs, outputs, rank = (1, 12, 1) if kind == "depthwise" else (3, 6, 3)
    pieces = [
        weight[j : j + outputs, i : i + inputs].reshape(outputs, -1).numpy() for i in range(0, 6, inputs) for j in range(0, 12, outputs)
    ]
    lost = sum(float((np.linalg.svd(piece, compute_uv=False)[rank:] ** 2).sum()) for piece in pieces)
    assert float(((weight.numpy() - found) ** 2).sum()) == pytest.approx(lost, rel=1e-4)


def test_no_fire_block_of_half_its_channels_is_nearer() -> None:
    """What 1 × 1 kernels have no taps for is lost, and of the rest the smaller singular values over input channels."""
    torch.manual_seed(0)
    weight = torch.randn(12, 6, 3, 3)
    _, block = started("fire", weight, bias=False)
    with torch.no_grad():
        impulses = torch.zeros(6, 6, 5, 5)
        impulses[range(6), range(6), 2, 2] = 1
        found = block(impulses)[:, :, 1:4, 1:4].flip(2, 3).transpose(0, 1)  # a convolution's answers are its kernels, turned round
    there = weight.clone()
    there[:6] *= torch.eye(3)[1].outer(torch.eye(3)[1])
    singular = np.linalg.svd(there.transpose(0, 1).reshape(6, -1).numpy(), compute_uv=False)
    lost = float((weight - there).square().sum()) + float((singular[3:] ** 2).sum())
    assert float((weight - found).square().sum()) == pytest.approx(lost, rel=1e-4)


def test_to_know_the_inputs_makes_outputs_nearer() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(12, 6, 3, 3), torch.rand(16, 6, 8, 8) * torch.tensor([8.0, 4.0, 1.0, 0.5, 0.2, 0.1]).reshape(6, 1, 1)
    rows = x.movedim(1, -1).reshape(-1, 6).double().numpy()
    for kind in ("grouped", "fire", "bottleneck"):
        errors = []
        for moments in (None, rows.T @ rows / len(rows)):
            layer, block = started(kind, weight, moments)
            with torch.no_grad():
                errors.append(float((block(x) - layer(x)).square().mean()))
        assert errors[1] < errors[0], kind


def test_an_inverted_block_starts_as_depthwise_kernels_where_inputs_are_not_negative() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(12, 6, 3, 3), torch.rand(2, 6, 8, 8)
    layer, plain = started("depthwise", weight)
    inverted = compact(layer, "inverted", 2)
    set_start(inverted, "inverted", layer, weight.numpy())
    with torch.no_grad():
        assert torch.allclose(inverted(x), plain(x), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(inverted(-x), plain(-x), rtol=1e-4, atol=1e-4)


def test_channels_without_a_part_in_it_read_but_are_not_read() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 12, 3, padding=1)
    block = compact(layer, "inverted", 5)
    set_start(block, "inverted", layer, layer.weight.detach().numpy())
    enter, _, leave = convolutions(block)
    assert enter.weight[24:].abs().amin() > 0
    assert not leave.weight[:, 24:].any()
