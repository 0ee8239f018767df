"""A Record as a page, as tables for the terminal, and as files; several of them, and files, side by side."""

from pathlib import Path

from laconic.base.files import write_atomically
from laconic.base.records import Record
from laconic.report.page import render
from laconic.report.table import summary

__all__ = ["render", "summary", "write"]


def write(record: Record, folder: Path) -> None:
    """Write `report.html` and `results.json` into an existing folder, each of them whole or not at all.

    Raises:
        UsageError: the folder does not exist.
        ResourceError: it cannot be written to.
    """
    page = render(record)
    # A file name may hold bytes that are no text (lone surrogates); in JSON their escapes are valid and read back equal.
    results = record.to_json().encode("utf-8", errors="backslashreplace")
    write_atomically(folder / "results.json", results)
    write_atomically(folder / "report.html", page.encode())
