"""Wrong data are found within seconds, by their making or by a dry run, and the split and the row are named."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from laconic.base.errors import ExportError, LaconicError
from laconic.base.imports import load_attribute
from laconic.recipe import Recipe
from laconic.recipe.check import check

WRONG = load_attribute(f"{Path(__file__).with_name('wrong_data.py')}:WRONG", error=LaconicError)
SECONDS = 10.0


@pytest.fixture(autouse=True)
def _without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds has nothing to do with data."""

    def refuse(*_: object) -> bytes:
        raise ExportError("not exported", where="this test")

    monkeypatch.setattr("laconic.recipe.package.export", refuse)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))


def test_there_are_many_kinds_of_wrong_data() -> None:
    assert len({row.name for row in WRONG}) == len(WRONG)
    assert sum(bool(row.says) for row in WRONG) >= 25


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row.name.replace(" ", "-"))
def test_it_is_found_and_its_place_named(row: Any, heard: Any, tmp_path: Path) -> None:
    start = time.perf_counter()
    if row.says and not row.warns:
        with pytest.raises(LaconicError) as caught:
            check(network(), row.make(tmp_path), Recipe())
        error = heard("data", row.name, caught.value)
        assert row.says in error.what
        assert row.where in error.where
        assert error.hint, "a refusal says what to do next"
    else:
        found = check(network(), row.make(tmp_path), Recipe())
        said = [warning for warning in found.warnings if not warning.startswith("weights only")]
        assert len(said) == bool(row.says)
        for warning in said:
            assert row.says in heard("data", row.name, warning)
            assert row.where in warning
    assert time.perf_counter() - start < SECONDS
