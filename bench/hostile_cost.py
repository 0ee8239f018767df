"""What the worst files that we can think of cost their reader: seconds and memory, refused or decoded (bars R3 and R4).

    python bench/hostile_cost.py

Headers that lie are to be refused within 0.5 s and 64 MiB. Any file of S bytes is to be refused or decoded within 2 s + k · S, and
within three times what it declares to decode to, and 64 MiB: k is what the densest stream of each coder needs, for a byte of file.
Kernels are compiled beforehand; seconds are those of the processor. Writes bench/results/hostile_cost.csv.
"""

import csv
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cost import cost

from laconic.artifact import Artifact, TensorEntry, layout, pack, unpack
from laconic.artifact.directory import Directory, Group
from laconic.artifact.frame import MAGIC, frame
from laconic.artifact.layout import write_table
from laconic.artifact.wire import deflate
from laconic.base.errors import ArtifactError
from laconic.codec import decode_array, encode_array
from laconic.codec.coders import CODERS
from laconic.codec.context.group import decode_group, encode_group, write_blocks
from laconic.codec.context.profiles import PROFILES
from laconic.codec.limits import LARGEST_GROUP, MAX_SYMBOLS_PER_BYTE
from laconic.codec.varint import write_varint as varint
from laconic.codec.window import reach
from laconic.forms import Dense

RESULTS = Path(__file__).parent / "results" / "hostile_cost.csv"
MIB = 1 << 20
VALUES = 1 << 23
ROWS = LARGEST_GROUP // 4096  # of 4096 values: as many as a group holds


def lies() -> dict[str, bytes]:
    """Files whose headers promise what they do not hold, under checksums that are right."""

    def file(
        *entries: TensorEntry, pool: int = 0, tail: int = 0, groups: int = 0, each: int = 0, streams: bytes = b"", **sections: bytes
    ) -> bytes:
        directory = Directory({"": pool} if pool else {}, {0: tail} if tail else {}, (Group(ROWS, each),) * groups)
        return frame({"tensors": write_table(list(entries), directory, named=True), "streams": streams, **sections})

    def dense(name: str, *shape: int, dtype: str = "uint8") -> TensorEntry:
        return TensorEntry(name, "dense", dtype, shape)

    sealed = MAGIC + varint(0) + varint(2) + varint(1) + varint(2**63 - 1) + varint(2) + varint(0)
    return {
        "2^63 - 1 values": file(dense("w", 2**63 - 1)),
        "16 axes of 2^63 - 1": file(dense("w", *[2**63 - 1] * 16)),
        "no values, 2^63 - 1 columns": file(dense("w", 0, 2**63 - 1)),
        "2^28 values in 512 bytes": file(dense("w", 1 << 28), groups=256, each=2, streams=bytes(512)),
        "2^31 - 1 values, each row a group": file(dense("w", 2**31 - 1, 1), groups=1 << 20, each=1, streams=bytes(1 << 20)),
        "2^20 floats, a tail of one byte": file(
            dense("w", 256, 4096, dtype="float32"), tail=1, groups=1, each=3, streams=b"\0" + bytes([0, 0, 0])
        ),
        "65 536 empty tensors": file(*(dense(f"{i:05}", 0) for i in range(1 << 16))),
        "a million empty tensors": file(*(dense(f"{i:06}", 0) for i in range(10**6))),
        "65 535 ties": file(
            dense("w", 256, 256), *(TensorEntry(f"{i}", "tied", tied_to=0) for i in range(65_535)), groups=1, each=3, streams=bytes(3)
        ),
        "repetitions": file(*(dense(f"{i}", ROWS, 4096) for i in range(64)), groups=64, each=3, streams=bytes(192)),
        "two of one name": file(dense("w", 0), dense("w", 0)),
        "JSON 500 000 deep": file(notes=deflate(b"[" * 500_000)),
        "JSON, a key 100 000 times": file(notes=deflate(b"{" + b",".join([b'"reason":"x"'] * 70_000) + b"}")),
        "a deflated gigabyte": file(graph=deflate(bytes(1 << 30))),
        "a section of 2^63 - 1 bytes": sealed + zlib.crc32(sealed).to_bytes(4, "little"),
    }


