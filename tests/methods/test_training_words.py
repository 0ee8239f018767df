"""Every step that trains takes every word of a training: none is read by some and ignored by others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laconic import Distill, Finetune, Int8, Prune, PruneChannels, Replace, Squeeze
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.step import Step
from laconic.recipe import STEPS
from laconic.train import Training

SHORT: dict[str, Any] = {"epochs": 2, "batch": 16, "lr": 0.01}
BUILDERS: dict[str, Callable[..., Step]] = {
    "finetune": Finetune,
    "distill": Distill,
    "squeeze": lambda **words: Squeeze(bits=12.0, **words),
    "prune": lambda **words: Prune(sparsity=0.5, rounds=2, training=Training(**words)),
    "prune-channels": lambda **words: PruneChannels(ratio=0.3, criterion="l1", rounds=2, training=Training(**words)),
    "replace": lambda **words: Replace(block={"block.*": "bottleneck"}, samples=32, iterations=1, **words),
    "int8": lambda **words: Int8(samples=32, training=Training(**words)),
}
WORDS: dict[str, dict[str, Any]] = {
    "smoothing": {"smoothing": 0.4},
    "mixup": {"mixup": 1.0},
    "average": {"average": "ema"},
    "swa": {"average": "swa"},
    "accumulate": {"accumulate": 2},
    "clip": {"clip": 1e-3},
}


def test_no_step_is_forgotten(model: nn.Module) -> None:
    trains = {word for word, kind in STEPS.items() if issubclass(kind, Training) or "training" in kind.__dataclass_fields__}
    assert trains == set(BUILDERS)


@pytest.fixture(scope="module")
def plain(data: Data, residual: nn.Module) -> Callable[[str], list[torch.Tensor]]:
    """What a step makes without any of the words."""
    known: dict[str, list[torch.Tensor]] = {}

    def of(word: str) -> list[torch.Tensor]:
        if word not in known:
            known[word] = values(BUILDERS[word](**SHORT)(residual, data))
        return known[word]

    return of


def values(network: Network) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in network.module.parameters()]


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("step", BUILDERS)
def test_every_word_counts_and_leaves_a_sound_network(
    step: str, words: dict[str, Any], data: Data, residual: nn.Module, plain: Callable[[str], list[torch.Tensor]]
) -> None:
    made = BUILDERS[step](**SHORT | words)(residual, data)
    assert all(bool(value.isfinite().all()) for value in values(made))
    assert any(one.shape != other.shape or not torch.equal(one, other) for one, other in zip(values(made), plain(step), strict=True))
    for name, form in made.forms.items():
        assert made.array(name).tobytes() == form.array().tobytes()


BOUNDED = {"distill": (10.0, 10.0), "replace": (10.0, 10.0), "squeeze": (None, None)}


@pytest.mark.parametrize("step", BUILDERS)
def test_steps_are_bounded_where_more_than_labels_is_learnt_from(
    step: str, data: Data, residual: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[float] = []
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda parameters, most: bounds.append(most))
    usual, original = BOUNDED.get(step, (None, 10.0))
    cases = (
        [({}, usual), ({"lr": 0.05}, 2.0), ({"lr": 1e-4}, 10.0), ({"clip": 3.0}, 3.0)]
        if step == "distill"
        else [({}, usual), ({"targets": "original"}, original), ({"targets": "both"}, original), ({"targets": "both", "clip": 3.0}, 3.0)]
    )
    for said, bound in cases:
        bounds.clear()
        BUILDERS[step](**SHORT | said)(residual, data)
        assert set(bounds) == ({bound} if bound else set()), said
