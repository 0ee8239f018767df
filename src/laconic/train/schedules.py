"""The learning rate of each step, as a share of the peak."""

import math


def cosine(progress: float) -> float:
    """Half a wave, from 1 down to 0 (Loshchilov & Hutter 2017, "SGDR", eq. 5, without restarts).

    >>> cosine(0.0), round(cosine(0.5), 3)
    (1.0, 0.5)
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def step(progress: float) -> float:
    """Divided by 10 at one half and again at three quarters (He et al. 2016, §4.2, on CIFAR).

    >>> step(0.49), step(0.5), step(0.75)
    (1.0, 0.1, 0.01)
    """
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


SCHEDULES = {"cosine": cosine, "constant": constant, "step": step}


def last_quarter(steps: int) -> int:
    """Where the last quarter of so many steps begins; it has one step at least.

    >>> last_quarter(100), last_quarter(3)
    (75, 2)
    """
    return steps - max(steps // 4, 1)
