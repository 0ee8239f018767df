"""From an exception to a message and an exit code."""

import re
import sys
import traceback
from typing import NoReturn

from laconic.base.errors import LaconicError, ResourceError, UsageError
from laconic.cli.terminal import complain

INTERRUPTED = 130
_UNEXPECTED = 1
_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
_OPTIONAL = ("torch", "onnxscript", "pydantic", "yaml", "jinja2", "matplotlib", "safetensors", "sklearn")


def fail(cause: Exception, *, debug: bool) -> NoReturn:
    """Say on stderr what went wrong and exit with its code; with `debug`, after the traceback."""
    if debug:
        traceback.print_exception(cause)
    message, code = explain(cause)
    complain(message, "error")
    sys.exit(code)


def explain(cause: Exception) -> tuple[str, int]:
    """What to tell a person, and the exit code.

    >>> explain(UsageError("no such word"))
    ('no such word', 2)
    """
    match cause:
        case LaconicError():
            error = cause
        case ModuleNotFoundError() if (cause.name or "").partition(".")[0] in _OPTIONAL:
            error = UsageError(f"this command needs {cause.name}, which is not installed", hint="pip install 'laconic[compress]'")
        case MemoryError():
            error = ResourceError("there is not enough memory for this", hint="a smaller batch or model, or a larger machine")
        case RuntimeError() if re.search("can't allocate memory|out of memory|not enough memory", str(cause)):  # how torch says it
            error = ResourceError("there is not enough memory for this", hint="a smaller batch or model, or a larger machine")
        case OSError() if isinstance(cause, _PATHS):
            error = UsageError(f"{cause.strerror}", where=str(cause.filename or ""))
        case OSError():
            error = ResourceError(cause.strerror or str(cause), where=str(cause.filename or ""))
        case _:
            return _unexpected(cause)
    return str(error), error.exit_code


def _unexpected(cause: Exception) -> tuple[str, int]:
    first = (str(cause).strip().splitlines() or [""])[0]
    error = LaconicError(
        f"something that laconic did not expect: {type(cause).__name__}{': ' if first else ''}{first}",
        hint="run it again with --debug and report the traceback",
    )
    return str(error), _UNEXPECTED
