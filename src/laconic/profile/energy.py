"""Joules of a forward pass and of a run: from the processor's own counter where it can be read, else estimated from what is done.

M. Horowitz, "Computing's Energy Problem (and What We Can Do About It)", ISSCC 2014, for 45 nm at 0.9 V: a float32 multiplication takes
3.7 pJ, an addition 0.9 pJ, and DRAM 1.3 nJ or more for 64 bits.

L. Lannelongue, J. Grealey & M. Inouye, "Green Algorithms: Quantifying the Carbon Footprint of Computation", Advanced Science 2021: a core
of a processor that is not known takes 12 W, and a kWh stands for 475 g of CO2 equivalent, the world's mean.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time

from laconic.base.measures import Measure

PJ_PER_MAC = 3.7 + 0.9
PJ_PER_BYTE = 1300 / 8
WATTS_A_CORE, GRAMS_A_KWH = 12.0, 475.0
ZONES = Path("/sys/class/powercap")
SECONDS = 1.0  # of work behind a reading: the counter moves about a thousand times a second


def estimated(macs: int, moved: int) -> Measure:
    """Of so many float32 MACs and bytes to and from memory.

    >>> print(estimated(1_000_000, 0))
    0.0046 mJ
    """
    joules = (macs * PJ_PER_MAC + moved * PJ_PER_BYTE) * 1e-12
    return Measure(1e3 * joules, "mJ", f"estimated: {PJ_PER_MAC:g} pJ a MAC, {PJ_PER_BYTE:g} pJ a byte (Horowitz 2014)")


def measured(work: Callable[[], object], zones: Path = ZONES) -> Measure | None:
    """Of one call of `work`, all processor packages with whatever else they do; `None` where there is no counter to be read."""
    counters = packages(zones)
    if not counters:
        return None
    before, start, calls = [_microjoules(counter) for counter in counters], perf_counter(), 0
    while perf_counter() - start < SECONDS:
        work()
        calls += 1
    after = [_microjoules(counter) for counter in counters]
    spent = sum(_difference(*pair) for pair in zip(counters, before, after, strict=True))
    return Measure(1e-3 * spent / calls, "mJ", "the processor's energy counter, all that ran beside included", calls)


class Meter:
    """What this process spends from here on."""

    def __init__(self, zones: Path = ZONES) -> None:
        self._counters = packages(zones)
        self._before, self._cpu = [_microjoules(counter) for counter in self._counters], process_time()

    def spent(self) -> Measure:
        """Watt-hours so far."""
        if not self._counters:
            joules = WATTS_A_CORE * (process_time() - self._cpu)
            return Measure(joules / 3600, "Wh", f"estimated: {WATTS_A_CORE:g} W for each core while it works (Lannelongue 2021)")
        after = [_microjoules(counter) for counter in self._counters]
        joules = sum(_difference(*pair) for pair in zip(self._counters, self._before, after, strict=True)) / 1e6
        return Measure(joules / 3600, "Wh", "the processor's energy counter, all that ran beside included")


def co2e(energy: Measure) -> Measure:
    """Grams of CO2 equivalent that so many watt-hours stand for.

    >>> print(co2e(Measure(1000.0, "Wh", "")))
    475 g
    """
    how = f"estimated: {GRAMS_A_KWH:g} g a kWh, the world's mean (Lannelongue 2021)"
    return Measure(energy.value / 1000 * GRAMS_A_KWH, "g", how)


def packages(zones: Path = ZONES) -> Sequence[Path]:
    """Folders of the counters of whole processor packages that this user may read."""
    found = []
    for zone in sorted(zones.glob("intel-rapl:?")):  # AMD's processors go by this name too; those below a package have a second number
        with contextlib.suppress(OSError, ValueError):
            _microjoules(zone)
            found.append(zone)
    return found


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text(encoding="ascii"))


def _difference(zone: Path, before: int, after: int) -> int:
    """The counter begins again at its greatest value."""
    return after - before if after >= before else after - before + int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
