"""What integers will cost, from those around them: a differentiable stand-in for the coder.

The coder charges little for a zero among zeros. Here each integer is put into one of 24 classes by how large its row, its column and its
kernel are without it, and a table says what each magnitude costs in each class. The table is the histogram of the integers as they are,
refitted as training goes on (the rate term of entropy-penalised reparameterisation, Oktay et al. 2020, eq. 5, with a model that is adapted
instead of trained). Between two integers the cost is interpolated.

Its gradient is the best that a weight can save for each step that it goes towards zero: the steepest chord from where it is to anything
smaller. The slope to the next integer alone would be none where that integer costs as much, as a 1 does once all small weights are zeros;
weights then get stuck at 2. And where most weights of a class are ones, a zero is no cheaper at all, though a class of zeros would be:
there the slope is that of a geometric distribution with the class's mean.
"""

import torch
from torch import Tensor, nn

CLASSES, LARGEST = 24, 32
PER_OCTAVE, LOWEST = 2, 9  # classes an octave of the mean magnitude, the first at 2⁻⁹
PRIOR = 4.0  # how many weights a geometric distribution of the class's mean counts for


class Rate(nn.Module):
    """The table of costs. Its buffer is part of the training's state.

    >>> rate = Rate()
    >>> integers = torch.zeros(8, 8)
    >>> nothing = rate.fit([rate.classes(integers)], [integers])
    >>> bool(rate.cost([integers], [rate.classes(integers)]) < 2)  # bytes
    True
    """

    bits: Tensor
    slopes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bits", torch.zeros(CLASSES, LARGEST + 1))
        self.register_buffer("slopes", torch.zeros(CLASSES, LARGEST + 1))

    @staticmethod
    @torch.no_grad()
    def classes(integers: Tensor) -> Tensor:
        """uint8, of the integers' shape: how large each one's neighbours are."""
        size = integers.abs().float().reshape(_three(integers.shape))
        rows, columns, taps = size.shape
        mean = size.mean() + 1e-3
        row = (size.sum((1, 2), keepdim=True) - size + 2 * mean) / (columns * taps + 1)
        column = (size.sum((0, 2), keepdim=True) - size + 2 * mean) / (rows * taps + 1)
        expected = row * column / mean
        if taps > 1:
            expected = (2 * expected + size.sum(2, keepdim=True) - size) / (taps + 1)
        found = (expected.clamp(min=1e-9).log2() + LOWEST) * PER_OCTAVE
        return found.clamp(0, CLASSES - 1).to(torch.uint8).reshape(integers.shape)

    @torch.no_grad()
    def fit(self, classes: list[Tensor], integers: list[Tensor]) -> float:
        """Set the table to what it would cost to code these integers; returns that cost, in bytes."""
        width = LARGEST + 1
        places = torch.cat(
            [(c.long() * width + q.abs().long().clamp(max=LARGEST)).reshape(-1) for c, q in zip(classes, integers, strict=True)]
        )
        seen = torch.bincount(places, minlength=CLASSES * width).reshape(CLASSES, width).float()
        likely = seen + PRIOR * _geometric().to(seen)
        bits = -(likely / likely.sum(1, keepdim=True)).log2()
        bits[:, 1:] += 1  # the sign
        self.bits.copy_(bits.cummax(1).values)  # nothing larger is cheaper: a gap in the histogram must not draw weights outwards
        self.slopes.copy_(torch.maximum(_steepest(self.bits), _descent(likely)))
        return float((seen * self.bits).sum()) / 8

    def cost(self, latents: list[Tensor], classes: list[Tensor]) -> Tensor:
        """Bytes of these real multiples of the steps, a scalar; its gradient is that of the steepest chord below."""
        table, slopes = self.bits.reshape(-1), self.slopes.reshape(-1)
        total = table.new_zeros(())
        for latent, own in zip(latents, classes, strict=True):
            size = latent.abs()
            below = size.detach().clamp(max=LARGEST - 1e-3).floor()
            place = own.long() * (LARGEST + 1) + below.long()
            value = torch.lerp(table[place], table[place + 1], (size.detach() - below).clamp(max=1).to(table))
            total = total + (value + slopes[place + 1] * (size - size.detach())).sum()
        return total / 8


def _three(shape: torch.Size) -> tuple[int, int, int]:
    """Rows, columns and taps of a weight."""
    if len(shape) < 2:
        return 1, shape.numel(), 1
    return shape[0], shape[1], shape[2:].numel()


def _steepest(bits: Tensor) -> Tensor:
    """`(classes, magnitudes)`: the most bits a step that each magnitude could save on its way to a smaller one."""
    slopes = torch.zeros_like(bits)
    for size in range(1, bits.shape[1]):
        chords = (bits[:, size : size + 1] - bits[:, :size]) / (size - torch.arange(size, device=bits.device))
        slopes[:, size] = chords.max(1).values
    return slopes


def _descent(likely: Tensor) -> Tensor:
    """`(classes, magnitudes)`: bits a step where magnitudes were distributed geometrically, signs shared out; they have the same mean."""
    sizes = torch.arange(likely.shape[1]).to(likely)
    mean = (likely * sizes).sum(1, keepdim=True) / likely.sum(1, keepdim=True)
    return (((1 + mean) / mean).log2() + 1 / sizes.clamp(min=1)) * (sizes > 0)


def _geometric() -> Tensor:
    """`(classes, magnitudes)`: of the mean that each class stands for."""
    mean = 2 ** ((torch.arange(CLASSES) + 0.5) / PER_OCTAVE - LOWEST)[:, None]
    likely = (mean / (1 + mean)) ** torch.arange(LARGEST + 1) / (1 + mean) + 1e-6
    return likely / likely.sum(1, keepdim=True)
