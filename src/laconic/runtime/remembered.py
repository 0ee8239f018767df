"""Which engine won, on this machine and for this file: kept in the user's cache, and never in the file, which runs elsewhere too."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from laconic.base.errors import LaconicError
from laconic.base.files import write_atomically
from laconic.base.measures import machine
from laconic.runtime.engines import Choice

MOST = 500  # files that are remembered; of more, the oldest are forgotten


def cache() -> Path:
    """Where the choices are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "laconic" / "engines.json"


def remember(sha256: str, threads: int, choice: Choice) -> bool:
    """Keep a choice; whether it could be kept.

    Args:
        sha256: of the file.
        threads: that a call may use.
        choice: what was fastest in calls with one sample.
    """
    kept = _read()
    kept.pop(_key(sha256, threads), None)
    kept[_key(sha256, threads)] = [choice.engine, choice.precision]
    newest = dict(list(kept.items())[-MOST:])
    try:
        cache().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(cache(), json.dumps(newest, indent=1).encode())
    except (OSError, LaconicError):
        return False
    return True


def recall(sha256: Callable[[], str], threads: int) -> Choice:
    """The choice that was kept for a file on this machine; where there is none, or what was chosen is gone, the default.

    Args:
        sha256: of the file; only asked for where anything was ever kept.
        threads: that a call may use.
    """
    kept = _read()
    match kept.get(_key(sha256(), threads)) if kept else None:
        case [str(engine), str(precision)]:
            try:
                return Choice(engine, precision)
            except LaconicError:
                return Choice()
    return Choice()


def _key(sha256: str, threads: int) -> str:
    return f"{machine()}, {threads} threads: {sha256}"


def _read() -> dict[str, object]:
    try:
        found = json.loads(cache().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # no such file, no JSON, no home
        return {}
    return found if isinstance(found, dict) else {}
