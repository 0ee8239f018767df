"""Coverage-guided fuzzing of the header and the tables (bar R2): what it finds is kept in tests/hostile/corpus and read again by the tests.

    pip install atheris
    python bench/coverage_fuzz.py --seconds 600

An input is the sections `tensors`, `streams` and `notes`, each behind its length in two bytes; the checksums are put right around them, so
that the fuzzer is not stopped at the gate. An input is kept if it reaches lines of `laconic.artifact` that no other
input reaches. Whatever is raised that is no ArtifactError is a finding.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "tests" / "hostile" / "corpus"
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "version-1"
LONGEST = 4096
SEEDS = ("pools", "fast-coarse", "smallest-coarse", "codebook", "groups-of-steps", "nothing", "masked", "rows")


def attempt(data: bytes) -> None:
    """Read what the fuzzer made."""
    from laconic.artifact import unpack
    from laconic.artifact.frame import frame
    from laconic.base.errors import ArtifactError

    try:
        for form in unpack(frame(sections(data)), limits(), threads=1).tensors.values():
            form.array()
    except ArtifactError:
        pass


def limits():  # type: ignore[no-untyped-def]
    """Of small files."""
    from laconic.artifact import Limits

    return Limits(values=1 << 20, repeated_values=1 << 20, decoded_bytes=1 << 22)


def sections(data: bytes) -> dict[str, bytes]:
    """Three parts, each behind its length; what is missing is empty, what is left over belongs to the last."""
    parts, at = [], 0
    for _ in range(2):
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        parts.append(data[at + 2 : end])
        at = end
    found = {"tensors": parts[0], "streams": parts[1]}
    return found | ({"notes": data[at:]} if data[at:] else {})


def joined(tensors: bytes, streams: bytes, notes: bytes = b"") -> bytes:
    """The inverse of `sections`."""
    return b"".join(len(part).to_bytes(2, "little") + part for part in (tensors, streams)) + notes


def main() -> None:
    """Fuzz for so long, from the corpus and a few golden files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--fuzz", type=Path, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.fuzz is not None:
        _fuzz([str(options.fuzz), *rest])
        return
    CORPUS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as seeds:
        for name, seed in _seeds():
            (Path(seeds) / name).write_bytes(seed)
        bounds = (f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=2048")
        subprocess.run([sys.executable, __file__, "--fuzz", str(CORPUS), seeds, *bounds], check=True)
    print(f"{len(list(CORPUS.iterdir()))} inputs")


def _seeds() -> list[tuple[str, bytes]]:
    from laconic.artifact import Limits
    from laconic.artifact.frame import unframe

    seeds = []
    for name in SEEDS:
        found = {section: bytes(part) for section, part in unframe((GOLDEN / f"{name}.lac").read_bytes(), Limits()).items()}
        seeds.append((name, joined(found["tensors"], found["streams"], found.get("notes", b""))))
    return [(name, seed) for name, seed in seeds if len(seed) <= LONGEST]


def _fuzz(words: list[str]) -> None:
    import atheris

    import laconic.codec  # before the rest: what is compiled may not be instrumented
    import laconic.forms

    assert laconic.codec
    with atheris.instrument_imports(include=["laconic.artifact"]):
        import laconic.artifact.frame
    atheris.Setup([sys.argv[0], *words], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
