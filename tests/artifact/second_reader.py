"""A second reader of `.lac` files, written from SPEC.md alone: plain Python, standard library only, nothing of laconic's.

It is slow and decodes sound files only; it checks what it trips over. Numbers in comments are sections of SPEC.md.
"""

import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

FORMS = ("tied", "dense", "masked", "grid", "codebook")
DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
WIDTHS = (4, 2, 2, 8, 1, 1, 2, 4, 8, 1)


@dataclass
class Tensor:
    """A weight, bit for bit.

    Args:
        dtype: one of `DTYPES`.
        shape: its sides.
        content: its elements in C order, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    content: bytes


@dataclass
class File:
    """All that a file says."""

    tensors: dict[str, Tensor]
    graph: bytes | None
    notes: dict[str, Any]


class Bytes:
    """Bytes, read from front to back."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, length: int) -> bytes:
        assert self.at + length <= len(self.content)
        self.at += length
        return self.content[self.at - length : self.at]

    def rest(self) -> bytes:
        return self.take(len(self.content) - self.at)

    def u8(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        number = shift = 0
        while (byte := self.u8()) >= 128:
            number |= (byte - 128) << shift
            shift += 7
        assert byte > 0 or shift == 0
        return number | byte << shift

    def zigzag(self) -> int:
        number = self.varint()
        return -(number + 1) // 2 if number % 2 else number // 2

    def block(self) -> bytes:
        length = self.varint()
        content = zlib.decompress(self.rest(), wbits=-15)
        assert len(content) == length
        return content

    def check_crc(self, start: int) -> None:
        checked = self.content[start : self.at]
        assert zlib.crc32(checked) == struct.unpack("<I", self.take(4))[0]


# 1. Frame


def read(content: bytes) -> File:
    """All that the bytes of a file say."""
    sections = read_frame(Bytes(content))
    tensors = read_tensors(Bytes(sections[1]), Bytes(sections[2]))
    graph = Bytes(sections[3]).block() if 3 in sections else None
    return File(tensors, graph, json.loads(Bytes(sections[4]).block()) if 4 in sections else {})


def read_frame(file: Bytes) -> dict[int, bytes]:
    assert file.take(4) == b"\x89lac"
    assert file.varint() == 0
    lengths = [(file.varint(), file.varint()) for _ in range(file.varint())]
    file.check_crc(0)
    sections = {}
    for kind, length in lengths:
        start = file.at
        sections[kind] = file.take(length)
        file.check_crc(start)
    assert file.rest() == b""
    return sections


# 2. Section `tensors`, 3. Section `streams`


def read_tensors(table: Bytes, streams: Bytes) -> dict[str, Tensor]:
    named = table.varint()
    tensors: list[Tensor] = []
    names: list[str] = []
    for place in range(table.varint()):
        names.append(table.take(table.varint()).decode() if named else str(place))
        form = FORMS[table.u8()]
        tensors.append(tensors[table.varint()] if form == "tied" else read_tensor(form, table, streams))
    assert table.rest() == streams.rest() == b""
    return dict(zip(names, tensors, strict=True))


def read_tensor(form: str, table: Bytes, streams: Bytes) -> Tensor:
    kind = table.u8()
    shape = tuple(table.varint() for _ in range(table.varint()))
    n = math.prod(shape)
    if form == "dense":
        elements = read_array(Bytes(streams.take(table.varint())), n, WIDTHS[kind])
        return Tensor(DTYPES[kind], shape, b"".join(elements))
    count, integer_bytes, table_bytes = table.varint(), table.varint(), table.varint()
    integers = read_integers(Bytes(streams.take(integer_bytes)), n)
    entries = read_array(Bytes(streams.take(table_bytes)), count, WIDTHS[kind])
    if form == "masked":
        unused = iter(entries)
        weights = [next(unused) if kept else bytes(WIDTHS[kind]) for kept in integers]
    elif form == "codebook":
        weights = [entries[place] for place in integers]
    else:
        row = n // shape[0] if len(entries) > 1 else max(n, 1)
        weights = [multiply(DTYPES[kind], i, entries[k // row]) for k, i in enumerate(integers)]
    return Tensor(DTYPES[kind], shape, b"".join(weights))


def multiply(dtype: str, integer: int, step: bytes) -> bytes:
    """T(integer) × step; every product of two numbers of at most 26 bits is exact in Python's float, and then rounded once."""
    if dtype == "bfloat16":
        factor, value = (struct.unpack("<f", b"\0\0" + part)[0] for part in (to_bfloat16(integer), step))
        return to_bfloat16(factor * value)
    code = {"float16": "<e", "float32": "<f", "float64": "<d"}[dtype]
    (factor,) = struct.unpack(code, struct.pack(code, float(integer)))
    return struct.pack(code, factor * struct.unpack(code, step)[0])


def to_bfloat16(value: float) -> bytes:
    """Round to nearest, ties to even; `value` is exact in float32."""
    (pattern,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", (pattern + 0x7FFF + (pattern >> 16 & 1)) >> 16)


# 4. Array stream


def read_array(stream: Bytes, count: int, width: int) -> list[bytes]:
    planes = [read_integers(Bytes(stream.take(stream.varint())), count) for _ in range(width - 1)]
    planes.append(read_integers(Bytes(stream.rest()), count))
    return [bytes(element) for element in zip(*planes, strict=True)]


# 5. Integer stream


def read_integers(stream: Bytes, n: int) -> list[int]:
    if n == 0:
        assert stream.rest() == b""
        return []
    head = stream.u8()
    layout, side_coder, main_coder = head >> 6, head >> 3 & 7, head & 7
    if layout == 0:
        return [signed(value) for value in CODERS[main_coder](stream, n)]
    side_count = stream.varint()
    side = list(CODERS[side_coder](Bytes(stream.take(stream.varint())), side_count))
    if layout == 1:
        return read_sparse([signed(gap) for gap in side], list(CODERS[main_coder](stream, side_count)), n)
    entries = list(running_sums(side))
    return [signed(entries[signed(place)]) for place in CODERS[main_coder](stream, n)]


def read_sparse(gaps: list[int], main: list[int], n: int) -> list[int]:
    values, place = [0] * n, -1
    for gap, value in zip(gaps, main, strict=True):
        place += gap + 1
        values[place] = signed(value)
    return values


def running_sums(differences: list[int]) -> Iterator[int]:
    total = 0
    for difference in differences:
        total += difference
        yield total


def signed(value: int) -> int:
    """The int64 that is congruent modulo 2⁶⁴."""
    return (value + 2**63) % 2**64 - 2**63


# 5.1 Window


def read_window(stream: Bytes) -> tuple[int, int]:
    head = stream.u8()
    return head & 127, stream.zigzag() if head & 128 else 0


# 5.2 Fixed


def read_fixed(stream: Bytes, n: int) -> list[int]:
    width, low = read_window(stream)
    content = stream.rest()
    assert len(content) == math.ceil(n * width / 8)
    bits = int.from_bytes(content, "little")
    assert bits < 1 << n * width
    return [low + (bits >> k * width & ((1 << width) - 1)) for k in range(n)]


# 5.3 Huffman


def read_huffman(stream: Bytes, n: int) -> list[int]:
    width, low = read_window(stream)
    lengths = decode_symbols(stream.take(stream.varint()), 2 ** max(width, 1), 5)
    meanings = canonical_code(lengths)
    content = stream.rest()
    bits = "".join(f"{byte:08b}" for byte in content)
    values, start, end = [], 0, 0
    while len(values) < n:
        end += 1
        assert end <= len(bits)
        if bits[start:end] in meanings:
            values.append(low + meanings[bits[start:end]])
            start = end
    assert len(bits) - end < 8
    assert "1" not in bits[end:]
    return values


def canonical_code(lengths: list[int]) -> dict[str, int]:
    assert sum(2.0**-length for length in lengths if length) == 1
    words: dict[str, int] = {}
    word = before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        word = word + 1 << length - before if words else 0
        words[f"{word:0{length}b}"] = symbol
        before = length
    return words


# 5.4 Symbols


def read_symbols(stream: Bytes, n: int) -> list[int]:
    width, low = read_window(stream)
    return [low + symbol for symbol in decode_symbols(stream.rest(), n, width)]


def decode_symbols(content: bytes, n: int, width: int) -> list[int]:
    bits = Bits(content)
    contexts = [Context() for _ in range(2**width)]
    symbols = []
    for _ in range(n):
        node = 1
        for _ in range(width):
            node = 2 * node + bits.next(contexts[node])
        symbols.append(node - 2**width)
    bits.end()
    return symbols


# 5.5 Signed


def read_signed(stream: Bytes, n: int) -> list[int]:
    bits = Bits(stream.rest())
    zero, sign, unary, length = ([Context() for _ in range(many)] for many in (3, 1, 14, 63))
    leading = [[Context() for _ in range(8)] for _ in range(63)]
    last = before = 1
    values = []
    for _ in range(n):
        is_zero = bits.next(zero[last + before])
        before, last = last, is_zero
        if is_zero:
            values.append(0)
            continue
        negative = bits.next(sign[0])
        size = magnitude(bits, unary, length, leading)
        values.append(-size - 1 if negative else size + 1)
    bits.end()
    return values


def magnitude(bits: "Bits", unary: list["Context"], length: list["Context"], leading: list[list["Context"]]) -> int:
    for u in range(14):
        if bits.next(unary[u]) == 0:
            return u
    more = 0
    while bits.next(length[more]):
        more += 1
    number = 1
    for _ in range(more):
        number = 2 * number + (bits.next(leading[more][number]) if number < 8 else bits.even())
    return number + 13


CODERS: tuple[Callable[[Bytes, int], list[int]], ...] = (read_fixed, read_huffman, read_symbols, read_signed)


# 5.6 Bits


class Context:
    """What has been learnt about a bit."""

    def __init__(self) -> None:
        self.quick = self.slow = 2**31
        self.seen = 0

    def probability(self) -> int:
        return min(max((self.quick + self.slow) >> 17, 32), 65536 - 32)

    def learn(self, bit: int) -> None:
        self.quick += ((bit * 2**32 - self.quick) * step(min(self.seen, 40))) >> 16
        self.slow += ((bit * 2**32 - self.slow) * step(self.seen)) >> 16
        self.seen = min(self.seen + 1, 1000)


def step(seen: int) -> int:
    return 2**17 // (2 * seen + 3)


class Bits:
    """Arithmetic decoder."""

    def __init__(self, content: bytes) -> None:
        self.content, self.span, self.at = content, 2**32, 0
        self.offset = self.window()

    def byte(self, place: int) -> int:
        return self.content[place] if place < len(self.content) else 0

    def window(self) -> int:
        return sum(self.byte(self.at + i) << 24 - 8 * i for i in range(4))

    def next(self, context: Context) -> int:
        bit = self.arithmetic(context.probability())
        context.learn(bit)
        return bit

    def even(self) -> int:
        return self.arithmetic(2**15)

    def arithmetic(self, probability: int) -> int:
        ones = self.span * probability >> 16
        bit = int(self.offset < ones)
        if bit:
            self.span = ones
        else:
            self.offset -= ones
            self.span -= ones
        while self.span < 2**24:
            self.offset = self.offset * 2**8 + self.byte(self.at + 4)
            self.span *= 2**8
            self.at += 1
        return bit

    def end(self) -> None:
        seen = self.window()
        low = (seen - self.offset) % 2**32
        size = len(self.content)
        if low == 0 or low + self.span > 2**32:
            assert size == self.at
            assert seen == 0
        else:
            assert size == self.at + 1
            assert seen == -(-low // 2**24) * 2**24
