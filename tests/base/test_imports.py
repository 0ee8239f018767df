"""Somebody else's code: found, run, and blamed by file and line."""

import sys

import pytest

from laconic.base.errors import DataError, ModelError
from laconic.base.imports import call_attribute, foreign_code, load_attribute


@pytest.fixture
def file(tmp_path):
    def write(text, name="net.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_name_is_found_in_a_file(file):
    assert load_attribute(f"{file('answer = 42')}:answer", error=ModelError) == 42


def test_a_path_may_hold_colons(tmp_path):
    folder = tmp_path / "C:odd"
    folder.mkdir()
    (folder / "net.py").write_text("answer = 42")
    assert load_attribute(f"{folder}/net.py:answer", error=ModelError) == 42


def test_a_name_is_found_in_a_package():
    assert load_attribute("collections.abc:Mapping", error=ModelError) is __import__("collections").abc.Mapping


def test_a_lazy_name_of_a_package_is_found(tmp_path, monkeypatch):
    (tmp_path / "lazy_package_of_mine.py").write_text(
        "def __getattr__(name):\n    if name == 'late': return 7\n    raise AttributeError(name)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert load_attribute("lazy_package_of_mine:late", error=ModelError) == 7


def test_a_file_finds_its_neighbours_and_leaves_the_path_as_it_was(file):
    file("depth = 20", "neighbour_of_net.py")
    early = file("import neighbour_of_net\nbuild = lambda: neighbour_of_net.depth")
    late = file("def build():\n    import neighbour_of_net_2\n    return neighbour_of_net_2.depth", "late.py")
    file("depth = 32", "neighbour_of_net_2.py")
    before = list(sys.path)
    assert call_attribute(f"{early}:build", error=ModelError) == 20
    assert call_attribute(f"{late}:build", error=ModelError) == 32
    assert sys.path == before


def test_the_path_is_restored_after_an_error(file):
    before = list(sys.path)
    with pytest.raises(ModelError):
        load_attribute(f"{file('1 / 0')}:build", error=ModelError)
    assert sys.path == before


def test_two_files_of_one_name_do_not_meet(tmp_path):
    for folder, depth in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(f"depth = {depth}")
    assert [load_attribute(f"{tmp_path}/{folder}/net.py:depth", error=ModelError) for folder in "ab"] == [1, 2]
    assert "net" not in sys.modules


def test_an_edited_file_is_seen(file):
    assert load_attribute(f"{file('x = 1')}:x", error=ModelError) == 1
    assert load_attribute(f"{file('x = 1  + 1')}:x", error=ModelError) == 2


def test_dataclasses_of_a_file_work(file):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Net:\n    depth: int = 3\n"
    assert call_attribute(f"{file(text)}:Net", error=ModelError).depth == 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = 1\n1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("def build(:\n", 1, "SyntaxError"),
        ("\n\nimport no_such_module_at_all\n", 3, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    ],
)
def test_a_file_that_fails_on_import_is_blamed_by_line(file, text, line, words):
    path = file(text)
    with pytest.raises(ModelError) as caught:
        load_attribute(f"{path}:build", error=ModelError)
    assert words in caught.value.what
    assert caught.value.where == f"{path}, line {line}"


def test_a_function_that_fails_is_blamed_by_its_own_line_not_the_library_s(file):
    path = file("import json\ndef build():\n    return json.loads('{')\n")
    with pytest.raises(DataError, match="JSONDecodeError") as caught:
        call_attribute(f"{path}:build", error=DataError)
    assert caught.value.where == f"{path}, line 3"


def test_our_own_errors_pass_through(file):
    path = file("from laconic.base.errors import DataError\ndef make():\n    raise DataError('row 3 is odd')\n")
    with pytest.raises(DataError, match=r"^row 3 is odd$"):
        call_attribute(f"{path}:make", error=ModelError)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("net.py", "names nothing"),
        (":build", "names nothing"),
        ("net.py:", "names nothing"),
        ("no/such/net.py:build", "no such file"),
        ("no_such_package.at_all:build", "No module named 'no_such_package'"),
        ("math:tao", "has no 'tao'"),
    ],
)
def test_what_is_not_there_is_said(reference, words):
    with pytest.raises(ModelError, match=words):
        load_attribute(reference, error=ModelError)


def test_a_near_name_is_proposed():
    with pytest.raises(ModelError) as caught:
        load_attribute("math:sqr", error=ModelError)
    assert "sqrt" in caught.value.hint


def test_what_is_no_function_is_not_called():
    with pytest.raises(ModelError, match="is a float, not a function"):
        call_attribute("math:pi", error=ModelError)


def test_a_keyboard_interrupt_is_nobody_s_error():
    with pytest.raises(KeyboardInterrupt), foreign_code("it failed", ModelError):
        raise KeyboardInterrupt


def test_the_import_machinery_is_never_blamed():
    with pytest.raises(ModelError) as caught:
        load_attribute("no_such_package:build", error=ModelError)
    assert caught.value.where == ""
