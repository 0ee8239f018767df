"""How small, beside whom: network × method × bytes × accuracy × time to code and to decode, and accuracy against bytes.

    python bench/size.py --mnist mnist:DIR --cifar folder:DIR --weights DIR --work DIR

Ours at once (`quantize`, at most half a point of drop) and trained (`squeeze`, from the runs that `trained_size.py` left in DIR), the same
integers under Huffman, zstd and xz, and what others published. Bytes are those of the whole weights-only file, or, of other coders, of
the coded integers alone. Choices were made on held-out training images of MNIST and on one half of CIFAR-10's test images; the
accuracy is that of the file on the verdict's images. NNCodec runs beside ours where it is installed; its figures were measured once (0.3.1,
chosen on all test images) and stand here as constants. Seconds are processor time of one thread, the median of three.

Files are kept in DIR: a call goes on where the last one ended. Writes bench/results/size.csv and rate_accuracy.csv.
"""

import argparse
import csv
import lzma
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zstandard
from torch import nn
from trained_size import CASES, MEAN, STD, base_of, settings

from laconic import Fold, Quantize, build_model, load_data, load_into
from laconic.artifact import Artifact, pack, unpack
from laconic.codec import encode_array
from laconic.codec.coders import CODERS
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.graph.replay import noted
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.recipe.run import run, weights_only_bytes
from laconic.train import as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("lenet-300-100", "lenet5", "resnet20", "resnet56")
DROP = 0.5
BITS = (4.0, 3.0, 2.5, 2.0, 1.7, 1.4)
HUFFMAN = next(coder for coder in CODERS if coder.name == "huffman")
COLUMNS = ("network", "method", "bytes", "of fp32", "accuracy %", "change", "encode s", "decode s")
PUBLISHED = {
    "lenet-300-100": [("Deep Compression (Han 2016)", 27_000, 98.42), ("SCMR (Oktay 2020)", 8_560, 98.1)],
    "lenet5": [
        ("Deep Compression (Han 2016)", 44_000, 99.26),
        ("SCMR (Oktay 2020)", 2_840, 99.0),
        ("MIRACLE (Havasi 2019)", 3_030, 99.31),
        ("MIRACLE (Havasi 2019), smallest", 1_520, 99.04),
    ],
    "resnet20": [("NNCodec 0.3.1, chosen on all test images", 111_813, 91.35), ("NNCodec 0.3.1, likewise", 90_236, 91.07)],
    "resnet56": [("NNCodec 0.3.1, chosen on all test images", 281_334, 93.11), ("NNCodec 0.3.1, likewise", 227_403, 92.75)],
}
"""Method, bytes, accuracy on all test images."""


@dataclass(frozen=True)
class Problem:
    """A network as it came, its data, and what it scored."""

    name: str
    model: nn.Module
    data: Data

    def accuracy(self, path: Path) -> float:
        """Of a weights-only file, on the verdict's samples."""
        return score(load_into(build_model(f"zoo:{self.name}"), path), self.data)


def main() -> None:
    """Both tables."""
    options = settings(__doc__ or "")
    torch.set_num_threads(1)
    _write("size.csv", [row for name in NETWORKS for row in rows(problem(name, options), options)])
    _write("rate_accuracy.csv", list(curve(problem("resnet20", options), options.work)))