def streams() -> dict[str, bytes]:
    """For each coder and profile, groups that decode to the most from the fewest bytes, and groups of noise: files of one uint8 tensor."""
    rng = np.random.Generator(np.random.PCG64(0))
    rare = np.zeros(VALUES, np.int64)
    rare[:: LARGEST_GROUP // 4] = 1
    noise = rng.integers(0, 256, VALUES)
    found = {}
    for name, values in (("densest", rare), ("noise", noise)):
        groups = values.reshape(-1, ROWS, 4096, 1)
        for number, coder in enumerate(CODERS):
            if reach(values) <= coder.reach:
                found[f"{coder.name}, {name}"] = _grouped([bytes([0, number]) + coder.encode(group.reshape(-1)) for group in groups])
        for number, (profile, how) in enumerate(PROFILES.items(), 1):
            found[f"profile {profile}, {name}"] = _grouped([bytes([number]) + write_blocks(how, [group]) for group in groups])
    sparse = np.arange(VALUES) % 7 == 0
    found["chosen by pack, mask"] = pack(Artifact({"w": Dense.of(sparse)}))
    found["chosen by pack, float32"] = pack(Artifact({"w": Dense.of(rng.normal(0, 1, VALUES).astype(np.float32))}))
    found["chosen by pack, equal float32"] = pack(Artifact({"w": Dense.of(np.ones(VALUES, np.float32))}))
    return found


def _grouped(coded: list[bytes]) -> bytes:
    """The file of one tensor whose groups these are."""
    directory = Directory({}, {}, tuple(Group(ROWS, len(group)) for group in coded))
    table = write_table([TensorEntry("w", "dense", "uint8", (VALUES,))], directory, named=True)
    return frame({"tensors": table, "streams": b"".join(coded)})


def read(file: bytes) -> str:
    """How a reader fares."""
    try:
        unpack(file)
    except ArtifactError as cause:
        return f"refused: {type(cause).__name__}"
    return "decoded"


def declared(file: bytes) -> int:
    """Bytes that the file says it decodes to, if a reader gets so far."""
    try:
        return sum(entry.decoded_bytes for entry in layout(file).entries)
    except ArtifactError:
        return 0


def measure(name: str, make: Callable[[], bytes]) -> dict[str, object]:
    """One line of the table."""
    file = make()
    outcome, spent = cost(lambda: read(file))
    most = 64 * MIB + 3 * declared(file) if outcome == "decoded" else 64 * MIB
    return {
        "file": name,
        "bytes": len(file),
        "declared bytes": declared(file),
        "outcome": outcome,
        "seconds": round(spent.seconds, 3),
        "µs a byte of file": round(1e6 * spent.seconds / len(file), 2),
        "peak MiB": round(spent.peak / MIB, 1),
        "allowed MiB": round(most / MIB, 1),
        "within": bool(spent.peak <= most and (outcome == "decoded" or spent.seconds <= 0.5)),
    }


def table() -> list[dict[str, object]]:
    """All lines; the kernels are compiled first."""
    for coder in CODERS:
        coder.decode(coder.encode(np.arange(9) % 2), 9)
    for profile in PROFILES:
        decode_group(encode_group([np.arange(9)], profile), [(9,)])
    decode_array(encode_array(np.ones(9, np.float32)), np.dtype(np.float32), 9)
    made = lies() | streams()
    for file in made.values():
        read(file[:4096])
    return [measure(name, lambda content=file: content) for name, file in made.items()]  # type: ignore[misc]


def main() -> None:
    """The table, and k."""
    rows = table()
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, rows[0])
        written.writeheader()
        written.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"))
    print(f"a byte decodes to {MAX_SYMBOLS_PER_BYTE} values at most")
    raise SystemExit(0 if all(row["within"] for row in rows) else 1)


if __name__ == "__main__":
    main()
