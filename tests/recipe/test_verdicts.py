"""What a run decided about the test split: what the original and the file themselves say, in the split's order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.base.errors import ExportError
from laconic.base.records import Record, Verdicts
from laconic.datasets.data import Data
from laconic.graph.restore import load_into
from laconic.methods.prune import Prune
from laconic.recipe import Recipe, run
from laconic.train import Task

RECIPE = Recipe((Prune(sparsity=0.7),))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither latency nor the graph is what is tested here."""

    def refuse(*_: object) -> bytes:
        raise ExportError("not now", where="in this test")

    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 3)
    monkeypatch.setattr("laconic.recipe.package.export", refuse)


def test_the_record_holds_what_original_and_file_decide(model: nn.Module, data: Data, tmp_path: Path) -> None:
    images = torch.from_numpy(data.preprocessing.apply(data.test.inputs))
    with torch.no_grad():
        said = model.eval()(images).argmax(1).tolist()
        done = run(model, data, RECIPE)
        (tmp_path / "net.lac").write_bytes(done.content)
        file_says = load_into(model, tmp_path / "net.lac").eval()(images).argmax(1).tolist()
    assert said != file_says
    assert done.record.verdicts == Verdicts(tuple(data.test.targets.tolist()), tuple(said), tuple(file_says))
    assert done.record.classes == data.classes
    assert done.record.after.score is not None
    assert done.record.after.score.value == pytest.approx(100 * np.mean(np.equal(file_says, data.test.targets)))
    assert Record.from_json(done.record.to_json()) == done.record


def test_a_task_that_decides_nothing_leaves_no_verdicts(model: nn.Module, data: Data) -> None:
    def far(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.abs().mean(1)

    task = Task(functional.cross_entropy, far, "distance", "m", 1.0, higher_is_better=False)
    record = run(model, data, RECIPE, task=task).record
    assert record.verdicts == Verdicts()
    assert not record.higher_is_better
