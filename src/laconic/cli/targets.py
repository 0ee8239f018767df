"""Where results will go, checked before the work begins: nobody should train for an hour to learn of a wrong path."""

import os
from pathlib import Path

from laconic.base.errors import ResourceError, UsageError


def check_file(path: Path | None) -> None:
    """Refuse a file that could not be written in the end; None is no file.

    Raises:
        UsageError: a folder stands there, or the folder to write into does not exist. ResourceError: no permission.
    """
    if path is None:
        return
    if path.is_dir():
        raise UsageError("a folder stands where the file should go", where=str(path), hint="name a file inside it")
    if not path.parent.is_dir():
        raise UsageError("the folder to write into does not exist", where=str(path.parent), hint="create it first")
    if not os.access(path.parent, os.W_OK):
        raise ResourceError("the folder may not be written to", where=str(path.parent), hint="choose another folder")


def make_folder(path: Path | None) -> None:
    """Create a folder for results, unless it is there; None is no folder.

    Raises:
        UsageError: a file stands there. ResourceError: it cannot be created.
    """
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as cause:
        raise UsageError("a file stands where the folder should be", where=str(path), hint="choose another name") from cause
    except OSError as cause:
        raise ResourceError(f"the folder cannot be created: {cause.strerror}", where=str(path), hint="choose another place") from cause
