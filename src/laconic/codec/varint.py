"""Whole numbers in as few bytes as they need: seven bits a byte, least significant first (LEB128), at most 64 bits."""

from laconic.base.errors import CodecError


def write_varint(number: int) -> bytes:
    """One to ten bytes for `number` in `[0, 2⁶⁴)`.

    >>> write_varint(300).hex()
    'ac02'
    """
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    content.append(number)
    return bytes(content)


def read_varint(stream: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number at byte `at` of `stream`, and where it ends.

    Raises:
        CodecError: the stream ends within it, it has more than 64 bits, or it could have been written shorter.

    >>> read_varint(bytes.fromhex("ac02"), 0)
    (300, 2)
    """
    number = 0
    for used, byte in enumerate(stream[at : at + 10]):
        number |= (byte & 127) << 7 * used
        if byte < 128:
            if number >> 64 or (byte == 0 and used > 0):
                raise CodecError("a number is not written in its shortest form", where=f"byte {at}")
            return number, at + used + 1
    raise CodecError("a number does not end", where=f"byte {at}")


def zigzag(number: int) -> int:
    """Signed to unsigned, so that small magnitudes stay small: 0, −1, 1, −2 … become 0, 1, 2, 3 …

    >>> [zigzag(n) for n in (0, -1, 1, -2)]
    [0, 1, 2, 3]
    """
    return -2 * number - 1 if number < 0 else 2 * number


def unzigzag(number: int) -> int:
    """The inverse of `zigzag`.

    >>> [unzigzag(n) for n in (0, 1, 2, 3)]
    [0, -1, 1, -2]
    """
    return -(number + 1) // 2 if number & 1 else number // 2
