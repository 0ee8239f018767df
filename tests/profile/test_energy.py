"""Joules: from a counter where there is one, else from what is done."""

from pathlib import Path

import pytest

from laconic.profile import energy


def zone(folder: Path, name: str, microjoules: int) -> Path:
    made = folder / name
    made.mkdir()
    (made / "energy_uj").write_text(f"{microjoules}\n")
    (made / "max_energy_range_uj").write_text("1000000\n")
    return made


def test_an_estimate_says_so_and_counts_both() -> None:
    found = energy.estimated(10**9, 10**6)
    assert found.value == pytest.approx(4.6 + 0.1625)
    assert "estimated" in found.how


def test_a_counter_is_read_before_and_after_and_may_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = [zone(tmp_path, "intel-rapl:0", 100), zone(tmp_path, "intel-rapl:1", 999_000)]
    zone(tmp_path, "intel-rapl:0:0", 5)  # a part of the first package, already in it
    monkeypatch.setattr(energy, "SECONDS", 0.0)
    monkeypatch.setattr(energy, "perf_counter", iter([0.0, -1.0, 1.0]).__next__)

    def work() -> None:
        counters[0].joinpath("energy_uj").write_text("4100")
        counters[1].joinpath("energy_uj").write_text("1000")

    found = energy.measured(work, tmp_path)
    assert found is not None
    assert found.value == pytest.approx((4000 + 2000) / 1000)
    assert "estimated" not in found.how


def test_without_a_counter_nothing_is_measured(tmp_path: Path) -> None:
    assert energy.measured(lambda: pytest.fail("ran"), tmp_path) is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert energy.measured(lambda: pytest.fail("ran"), tmp_path) is None


def test_a_meter_reads_the_counter_where_there_is_one(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", 900_000)
    meter = energy.Meter(tmp_path)
    counter.joinpath("energy_uj").write_text("260000")  # it began again at a million
    assert meter.spent().value == pytest.approx(0.36 / 3600)
    assert "estimated" not in meter.spent().how


def test_without_a_counter_a_core_takes_its_watts_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "process_time", iter([10.0, 310.0]).__next__)
    spent = energy.Meter(tmp_path).spent()
    assert spent.value == pytest.approx(1.0)
    assert "estimated" in spent.how
    assert energy.co2e(spent).value == pytest.approx(0.475)
