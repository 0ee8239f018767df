"""Whether another engine is worth a word, against times of our own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from laconic.artifact import Artifact
from laconic.runtime import Session, glance
from laconic.runtime.engines import Choice
from laconic.runtime.glance import clearly_faster

X = np.ones((1, 4), np.float32)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """What every call of an engine takes in ms; it is filled by the test. Every run is made once."""
    taken: dict[str, list[float]] = {"onnxruntime": [6.0] * 3}

    def clock(runs: Mapping[str, Any], repeats: int) -> dict[str, list[float]]:
        assert repeats == glance.GLANCES
        return {name: taken[name] for name, run in runs.items() if run() is not None}

    monkeypatch.setattr(glance, "clock", clock)
    return taken


def test_an_engine_that_is_clearly_faster_is_named(artifact: Artifact, times: dict[str, list[float]]) -> None:
    """Ours refuses the file, which has no zeros to speak of; bf16, which rounds, has no say."""
    times["openvino"] = [2.0] * 3
    found = clearly_faster(artifact, Session(artifact), X)
    assert found is not None
    assert (found[0], found[1].value, found[1].unit) == (Choice("openvino"), 3.0, "x")


@pytest.mark.parametrize("taken", [[6.0] * 3, [9.0] * 3, [5.5] * 3, [2.0, 5.5, 9.0]], ids=["as fast", "slower", "hardly", "now and then"])
def test_one_that_is_not_is_none(taken: list[float], artifact: Artifact, times: dict[str, list[float]]) -> None:
    times["openvino"] = taken
    assert clearly_faster(artifact, Session(artifact), X) is None


def test_the_fastest_of_several_is_named(artifact: Artifact, times: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def session(artifact: Artifact, choice: Choice) -> Session:
        opened.append(choice.engine)
        return Session(artifact)

    monkeypatch.setattr(glance, "Session", session)
    times |= {"openvino": [2.0] * 3, "laconic": [1.0] * 3}
    found = clearly_faster(artifact, Session(artifact), X)
    assert found is not None
    assert found[0] == Choice("laconic")
    assert opened == ["openvino", "laconic"]


def test_one_that_computes_something_else_is_not_named(
    artifact: Artifact, times: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    default = Session(artifact)
    times["openvino"] = times["laconic"] = [2.0] * 3
    monkeypatch.setattr(glance, "Session", lambda artifact, choice: lambda x: 1.1 * default(x))
    assert clearly_faster(artifact, default, X) is None
