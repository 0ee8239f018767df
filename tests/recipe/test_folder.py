"""A run that is interrupted anywhere and goes on ends with the same bytes."""

import copy
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from laconic.base import files
from laconic.base.errors import ResourceError, UsageError
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.persist import digest, preserve, revive
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.prune import Prune
from laconic.methods.share import Share
from laconic.recipe import Recipe, run
from laconic.recipe.folder import open_run
from laconic.train import Training, course

RECIPE = Recipe(
    (Prune(sparsity=0.6, rounds=3, training=Training(epochs=2, batch=32, shift=1)), Share(bits=3), Finetune(epochs=2, batch=32))
)


class Stopped(BaseException):
    """What a kill looks like from inside."""


def stop_at(count: int) -> Callable[..., None]:
    """Progress that dies at its `count`-th word."""
    told = 0

    def progress(*_: object) -> None:
        nonlocal told
        told += 1
        if told == count:
            raise Stopped

    return progress


def objects(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "objects").iterdir())


@pytest.mark.slow
def test_a_run_stopped_anywhere_goes_on_to_the_same_bytes(
    model: nn.Module, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "KEEP_EVERY", -1.0)
    whole = run(model, data, RECIPE, folder=tmp_path / "whole")
    for count in (2, 3, 5, 6, 7, 8, 10, 11, 13):
        folder = tmp_path / str(count)
        with pytest.raises(Stopped):
            run(model, data, RECIPE, folder=folder, progress=stop_at(count))
        late = run(model, data, RECIPE, folder=folder, resume=True)
        assert late.content == whole.content, count
        assert [stage.plan for stage in late.record.stages] == [stage.plan for stage in whole.record.stages]
        assert objects(folder) == objects(tmp_path / "whole")


TEACHER = "from torch import nn\n\n\ndef teacher():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))\n"
IDENTITY = {"recipe": "r", "model": "m"}


def test_a_stage_is_found_again_with_all_that_belongs_to_it(model: nn.Module, data: Data, tmp_path: Path) -> None:
    network = Share(bits=3)(Fold()(Prune(sparsity=0.5)(model, data), data), data)
    again = revive(preserve(network), model)
    assert again.edits == network.edits != ()
    assert again.forms.keys() == network.forms.keys()
    for name, form in network.tensors().items():
        assert again.tensors()[name].array().tobytes() == form.array().tobytes()
        assert again.tensors()[name].kind == form.kind


@pytest.mark.parametrize("damage", ["network", "journal line", "torn tail"])
def test_what_is_damaged_is_done_again(tmp_path: Path, damage: str, stage: Any) -> None:
    with open_run(tmp_path, IDENTITY, resume=False) as folder:
        folder.finish_stage(0, b"first", stage)
        folder.finish_stage(1, b"second", stage)
    journal = tmp_path / "journal"
    if damage == "network":
        (tmp_path / "objects" / objects(tmp_path)[0]).write_bytes(b"?")
    if damage == "journal line":
        journal.write_bytes(journal.read_bytes().replace(b'"number":1', b'"number":7'))
    if damage == "torn tail":
        journal.write_bytes(journal.read_bytes()[:-3])
    with open_run(tmp_path, IDENTITY, resume=True) as folder:
        found = [content for content, _ in folder.stages()]
        assert found in ([], [b"first"])
        assert len(found) < 2


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY, resume=False):
        pass
    with pytest.raises(UsageError, match="holds an interrupted run"), open_run(tmp_path, IDENTITY, resume=False):
        pass
    with pytest.raises(UsageError, match="differs in model"), open_run(tmp_path, IDENTITY | {"model": "other"}, resume=True):
        pass


@pytest.mark.parametrize("several", [False, True])
def test_a_run_whose_teacher_has_learnt_more_since_is_another_run(model: nn.Module, data: Data, tmp_path: Path, several: bool) -> None:
    """In Python, a teacher may be a model: the recipe's text tells no more of it than its class."""
    teacher = copy.deepcopy(model)
    recipe = Recipe((Distill(epochs=1, batch=32, teacher=(teacher, "original") if several else teacher),))
    with pytest.raises(Stopped):
        run(model, data, recipe, folder=tmp_path, progress=stop_at(3))
    same = copy.deepcopy(teacher.state_dict())
    with torch.no_grad():
        next(teacher.parameters()).mul_(2)
    with pytest.raises(UsageError, match="differs in a model given to a step"):
        run(model, data, recipe, folder=tmp_path, resume=True)
    teacher.load_state_dict(same)
    run(model, data, recipe, folder=tmp_path, resume=True)


