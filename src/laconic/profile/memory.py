"""Which tensors are alive at once: the activation memory that a forward pass needs at its worst moment."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that exist while it is on, as torch's eager mode makes and drops them.

    The sample counts, parameters and buffers do not. Views and in-place operations take nothing, as they make no new memory. On the meta
    device nothing is computed and the count is the same.

    Args:
        model: its parameters and buffers are left out.
        sample: is there from the start.

    >>> import torch
    >>> sample = torch.zeros(4)
    >>> with Alive(nn.Identity(), sample) as alive:
    ...     _ = torch.zeros(10).relu()
    >>> alive.peak  # four values of the sample, ten zeros and ten of what came out, of four bytes each
    96
    """

    def __init__(self, model: nn.Module, sample: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak, self.where = 0, ""
        self.place = ""  # the layer that is at work; whoever runs the model says so
        self._now = 0
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()
        for held in (*model.parameters(), *model.buffers()):
            self._known[held.untyped_storage()] = True
        self._add(sample)

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tensors(made):
            self._add(tensor)
        return made

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = True
        weakref.finalize(storage, self._drop, size)
        self._now += size
        if self._now > self.peak:
            self.peak, self.where = self._now, self.place

    def _drop(self, size: int) -> None:
        self._now -= size


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
