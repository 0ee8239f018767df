"""Help with a word that was mistyped."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or all of them (at most twelve) where none is near.

    >>> did_you_mean("resnet21", ["lenet5", "resnet20"])
    'did you mean resnet20?'
    >>> did_you_mean("alexnet-v9", ["resnet20", "lenet5"])
    'known: lenet5, resnet20'
    """
    words = sorted(known)
    near = difflib.get_close_matches(word.lower(), words, n=2, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(words[:12])}" + (f" … ({len(words)} in all)" if len(words) > 12 else "")
