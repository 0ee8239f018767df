"""How far the work is."""

import io
import sys

import pytest

from laconic.cli.progress import at_work


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def look_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Puts a terminal where stderr was."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_log_gets_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with at_work() as progress:
        for what in ("prune", "finetune"):
            for share in (0.0, 0.5, 1.0):
                progress(what, share, f"loss {share}")
    assert capsys.readouterr().err == "prune: loss 0.0\nfinetune: loss 0.0\n"


def test_a_log_hears_of_a_long_stage_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("laconic.cli.progress.time.monotonic", lambda: now[0])
    with at_work() as progress:
        for second in range(0, 100, 10):
            progress("finetune", 0.5 + second / 200, f"loss {second}")
            now[0] += 10
    assert capsys.readouterr().err.splitlines() == [
        "finetune: loss 0",
        "finetune: 65%, 0:01:10 to go, loss 30",
        "finetune: 80%, 0:00:40 to go, loss 60",
        "finetune: 95%, 0:00:10 to go, loss 90",
    ]


def test_a_word_that_starts_over_is_a_new_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with at_work() as progress:
        for share in (0.0, 1.0, 0.0, 1.0):
            progress("finetune", share, "finetune: {epochs: 1}")
    assert capsys.readouterr().err == "finetune: {epochs: 1}\n" * 2


def test_what_the_work_prints_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with at_work():
        print("a stranger speaks")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "a stranger speaks\n")


def test_a_terminal_gets_a_full_bar_for_every_stage(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_at(monkeypatch)
    with at_work() as progress:
        progress("prune", 0.25, "loss 0.3")
        progress("share", 0.0, "conv1")
        print("a stranger speaks")
    shown = terminal.getvalue()
    last = shown[shown.rindex("prune") :]
    assert "100%" in last.partition("share")[0]
    assert "100%" in last.partition("share")[2]
    assert "loss 0.3" in shown
    assert "a stranger speaks" in shown
    assert capsys.readouterr().out == ""


def test_an_error_in_the_work_passes_and_no_bar_is_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_at(monkeypatch)

    def work() -> None:
        with at_work() as progress:
            progress("prune", 0.25, "loss 0.3")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert "100%" not in terminal.getvalue()
    assert sys.stderr is terminal
