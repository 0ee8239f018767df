"""Several processes that train one network, each on its part of every batch (data parallelism): the step is that of the whole batch.

    torchrun --nproc-per-node 2 -m laconic compress …          or          accelerate launch -m laconic compress …

Every rank takes the same steps from the same seeds, and does all else alike. What has samples in it is added up over ranks: the gradients,
the loss, the statistics of normalisations. What depends on a clock or a disk is asked of the first rank alone, who tells the others.
"""

import functools
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError, ResourceError, UsageError
from laconic.train.memory import Memory
from laconic.train.precision import wide

Value = TypeVar("Value")
SILENCE = 1800.0  # seconds after which a rank that says nothing is taken for gone


class Ranks(Protocol):
    """This process among those that train together."""

    number: int
    count: int

    def add(self, values: Tensor) -> Tensor:
        """The sum over ranks, the same bits on all of them."""

    def told(self, value: Value) -> Value:
        """What the first rank has for this value."""

    def all(self, value: Value) -> list[Value]:
        """The value of every rank, in order."""


class _Alone:
    """A single process."""

    number, count = 0, 1

    def add(self, values: Tensor) -> Tensor:
        return values

    def told(self, value: Value) -> Value:
        return value

    def all(self, value: Value) -> list[Value]:
        return [value]


ALONE: Ranks = _Alone()


class Accelerated:
    """Ranks that were started by `torchrun` or `accelerate launch`, brought together by the package `accelerate`.

    Raises:
        UsageError: `accelerate` is not installed.
        ResourceError: in any method, where another rank has gone or says nothing for `SILENCE`.
    """

    def __init__(self) -> None:
        try:
            from accelerate import PartialState
        except ModuleNotFoundError as cause:
            hint = "pip install 'laconic[accelerate]', or start a single process"
            raise UsageError("several processes train together by accelerate, which is not installed", hint=hint) from cause
        state = PartialState(cpu=True, timeout=timedelta(seconds=SILENCE))
        self.number, self.count = state.process_index, state.num_processes

    def add(self, values: Tensor) -> Tensor:
        from accelerate.utils import reduce

        with self._together():
            summed: Tensor = reduce(values, "sum")
        return summed

    def told(self, value: Value) -> Value:
        from accelerate.utils import broadcast_object_list

        with self._together():
            return broadcast_object_list([value])[0]

    def all(self, value: Value) -> list[Value]:
        from accelerate.utils import gather_object

        with self._together():
            return gather_object([value])

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as cause:
            hint = "see what that rank said; then start all of them again, with --resume"
            raise ResourceError("another rank has gone, or says nothing any more", where=f"rank {self.number}", hint=hint) from cause


def follows() -> bool:
    """Whether this process is one of several, and not the first: then it writes and prints nothing."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0


@functools.cache
def here() -> Ranks:
    """The ranks that this process was started among; found once."""
    return Accelerated() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else ALONE


def own_part(ranks: Ranks, samples: int, least: int = 1) -> slice:
    """The rows of so many samples that this rank takes: as equal as can be, `least` at the least, and the last ranks none if there are few.

    >>> own_part(ALONE, 5)
    slice(0, 5, None)
    """
    workers = min(ranks.count, max(1, samples // least))
    first, end = (min(ranks.number + i, workers) * samples // workers for i in (0, 1))
    return slice(first, end)


class Sum:
    """Adds up, in one exchange, what the ranks found in one step.

    Args:
        ranks: who add.
        parameters: whose gradients are added; where no rank has one, there is none.
        modules: whose normalisations' statistics are taken together, each rank's by its share of the samples.
    """

    def __init__(self, ranks: Ranks, parameters: Sequence[nn.Parameter], modules: nn.Module) -> None:
        self._ranks, self._parameters = ranks, parameters
        norms = [module for module in modules.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self._statistics = [t for norm in norms for t in (norm.running_mean, norm.running_var) if t is not None]
        self._counts = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]

    @torch.no_grad()
    def __call__(self, loss: float, share: float, short: bool) -> tuple[float, bool]:
        """Loss and gradients over all ranks, and whether memory ran out on any.

        Args:
            loss: this rank's part of the mean loss; its gradients are that part's.
            share: of the step's samples that this rank saw.
            short: whether memory ran out here.
        """
        if self._ranks.count == 1:
            return loss, short
        gradients = [parameter.grad for parameter in self._parameters]
        head = torch.tensor([loss, float(short), *(float(gradient is not None) for gradient in gradients)], dtype=torch.float64)
        first = self._ranks.number == 0
        parts = [
            *(torch.zeros_like(p) if g is None else g for p, g in zip(self._parameters, gradients, strict=True)),
            *(statistic * share for statistic in self._statistics),
            *(count * float(first) for count in self._counts),
        ]
        head = self._ranks.add(head)
        body = self._ranks.add(torch.cat([wide(part).reshape(-1).cpu() for part in parts]))
        if head[1] > 0:
            return float(head[0]), True
        for target, values in zip(self._targets(head[2:]), torch.split(body, [part.numel() for part in parts]), strict=True):
            if target is not None:
                target.copy_(values.reshape(target.shape))
        return float(head[0]), False

    def _targets(self, found: Tensor) -> Iterator[Tensor | None]:
        """Where each part of the sum goes."""
        for parameter, ranks in zip(self._parameters, found.tolist(), strict=True):
            if ranks and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            yield parameter.grad
        yield from self._statistics
        yield from self._counts


def check_alike(ranks: Ranks, state: Mapping[str, Any], where: str) -> None:
    """Make sure that all ranks hold the same bits: weights and tables, masks, codebooks and the ranges of quantisers.

    Raises:
        ModelError: they have parted; the first tensor that differs, and the ranks that differ from the first one.
    """
    if ranks.count == 1:
        return
    own = {name: zlib.crc32(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()) for name, tensor in state.items()}
    every = ranks.all(own)
    for name in own:
        strange = [str(number) for number, theirs in enumerate(every) if theirs.get(name) != every[0].get(name)]
        if strange:
            found = f"the ranks have parted: {name} is another on rank {', '.join(strange)} than on rank 0"
            raise ModelError(found, where=where, hint="start all ranks with the same model, data, recipe, seed and versions")


class FirstMemory:
    """The memory of the first rank, whose state all take. Only the first keeps."""

    def __init__(self, ranks: Ranks, memory: Memory) -> None:
        self._ranks, self._memory = ranks, memory

    def recall(self) -> Mapping[str, Any] | None:
        return self._ranks.told(self._memory.recall() if self._ranks.number == 0 else None)

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        if self._ranks.number == 0:
            self._memory.keep(state)
