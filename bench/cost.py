"""What a piece of work costs this process: seconds of the processor, and bytes of memory at the peak above what was held before (Linux)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Cost(NamedTuple):
    """Seconds that the process was at work; bytes resident at the peak, above those at the start."""

    seconds: float
    peak: int


def cost(work: Callable[[], Result]) -> tuple[Result, Cost]:
    """What `work` returns, and what it cost."""
    before = forget_peak()
    start = time.process_time()
    result = work()
    seconds = time.process_time() - start
    return result, Cost(seconds, max(resident("VmHWM") - before, 0))


def forget_peak() -> int:
    """Reset the kernel's record of this process's peak; bytes resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(field: str) -> int:
    """A size from the kernel's status of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
