"""A transformer of a billion random parameters, packed and unpacked tensor by tensor: seconds, bytes, and the most memory it took.

    python bench/billion.py --work DIR

The checkpoint (bfloat16, 18 blocks of width 2048, 50 000 words; normal, scaled by fan-in) is written to DIR first and needs 2 GB there,
the file 1.4 GB, what is unpacked again 2 GB. Both commands run as a user types them, in processes of their own. Writes
bench/results/billion.csv.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np

from laconic.base.measures import machine

RESULTS = Path(__file__).parent / "results" / "billion.csv"
WIDTH, BLOCKS, WORDS = 2048, 18, 50_000
GIB = 1 << 30


def shapes() -> Iterator[tuple[str, tuple[int, int]]]:
    """Name and shape of every weight."""
    yield "words.weight", (WORDS, WIDTH)
    for block in range(BLOCKS):
        yield f"blocks.{block}.qkv.weight", (3 * WIDTH, WIDTH)
        yield f"blocks.{block}.out.weight", (WIDTH, WIDTH)
        yield f"blocks.{block}.up.weight", (4 * WIDTH, WIDTH)
        yield f"blocks.{block}.down.weight", (WIDTH, 4 * WIDTH)


def write(path: Path) -> None:
    """The checkpoint as a `.safetensors` file, one tensor in memory at a time."""
    header, at = {}, 0
    for name, shape in shapes():
        end = at + 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    told = json.dumps(header).encode()
    rng = np.random.Generator(np.random.SFC64(0))
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        for _, shape in shapes():
            values = rng.standard_normal(shape, np.float32) / np.float32(shape[1] ** 0.5)
            file.write(values.astype(ml_dtypes.bfloat16).view(np.uint16).tobytes())


def measured(task: str, *words: str, made: Path) -> dict[str, str]:
    """One command of laconic in a process of its own."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "laconic.cli", *words], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / GIB  # of the largest child so far
    values = sum(rows * columns for _, (rows, columns) in shapes())
    figures = {"bytes": str(made.stat().st_size), "bits a parameter": f"{8 * made.stat().st_size / values:.3f}"}
    row = {"task": task, "parameters": str(values)} | figures | {"seconds": f"{seconds:.0f}", "most GiB resident": f"{peak:.2f}"}
    row["machine"] = machine()
    print(*row.values(), sep="  ", flush=True)
    return row


def main() -> None:
    """Write, pack, unpack, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder with 6 GB to spare")
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    source, packed, back = work / "billion.safetensors", work / "billion.lac", work / "back.safetensors"
    if not source.exists():
        write(source)
    rows = [measured("pack", "pack", str(source), "-o", str(packed), made=packed)]
    rows.append(measured("unpack", "unpack", str(packed), "-o", str(back), made=back))
    compare(source, back)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def compare(one: Path, other: Path) -> None:
    """Every tensor of one file is that of the other, bit for bit; their order may differ."""
    ours, theirs = _offsets(one), _offsets(other)
    assert ours.keys() == theirs.keys()
    for name, (start, end) in ours.items():
        parts = (np.memmap(path, np.uint8, "r", at, end - start) for path, at in ((one, start), (other, theirs[name][0])))
        assert np.array_equal(*parts), name


def _offsets(path: Path) -> dict[str, tuple[int, int]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: (8 + length + entry["data_offsets"][0], 8 + length + entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__"
    }


if __name__ == "__main__":
    main()
