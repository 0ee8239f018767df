"""Which order of steps is legal: computed from the Forms that each step takes and what it makes of them."""

from collections.abc import Sequence

from laconic.base.errors import RecipeError
from laconic.methods.step import KEEPS, NOTHING, ROUNDS, Step


def check_order(steps: Sequence[Step], names: Sequence[str] | None = None) -> None:
    """Refuse an order of steps that cannot run, before anything is trained.

    Args:
        steps: in their order.
        names: of the model's weights; without them, only what is wrong for every model is refused.

    Raises:
        RecipeError: a step meets weights in a Form that it cannot take, or a pattern names no weight.
    """
    for number, step in enumerate(steps, 1):
        if names is not None and not names and step.takes() != KEEPS:
            raise RecipeError(
                f"{step.word()} has nothing to press: the model has no weight of two or more axes",
                where=f"step {number}: {step}",
                hint="leave the step out; biases and normalisation are kept as they are",
            )
    _check_structure(steps)
    states = {name: {"dense"} for name in names} if names is not None else {"every weight": {"dense"}}
    blame: dict[str, str] = dict.fromkeys(states, "the model as it came")
    for number, step in enumerate(steps, 1):
        touched = step.touches(list(names)) if names is not None else states
        for name in touched:
            taken = states[name] & step.takes().keys()
            if not taken:
                raise _refusal(number, step, name, states[name], blame[name])
            left = states[name] if names is None and not step.everywhere() else set()
            states[name] = {step.takes()[kind] for kind in taken} | left
            if states[name] != taken:
                blame[name] = f"step {number} ({step.word()})"


def _check_structure(steps: Sequence[Step]) -> None:
    """Shared filters come first, then cuts, then merges, then roundings, and those once: what a later one refers to must not change."""
    last: Step | None = None
    for number, step in enumerate(steps, 1):
        if last is not None and (NOTHING < step.changes < last.changes or step.changes == last.changes == ROUNDS):
            raise RecipeError(
                f"{step.word()} changes the network's structure, on which {last.word()} rests",
                where=f"step {number}: {step}",
                hint=f"put {step.word()} before {last.word()}" if step.changes < last.changes else f"say {step.word()} once",
            )
        last = step if step.changes > (last.changes if last is not None else NOTHING) else last


def _refusal(number: int, step: Step, name: str, kinds: set[str], blame: str) -> RecipeError:
    wanted, found = " or ".join(step.takes()), " or ".join(sorted(kinds))
    return RecipeError(
        f"{step.word()} takes {wanted} weights, and {name} is {found} after {blame}",
        where=f"step {number}: {step}",
        hint=f"put {step.word()} before {blame}, or leave one of them out",
    )
