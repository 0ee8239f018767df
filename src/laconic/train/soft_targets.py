"""The loss of a student against a teacher's outputs (Hinton, Vinyals & Dean 2015, §2)."""

import torch
from torch.nn import functional as F


def soft_targets(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """τ² · KL(P_T^τ ‖ P_S^τ) of logits `(n, classes)`, averaged over the batch, in nats.

    >>> float(soft_targets(torch.zeros(1, 2), torch.zeros(1, 2), 4.0))
    0.0
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1), reduction="batchmean", log_target=True
    )
    return temperature**2 * divergence
