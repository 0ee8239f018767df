"""Which layers look at which."""

import pytest
import torch
from torch import Tensor, nn

from laconic.base.errors import RecipeError
from laconic.methods.distill.layers import Taps, pairs, shapes


def network(*widths: int) -> nn.Sequential:
    """Convolutions of these widths, a halving of the image after each."""
    parts: list[nn.Module] = []
    for inputs, outputs in zip((1, *widths), widths, strict=False):
        parts += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(4))


def perceptron(hidden: int, width: int = 5) -> nn.Sequential:
    layers = [nn.Sequential(nn.Linear(64 if not i else width, width), nn.ReLU()) for i in range(hidden)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, 4))


IMAGES = torch.randn(2, 1, 8, 8)


def names(student: nn.Module, teacher: nn.Module, layers: dict[str, str] | str = "auto") -> list[tuple[str, str]]:
    return [pair.names for pair in pairs(student, teacher, IMAGES, layers)]


def test_of_each_size_of_image_the_layers_that_run_last() -> None:
    assert names(network(3, 4), network(6, 7, 8)) == [("1", "1"), ("4", "4"), ("5", "7")]


def test_perceptrons_by_proportion() -> None:
    assert names(perceptron(2), perceptron(4)) == [("1.0", "2.0"), ("2.0", "4.0")]


def test_the_lecture_s_map_from_six_layers_to_twelve() -> None:
    found = names(perceptron(6), perceptron(12), {"?.0": "*.0"})
    assert ("3.0", "6.0") in found
    assert ("6.0", "12.0") in found


def test_by_name_and_by_pattern() -> None:
    assert names(network(3, 4), network(6, 7), {"3": "0"}) == [("3", "0")]
    assert names(network(3, 4), network(6, 7), {"[03]": "[03]"}) == [("0", "0"), ("3", "3")]


def test_of_patterns_for_one_layer_the_first_counts() -> None:
    assert names(network(3, 4), network(6, 7), {"0": "0", "[03]": "[03]"}) == [("0", "0"), ("3", "3")]
    assert names(network(3, 4), network(6, 7), {"3": "0", "[03]": "[03]"}) == [("3", "0"), ("0", "0")]


def test_shapes_are_those_of_what_layers_give() -> None:
    (pair,) = pairs(network(3), network(6), IMAGES, {"0": "0"})
    assert pair.shapes == ((3, 8, 8), (6, 8, 8))


def test_a_layer_that_runs_twice_counts_where_it_ran_last() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), shared, nn.ReLU(), shared)
    assert list(shapes(model, IMAGES)) == ["0", "1", "3", "2"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"cnov1": "0"}, "no layer that gives images, sequences or vectors is called cnov1"),
        ({"0": "nowhere"}, "is called nowhere"),
        ({"0": "7"}, r"0 gives \(3, 8, 8\), 7"),
    ],
)
def test_what_cannot_be_compared_is_refused(layers: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        pairs(network(3, 4), network(6, 7), IMAGES, layers)


class Words(nn.Module):
    """A sentence of 8 words of 8 numbers, through layers over words, and through layers along them."""

    def __init__(self, width: int, words: int = 8) -> None:
        super().__init__()
        self.over, self.along = nn.Linear(8, width), nn.Conv1d(8, words, 3, padding=1)
        self.fc = nn.Linear(width * words, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.along(self.over(x.reshape(-1, 8, 8))).flatten(1))


def test_sequences_are_held_against_sequences() -> None:
    found = pairs(Words(3), Words(6), IMAGES, {"over": "over", "along": "along"})
    assert [pair.shapes for pair in found] == [((8, 3), (8, 6))] * 2


def test_sequences_and_vectors_are_paired_among_their_like() -> None:
    one = nn.Sequential(
        nn.Flatten(), nn.Unflatten(1, (8, 8)), nn.Linear(8, 5), nn.Flatten(), nn.Linear(40, 9), nn.Linear(9, 9), nn.Linear(9, 4)
    )
    two = nn.Sequential(
        nn.Flatten(), nn.Unflatten(1, (8, 8)), nn.Linear(8, 6), nn.Linear(6, 6), nn.Flatten(), nn.Linear(48, 7), nn.Linear(7, 4)
    )
    found = [pair.names for pair in pairs(one, two, IMAGES, "auto")]
    assert found == [("4", "5"), ("5", "5"), ("2", "3")]
    assert found == [pair.names for pair in pairs(one, two, IMAGES, {"[245]": "[235]"})]


def test_networks_without_hidden_layers_are_refused() -> None:
    with pytest.raises(RecipeError, match="no layer of the student goes with one of the teacher"):
        pairs(perceptron(0, 64), perceptron(2), IMAGES, "auto")


def test_taps_hold_what_was_given_last_and_leave_nothing_behind() -> None:
    model, taps = network(3), Taps(["0", "0"])
    with taps.on(model):
        model(IMAGES)
        model(2 * IMAGES)
        assert torch.equal(taps.given["0"], model[0](2 * IMAGES))
    assert not taps.given
    assert not model[0]._forward_hooks


def test_taps_hold_what_the_layer_gave_whatever_an_activation_in_place_makes_of_it() -> None:
    model, taps = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True)), Taps(["0"])
    with taps.on(model):
        model(IMAGES)
        assert torch.equal(taps.given["0"], model[0](IMAGES))
