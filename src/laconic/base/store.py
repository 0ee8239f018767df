"""Content-addressed files: a name is the SHA-256 of what it holds, so nothing damaged is ever taken for whole."""

import hashlib
from pathlib import Path

from laconic.base.files import write_atomically


class Store:
    """Bytes kept under their own digest in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Keep `content` and return its address; what is there already is not written again.

        Raises:
            ResourceError: the disk is full or may not be written to.
        """
        address = hashlib.sha256(content).hexdigest()
        if self.get(address) is None:
            write_atomically(self.folder / address, content)
        return address

    def get(self, address: str) -> bytes | None:
        """The bytes at `address`; None where they are missing or no longer what they were."""
        path = self.folder / address
        content = path.read_bytes() if path.is_file() else None
        return content if content is not None and hashlib.sha256(content).hexdigest() == address else None

    def drop(self, address: str) -> None:
        """Forget what is kept at `address`."""
        (self.folder / address).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything."""
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)
