"""Each block learns the outputs of the layer that it stands for (Romero et al. 2015, "FitNets", §2.2: a hint at every layer).

    min over the block's weights of  E‖W ∗ x − block(x̂)‖²

Block after block in the order of the network: x̂ are inputs that come through the blocks before, x those of the network as it was.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from laconic.base.progress import Progress
from laconic.nn.watching import entering, leaving

RATE, BATCH = 1e-2, 32


def recover(
    model: nn.Module, before: nn.Module, names: Sequence[str], inputs: Tensor, iterations: int, progress: Progress, seed: int = 0
) -> None:
    """Train the blocks at these paths, in place, by Adam at a rate that falls to zero; everything else stays as it is.

    Args:
        model: with the blocks.
        before: the network without them.
        names: paths of blocks in one, of layers in the other, in the order of their calls.
        inputs: samples, `(n, *shape)`.
        iterations: of each block, each on a batch of 32 samples.
        progress: is told.
        seed: of the batches.
    """
    for number, name in enumerate(names):
        given, wanted = entering(model, name, inputs), leaving(before, name, inputs)
        for step, loss in enumerate(_descent(model.get_submodule(name), given, wanted, iterations, seed)):
            share = (number + (step + 1) / iterations) / len(names)
            progress("replace", share, f"{name} learns the outputs it had, error {loss:.3f}")


def error(block: nn.Module, inputs: Tensor, wanted: Tensor) -> float:
    """Share of the outputs' variance that a block gets wrong: Σ (block(x) − y)² / Σ (y − ȳ)², ȳ the mean of each channel."""
    with torch.no_grad():
        parts = zip(torch.split(inputs, BATCH), torch.split(wanted, BATCH), strict=True)
        wrong = sum(float((block(x) - y).double().square().sum()) for x, y in parts)
    return wrong / max(_spread(wanted), torch.finfo(torch.float64).tiny)


def _descent(block: nn.Module, inputs: Tensor, wanted: Tensor, iterations: int, seed: int) -> Iterator[float]:
    """The error on each batch, before the step that is taken from it."""
    optimizer, draw = torch.optim.Adam(block.parameters(), RATE), torch.Generator().manual_seed(seed)
    unit = max(_spread(wanted) / len(wanted), torch.finfo(torch.float64).tiny)
    for step in range(iterations):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / iterations))
        some = torch.randint(len(inputs), (BATCH,), generator=draw).to(inputs.device)
        loss = (block(inputs[some]) - wanted[some]).square().sum() / (BATCH * unit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield float(loss.detach())


def _spread(wanted: Tensor) -> float:
    return float((wanted - wanted.mean((0, 2, 3), keepdim=True)).double().square().sum())
