"""A measured value with its address: unit, how, how often, how spread, on what machine."""

import itertools
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
UNITS = {  # a processor's flag → what products run on there, from the fastest
    "amx_int8": "AMX",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "i8mm": "I8MM",
    "asimddp": "DotProd",
}


@dataclass(frozen=True)
class Measure:
    """One measured figure.

    Args:
        value: the figure.
        unit: "bytes", "%", "ms", "MAC", "x" …
        how: what was done to get it, in a few words.
        n: number of observations behind it (samples for an accuracy, timed pairs for a latency).
        spread: half the interquartile range for repeated timings, one standard error for shares; 0 where exact.

    >>> print(Measure(91.73, "%", "top-1 of the file on 10 000 test images", n=10000, spread=0.28))
    91.73 % ± 0.28 (n = 10000)
    """

    value: float
    unit: str
    how: str
    n: int = 1
    spread: float = 0.0

    def __str__(self) -> str:
        figure = f"{self.value:,.0f}" if self.unit == "bytes" else f"{self.value:.4g}"
        spread = f" ± {self.spread:.2g}" if self.spread else ""
        return f"{figure} {self.unit}{spread}" + (f" (n = {self.n})" if self.n > 1 else "")


def share(hits: int, n: int, how: str) -> Measure:
    """A share in per cent with its standard error: `100·p`, `100·sqrt(p(1-p)/n)`."""
    p = hits / n
    return Measure(100 * p, "%", how, n, 100 * (p * (1 - p) / n) ** 0.5)


def timing(observations: Sequence[float], unit: str, how: str) -> Measure:
    """The median of repeated observations, with half their interquartile range."""
    if len(observations) < 2:
        return Measure(observations[0], unit, how)
    low, middle, high = statistics.quantiles(observations, n=4)
    return Measure(middle, unit, how, len(observations), (high - low) / 2)


def machine() -> str:
    """This machine in a few words: architecture, processor, its widest units for products, system."""
    known = _processor()
    name = known.get("model name", platform.processor())
    have = known.get("flags", known.get("Features", "")).split()
    unit = next((word for flag, word in UNITS.items() if flag in have), "")
    return " ".join(filter(None, (platform.machine(), name, unit, platform.system())))


def _processor() -> dict[str, str]:
    """What Linux says of the first core."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
        pairs = (line.partition(":") for line in itertools.takewhile(str.strip, lines))
        return {key.strip(): value.strip() for key, _, value in pairs}
    except OSError:
        return {}
