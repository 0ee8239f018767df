"""MODEL and DATA, brought together."""

from typing import Any

import pytest

from laconic.base.errors import ModelError, UsageError
from laconic.cli.opening import needed_shape, open_data, open_model, open_recipe, own_shape
from laconic.cli.options import Sample

NOTHING_SAID = Sample(None, None, None)


def test_digits_are_brought_to_the_size_that_the_network_is_made_for() -> None:
    assert open_data("digits", "zoo:lenet5", NOTHING_SAID, False).preprocessing.shape == (1, 28, 28)
    assert open_data("digits", "zoo:resnet20", NOTHING_SAID, False).preprocessing.shape == (3, 32, 32)


def test_what_was_said_has_the_last_word() -> None:
    said = Sample((1, 20, 20), (0.25,), (0.5,))
    stage = open_data("digits", "zoo:lenet5", said, False).preprocessing
    assert (stage.shape, stage.mean, stage.std) == ((1, 20, 20), (0.25,), (0.5,))


def test_data_with_a_shape_of_their_own_keep_it(desk: Any) -> None:
    assert open_data(desk.data, "zoo:lenet5", NOTHING_SAID, False).preprocessing.shape == (1, 6, 6)


def test_a_checkpoint_is_judged_on_one_half_of_the_test_samples() -> None:
    trained, checkpoint = (open_data("digits", "zoo:lenet5", NOTHING_SAID, flag) for flag in (False, True))
    assert len(checkpoint.validation) + len(checkpoint.test) == len(trained.test)
    assert len(checkpoint.train) == len(trained.train)


def test_random_weights_are_warned_of_and_a_users_own_are_not(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    open_model("zoo:lenet5", None, None)
    assert "random weights" in capsys.readouterr().err
    open_model(desk.net, None, None)
    assert "random" not in capsys.readouterr().err


def test_random_weights_are_those_of_the_seed() -> None:
    first, again, other = (open_model("zoo:lenet5", None, None, seed=seed).fc2.bias.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_shapes_that_architectures_are_made_for() -> None:
    assert own_shape("zoo:resnet20") == (3, 32, 32)
    assert own_shape("torchvision:resnet18") == (3, 224, 224)
    assert own_shape("net.py:build") is None
    with pytest.raises(ModelError, match="resnet21"):
        own_shape("zoo:resnet21")


def test_a_shape_that_only_the_builder_knows_must_be_said() -> None:
    assert needed_shape("net.py:build", (3, 8, 8)) == (3, 8, 8)
    with pytest.raises(UsageError, match="input"):
        needed_shape("net.py:build", None)


def test_a_seed_replaces_the_recipes_own(desk: Any) -> None:
    assert open_recipe(str(desk.recipe), None).seed == 4
    assert open_recipe(str(desk.recipe), 7).seed == 7
