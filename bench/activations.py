"""Activations in float16: the range of what leaves them, how finely it is resolved there, and where computing it overflows.

    python bench/activations.py

Each is computed in float16 operation by operation, as a kernel without wider accumulators does, for every finite float16, and compared with
float64. Writes bench/results/activations.csv.
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "activations.csv"
Function = Callable[[np.ndarray], np.ndarray]


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0)"""
    return np.maximum(x, x.dtype.type(0))


def relu6(x: np.ndarray) -> np.ndarray:
    """min(max(x, 0), 6)"""
    return np.minimum(relu(x), x.dtype.type(6))


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """relu6(x + 3) / 6"""
    return relu6(x + x.dtype.type(3)) / x.dtype.type(6)


def hard_swish(x: np.ndarray) -> np.ndarray:
    """x relu6(x + 3) / 6"""
    return x * relu6(x + x.dtype.type(3)) / x.dtype.type(6)


def hard_swish_gate_first(x: np.ndarray) -> np.ndarray:
    """x (relu6(x + 3) / 6)"""
    return x * hard_sigmoid(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−x))"""
    one = x.dtype.type(1)
    return one / (one + np.exp(-x))


def swish(x: np.ndarray) -> np.ndarray:
    """x / (1 + exp(−x))"""
    return x * sigmoid(x)


ACTIVATIONS: Mapping[str, Function] = {
    "ReLU": relu,
    "ReLU6": relu6,
    "hard sigmoid": hard_sigmoid,
    "hard swish": hard_swish,
    "hard swish, gate first": hard_swish_gate_first,
    "sigmoid": sigmoid,
    "swish": swish,
}


def main() -> None:
    """A line an activation."""
    rows = [row(name, function) for name, function in ACTIVATIONS.items()]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def row(name: str, function: Function) -> dict[str, str]:
    """What one activation does in float16."""
    x = every_float16()
    with np.errstate(over="ignore", invalid="ignore"):
        half, exact = function(x), function(x.astype(np.float64))
    near = np.abs(x) <= 8
    top = np.float16(exact.max())
    return {
        "activation": name,
        "formula": str(function.__doc__),
        "least": f"{exact.min():.4g}",
        "greatest": f"{exact.max():.5g}",
        "step at the greatest": f"{float(top - np.nextafter(top, np.float16(0))):.3g}",
        "overflows from": f"{float(x[~np.isfinite(half)].min()):.0f}" if (~np.isfinite(half)).any() else "never",
        "error on −8 … 8": f"{np.abs(half[near].astype(np.float64) - exact[near]).max():.1e}",
    }


def every_float16() -> np.ndarray:
    """All finite values, in order."""
    bits = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return np.sort(bits[np.isfinite(bits)])


if __name__ == "__main__":
    main()
