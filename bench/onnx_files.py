"""Packed ONNX files against the files as they were: the same engine, one thread, taking turns; and how small they are without any loss.

    python bench/onnx_files.py

The weights travel as tensors beside the graph and are put back when a session starts, so that the engine can fold them. This
measures that it does. Networks are those of the tests and of the zoo, written by torch's exporters, some quantised by ONNX Runtime;
their weights are random, so sizes are those of noise. Writes bench/results/onnx_files.csv.
"""

import csv
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from laconic.artifact import write
from laconic.base.latency import clock, ratio
from laconic.base.measures import machine
from laconic.graph.reading import artifact_of_onnx
from laconic.graph.trace import quiet
from laconic.runtime import load
from laconic.runtime.original import open_original
from laconic.zoo.reference import build_model

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "onnx_files.csv"
TESTS = runpy.run_path(str(ROOT / "tests" / "graph" / "conftest.py"))
REPEATS = 300


def main() -> None:
    """Every file, one line of the table each."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, make) in enumerate(FILES.items()):
            home = Path(folder) / str(number)
            home.mkdir()
            rows.append(measure(name, make(home / "model.onnx"), home / "f.lac"))
            print(rows[-1])
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def measure(name: str, path: Path, file: Path) -> dict[str, Any]:
    """Bytes of both, the largest difference of their outputs, and the ratio of their latencies."""
    content = write(file, artifact_of_onnx(path, None, None, None))
    ours, theirs = load(file), open_original(path)
    inputs = np.random.Generator(np.random.PCG64(0)).standard_normal((1, *ours.sample_shape), np.float32)
    difference = float(np.abs(ours(inputs) - theirs(inputs)).max() / np.abs(theirs(inputs)).max())
    times = clock({"file": lambda: ours(inputs), "original": lambda: theirs(inputs)}, REPEATS)
    speed = ratio(times["original"], times["file"], "pairs that took turns, one thread")
    return {
        "file": name,
        "ONNX bytes": sum(part.stat().st_size for part in path.parent.glob("model.onnx*")),  # large weights lie beside it
        ".lac bytes": len(content),
        "difference of outputs": f"{difference:.1g}",
        "times as fast": f"{speed.value:.2f}",
        "±": f"{speed.spread:.2g}",
        "n": speed.n,
        "machine": machine(),
    }


def by_torch(build: Callable[[], torch.nn.Module], shape: tuple[int, ...], writer: str) -> Callable[[Path], Path]:
    """A network as one of torch's exporters writes it."""

    def make(path: Path) -> Path:
        options = TESTS["WRITERS"][writer]
        written: Path = TESTS["write"](TESTS["built"](build), (torch.zeros(2 if options["dynamo"] else 1, *shape),), path, **options)
        return written

    return make


def quantised(path: Path) -> Path:
    """ResNet-20 in 8 bits by ONNX Runtime, per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        samples = iter([{"in0": np.random.default_rng(i).normal(size=(1, 3, 32, 32)).astype(np.float32)} for i in range(4)])

        def get_next(self) -> Any:
            return next(self.samples, None)

    source = by_torch(lambda: build_model("zoo:resnet20-b"), (3, 32, 32), "torchscript")(path.with_name("source.onnx"))
    with quiet():
        quantize_static(source, path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    return path


def four_bits(path: Path) -> Path:
    """A product of 1024 × 1024 weights of 4 bits, in blocks of 32."""
    rng = np.random.default_rng(0)
    weight = helper.make_tensor("w", TensorProto.INT4, (1024, 1024), rng.integers(-8, 8, 1 << 20))
    scale = onnx.numpy_helper.from_array(rng.uniform(0.01, 0.02, (32, 1024)).astype(np.float32), "s")
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=0, block_size=32),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1024]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weight, scale])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "lenet5, torchscript": by_torch(lambda: build_model("zoo:lenet5"), (1, 28, 28), "torchscript"),
    "resnet20, torchscript": by_torch(lambda: build_model("zoo:resnet20"), (3, 32, 32), "torchscript"),
    "resnet20, dynamo": by_torch(lambda: build_model("zoo:resnet20"), (3, 32, 32), "dynamo"),
    "resnet20-b, 8 bits": quantised,
    **{
        f"{name}, {writer}": by_torch(*TESTS["NETWORKS"][name], writer)
        for name in ("vision transformer", "lstm")
        for writer in ("torchscript", "dynamo")
    },
    "product, 4 bits": four_bits,
}


if __name__ == "__main__":
    main()
