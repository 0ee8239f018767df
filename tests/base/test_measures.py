"""Measured values say where they come from."""

from pathlib import Path

import pytest

from laconic.base import measures


@pytest.mark.parametrize(
    ("line", "unit"),
    [
        ("flags : fpu sse avx2 avx512f avx512_vnni amx_int8", "AMX"),
        ("flags : fpu sse avx2 avx512f avx512_vnni", "AVX-512 VNNI"),
        ("flags : fpu sse avx2 fma", "AVX2"),
        ("Features : fp asimd asimddp", "DotProd"),
    ],
)
def test_a_machine_names_its_processor_and_what_multiplies_in_it(
    line: str, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors of one name differ by ten times in integers."""
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nmodel name : Some CPU\n{line}\n\nprocessor : 1\nmodel name : Other\n")
    monkeypatch.setattr(measures, "CPUINFO", tmp_path / "cpuinfo")
    assert f" Some CPU {unit} " in measures.machine()


def test_a_machine_that_tells_nothing_has_a_name_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "CPUINFO", tmp_path / "none")
    assert measures.machine().strip()
    assert "  " not in measures.machine()
