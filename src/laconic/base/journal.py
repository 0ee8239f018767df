"""An append-only journal: one checked line an entry, so that whatever interrupts a run, what was written is known for sure."""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from laconic.base.files import reported


class Journal:
    """Entries that survive a kill at any moment.

    A line is the CRC-32 of its text in hexadecimal, a space, and the text (compact JSON). A last line that is torn, because the
    process or the machine died while writing it, does not count and is cut off before the next entry is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[dict[str, Any]]:
        """All whole entries, in the order in which they were written."""
        return [entry for entry, _ in self._lines()]

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry and flush it to disk before returning.

        Raises:
            ResourceError: the disk is full or may not be written to; earlier entries are untouched.
        """
        text = json.dumps(entry, separators=(",", ":"), sort_keys=True).encode()
        whole = sum(length for _, length in self._lines())
        with reported(self.path), open(self.path, "ab") as file:
            file.truncate(whole)
            file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[tuple[dict[str, Any], int]]:
        """Whole entries with their lengths in bytes, up to the first that is torn."""
        if not self.path.exists():
            return []
        found: list[tuple[dict[str, Any], int]] = []
        for line in self.path.read_bytes().split(b"\n")[:-1]:
            crc, _, text = line.partition(b" ")
            if crc != b"%08x" % zlib.crc32(text):
                break
            found.append((json.loads(text), len(line) + 1))
        return found
