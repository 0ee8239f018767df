"""Code that is not ours: a user's file, a user's module, an optional library.

Whatever such code raises is told as one of our errors that names the file and the line, so that nobody reads a traceback of
laconic to find a typing error of their own.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from laconic.base.errors import LaconicError
from laconic.base.words import did_you_mean


def load_attribute(reference: str, *, error: type[LaconicError]) -> Any:
    """What `path/file.py:name` or `package.module:name` stands for.

    A file is run afresh at every call, under a module name of its own, with its folder first on `sys.path` meanwhile, so that it
    finds its neighbours. The reference is split at its *last* colon: `C:\\\\nets\\\\mine.py:build` is a file.

    Raises:
        error: no such file, module or name; or the code raised something, with its file and line.

    >>> load_attribute("math:tau", error=LaconicError)
    6.283185307179586
    """
    home, colon, name = reference.rpartition(":")
    if not (home and colon and name):
        raise error(f"{reference!r} names nothing that can be imported", hint="write path/file.py:name or package.module:name")
    module = _from_file(Path(home), error) if home.endswith(".py") else _from_package(home, error)
    try:
        return getattr(module, name)
    except AttributeError:
        public = [word for word in vars(module) if not word.startswith("_")]
        raise error(f"{home} has no {name!r}", where=reference, hint=did_you_mean(name, public)) from None


def call_attribute(reference: str, *, error: type[LaconicError]) -> Any:
    """What the function that `reference` names returns when it is called without arguments.

    Raises:
        error: as `load_attribute`; or the name is not callable; or the call raised something.
    """
    function = load_attribute(reference, error=error)
    if not callable(function):
        raise error(f"{reference} is a {type(function).__name__}, not a function", hint="name a function that takes no arguments")
    home = reference.rpartition(":")[0]
    neighbours = _first_on_path(Path(home).resolve().parent) if home.endswith(".py") else contextlib.nullcontext()
    with neighbours, foreign_code(f"{reference} failed when it was called without arguments", error, home):
        return function()


@contextlib.contextmanager
def foreign_code(what: str, error: type[LaconicError], file: str = "", hint: str = "") -> Iterator[None]:
    """Tell whatever the code inside raises as an `error`: `what`, then the cause in one line, then the place.

    Args:
        what: what was being done, as the start of a sentence.
        error: the kind of error to raise.
        file: the file to blame; without it, or when the trace does not pass through it, the innermost line of theirs is named.
        hint: the next step to take.
    """
    try:
        yield
    except LaconicError:
        raise
    # Broad on purpose: code that is not ours may raise anything (a broken binary raises RuntimeError, OSError or worse, a script
    # without a main guard calls sys.exit), and none of it is an error of ours to show with a traceback.
    except (Exception, SystemExit) as cause:
        text = (str(cause).strip().splitlines() or [""])[0]
        raise error(f"{what}: {type(cause).__name__}{': ' if text else ''}{text}", where=_place(cause, file), hint=hint) from cause


def _place(cause: BaseException, file: str) -> str:
    if isinstance(cause, SyntaxError) and cause.filename:
        return f"{cause.filename}, line {cause.lineno}"
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if not _is_machinery(frame.filename)]
    blamed = [frame for frame in frames if file and Path(frame.filename) == Path(file).resolve()] or frames
    return f"{blamed[-1].filename}, line {blamed[-1].lineno}" if blamed else ""


def _is_machinery(filename: str) -> bool:
    return filename in (__file__, importlib.__file__) or filename.startswith("<frozen importlib")


def _from_file(path: Path, error: type[LaconicError]) -> ModuleType:
    if not path.is_file():
        raise error("there is no such file", where=str(path), hint="the path is taken from the current folder")
    path = path.resolve()
    name = f"laconic_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise error("this file cannot be imported as Python", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles of the user's classes look their module up here
    with _first_on_path(path.parent), foreign_code(f"{path.name} failed on import", error, str(path)):
        spec.loader.exec_module(module)
    return module


def _from_package(name: str, error: type[LaconicError]) -> ModuleType:
    with foreign_code(f"{name!r} cannot be imported", error, hint="a module of an installed package, or path/file.py"):
        return importlib.import_module(name)


@contextlib.contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
