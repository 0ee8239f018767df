"""What a student may be drawn to beside a teacher's outputs: what goes on inside of it.

S and T are what a layer of the student and of the teacher give for the same batch, `(n, …)`. Every term is a mean over the batch, so that
its weight means the same for batches of any size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.train.precision import wide


class Hint(nn.Module):
    """‖r(S) − T‖² / size of T, r a regressor from the student's width to the teacher's (Romero et al. 2015, "FitNets", eq. 3).

    Args:
        student: shape of S without the batch: `(width,)`, `(width, rows, columns)`, or `(places, width)`, or `(width, places)`.
        teacher: shape of T. Where images differ in size, the larger is averaged down to the smaller.
    """

    def __init__(self, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
        super().__init__()
        self.regressor = regressor(student, teacher)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The term of S `(n, *student)` and T `(n, *teacher)`."""
        return F.mse_loss(*alike(self.regressor(wide(student)), wide(teacher)))


def regressor(student: tuple[int, ...], teacher: tuple[int, ...]) -> nn.Module:
    """From the student's width to the teacher's: a 1 × 1 convolution, a linear layer, or nothing where the widths agree.

    Of sequences, the axis in which they differ is their width.

    >>> regressor((16, 8, 8), (32, 8, 8))
    Conv2d(16, 32, kernel_size=(1, 1), stride=(1, 1))
    >>> regressor((10, 16), (10, 32)), regressor((16, 10), (32, 10))
    (Linear(in_features=16, out_features=32, bias=True), Conv1d(16, 32, kernel_size=(1,), stride=(1,)))
    """
    if len(student) == 3:
        return nn.Identity() if student[0] == teacher[0] else nn.Conv2d(student[0], teacher[0], 1)
    if student[-1] != teacher[-1]:
        return nn.Linear(student[-1], teacher[-1])
    return nn.Identity() if student == teacher else nn.Conv1d(student[0], teacher[0], 1)


def alike(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both, and where they are images `(n, width, height, …)` of different sizes, the larger averaged down to the smaller."""
    if one.dim() != 4 or one.shape[2:] == other.shape[2:]:
        return one, other
    size = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
    return F.adaptive_avg_pool2d(one, size), F.adaptive_avg_pool2d(other, size)


def attention(student: Tensor, teacher: Tensor) -> Tensor:
    """‖q(S) − q(T)‖², q of squares summed over channels, flattened, of length 1.

    S. Zagoruyko, N. Komodakis 2017, "Paying More Attention to Attention", eq. 2, with the square of the norm, as in their code.

    >>> image = torch.rand(2, 3, 4, 4)
    >>> round(float(attention(2 * image, torch.cat([image, image], 1))), 6)
    0.0
    """
    one, other = (wide(values).square().mean(1, keepdim=True) for values in (student, teacher))
    one, other = (F.normalize(values.flatten(1), eps=1e-12) for values in alike(one, other))
    return (one - other).square().sum(1).mean()


def similarity(student: Tensor, teacher: Tensor) -> Tensor:
    """‖G(S) − G(T)‖²_F / n², G = Q·Qᵀ of the flattened samples, its rows of length 1 (Tung & Mori 2019, "Similarity-Preserving KD", eq. 4).

    >>> rows = torch.eye(3)
    >>> round(float(similarity(rows, 5 * rows)), 6)
    0.0
    """
    one, other = (F.normalize(flat @ flat.T, eps=1e-12) for flat in (wide(values).flatten(1) for values in (student, teacher)))
    return (one - other).square().mean()


def relations(student: Tensor, teacher: Tensor) -> Tensor:
    """Distances between two samples and angles between three as the teacher has them (Park et al. 2019, "Relational KD", eqs. 5–9).

    Distances are counted in their mean. As in the paper, angles weigh twice as much as distances, and differences are Huber's.

    >>> points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(float(relations(3 * points + 1, points)), 6)
    0.0
    """
    one, other = (wide(values).flatten(1) for values in (student, teacher))
    return F.smooth_l1_loss(_distances(one), _distances(other)) + 2 * F.smooth_l1_loss(_angles(one), _angles(other))


def _distances(samples: Tensor) -> Tensor:
    squares = (samples[:, None] - samples).square().sum(2)
    apart = torch.where(squares > 0, squares.clamp_min(1e-12).sqrt(), squares)  # a root has no gradient at zero
    others = len(samples) * (len(samples) - 1)
    return apart / (apart.sum() / max(others, 1)).clamp_min(1e-12)


def _angles(samples: Tensor) -> Tensor:
    """Cosines `(n, n, n)` of the angle at the first sample between the directions to the others."""
    directions = F.normalize(samples - samples[:, None], dim=2, eps=1e-12)
    return directions @ directions.transpose(1, 2)
