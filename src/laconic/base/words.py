"""Help with names: one that was mistyped, and those that wrappers of models lengthen."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")

MOST = 16  # words in a hint
_WRAPPERS = ("module.", "_orig_mod.")  # nn.DataParallel and DistributedDataParallel; torch.compile


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or all of them (at most sixteen) where none is near.

    >>> did_you_mean("resnet21", ["lenet5", "resnet20"])
    'did you mean resnet20?'
    >>> did_you_mean("alexnet-v9", ["resnet20", "lenet5"])
    'known: lenet5, resnet20'
    """
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=2, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(words[:MOST])}" + (f" … ({len(words)} in all)" if len(words) > MOST else "")


def unwrapped(state: Mapping[str, Value]) -> dict[str, Value]:
    """A checkpoint by the names that its tensors have in the model itself: without what `DataParallel` and `torch.compile` put before.

    >>> unwrapped({"module.fc.weight": 1, "module.fc.bias": 2})
    {'fc.weight': 1, 'fc.bias': 2}
    """
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return dict(state)
