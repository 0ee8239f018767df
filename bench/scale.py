"""138 million values of VGG-16's shapes: shared to 5 bits, packed, unpacked; time, MB/s and peak memory, beside other coders.

    python bench/scale.py            whatever results/scale.csv has no line for
    python bench/scale.py --again    all of it

The values are random, distributed as trained ones (Laplace, scaled by fan-in). Each line is measured in a process of its own, so that its
peak memory is its own: the peak above what was resident when the tensors were in place, in multiples of their fp32 bytes.
`xz -9` and `zstd -19` code the same 5-bit indices, one byte each. Writes bench/results/scale.csv.
"""

import csv
import io
import json
import lzma
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from laconic.artifact import Artifact, pack, unpack
from laconic.forms import Codebook, Form
from laconic.methods.share import share

RESULTS = Path(__file__).parent / "results" / "scale.csv"
CONVOLUTIONS = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256), (512, 256), *[(512, 512)] * 5]
SHAPES = [(out, inn, 3, 3) for out, inn in CONVOLUTIONS] + [(4096, 25088), (4096, 4096), (1000, 4096)]
BITS = 5


def weights() -> list[np.ndarray]:
    """Tensors of VGG-16's shapes."""
    rng = np.random.default_rng(0)
    return [rng.laplace(0, (1 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32) for shape in SHAPES]


def shared(arrays: list[np.ndarray]) -> dict[str, Form]:
    """Each tensor as a codebook of 32 values; the arrays are given up one by one."""
    rng = np.random.default_rng(0)
    forms: dict[str, Form] = {}
    while arrays:
        weight = arrays.pop(0)
        forms[str(len(forms))] = share(weight, np.ones(weight.shape, bool), 2**BITS, "density", rng)
    return forms


def measure(task: str) -> dict[str, object]:
    """Run one line of the table in this process."""
    prepare, work = TASKS[task]
    ready = prepare()
    before = _forget_peak()
    start, cpu = time.perf_counter(), time.process_time()
    size = work(ready)
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    fp32 = 4 * sum(int(np.prod(shape)) for shape in SHAPES)
    peak = (_status("VmHWM") - before) / fp32
    return {
        "task": task,
        "bytes": size,
        "seconds": round(seconds, 1),
        "CPU seconds": round(busy, 1),
        "MB/s of fp32": round(fp32 / seconds / 1e6),
        "peak memory above start, × fp32": round(max(peak, 0), 2),
    }


def _forget_peak() -> int:
    """Reset the kernel's record of this process's peak; bytes resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def _indices() -> bytes:
    return b"".join(
        form.integers.astype(np.uint8).tobytes()
        for form in shared(weights()).values()
        if isinstance(form, Codebook) and form.integers is not None
    )


def _torch_save(arrays: list[np.ndarray]) -> int:
    import torch

    buffer = io.BytesIO()
    torch.save({str(i): torch.from_numpy(a) for i, a in enumerate(arrays)}, buffer)
    return buffer.tell()


def _zstd(content: bytes) -> int:
    import zstandard

    return len(zstandard.ZstdCompressor(level=19).compress(content))


def _unpack(file: bytes) -> int:
    return sum(form.array().nbytes for form in unpack(file).tensors.values())


TASKS: dict[str, tuple[Callable[[], object], Callable[..., int]]] = {
    "share to 5 bits": (weights, lambda arrays: sum(form.table.nbytes for form in shared(arrays).values())),
    "laconic pack, fast": (lambda: Artifact(shared(weights())), lambda artifact: len(pack(artifact, profile="fast"))),
    "laconic unpack, fast": (lambda: pack(Artifact(shared(weights())), profile="fast"), _unpack),
    "torch.save of fp32": (weights, _torch_save),
    "xz -9 of the indices": (_indices, lambda content: len(lzma.compress(content, preset=9))),
    "zstd -19 of the indices": (_indices, _zstd),
}


def main() -> None:
    """Each task in a fresh process; the table."""
    if len(sys.argv) > 1 and sys.argv[1] in TASKS:
        print(json.dumps(measure(sys.argv[1])))
        return
    again = "--again" in sys.argv or not RESULTS.exists()
    known = {} if again else {row["task"]: row for row in csv.DictReader(RESULTS.open(encoding="utf-8"))}
    for task in TASKS.keys() - known.keys():
        known[task] = json.loads(subprocess.run([sys.executable, __file__, task], check=True, capture_output=True, text=True).stdout)
    rows = [known[task] for task in TASKS]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