def problem(name: str, options: argparse.Namespace) -> Problem:
    """The trained network; ResNets are public checkpoints."""
    if name == "resnet56":
        data = load_data(options.cifar, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
        return Problem(name, load_weights(build_model("zoo:resnet56"), options.weights / "resnet56-4bfd9763.th").eval(), data)
    data, model = base_of(name, options)
    return Problem(name, model, data)


def rows(own: Problem, options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """One network: all methods."""
    whole = 4 * sum(p.numel() for p in own.model.parameters())
    before = score(own.model, own.data)

    def row(method: str, size: int, accuracy: float | None, *seconds: float) -> dict[str, str]:
        shown = ("", "") if accuracy is None else (f"{accuracy:.2f}", f"{accuracy - before:+.2f}")
        times = [f"{second:.2f}" for second in seconds] or ["", ""]
        found = dict(zip(COLUMNS, (own.name, method, str(size), f"{whole / size:.1f} ×", *shown, *times), strict=True))
        print(*found.values(), sep="  ", flush=True)
        return found

    yield row("as it came", whole, before)
    for method, path in files(own, options):
        accuracy, content = own.accuracy(path), path.read_bytes()
        tensors = unpack(content).tensors
        yield row(
            f"laconic, {method}",
            len(content),
            accuracy,
            seconds(lambda t=tensors: pack(Artifact(t), True)),
            seconds(lambda c=content: unpack(c)),
        )  # type: ignore[misc]
        yield from (row(f"{coder}, the same integers", size, accuracy) for coder, size in others(tensors).items())
    yield from (row(*figures) for figures in measured_before(own.name, options))
    yield from (row(*figures) for figures in PUBLISHED[own.name])


def measured_before(network: str, options: argparse.Namespace) -> Iterator[tuple[str, int, float]]:
    """What `trained_size.py` found in runs that are not in DIR; their files are gone, so they have no times."""
    with (RESULTS / "trained_size.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if CASES[line["case"]].network == network and not (options.work / line["case"]).exists():
                method = f"laconic, trained, {line['steps'].rpartition('; ')[2]}"
                yield method, int(line["weights-only bytes"]), 100 - float(line["error after %"])


def files(own: Problem, options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Method → weights-only file."""
    lossless = options.work / f"{own.name}-lossless.lac"
    yield "nothing lost", kept(lossless, lambda: pack(Artifact(Network(own.model).tensors()), weights_only=True))
    yield "at once", kept(options.work / f"{own.name}-at-once.lac", lambda: at_once(own, Quantize(drop=DROP)))
    for name, case in CASES.items():
        if case.network == own.name and (options.work / name).exists():
            finished = run(own.model, own.data, case.recipe(), name=own.name, folder=options.work / name, resume=True)
            path = options.work / f"{name}.lac"
            path.write_bytes(pack(finished.artifact, weights_only=True))
            yield f"trained, {case.steps[-1]}", path


def at_once(own: Problem, step: Step) -> bytes:
    """Fold, then quantise."""
    context = Context(own.data, own.model, price=weights_only_bytes)
    network = Fold()(own.model, own.data)
    network = step.apply(network, step.plan(network, context), context)
    return pack(Artifact(network.tensors(), notes=noted(network.edits)), weights_only=True)


def kept(path: Path, make: Callable[[], bytes]) -> Path:
    """The file, made if it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())
    return path


def others(tensors: dict) -> dict[str, int]:  # type: ignore[type-arg]
    """Coder → bytes of the same integers and tables; of general compressors, as int8 where that holds them."""
    forms = [form for form in tensors.values() if form.integers is not None]
    if not forms:
        return {}
    tables = sum(len(encode_array(form.table)) for form in forms)
    width = np.int8 if all(np.abs(form.integers).max(initial=0) < 128 for form in forms) else np.int16
    raw = b"".join(form.integers.astype(width).tobytes() for form in forms)
    words = sum(len(HUFFMAN.encode(form.integers.reshape(-1).astype(np.int64))) for form in forms if form.size)
    return {
        "Huffman": tables + words,
        "zstd -19": tables + len(zstandard.ZstdCompressor(level=19).compress(raw)),
        "xz -9e": tables + len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
    }


def curve(own: Problem, work: Path) -> Iterator[dict[str, str]]:
    """Accuracy against bytes, nothing trained."""
    for bits in BITS:
        path = kept(work / f"{own.name}-{bits:g}.lac", lambda b=bits: at_once(own, Quantize(bits=b)))  # type: ignore[misc]
        figures = {"bytes": str(path.stat().st_size), "accuracy %": f"{own.accuracy(path):.2f}"}
        yield {"network": own.name, "bits a parameter": f"{bits:g}"} | figures


def score(model: nn.Module, data: Data) -> float:
    return evaluate(as_runner(model), data.test, data.preprocessing, classification, "verdict").value


def seconds(call: Callable[[], object]) -> float:
    """Processor time, the median of three."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def _write(name: str, lines: list[dict[str, str]]) -> None:
    with (RESULTS / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, lines[0], lineterminator="\n")
        table.writeheader()
        table.writerows(lines)


if __name__ == "__main__":
    main()
