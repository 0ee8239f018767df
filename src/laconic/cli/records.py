"""Records of runs, as people point at them: by the run's folder, or by the file in it."""

from pathlib import Path

from laconic.base.errors import DataError, UsageError
from laconic.base.records import Record


def read_record(path: Path) -> Record:
    """The record in a `results.json`.

    Raises:
        UsageError: there is no such file. DataError: it holds no record.
    """
    if not path.is_file():
        raise UsageError("there is no results.json in this folder", where=str(path.parent), hint="compress --run DIR makes one")
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise DataError(f"this is no record of a run: {type(cause).__name__}", where=str(path), hint="run compress again") from cause
