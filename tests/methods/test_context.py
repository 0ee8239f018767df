"""Training a network keeps its Forms, and a network that diverged is not handed on."""

import numpy as np
import pytest
from torch import nn

from laconic.base.edits import Folded
from laconic.base.errors import DataError
from laconic.datasets.data import Data
from laconic.forms import Masked
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.train import Training, classification, from_task

LOSS = from_task(classification.loss)


def masked(model: nn.Module) -> Network:
    weight = Network(model).array("fc.weight")
    return Network(model, edits=(Folded("a", "b"),)).reformed({"fc.weight": Masked.of(weight, np.abs(weight) > 0.05)})


def test_forms_and_edits_are_carried_over(model: nn.Module, data: Data) -> None:
    told: list[tuple[str, float]] = []

    def progress(what: str, share: float, detail: str) -> None:
        assert detail.startswith("loss ")
        told.append((what, share))

    network = masked(model)
    trained = Context(data, model, progress=progress).fit(network, LOSS, Training(epochs=2, batch=16), "practise")
    assert trained.edits == network.edits
    old, new = network.forms["fc.weight"], trained.forms["fc.weight"]
    assert isinstance(new, Masked)
    assert isinstance(old, Masked)
    assert np.array_equal(new.mask, old.mask)
    assert not np.array_equal(new.table, old.table)
    assert trained.array("fc.weight").tobytes() == new.array().tobytes()
    assert told == [("practise", (i + 1) / 8) for i in range(8)]


def test_a_last_step_that_diverges_is_refused(model: nn.Module, data: Data) -> None:
    with pytest.raises(DataError, match="a weight became nan or inf"):
        Context(data, model).fit(masked(model), lambda m, x, t: m(x).sum() * 1e30, Training(batch=64, lr=1e9), "x")
