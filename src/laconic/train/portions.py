"""How many samples go through a model at a time: a step of many is taken in portions, whose gradients add up to that of all."""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from laconic.train.mixing import Targets

Batch = tuple[Tensor, Targets]


def portions(group: Sequence[Batch], most: int | None, least: int = 1) -> Iterator[tuple[Tensor, Targets, float]]:
    """The batches of a step, each cut into pieces that are as equal as can be.

    Args:
        group: inputs `(n, *shape)` and targets of each batch.
        most: samples in a piece; None leaves batches whole.
        least: samples in a piece, unless the batch has fewer.

    Yields:
        Inputs, targets, and their share of all the step's samples: mean losses, so weighted, add up to that of the step.

    >>> five, three = ((torch.zeros(n, 1), torch.zeros(n)) for n in (5, 3))
    >>> [(len(inputs), share) for inputs, _, share in portions([five, three], most=3)]
    [(3, 0.375), (2, 0.25), (3, 0.375)]
    """
    samples = sum(len(inputs) for inputs, _ in group)
    for inputs, targets in group:
        size = len(inputs)
        pieces = 1 if most is None else max(1, min(math.ceil(size / most), size // least))
        if pieces == 1:
            yield inputs, targets, size / samples
            continue
        ends = [-(-size * i // pieces) for i in range(pieces + 1)]
        for start, end in itertools.pairwise(ends):
            yield inputs[start:end], targets[start:end], (end - start) / samples


def least_portion(model: nn.Module) -> int:
    """Samples that must go through together: two where batches are normalised, which cannot learn from a single one."""
    return 2 if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()) else 1


def ran_out(cause: BaseException) -> bool:
    """Whether an error says that there is not enough memory, in any of the ways in which torch and Python say it.

    >>> ran_out(MemoryError()), ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    (True, False)
    """
    said = str(cause)
    return isinstance(cause, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in said or "not enough memory" in said
