"""The law of int8: a session multiplies integers and computes what the network in torch rounds, on every architecture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from laconic.artifact import Artifact, pack, unpack
from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.base.preprocessing import Preprocessing, tokens
from laconic.datasets.data import Data, Split
from laconic.graph.export import export
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import noted
from laconic.methods.int8 import Int8
from laconic.runtime import Session

PATH = Path(__file__).parents[2] / "graph" / "channels" / "architectures.py"
ARCHITECTURES = load_attribute(f"{PATH}:ARCHITECTURES", error=LaconicError)
random = load_attribute(f"{PATH}:random", error=LaconicError)
QUICK = ("densely joined", "inverted residual", "mixer")
CASES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]


def data_of(shape: tuple[int, ...], dtype: str) -> Data:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(32, *shape)).astype(np.float32) if dtype == "float32" else rng.integers(0, 9, (32, *shape))
    split = Split(inputs, np.arange(32) % 4)
    return Data("drawn", split, split, split, Preprocessing(shape, 1.0) if dtype == "float32" else tokens(*shape))


@pytest.mark.parametrize("name", CASES)
def test_a_session_computes_what_the_rounded_network_does_and_a_run_can_go_on(name: str) -> None:
    architecture: Any = ARCHITECTURES[name]
    torch.manual_seed(0)
    model, data = random(architecture.build()), data_of(architecture.sample, architecture.dtype)
    network = Int8(samples=32)(model, data)
    assert any(form.kind == "grid" for form in network.forms.values())
    x = torch.from_numpy(data.test.inputs[:8])
    with torch.no_grad():
        expected, before = network.module.eval()(x).numpy(), model(x).numpy()
        again = revive(preserve(network), model)
        np.testing.assert_array_equal(again.module.eval()(x).numpy(), expected)
    file = pack(Artifact(network.tensors(), export(network.module, architecture.sample, architecture.dtype), noted(network.edits)))
    assert np.abs(Session(unpack(file))(x.numpy()) - expected).max() < 0.05 * before.std()
    assert np.square(expected - before).mean() < 0.01 * before.var()


def test_the_quick_ones_are_there() -> None:
    assert set(QUICK) < set(ARCHITECTURES)
