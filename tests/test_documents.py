"""Whatever Python stands in the README and the docs runs, top to bottom, as a reader would type it."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _code(path: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S))


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if _code(p)], ids=lambda p: p.name)
def test_python_in_documents_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(_code(path), str(path), "exec"), {"__name__": "__document__"})


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [t for t in targets if not (path.parent / t).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_tables_in_documents_are_those_of_the_benchmarks(path: Path) -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "tables.py"))
    text = path.read_text(encoding="utf-8")
    assert text == tables["filled"](text), "run python docs/tables.py"
