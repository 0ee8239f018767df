"""Run a file in a process of its own and tell what came out: the proof that it needs neither torch nor the model's class.

    python -m laconic.runtime.probe FILE.lac SAMPLES.npz

SAMPLES.npz holds raw `inputs` (n, *shape) and class numbers `targets` (n,). One JSON object is printed.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from laconic.base.errors import UsageError
from laconic.runtime.session import load


def probe(file: Path, samples: Path) -> dict[str, Any]:
    """What the file does with the samples, and whether torch is in this process.

    Returns:
        `bytes` of the file, `samples`, `correct` (how many), `outputs_sha256`, `load_ms`, `torch` (is it imported).

    Raises:
        UsageError: no such file, or one without a graph or preprocessing. ArtifactError: it is damaged.
    """
    start = time.perf_counter()
    session = load(file)
    load_ms = (time.perf_counter() - start) * 1000
    if session.notes.preprocessing is None:
        raise UsageError("the file does not say how raw samples become inputs", where=str(file))
    with np.load(samples, allow_pickle=False) as arrays:
        inputs, targets = arrays["inputs"], arrays["targets"]
    outputs = session(session.notes.preprocessing.apply(inputs))
    return {
        "bytes": file.stat().st_size,
        "samples": len(inputs),
        "correct": int((outputs.argmax(1) == targets).sum()),
        "outputs_sha256": digest(outputs),
        "load_ms": load_ms,
        "torch": "torch" in sys.modules,
    }


def digest(outputs: np.ndarray) -> str:
    """SHA-256 of the outputs' bytes: equal only where every bit is."""
    return hashlib.sha256(np.ascontiguousarray(outputs).tobytes()).hexdigest()


if __name__ == "__main__":
    print(json.dumps(probe(Path(sys.argv[1]), Path(sys.argv[2]))))
