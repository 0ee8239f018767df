"""How small and how fast the codec is, beside the standard library's compressors: prints a table and writes results/codec.csv.

    python bench/codec.py

Every data set has a million values. A speed counts four bytes a value, as the weights would take uncompressed; it is the median of
repetitions that go round all methods in turn, with half the interquartile range. The other compressors get the values in
the narrowest integer type that holds them.
"""

import bz2
import csv
import lzma
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laconic.base.measures import machine, timing
from laconic.codec import decode, decode_array, encode, encode_array, entropy
from laconic.codec.coders import CODERS, Coder
from laconic.codec.layouts import LAYOUTS
from laconic.codec.window import reach

VALUES = 1_000_000
REPETITIONS = 7
RESULTS = Path(__file__).parent / "results" / "codec.csv"
COLUMNS = ("data", "method", "bytes", "of entropy", "encode MB/s", "±", "decode MB/s", "±", "n")


@dataclass(frozen=True)
class Method:
    """A pair of functions: the array → bytes, the bytes → anything; and the name to print."""

    name: str
    compress: Callable[[np.ndarray], bytes]
    restore: Callable[[bytes], object]


def data_sets() -> dict[str, np.ndarray]:
    """What networks hold after each step: pruned grids, codebook indices, masks, gaps, int8, raw floats."""
    rng = np.random.Generator(np.random.PCG64(0))
    laplace = np.rint(rng.laplace(0, 4, VALUES)).astype(np.int64)
    shares = rng.dirichlet(np.full(32, 2.0))
    return {
        "grid, 90 % pruned": laplace * (rng.random(VALUES) < 0.1),
        "grid, 98 % pruned": laplace * (rng.random(VALUES) < 0.02),
        "grid, dense": np.rint(rng.normal(0, 8, VALUES)).astype(np.int64),
        "codebook of 32": rng.choice(32, VALUES, p=shares),
        "codebook of 32, 90 % pruned": rng.choice(32, VALUES, p=shares) * (rng.random(VALUES) < 0.1),
        "mask, 5 % ones": (rng.random(VALUES) < 0.05).astype(np.int64),
        "gaps, mean 20": rng.geometric(1 / 20, VALUES) - 1,
        "16 distant values": rng.choice(rng.integers(-(2**60), 2**60, 16), VALUES),
        "float32, normal": rng.normal(0, 0.05, VALUES).astype(np.float32),
    }


def methods(data: np.ndarray) -> list[Method]:
    """Everything that takes these values."""
    raw = (data if data.dtype.kind == "f" else data.astype(np.result_type(*map(np.min_scalar_type, (data.min(), data.max()))))).tobytes()
    others = [
        Method("zlib -9", lambda _: zlib.compress(raw, 9), zlib.decompress),
        Method("bz2", lambda _: bz2.compress(raw), bz2.decompress),
        Method("lzma", lambda _: lzma.compress(raw), lzma.decompress),
    ]
    if data.dtype.kind == "f":
        return [Method("laconic: planes", encode_array, lambda stream: decode_array(stream, data.dtype, VALUES)), *others]
    ours = [plain(coder) for coder in CODERS if reach(data) <= coder.reach]
    return [Method(f"laconic: {chosen(encode(data))}", encode, lambda stream: decode(stream, VALUES)), *ours, *others]


def plain(coder: Coder) -> Method:
    """A coder by itself, in the plain layout."""
    return Method(f"plain × {coder.name}", coder.encode, lambda stream: coder.decode(stream, VALUES))


def chosen(stream: bytes) -> str:
    """The layout and the coders that `encode` chose, e.g. `sparse × signed (symbols)`."""
    layout, side, main = LAYOUTS[stream[0] >> 6], CODERS[stream[0] >> 3 & 7], CODERS[stream[0] & 7]
    return f"{layout.name} × {main.name}" + (f" ({side.name})" if layout is not LAYOUTS[0] else "")


def least(data: np.ndarray) -> float:
    """Order-0 entropy in bytes; of floats, that of their four planes of bytes."""
    planes = data.view(np.uint8).reshape(-1, 4).T if data.dtype.kind == "f" else [data]
    return sum(entropy(plane) for plane in planes) * VALUES / 8


def measure(name: str, data: np.ndarray) -> list[tuple[object, ...]]:
    """The rows of one data set."""
    contenders = methods(data)
    speeds: list[list[tuple[float, float]]] = [[] for _ in contenders]
    streams = [method.compress(data) for method in contenders]  # compiles what is to be compiled
    for _ in range(REPETITIONS):
        for method, stream, seen in zip(contenders, streams, speeds, strict=True):
            seen.append((speed(lambda m=method: m.compress(data)), speed(lambda m=method, s=stream: m.restore(s))))
    return [row(name, method, stream, least(data), seen) for method, stream, seen in zip(contenders, streams, speeds, strict=True)]


def speed(call: Callable[[], object]) -> float:
    """MB/s at four bytes a value."""
    began = time.perf_counter()
    call()
    return 4 * VALUES / 1e6 / (time.perf_counter() - began)


def row(name: str, method: Method, stream: bytes, entropy_bytes: float, speeds: list[tuple[float, float]]) -> tuple[object, ...]:
    """One line of the table."""
    encoding, decoding = (timing(seen, "MB/s", "four bytes a value") for seen in zip(*speeds, strict=True))
    ratio = f"{len(stream) / entropy_bytes:.4f}"
    figures = (f"{figure:.3g}" for figure in (encoding.value, encoding.spread, decoding.value, decoding.spread))
    return (name, method.name, len(stream), ratio, *figures, REPETITIONS)


def main() -> None:
    """Measure, print and write."""
    print(machine())
    print("{:28} {:38} {:>9} {:>10} {:>11} {:>6} {:>11} {:>6} {:>3}".format(*COLUMNS))
    rows = []
    for name, data in data_sets().items():
        for line in measure(name, data):
            print("{:28} {:38} {:>9,} {:>10} {:>11} {:>6} {:>11} {:>6} {:>3}".format(*line), flush=True)
            rows.append((*line, machine()))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([(*COLUMNS, "machine"), *rows])


if __name__ == "__main__":
    main()