class Counting(nn.Linear):
    """Keeps something beside its tensors."""

    def get_extra_state(self) -> int:
        return self.out_features

    def set_extra_state(self, state: int) -> None:
        pass


def test_a_digest_is_of_all_state() -> None:
    one, other = Counting(3, 2), Counting(3, 2)
    other.load_state_dict(one.state_dict())
    assert digest(one) == digest(other)
    other.get_extra_state = lambda: 7  # type: ignore[method-assign]
    assert digest(one) != digest(other)


def test_a_run_whose_teacher_s_weights_have_changed_is_another_run(model: nn.Module, data: Data, tmp_path: Path) -> None:
    weights = tmp_path / "t.pt"
    (tmp_path / "nets.py").write_text(TEACHER)
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).state_dict(), weights)
    recipe = Recipe((Distill(epochs=1, batch=32, teacher=f"{tmp_path}/nets.py:teacher", teacher_weights=str(weights)),))
    with pytest.raises(Stopped):
        run(model, data, recipe, folder=tmp_path / "run", progress=stop_at(3))
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).state_dict(), weights)
    with pytest.raises(UsageError, match="differs in a model given to a step"):
        run(model, data, recipe, folder=tmp_path / "run", resume=True)


def test_a_run_whose_teacher_s_file_has_changed_is_another_run(model: nn.Module, data: Data, tmp_path: Path) -> None:
    file = tmp_path / "nets.py"
    file.write_text(TEACHER)
    recipe = Recipe((Distill(epochs=1, batch=32, teacher=f"{file}:teacher"),))
    with pytest.raises(Stopped):
        run(model, data, recipe, folder=tmp_path / "run", progress=stop_at(3))
    file.write_text(file.read_text() + "# changed\n")
    with pytest.raises(UsageError, match="differs in a model given to a step"):
        run(model, data, recipe, folder=tmp_path / "run", resume=True)


def test_a_run_that_is_through_makes_way(tmp_path: Path, stage: Any) -> None:
    with open_run(tmp_path, IDENTITY, resume=False) as folder:
        folder.finish_stage(0, b"first", stage)
        folder.end("id")
    with open_run(tmp_path, {"recipe": "another"}, resume=False) as folder:
        assert folder.stages() == []
        assert objects(tmp_path) == []


def test_only_one_process_works_in_a_folder(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, IDENTITY, resume=False),
        pytest.raises(ResourceError, match="another process is working on this run"),
        open_run(tmp_path, IDENTITY, resume=True),
    ):
        pass


def test_strays_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / ".laconic-stray").write_bytes(b"half")
    with open_run(tmp_path, IDENTITY, resume=False):
        assert objects(tmp_path) == []


def test_a_disk_that_is_full_at_any_write_loses_nothing(tmp_path: Path, stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the N-th flush to disk, for every N: a typed error, and what was finished before is still there."""

    def work(path: Path, resume: bool) -> list[bytes]:
        with open_run(path, IDENTITY, resume) as folder:
            for number in range(len(folder.stages()), 3):
                folder.keep_point(number, b"state %d" % number)
                folder.finish_stage(number, b"network %d" % number, stage)
            return [content for content, _ in folder.stages()]

    flush, flushes = os.fsync, 0

    def count(_: int) -> None:
        nonlocal flushes
        flushes += 1
        if flushes == fail_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(_)

    monkeypatch.setattr(files.os, "fsync", count)
    fail_at = 0
    whole = work(tmp_path / "whole", resume=False)
    writes, resumed = flushes, 0
    for n in range(1, writes + 1):
        flushes, fail_at = 0, n
        with pytest.raises(ResourceError, match="the disk is full"):
            work(tmp_path / str(n), resume=False)
        assert not list((tmp_path / str(n)).rglob(".laconic-*"))
        fail_at = 0
        begun = (tmp_path / str(n) / "journal").exists() and (tmp_path / str(n) / "journal").stat().st_size > 0
        assert work(tmp_path / str(n), resume=begun) == whole
        resumed += begun
    assert writes == 13
    assert resumed >= writes - 1


def test_seeds_decide_everything(model: nn.Module, data: Data) -> None:
    first, again, other = (run(model, data, replace(RECIPE, seed=seed)).content for seed in (0, 0, 1))
    assert first == again != other


def test_the_network_handed_on_is_a_copy(model: nn.Module, data: Data) -> None:
    network = Network(model)
    revived = revive(preserve(network), model)
    assert revived.module is not model
    assert np.array_equal(revived.array("fc.weight"), network.array("fc.weight"))
