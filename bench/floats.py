"""Floats without structure, not a bit lost: bytes and decoding speed beside xz and zstd.

    python bench/floats.py [--weights DIR]

Weights of VGG-like shapes drawn as trained ones are distributed, in float32, float16 and bfloat16; with --weights, those of the public
ResNet-56 (akamaster/pytorch_resnet_cifar10) too. All methods take turns on one thread; speeds are in bytes of the weights by seconds of
the processor, the median of five rounds with half the interquartile range. Writes bench/results/floats.csv.
"""

import argparse
import csv
import lzma
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import torch
import zstandard

from laconic.artifact import Artifact, pack, unpack
from laconic.base.measures import machine, timing
from laconic.forms import recognise

RESULTS = Path(__file__).parent / "results" / "floats.csv"
SHAPES = [(64, 3, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (512, 256, 3, 3), (1000, 512)]
ROUNDS = 5
COLUMNS = ("weights", "method", "bytes", "bits a weight", "encode MB/s", "±", "decode MB/s", "±", "n", "machine")

Pair = tuple[Callable[[], bytes], Callable[[bytes], object]]


def main() -> None:
    """A line for each set and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="folder of resnet56-4bfd9763.th")
    lines = [line for name, arrays in sets(parser.parse_args().weights) for line in measured(name, arrays)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])


def sets(weights: Path | None) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name → arrays."""
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = [(rng.laplace(size=shape) / np.prod(shape[1:]) ** 0.5).astype(np.float32) for shape in SHAPES]
    yield "drawn, float32", drawn
    yield "drawn, float16", [array.astype(np.float16) for array in drawn]
    yield "drawn, bfloat16", [array.astype(ml_dtypes.bfloat16) for array in drawn]
    if weights is not None:
        state = torch.load(weights / "resnet56-4bfd9763.th", map_location="cpu", weights_only=True)["state_dict"]
        trained = [tensor.numpy() for tensor in state.values() if tensor.dim() > 1]
        yield "resnet56, float32", trained
        yield "resnet56, bfloat16", [array.astype(ml_dtypes.bfloat16) for array in trained]


def measured(name: str, arrays: list[np.ndarray]) -> Iterator[tuple[object, ...]]:
    """Sizes, and speeds of all methods in turn."""
    size = sum(array.nbytes for array in arrays)
    methods = pairs(arrays)
    streams = {method: encode() for method, (encode, _) in methods.items()}
    times: dict[str, tuple[list[float], list[float]]] = {method: ([], []) for method in methods}
    for _ in range(ROUNDS):
        for method, (encode, decode) in methods.items():
            times[method][0].append(size / 1e6 / seconds(encode))
            times[method][1].append(size / 1e6 / seconds(lambda d=decode, s=streams[method]: d(s)))  # type: ignore[misc]
    for method, stream in streams.items():
        speeds = [timing(speed, "MB/s", "of the processor") for speed in times[method]]
        figures = [f"{figure:.3g}" for speed in speeds for figure in (speed.value, speed.spread)]
        line = (name, method, len(stream), f"{8 * len(stream) / sum(a.size for a in arrays):.2f}", *figures, ROUNDS, machine())
        print(*line, sep="  ", flush=True)
        yield line


def pairs(arrays: list[np.ndarray]) -> dict[str, Pair]:
    """Method → encoder and decoder."""
    raw = b"".join(array.tobytes() for array in arrays)

    def packed(profile: str) -> Callable[[], bytes]:
        return lambda: pack(Artifact({str(i): recognise(a) for i, a in enumerate(arrays)}), True, profile=profile, threads=1)

    def unpacked(stream: bytes) -> object:
        return [form.array() for form in unpack(stream, threads=1).tensors.values()]

    return {
        "laconic, smallest": (packed("smallest"), unpacked),
        "laconic, fast": (packed("fast"), unpacked),
        "xz -9": (lambda: lzma.compress(raw, preset=9), lzma.decompress),
        "zstd -19": (lambda: zstandard.ZstdCompressor(level=19).compress(raw), zstandard.ZstdDecompressor().decompress),
    }


def seconds(call: Callable[[], object]) -> float:
    """Of the processor."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
