"""The table of profiles: how much is known of a value before it is coded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconic.codec.context import fast, smallest

Coder = tuple[int, int, int]


@dataclass(frozen=True)
class Profile:
    """One way to predict the values of a group.

    Args:
        memory: makes what has been learnt of a group before its first tensor: nothing.
        write: encoder, bytes, values `(rows, columns, taps)`, memory → the encoder, the bytes or a longer copy of them.
        read: decoder, bytes, zeros to fill `(rows, columns, taps)`, model → the decoder, whether the bytes hold such values.
    """

    memory: Callable[[], Any]
    write: Callable[[Coder, np.ndarray, np.ndarray, Any], tuple[Coder, np.ndarray]]
    read: Callable[[Coder, np.ndarray, np.ndarray, Any], tuple[Coder, bool]]


PROFILES = {
    "fast": Profile(fast.model, fast.write, fast.read),
    "smallest": Profile(smallest.memory, smallest.write, smallest.read),
}
"""The number of a profile in a stream is its place here, counted from 1: add at the end, never reorder."""
