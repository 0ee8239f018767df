"""The terms between layers, against what their papers write and against the invariances that they are chosen for."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from laconic.methods.distill.terms import Hint, alike, attention, regressor, relations, similarity


def images(width: int, side: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(5, width, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_hint_of_equal_width_is_the_mean_squared_difference() -> None:
    one, other = images(3), images(3, seed=1)
    assert float(Hint((3, 4, 4), (3, 4, 4))(one, other)) == pytest.approx(float(((one - other) ** 2).mean()))


def test_a_regressor_can_learn_any_map_of_channels() -> None:
    torch.manual_seed(0)
    truth, one = nn.Conv2d(3, 6, 1), images(3).float()
    hint = Hint((3, 4, 4), (6, 4, 4))
    optimizer = torch.optim.Adam(hint.parameters(), 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        hint(one, truth(one).detach()).backward()
        optimizer.step()
    assert hint(one, truth(one)).item() < 1e-4


@pytest.mark.parametrize(
    ("student", "teacher", "kind"),
    [
        ((3, 4, 4), (3, 8, 8), nn.Identity),
        ((3, 4, 4), (6, 4, 4), nn.Conv2d),
        ((3,), (6,), nn.Linear),
        ((3,), (3,), nn.Identity),
        ((7, 3), (7, 6), nn.Linear),
        ((3, 7), (6, 7), nn.Conv1d),
        ((3, 7), (3, 7), nn.Identity),
    ],
)
def test_a_regressor_where_widths_differ(student: tuple[int, ...], teacher: tuple[int, ...], kind: type[nn.Module]) -> None:
    made = regressor(student, teacher)
    assert isinstance(made, kind)
    assert len(student) == 3 or made(torch.zeros(2, *student)).shape == (2, *teacher)


def test_larger_images_are_averaged_down() -> None:
    big = images(3, side=8)
    one, other = alike(big, images(3))
    assert torch.allclose(one, F.avg_pool2d(big, 2))
    assert torch.equal(other, images(3))


def test_attention_is_that_of_the_paper() -> None:
    one, other = images(3), images(7, seed=1)

    def q(values: torch.Tensor) -> torch.Tensor:
        flat = (values**2).sum(1).reshape(5, -1)
        return flat / flat.norm(dim=1, keepdim=True)

    assert float(attention(one, other)) == pytest.approx(float(((q(one) - q(other)) ** 2).sum(1).mean()), rel=1e-9)


@pytest.mark.parametrize("term", [attention, similarity, relations])
def test_scale_and_copies_of_channels_do_not_matter(term) -> None:  # type: ignore[no-untyped-def]
    one = images(3)
    assert float(term(one, 3 * torch.cat([one, one], 1))) == pytest.approx(0, abs=1e-9)
    assert float(term(one, images(3, seed=1))) > 1e-3


def test_similarity_is_that_of_the_paper() -> None:
    one, other = images(3), images(7, seed=1)

    def g(values: torch.Tensor) -> torch.Tensor:
        flat = values.reshape(5, -1)
        return torch.stack([row / row.norm() for row in flat @ flat.T])

    assert float(similarity(one, other)) == pytest.approx(float((g(one) - g(other)).square().sum()) / 25, rel=1e-9)


def test_relations_see_distances_and_angles_by_hand() -> None:
    """A right angle and its half; the distances 1, 1, √2 against 1, 1, 2 on a line."""
    corner, line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0], [1.0], [-1.0]])
    means = (2 + math.sqrt(2)) / 3, 4 / 3
    apart = [(1 / means[0] - 1 / means[1]), (1 / means[0] - 1 / means[1]), (math.sqrt(2) / means[0] - 2 / means[1])]
    distance = 2 * sum(0.5 * d**2 for d in apart) / 9
    cosines = [(0.0, -1.0), (math.sqrt(0.5), 1.0), (math.sqrt(0.5), 1.0)]  # at each corner, between the other two
    angle = 2 * sum(0.5 * (a - b) ** 2 for a, b in cosines) / 27
    assert float(relations(corner, line)) == pytest.approx(distance + 2 * angle, rel=1e-5)


@pytest.mark.parametrize("term", [attention, similarity, relations])
def test_gradients_are_numbers_even_where_all_samples_are_alike(term) -> None:  # type: ignore[no-untyped-def]
    same = torch.zeros(3, 2, 2, 2, requires_grad=True)
    term(same, images(2, side=2)[:3].float()).backward()
    assert torch.isfinite(same.grad).all()
