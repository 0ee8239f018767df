"""The smallest pieces of the file: bounded reading, deflated blocks."""

import zlib

from laconic.base.errors import ArtifactError, LimitError
from laconic.codec.varint import write_varint

DAMAGED = "the file is damaged; fetch it again, or pack it again"


class Reader:
    """Reads one section from front to back, never past its end; every complaint names the section and the offset."""

    def __init__(self, content: bytes | memoryview, section: str) -> None:
        self._content, self.section, self.offset = memoryview(content), section, 0

    def varint(self) -> int:
        """The next varint; at most 63 bits, and no longer than it needs to be."""
        value = 0
        for shift in range(0, 63, 7):
            group = self.byte()
            value |= (group & 0x7F) << shift
            if group < 0x80:
                if group == 0 and shift > 0:
                    raise self.fault("a number is written with more bytes than it needs")
                return value
        raise self.fault("a number does not fit 63 bits")

    def byte(self) -> int:
        """The next byte."""
        if not self.left:
            raise self.fault("1 bytes were expected and 0 are left")
        self.offset += 1
        return self._content[self.offset - 1]

    def take(self, length: int) -> memoryview:
        """The next `length` bytes."""
        if length > self.left:
            raise self.fault(f"{length} bytes were expected and {self.left} are left")
        piece = self._content[self.offset : self.offset + length]
        self.offset += length
        return piece

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._content) - self.offset

    def end(self) -> None:
        """Nothing may follow."""
        if self.left:
            raise self.fault(f"{self.left} bytes follow the end")

    def bounded(self, value: int, most: int, what: str) -> int:
        """`value`, if the limit allows it."""
        if value > most:
            raise LimitError(
                f"{what}: {value} where at most {most} are allowed", where=self._place(), hint="raise the limit if you trust the file"
            )
        return value

    def fault(self, what: str) -> ArtifactError:
        """An error that happened here."""
        return ArtifactError(what, where=self._place(), hint=DAMAGED)

    def _place(self) -> str:
        return f"section {self.section}, byte {self.offset}"


def deflate(content: bytes) -> bytes:
    """Length, then raw deflate (RFC 1951)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return write_varint(len(content)) + packer.compress(content) + packer.flush()


def inflate(reader: Reader, most: int) -> bytes:
    """The inverse of `deflate`, from here to the end of the section; at most `most` bytes are ever made."""
    length = reader.bounded(reader.varint(), most, "inflated bytes")
    packed = reader.take(reader.left)
    unpacker = zlib.decompressobj(-15)
    try:
        content = unpacker.decompress(packed, length + 1)
    except zlib.error as cause:
        raise reader.fault(f"a deflated block does not inflate: {cause}") from cause
    if len(content) != length or not unpacker.eof or unpacker.unused_data:
        raise reader.fault(f"a deflated block does not hold the {length} bytes that it declares")
    return content
