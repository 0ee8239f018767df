"""How small and how fast coding by context is, beside other coders: prints a table and writes results/context_coding.csv.

    python bench/integer_sets.py --weights FOLDER --out SETS
    python bench/context_coding.py --sets SETS

Bytes are compared with the order-0 entropy of each layer, for which no code table is counted. A speed counts four bytes a value, as
fp32 weights would take; it is the median of repetitions that go round all methods in turn on one thread, in processor time, with half
the interquartile range. The general compressors get the values as int8. The bytes of NNCodec 0.3.1 (CABAC of ISO/IEC 15938-17, the
same integers) were measured once and stand here as a constant.
"""

import argparse
import csv
import importlib.util
import lzma
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from integer_sets import read_sets

from laconic.base.measures import machine, timing
from laconic.codec import decode, decode_group, encode, encode_group, entropy
from laconic.codec.coders import CODERS
from laconic.codec.context.profiles import PROFILES

RESULTS = Path(__file__).parent / "results" / "context_coding.csv"
NNCODEC = {"resnet20-0.5": 97_199, "resnet20-1": 65_708, "resnet56-0.5": 302_173, "resnet56-1": 203_294, "resnet56-2": 115_204}
COLUMNS = ("set", "method", "bytes", "of entropy", "of NNCodec", "encode MB/s", "±", "decode MB/s", "±", "n")
FORMAT = "{:14} {:22} {:>9,} {:>10} {:>10} {:>11} {:>6} {:>11} {:>6} {:>3}"

Tensors = Sequence[np.ndarray]


@dataclass(frozen=True)
class Method:
    """A pair of functions: tensors → streams, the streams → anything; and the name to print."""

    name: str
    compress: Callable[[Tensors], list[bytes]]
    restore: Callable[[list[bytes], Tensors], object]


def huffman() -> Method:
    """A table and words for each tensor."""
    coder = next(coder for coder in CODERS if coder.name == "huffman")
    return Method(
        "Huffman and tables",
        lambda tensors: [coder.encode(tensor.reshape(-1)) for tensor in tensors],
        lambda streams, tensors: [coder.decode(stream, tensor.size) for stream, tensor in zip(streams, tensors, strict=True)],
    )


def single() -> Method:
    """Each tensor by the best of the coders that know no contexts."""
    return Method(
        "laconic.codec.encode",
        lambda tensors: [encode(tensor) for tensor in tensors],
        lambda streams, tensors: [decode(stream, tensor.size) for stream, tensor in zip(streams, tensors, strict=True)],
    )


def by_context(profile: str, groups: int) -> Method:
    """All tensors in so many groups, one after the other."""

    def parts(tensors: Tensors) -> list[Tensors]:
        return [tensors[len(tensors) * part // groups : len(tensors) * (part + 1) // groups] for part in range(groups)]

    return Method(
        profile if groups == 1 else f"{profile}, {groups} groups",
        lambda tensors: [encode_group(part, profile) for part in parts(tensors)],
        lambda streams, tensors: [decode_group(s, [t.shape for t in part]) for s, part in zip(streams, parts(tensors), strict=True)],
    )


def raw(tensors: Tensors) -> bytes:
    """The values as int8, one tensor behind the other."""
    return np.concatenate([tensor.reshape(-1) for tensor in tensors]).astype(np.int8).tobytes()


def general() -> list[Method]:
    """Compressors of anything, as far as they are installed."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    found = [
        Method("xz -9e", lambda tensors: [lzma.compress(raw(tensors), filters=filters)], lambda streams, _: lzma.decompress(streams[0]))
    ]
    if importlib.util.find_spec("zstandard"):
        import zstandard

        found.append(
            Method(
                "zstd -19",
                lambda tensors: [zstandard.ZstdCompressor(level=19).compress(raw(tensors))],
                lambda streams, _: zstandard.ZstdDecompressor().decompress(streams[0]),
            )
        )
    if importlib.util.find_spec("brotli"):
        import brotli

        found.append(
            Method(
                "brotli 11", lambda tensors: [brotli.compress(raw(tensors), quality=11)], lambda streams, _: brotli.decompress(streams[0])
            )
        )
    return found


def seconds(call: Callable[[], object]) -> float:
    """Time on the processor, which other work on the machine touches least."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def measure(name: str, tensors: Tensors, repetitions: int) -> list[tuple[object, ...]]:
    """A line for each method on one set, and one for NNCodec where it is known."""
    methods = [huffman(), single(), *general(), *(by_context(profile, groups) for profile in PROFILES for groups in (1, 4))]
    streams = [method.compress(tensors) for method in methods]
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in methods]
    for _ in range(repetitions):
        for method, stream, (encoding, decoding) in zip(methods, streams, times, strict=True):
            encoding.append(seconds(lambda method=method: method.compress(tensors)))
            decoding.append(seconds(lambda method=method, stream=stream: method.restore(stream, tensors)))
    megabytes = 4 * sum(tensor.size for tensor in tensors) / 1e6
    lines = []
    for method, stream, spent in zip(methods, streams, times, strict=True):
        speeds = [timing([megabytes / second for second in direction], "MB/s", "four bytes a value") for direction in spent]
        figures = [f"{figure:.3g}" for speed in speeds for figure in (speed.value, speed.spread)]
        lines.append((name, method.name, *ratios(name, tensors, sum(map(len, stream))), *figures, repetitions))
    if name in NNCODEC:
        lines.append((name, "NNCodec CABAC", *ratios(name, tensors, NNCODEC[name]), "", "", "", "", ""))
    return lines


def ratios(name: str, tensors: Tensors, size: int) -> tuple[int, str, str]:
    """Bytes; against the entropy; against NNCodec."""
    bound = sum(entropy(tensor) * tensor.size / 8 for tensor in tensors)
    return size, f"{size / bound:.4f}", f"{size / NNCODEC[name]:.4f}" if name in NNCODEC else ""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="folder that integer_sets.py wrote")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    print(machine())
    rows = []
    for name, tensors in read_sets(arguments.sets).items():
        for line in measure(name, tensors, arguments.repetitions):
            print(FORMAT.format(*line), flush=True)
            rows.append((*line, machine()))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([(*COLUMNS, "machine"), *rows])


if __name__ == "__main__":
    main()
