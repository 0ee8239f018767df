"""How long work tells its progress to whoever looks."""

from collections.abc import Callable

Progress = Callable[[str, float, str], None]
"""Called with what is being done, the share of it that is done (0 … 1), and a figure to show beside it."""


def silent(what: str, share: float, detail: str) -> None:
    """The progress of one who does not look."""
