"""The way in and out: the table of commands, exit codes, and how errors are told."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import laconic
from laconic.base.errors import ArtifactError, BudgetError, DataError, LaconicError, ModelError, RecipeError, ResourceError
from laconic.cli.app import COMMANDS


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes `laconic inspect F` raise something."""

    def arrange(cause: BaseException) -> None:
        def read(*_: object) -> bytes:
            raise cause

        monkeypatch.setattr("laconic.artifact.read", read)

    return arrange


def test_version(cli: Any) -> None:
    done = cli("--version")
    assert (done.code, done.out) == (0, f"laconic {laconic.__version__}\n")


def test_help_names_every_command_with_its_first_line_whole(cli: Any) -> None:
    done = cli("--help")
    assert done.code == 0
    for word, command in COMMANDS.items():
        assert f"  {word} " in done.out
        assert (command.__doc__ or "").partition("\n")[0] in done.out


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_help_and_takes_json(cli: Any, word: str) -> None:
    done = cli(word, "--help")
    assert done.code == 0
    assert "--json" in done.out


@pytest.mark.parametrize(
    "words", [("frob",), ("inspect",), ("inspect", "a", "b"), ("compress", "m", "--frob"), ("run", "a", "b", "--top", "0")]
)
def test_wrong_words_exit_2_and_leave_stdout_alone(cli: Any, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: laconic" in done.err


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (LaconicError("x"), 1),
        (RecipeError("x"), 2),
        (FileNotFoundError(2, "No such file or directory", "gone.lac"), 2),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2),
        (ModelError("x"), 3),
        (DataError("x"), 3),
        (BudgetError("x"), 4),
        (ArtifactError("x"), 5),
        (ResourceError("x"), 6),
        (MemoryError(), 6),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), 6),
        (OSError(28, "No space left on device", "small.lac"), 6),
        (PermissionError(13, "Permission denied", "small.lac"), 6),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_every_kind_of_error_has_its_code_and_no_traceback(cli: Any, raising: Any, cause: BaseException, code: int) -> None:
    raising(cause)
    done = cli("inspect", "f.lac")
    assert (done.code, done.out) == (code, "")
    assert done.err.strip()
    assert "Traceback" not in done.err


def test_an_error_says_what_where_and_what_next(cli: Any, raising: Any) -> None:
    raising(ArtifactError("the checksum does not match", where="section graph", hint="fetch it again"))
    assert cli("inspect", "f.lac").err == "error: the checksum does not match\n  where: section graph\n  try:   fetch it again\n"


def test_the_unexpected_asks_for_debug(cli: Any, raising: Any) -> None:
    raising(ZeroDivisionError("division by zero"))
    assert "--debug" in cli("inspect", "f.lac").err


@pytest.mark.parametrize("words", [("--debug", "inspect", "f.lac"), ("inspect", "f.lac", "--debug")])
def test_debug_shows_the_traceback_and_keeps_the_code(cli: Any, raising: Any, words: tuple[str, ...]) -> None:
    raising(ArtifactError("broken"))
    done = cli(*words)
    assert done.code == 5
    assert "Traceback" in done.err
    assert "error: broken" in done.err


def test_a_missing_library_names_the_extra_that_brings_it(cli: Any, raising: Any) -> None:
    raising(ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert "pip install 'laconic[compress]'" in cli("inspect", "f.lac").err


def test_control_characters_of_an_error_do_not_reach_the_terminal(cli: Any, raising: Any) -> None:
    raising(ArtifactError("two tensors are called \x1b[31mred"))
    assert "\x1b" not in cli("inspect", "f.lac").err


def test_an_interrupt_exits_130_with_a_line(tmp_path: Path) -> None:
    net = tmp_path / "slow.py"
    net.write_text("import sys, time\nprint('building', file=sys.stderr, flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "laconic.cli", "profile", f"{net}:build", "--input", "3"]
    # what a shell starts in the background ignores Ctrl-C, and so would its children
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)  # noqa: PLW1509  it only sets a signal
    assert running.stderr is not None
    while "building" not in (line := running.stderr.readline()):
        assert line, "it ended before it could be interrupted"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err


def test_a_sign_that_a_stream_cannot_encode_loses_no_result(desk: Any) -> None:
    command = [sys.executable, "-m", "laconic.cli", "inspect", str(desk.small)]
    done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"4?1?3?3" in done.stdout
