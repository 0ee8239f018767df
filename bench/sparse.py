"""From which share of zeros on does sparse pay? Layers by our sparse rows, by torch's, and dense in fp32 and int8, in turns in one process.

    python bench/sparse.py

"× dense" is how many times as fast ours is as ONNX Runtime's fp32 kernel, "× int8" as its int8 kernel on the same layer without zeros,
"× torch" as torch's CSR; "8 bits" is ours on weights that are 8-bit integers times a step for each row. Processor time of one thread, the
median of paired ratios with half of what lies between their quartiles. The zeros are anywhere. Writes bench/results/sparse.csv, and for
each layer and batch the least share of zeros that was faster than either dense kernel to bench/results/sparse_crossing.csv.
"""

import csv
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from laconic import Int8, from_arrays
from laconic.artifact import Artifact
from laconic.base.measures import machine
from laconic.forms import Dense
from laconic.forms.rows import levels
from laconic.graph.export import export
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.runtime import Session
from laconic.runtime.sparse import Rows

RESULTS = Path(__file__).parent / "results"
ZEROS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
BATCHES = (1, 32)
ROUNDS = 15


@dataclass(frozen=True)
class Shape:
    """A layer: outputs, inputs, and the side of its image (0 for a linear one)."""

    outputs: int
    inputs: int
    side: int = 0

    def build(self) -> nn.Module:
        """The layer, with a bias."""
        return nn.Conv2d(self.inputs, self.outputs, 1) if self.side else nn.Linear(self.inputs, self.outputs)

    @property
    def sample(self) -> tuple[int, ...]:
        """One input."""
        return (self.inputs, self.side, self.side) if self.side else (self.inputs,)


LAYERS = {
    "alexnet fc6": Shape(4096, 9216),
    "alexnet fc7": Shape(4096, 4096),
    "alexnet fc8": Shape(1000, 4096),
    "lenet5 fc1": Shape(500, 800),
    "lenet-300-100 fc1": Shape(300, 784),
    "1 × 1, 512 → 512 at 14 × 14": Shape(512, 512, 14),
    "1 × 1, 128 → 128 at 28 × 28": Shape(128, 128, 28),
}


def main() -> None:
    """Both tables."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
    rows = []
    for name, shape in LAYERS.items():
        torch.manual_seed(0)
        layer = shape.build().eval()
        dense, integers = session(layer, shape), integer_session(layer, shape)
        for batch in BATCHES:
            for zeros in ZEROS:
                line = measured(shape, thinned(layer, zeros), batch, dense, integers)
                rows.append({"layer": name, "batch": str(batch), "zeros %": f"{100 * zeros:.0f}", **line})
                print(rows[-1], flush=True)
    _write("sparse", rows)
    _write("sparse_crossing", crossings(rows))


def thinned(layer: nn.Module, zeros: float) -> torch.Tensor:
    """Its weight `(outputs, inputs)` with zeros anywhere."""
    matrix = layer.get_parameter("weight").detach().flatten(1)
    return torch.where(torch.rand_like(matrix) < zeros, 0, matrix)


def measured(shape: Shape, matrix: torch.Tensor, batch: int, dense: Session, integers: Session) -> dict[str, str]:
    """One line."""
    x = np.random.default_rng(0).standard_normal((batch, *shape.sample)).astype(np.float32)
    rows, csr = Rows.of(matrix.numpy()), matrix.to_sparse_csr()
    integers_too = in_eight_bits(matrix.numpy())
    columns = torch.from_numpy(x).reshape(batch, shape.inputs, -1)
    wide = columns[0] if batch == 1 else columns.permute(1, 0, 2).reshape(shape.inputs, -1)

    def multiplied(rows: Rows) -> object:
        return [rows.times_matrix(one) for one in columns.numpy()] if shape.side else rows.times_vectors(x)

    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: multiplied(rows),
        "8 bits": lambda: multiplied(integers_too),
        "dense": lambda: dense(x),
        "int8": lambda: integers(x),
        "torch": lambda: csr @ wide,
    }
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if turn:  # the first warms up
                spent[name].append(time.process_time() - start)
    line = {"ours, ms": f"{1000 * statistics.median(spent['ours']):.3f}"}
    for name in ("dense", "int8", "torch"):
        line |= _times_as_fast(name, spent[name], spent["ours"])
    for name in ("dense", "int8"):
        line |= _times_as_fast(f"{name}, 8 bits", spent[name], spent["8 bits"])
    return line | {"n": str(ROUNDS), "machine": machine()}


def in_eight_bits(matrix: np.ndarray) -> Rows:
    """The matrix, rounded to 8-bit integers times a step for each row."""
    steps = np.maximum(np.abs(matrix).max(1) / levels(8), np.finfo(np.float32).tiny)
    return Rows.of(np.rint(matrix / steps[:, None]).astype(np.int8), steps)


def _times_as_fast(name: str, others: list[float], own: list[float]) -> dict[str, str]:
    ratios = [other / one for other, one in zip(others, own, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {f"× {name}": f"{statistics.median(ratios):.2f}", f"± {name}": f"{(high - low) / 2:.2f}"}


def session(layer: nn.Module, shape: Shape) -> Session:
    """The layer as ONNX Runtime runs it."""
    return Session(Artifact({name: Dense.of(value.numpy()) for name, value in layer.state_dict().items()}, export(layer, shape.sample)))


def integer_session(layer: nn.Module, shape: Shape) -> Session:
    """The same on integers; a convolution with the activation and the one output behind it that make it end in integers."""
    some = np.random.default_rng(0).standard_normal((8, *shape.sample)).astype(np.float32)
    data = from_arrays((some[:4], np.arange(4)), (some[4:6], np.arange(2)), (some[6:], np.arange(2)))
    model = (
        nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(shape.outputs * max(shape.side, 1) ** 2, 1))
        if shape.side
        else nn.Sequential(layer)
    )
    network, step = Network(model.eval()), Int8(samples=2)
    context = Context(data, model)
    small = step.apply(network, step.plan(network, context), context)
    return Session(Artifact(small.tensors(), export(small.module, shape.sample)))


def crossings(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """For each layer and batch, the least share of zeros that was faster."""

    def least(own: list[dict[str, str]], other: str) -> str:
        return next((row["zeros %"] for row in own if float(row[f"× {other}"]) > 1), "never")

    kinds = dict.fromkeys((row["layer"], row["batch"]) for row in rows)
    found = {kind: [row for row in rows if (row["layer"], row["batch"]) == kind] for kind in kinds}
    return [
        {
            "layer": layer,
            "batch": batch,
            "faster than dense fp32 from zeros %": least(own, "dense"),
            "than dense int8": least(own, "int8"),
            "times as fast as fp32 at 90 %": next(row["× dense"] for row in own if row["zeros %"] == "90"),
            "as torch's CSR": next(row["× torch"] for row in own if row["zeros %"] == "90"),
            "with 8 bits, as fp32": next(row["× dense, 8 bits"] for row in own if row["zeros %"] == "90"),
            "as int8": next(row["× int8, 8 bits"] for row in own if row["zeros %"] == "90"),
            "machine": own[0]["machine"],
        }
        for (layer, batch), own in found.items()
    ]


def _write(name: str, rows: list[dict[str, str]]) -> None:
    with (RESULTS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
