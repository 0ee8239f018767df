"""How far a student's outputs are from a teacher's (Hinton, Vinyals & Dean 2015, §2)."""

import torch
from torch.nn import functional as F

from laconic.train.precision import wide
from laconic.train.task import Match


def apart(student: torch.Tensor, teacher: torch.Tensor, match: Match, temperature: float) -> torch.Tensor:
    """`soft_targets`, or the mean squared difference, of outputs of one shape."""
    return soft_targets(student, teacher, temperature) if match == "soft" else F.mse_loss(wide(student), wide(teacher))


def soft_targets(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """τ² · KL(P_T^τ ‖ P_S^τ) of logits `(n, classes, …)`, averaged over all that is not a class, in nats.

    A single logit, `(n,)` or `(n, 1, …)`, is that of yes against no.

    >>> float(soft_targets(torch.zeros(1, 2), torch.zeros(1, 2), 4.0))
    0.0
    """
    said, wanted = (F.log_softmax(wide(_of_classes(logits)) / temperature, 1) for logits in (student, teacher))
    return temperature**2 * F.kl_div(said, wanted, reduction="none", log_target=True).sum(1).mean()


def _of_classes(logits: torch.Tensor) -> torch.Tensor:
    """Two for each that stands alone: σ(z) is the softmax of 0 and z."""
    alone = logits[:, None] if logits.ndim == 1 else logits
    return torch.cat([torch.zeros_like(alone), alone], 1) if alone.shape[1] == 1 else alone
