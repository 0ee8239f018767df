"""What is said of a distillation in a recipe."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from laconic import compress
from laconic.base.errors import RecipeError
from laconic.datasets.data import Data
from laconic.methods.distill import Distill
from laconic.recipe import Recipe, write


@pytest.mark.parametrize("word", ["teacher", "assistants"])
def test_models_that_are_given_in_python_are_said_by_their_names(word: str) -> None:
    given: dict[str, Any] = {word: [nn.Linear(2, 2), "zoo:lenet5"], "teacher_weights": ["", "lenet.pt"] if word == "teacher" else ""}
    step = Distill(**given)
    assert step.said()[word] == ["Linear", "zoo:lenet5"]
    assert "Linear" in write(Recipe((step,)))


def test_a_model_may_be_an_assistant_of_a_whole_run(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)
    small = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    result = compress(small, data, [Distill(epochs=1, batch=32, teacher=model, assistants=[model])])  # type: ignore[arg-type]
    assert "assistants" in result.record.recipe


@pytest.mark.parametrize("assistants", [-1, [3], nn.Linear(2, 2)])
def test_what_is_no_model_is_no_assistant(assistants: Any) -> None:
    with pytest.raises(RecipeError, match="assistants cannot be"):
        Distill(assistants=assistants)
