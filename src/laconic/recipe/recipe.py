"""A recipe: steps and a seed."""

from dataclasses import dataclass

from laconic.methods.step import Step


@dataclass(frozen=True)
class Recipe:
    """What to do, in order.

    Args:
        steps: the steps.
        seed: of everything that is drawn at random.
    """

    steps: tuple[Step, ...] = ()
    seed: int = 0
