"""Mutated files by the million: every one is refused with a typed error, or is as good as any other (bars R1 and R3).

    python bench/fuzz.py --mutants 1000000 --processes 2 [--resume]

Half of the mutants are raw: refused, or bit for bit the original. Half have their checksums mended: refused with a typed error, or decoded
within the limits; every fourth of those that decode is run as well. A process that crashes, or that is busy with one mutant for half a
minute, ends the bench. No mutant may take more memory than three times what it declares to decode to, and 64 MiB.

Writes bench/results/fuzz.csv, one line a batch, as soon as it is through; `--resume` goes on behind the last. A batch is its seed: any
mutant can be made again.
"""

import argparse
import csv
import importlib.util
import os
import random
import signal
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType

from cost import Cost, cost

from laconic.artifact import Limits, layout, pack, unpack
from laconic.artifact.frame import unframe
from laconic.base.errors import ArtifactError

RESULTS = Path(__file__).parent / "results" / "fuzz.csv"
BATCH = 10_000
OUTCOMES = ("raw refused", "raw identical", "mended refused", "mended decoded", "mended ran")
COLUMNS = ("seed", "mutants", *OUTCOMES, "faults", "slowest ms", "peak MiB")
MIB = 1 << 20


def _mutants() -> ModuleType:
    path = Path(__file__).parents[1] / "tests" / "hostile" / "mutants.py"
    spec = importlib.util.spec_from_file_location("mutants", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTANTS = _mutants()


def batch(seed: int, count: int) -> dict[str, float]:
    """`count` mutants of this seed: a line of the table."""
    file = pack(MUTANTS.sound())
    sections = {name: bytes(part) for name, part in unframe(file, Limits()).items()}
    _attempt(file, "mended", True, file)  # compiles
    seen: Counter[str] = Counter()
    worst = Cost(0.0, 0)
    for number in range(count):
        rng = random.Random(seed * BATCH + number)
        kind = "raw" if number % 2 else "mended"
        mutant = MUTANTS.raw(rng, file, sections) if kind == "raw" else MUTANTS.mended(rng, sections)
        signal.alarm(30)
        outcome, spent = cost(lambda m=mutant, k=kind, n=number: _attempt(m, k, n % 8 == 0, file))  # type: ignore[misc]
        signal.alarm(0)
        worst = Cost(max(worst.seconds, spent.seconds), max(worst.peak, spent.peak))
        if spent.peak > 3 * _declared(mutant) + 64 * MIB:
            outcome = f"{spent.peak} bytes of memory for {_declared(mutant)} declared"
        seen[outcome if outcome in OUTCOMES else "faults"] += 1
        if outcome not in OUTCOMES:
            print(f"seed {seed}, mutant {number}: {outcome}", flush=True)
    counted = {name: seen[name] for name in (*OUTCOMES, "faults")}
    return {"seed": seed, "mutants": count, **counted, "slowest ms": round(1000 * worst.seconds), "peak MiB": round(worst.peak / MIB, 1)}


def _attempt(mutant: bytes, kind: str, run: bool, original: bytes) -> str:
    try:
        outcome = MUTANTS.attempt(mutant, run)
        if kind == "raw" and outcome != "refused":
            return "raw identical" if pack(unpack(mutant)) == original else "decoded to something else"
    except Exception as cause:  # noqa: BLE001 - whatever it is, it is a fault
        return f"{type(cause).__name__}: {cause}"
    return f"{kind} {outcome}"


def _declared(mutant: bytes) -> int:
    """Bytes that the file says it decodes to; none where it does not get so far."""
    try:
        return sum(entry.decoded_bytes for entry in layout(mutant, MUTANTS.LIMITS).entries)
    except ArtifactError:
        return 0


def fuzz(seeds: Iterable[int], count: int, processes: int, results: Path) -> Counter[str]:
    """All batches, each written down when it is through; the sums. Raises BrokenProcessPool when a mutant brings a process down."""
    total: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:
        for line in pool.map(batch, seeds, [count] * len(list(seeds))):
            new = not results.exists()
            with results.open("a", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, COLUMNS)
                if new:
                    table.writeheader()
                table.writerow(line)
            total.update({name: int(line[name]) for name in ("mutants", *OUTCOMES, "faults")})
    return total


def main() -> None:
    """Fuzz, and fail where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=BATCH, help="rounded up to batches of 10 000")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--resume", action="store_true", help="go on behind the last line of the table")
    options = parser.parse_args()
    if not options.resume:
        RESULTS.unlink(missing_ok=True)
    done = len(RESULTS.read_text(encoding="utf-8").splitlines()) - 1 if RESULTS.exists() else 0
    total = fuzz(range(done, -(-options.mutants // BATCH)), BATCH, options.processes, RESULTS)
    print("\n".join(f"{name:15} {total[name]:>9,}" for name in ("mutants", *OUTCOMES, "faults")))
    raise SystemExit(1 if total["faults"] else 0)


if __name__ == "__main__":
    main()
