"""What each piece of the smallest profile earns: prints a table and writes results/context_ablation.csv.

    python bench/context_ablation.py --sets SETS

Every line leaves one piece out and says by how many per cent the set grows; the first counts the bytes of the whole.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from integer_sets import read_sets

from laconic.codec.context import smallest
from laconic.codec.context.blocks import as_block
from laconic.codec.context.group import write_blocks
from laconic.codec.context.profiles import Profile

RESULTS = Path(__file__).parent / "results" / "context_ablation.csv"

Change = Callable[[smallest.Memory], None]

MAGNITUDE = ("expectation", "surprise", "kernel mean, tap", "cell mean, row mean", "column mean, row mean", "last two")
SIGN = ("expectation", "last, third, aside", "sizes, tap", "column, above", "expectation, tap", "expectation, above, aside")


def without_contexts(kind: int, *which: int) -> Change:
    """Shut these contexts out of the decisions on magnitude (0) or sign (1)."""

    def change(learnt: smallest.Memory) -> None:
        learnt.model.keep[kind, list(which)] = 0

    return change


def without_predicted_value(learnt: smallest.Memory) -> None:
    """The value is always expected to be zero."""
    learnt.model.rates[0] = 0


def fixed_magnitude(learnt: smallest.Memory) -> None:
    """The magnitude is predicted with the weights of the start."""
    learnt.model.rates[1] = 0


def without_predictors(learnt: smallest.Memory) -> None:
    """Nothing is expected but the product of row and column mean."""
    learnt.model.rates[:] = 0
    learnt.model.magnitude_weights[:] = 0
    learnt.model.magnitude_weights[:, 0] = smallest.UNIT


def without_learnt_mixing(learnt: smallest.Memory) -> None:
    """The mix is the mean of all inputs on the logistic scale, times 1.8."""
    learnt.model.mixed.rate[:] = 0


def one_set(learnt: smallest.Memory) -> None:
    """Weights are chosen by the decision alone."""
    learnt.model.choose[:] = 0


def without_links(learnt: smallest.Memory) -> None:
    """Columns begin as if all were alike."""
    learnt.links.note = lambda values: None  # type: ignore[method-assign]


def fewer_sets(which: int) -> Change:
    """One choice of weights less."""

    def change(learnt: smallest.Memory) -> None:
        learnt.model.choose[which] = 0

    return change


CHANGES: dict[str, Change] = {
    "nothing": lambda _: None,
    **{f"magnitude: {name}": without_contexts(0, at) for at, name in enumerate(MAGNITUDE)},
    "magnitude: all but expectation and surprise": without_contexts(0, 2, 3, 4, 5),
    **{f"sign: {name}": without_contexts(1, at) for at, name in enumerate(SIGN)},
    "sign: all": without_contexts(1, *range(6)),
    "stage: links between tensors": without_links,
    "stage: predicted value": without_predicted_value,
    "stage: learning of the predicted magnitude": fixed_magnitude,
    "stage: both predictors": without_predictors,
    "stage: weights chosen by magnitude": fewer_sets(0),
    "stage: weights chosen by leaning": fewer_sets(1),
    "stage: both choices of weights": one_set,
    "stage: learning of the mix": without_learnt_mixing,
}


def size(blocks: list[np.ndarray], change: Change) -> int:
    """Bytes of the set by the smallest profile with one change."""

    def memory() -> smallest.Memory:
        learnt = smallest.memory()
        change(learnt)
        return learnt

    return len(write_blocks(Profile(memory, smallest.write, smallest.read), blocks))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="folder that integer_sets.py wrote")
    sets = {name: [as_block(tensor) for tensor in tensors] for name, tensors in read_sets(parser.parse_args().sets).items()}
    whole = {name: size(blocks, CHANGES["nothing"]) for name, blocks in sets.items()}
    rows = [("left out", *(f"{name}: growth in %" for name in sets)), ("nothing (bytes)", *map(str, whole.values()))]
    for name, change in list(CHANGES.items())[1:]:
        rows.append((name, *(f"{100 * size(blocks, change) / whole[key] - 100:.2f}" for key, blocks in sets.items())))
        print(f"{name:46}", *(f"{figure:>7}" for figure in rows[-1][1:]), flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
