"""`file.py:make`: data from a function of the user's."""

from collections.abc import Mapping
from typing import Any

from laconic.base.errors import DataError
from laconic.base.imports import call_attribute
from laconic.datasets.arrays import from_arrays
from laconic.datasets.data import Data

_KEYS = ("train", "test", "validation")


def load_function(reference: str) -> Data:
    """What `path/file.py:make` returns: `Data`, or `{"train": (x, y), "test": (x, y)}`, with `"validation"` where there is one.

    Each pair is arrays or tensors, or a torch dataset in its place; see `from_arrays`.

    Raises:
        DataError: no such file or function, code that raised something (with its line), or another result.
    """
    made = call_attribute(reference, error=DataError)
    if isinstance(made, Data):
        return made
    if isinstance(made, Mapping) and {"train", "test"} <= set(made) <= set(_KEYS):
        return from_arrays(made["train"], made["test"], made.get("validation"), name=reference)
    raise DataError(
        f"the function returned {_described(made)}",
        where=reference,
        hint='return laconic Data, or {"train": (x, y), "test": (x, y)}, with "validation" if you like',
    )


def _described(made: Any) -> str:
    return f"a dict of {', '.join(map(str, made)) or 'nothing'}" if isinstance(made, Mapping) else f"a {type(made).__name__}"
