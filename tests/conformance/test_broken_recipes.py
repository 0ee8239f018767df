"""A recipe that cannot run is refused at once, with its line, before any model or data is looked for."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from laconic.base.errors import RecipeError
from laconic.recipe import parse

ROWS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("broken_recipes.yaml").read_text(encoding="utf-8"))
SECONDS = 3.0


def test_there_are_many_kinds_of_broken_recipes() -> None:
    assert len({row["name"] for row in ROWS}) == len(ROWS) >= 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"].replace(" ", "-"))
def test_it_is_refused_with_line_cause_and_next_step(row: dict[str, Any], heard: Any) -> None:
    start = time.perf_counter()
    with pytest.raises(RecipeError) as caught:
        parse(row["text"], "recipe.yaml")
    assert time.perf_counter() - start < SECONDS
    error = heard("recipe", row["name"], caught.value)
    assert row["says"] in error.what
    assert row.get("advice", "") in error.hint
    place = f"recipe.yaml, line {row['line']}" if "line" in row else "recipe.yaml"
    assert error.where == place or error.where.startswith(f"{place},")


FEW = ("not YAML at all", "a mistyped step", "a sparsity in per cent", "shared twice")


@pytest.mark.parametrize("name", FEW)
def test_the_program_exits_2_and_never_looks_for_model_or_data(name: str, cli: Any, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row["name"] == name)
    (tmp_path / "r.yaml").write_text(row["text"])
    start = time.perf_counter()
    done = cli("compress", "gone.py:net", "--data", "npz:gone.npz", "--recipe", tmp_path / "r.yaml", "-o", tmp_path / "f.lac")
    assert time.perf_counter() - start < SECONDS
    assert (done.code, done.out) == (2, "")
    assert row["says"] in done.err
    assert "gone" not in done.err
    assert not (tmp_path / "f.lac").exists()
