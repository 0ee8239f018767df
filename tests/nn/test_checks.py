"""A model that no step could work on is refused in a moment, with the place."""

import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.nn import check_model, home


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_a_sound_model_passes() -> None:
    model = net()
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    check_model(model)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["0.weight", "0.bias"])
def test_weights_that_are_not_finite_are_refused(name: str, value: float) -> None:
    model = net()
    model.get_parameter(name).data.reshape(-1)[1] = value
    with pytest.raises(ModelError, match=r"1 of \d values are not finite") as caught:
        check_model(model)
    assert caught.value.where == name


def test_a_buffer_may_hold_infinity_but_not_nan() -> None:
    model = net()
    model[1].running_mean[0] = torch.nan
    with pytest.raises(ModelError) as caught:
        check_model(model)
    assert caught.value.where == "1.running_mean"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), "parametrization"),
        (nn.Sequential(nn.LazyLinear(2)), "no values yet"),
        (nn.Linear(3, 2, device="meta"), "no values yet"),
        (nn.ReLU(), "no weights"),
    ],
    ids=["parametrised", "lazy", "meta", "nothing"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_what_is_no_plain_model_is_refused(model: nn.Module, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_model(model)


def test_home_is_that_of_the_first_floating_parameter() -> None:
    assert home(nn.Linear(1, 1).to(torch.bfloat16)) == (torch.device("cpu"), torch.bfloat16)
    assert home(nn.Linear(1, 1, device="meta"))[0] == torch.device("meta")
    assert home(nn.ReLU()) == (torch.device("cpu"), torch.float32)
