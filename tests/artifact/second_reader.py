"""A second reader of `.lac` files, written from SPEC.md alone: plain Python, standard library only, nothing of laconic's.

It is slow and decodes sound files only; it checks what it trips over. Numbers in comments are sections of SPEC.md.
"""

import bisect
import itertools
import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

FORMS = ("tied", "dense", "masked", "grid", "codebook")
WIDTHS = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float64": 8,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "bool": 1,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int4": 1,
    "uint4": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
}
DTYPES = tuple(WIDTHS)
MANTISSA = {"float32": 23, "float16": 10, "bfloat16": 7, "float64": 52, "float8_e4m3fn": 3, "float8_e5m2": 2}

Block = tuple[int, int, int]


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
    assert file.varint() == 1
    lengths = [(file.varint(), file.varint()) for _ in range(file.varint())]
    file.check_crc(0)
    sections = {}
    for kind, length in lengths:
        start = file.at
        sections[kind] = file.take(length)
        file.check_crc(start)
    assert file.rest() == b""
    return sections


# 2. Section `tensors`


@dataclass
class Entry:
    """A line of the table; `target` is the place of the tensor that it is tied to."""

    form: str
    dtype: str = ""
    shape: tuple[int, ...] = ()
    table_count: int = 0
    target: int = -1

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    @property
    def in_blocks(self) -> bool:
        return self.form != "tied" and self.n >= (4096 if self.form == "dense" else 1)

    @property
    def pooled(self) -> int:
        return self.n if self.form == "dense" and not self.in_blocks else self.table_count

    @property
    def has_tail(self) -> bool:
        return self.in_blocks and self.form in ("dense", "masked") and self.dtype in MANTISSA


def read_tensors(table: Bytes, streams: Bytes) -> dict[str, Tensor]:
    named = table.varint()
    names: list[str] = []
    entries: list[Entry] = []
    for place in range(table.varint()):
        names.append(table.take(table.varint()).decode() if named else str(place))
        entries.append(read_entry(table))
    tensors: list[Tensor] = []
    for entry, elements in zip(entries, read_elements(entries, table, streams), strict=True):
        tensors.append(tensors[entry.target] if entry.form == "tied" else Tensor(entry.dtype, entry.shape, b"".join(elements)))
    assert table.rest() == streams.rest() == b""
    return dict(zip(names, tensors, strict=True))


def read_entry(table: Bytes) -> Entry:
    form, dtype = divmod(table.u8(), 32)
    if form == 0:
        return Entry("tied", target=table.varint())
    shape = tuple(table.varint() for _ in range(table.varint()))
    return Entry(FORMS[form], DTYPES[dtype], shape, table.varint() if form >= 3 else 0)


def blocks_of(shape: tuple[int, ...]) -> list[Block]:
    rows, columns, *others = shape if len(shape) > 1 else (1, *(shape or (1,)))
    taps = math.prod(others)
    if columns * taps <= 65536:
        return [(rows, columns, taps)]
    whole, rest = divmod(math.prod(shape), 4096)
    return [(whole, 4096, 1), *([(1, rest, 1)] if rest else [])]


# 3. Section `streams`


def read_elements(entries: list[Entry], table: Bytes, streams: Bytes) -> list[list[bytes]]:
    """The elements of each tensor; none of one that is tied."""
    counts = {dtype: sum(entry.pooled for entry in entries if entry.dtype == dtype) for dtype in DTYPES}
    pool_lengths = {dtype: table.varint() for dtype, count in counts.items() if count}
    tail_lengths = {place: table.varint() for place, entry in enumerate(entries) if entry.has_tail}
    groups = table.varint()
    cuts = [(table.varint(), table.varint()) for _ in range(groups - 1)]
    pools = {d: iter(read_array(Bytes(streams.take(length)), counts[d], WIDTHS[d])) for d, length in pool_lengths.items()}
    tails = {place: Bytes(streams.take(length)) for place, length in tail_lengths.items()}
    integers = iter(read_groups([block for entry in entries if entry.in_blocks for block in blocks_of(entry.shape)], cuts, streams))
    found = []
    for place, entry in enumerate(entries):
        pooled = [next(pools[entry.dtype]) for _ in range(entry.pooled)]
        own = list(itertools.islice(integers, entry.n if entry.in_blocks else 0))
        found.append(elements_of(entry, pooled, own, tails.get(place)))
    assert next(integers, None) is None
    return found


def read_groups(blocks: list[Block], cuts: list[tuple[int, int]], streams: Bytes) -> list[int]:
    """The integers of all blocks, one behind the other."""
    left = sum(rows for rows, _, _ in blocks) - sum(rows for rows, _ in cuts)
    waiting, values = list(blocks), []
    for wanted, length in (*cuts, (left, -1)):
        pieces, rows = [], wanted
        while rows:
            (most, columns, taps), *waiting = waiting
            pieces.append((min(most, rows), columns, taps))
            waiting = [(most - pieces[-1][0], columns, taps), *waiting] if most > rows else waiting
            rows -= pieces[-1][0]
        assert wanted > 0 or not blocks
        if pieces:
            values += read_group(Bytes(streams.take(length) if length >= 0 else streams.rest()), pieces)
    return values


def read_group(stream: Bytes, pieces: list[Block]) -> list[int]:
    head = stream.u8()
    if head == 0:
        return read_integers(stream, sum(map(math.prod, pieces)))
    return (read_fast if head == 1 else read_smallest)(stream, pieces)


def elements_of(entry: Entry, pooled: list[bytes], integers: list[int], tail: Bytes | None) -> list[bytes]:
    width = WIDTHS[entry.dtype] if entry.dtype else 0
    if entry.form == "codebook":
        zero = min(range(len(pooled)), key=lambda place: magnitude_of(pooled[place], entry.dtype), default=0)
        return [pooled[zero + i] for i in integers]
    if entry.form == "grid":
        run = entry.n // max(len(pooled), 1)
        return [multiply(entry.dtype, i, pooled[k // run]) for k, i in enumerate(integers)]
    if entry.form == "masked":
        kept = iter(read_floats([i - 1 for i in integers if i], tail, entry.dtype) if tail else [])
        return [next(kept) if i else bytes(width) for i in integers]
    if tail:
        return read_floats(integers, tail, entry.dtype)
    return pooled or [(i % 2 ** (8 * width)).to_bytes(width, "little") for i in integers]


def read_floats(heads: list[int], tail: Bytes, dtype: str) -> list[bytes]:
    if not heads:
        assert tail.rest() == b""
        return []
    width, m = WIDTHS[dtype], MANTISSA[dtype]
    base = tail.varint()
    assert min(heads) == 0
    tails: list[int] = []
    while len(tails) < len(heads):
        count = min(2**20, len(heads) - len(tails))
        part = Bytes(tail.take(tail.varint()) if len(tails) + count < len(heads) else tail.rest())
        tails += [int.from_bytes(element, "little") for element in read_array(part, count, math.ceil(m / 8))]
    found = []
    for head, bits in zip(heads, tails, strict=True):
        sign, low = divmod(bits, 2 ** (m - 1))
        found.append(((sign << 8 * width - 1) + (base - head << m - 1) + low).to_bytes(width, "little"))
    return found


def magnitude_of(element: bytes, dtype: str) -> int:
    bits = 8 * len(element)
    if dtype in MANTISSA:
        return int.from_bytes(element, "little") % 2 ** (bits - 1)
    return abs(int.from_bytes(element, "little", signed=dtype.startswith("int")))


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


# 6. Coding by context. The numbers of this part are still being tuned.


UNIT, LARGEST = 2**14, 4095


def lim(value: int) -> int:
    return clamp(value, -LARGEST, LARGEST) * UNIT


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


# 6.1 Magnitudes, levels, buckets


def level(u: int) -> int:
    if u < 4096:
        fine = (u**3).bit_length()
    elif u >> 8 < 4096:
        fine = ((u >> 8) ** 3).bit_length() + 24
    else:
        fine = (min(u >> 16, 4095) ** 3).bit_length() + 48
    return clamp(fine - 6, 0, 63)


def five(u: int) -> int:
    return clamp(u >> 14, -2, 2) + 2


def sign_of(u: int) -> int:
    return (u > 0) - (u < 0) + 1


class Offsets:
    """The contexts of the first bit in each bucket."""

    def __init__(self) -> None:
        self.contexts = [Context() for _ in range(248)]

    def value(self, bits: "Bits", negative: int, bucket: int) -> int:
        a = bucket
        if bucket >= 8:
            a = 4 + (bucket - 8) % 4
            for place in range((bucket - 8) // 4 + 1):
                a = 2 * a + (bits.even() if place else bits.next(self.contexts[bucket]))
        assert negative or a < 2**63 - 1
        return -a - 1 if negative else a + 1


# 6.3 Fast


MISSING = (10, 7, 6, 5)


class Fast:
    """What the fast profile has learnt."""

    def __init__(self, stream: Bytes) -> None:
        self.bits, self.offsets = Bits(stream.rest()), Offsets()
        lowest = [bisect.bisect_left(range(2**24), at, key=level) for at in range(64)]
        self.more = [[clamp((low << 16) // (low + UNIT), 32, 65504)] * 32 for low in lowest]
        self.minus = [[2**15] * 16 for _ in range(25)]

    def decide(self, probabilities: list[int], place: int) -> int:
        bit = self.bits.arithmetic(probabilities[place])
        probabilities[place] += ((65504 if bit else 32) - probabilities[place]) >> 6
        return bit

    def value(self, more: list[int], minus: list[int], tap: int) -> int:
        if not self.decide(more, 0):
            return 0
        negative = self.decide(minus, min(tap, 15))
        bucket = 0
        while bucket < 247 and self.decide(more, min(bucket + 1, 31)):
            bucket += 1
        return self.offsets.value(self.bits, negative, bucket)


def read_fast(stream: Bytes, pieces: list[Block]) -> list[int]:
    learnt = Fast(stream)
    values = [value for piece in pieces for value in fast_piece(learnt, *piece)]
    learnt.bits.end()
    return values


def fast_piece(learnt: Fast, rows: int, columns: int, taps: int) -> Iterator[int]:
    column_mean, row_mean = [UNIT] * columns, UNIT
    for _ in range(rows):
        h1 = h2 = h3 = 0
        for column in range(columns):
            if taps > 1:
                h1 = h2 = h3 = 0
            total = 0
            for tap in range(taps):
                missing = MISSING[min(tap, 3)] if taps > 1 else 5
                guess = (5 * abs(h1) + 2 * abs(h2) + 2 * abs(h3) + missing * (row_mean + column_mean[column])) >> 4
                value = learnt.value(learnt.more[level(guess)], learnt.minus[five(h1) * 5 + five(h3)], tap)
                yield value
                h1, h2, h3 = lim(value), h1, h2
                total += abs(h1)
                row_mean += (abs(h1) - row_mean) >> 5
            column_mean[column] += ((total * (65536 // taps) >> 16) - column_mean[column]) >> 3


# 6.4 Smallest


def exponentials() -> list[int]:
    e, term, k = 2**64, 2**64, 0
    while term:
        k += 1
        term //= 256 * k
        e += term
    found = [2**64]
    for _ in range(2047):
        found.append(found[-1] * e // 2**64)
    return found


UPPER = [(power << 16) // (power + 2**64) for power in exponentials()]
SQUASHED = [clamp(UPPER[x] if x >= 0 else 65536 - UPPER[-x], 32, 65504) for x in range(-2047, 2048)]
STRETCHED = [next((x for x in range(-2047, 2048) if SQUASHED[x + 2047] >= 16 * part + 8), 2047) for part in range(4096)]


def squash(x: int) -> int:
    return SQUASHED[clamp(x, -2047, 2047) + 2047]


def predict(inputs: list[int], weights: list[int]) -> int:
    return clamp(sum(i * w for i, w in zip(inputs, weights, strict=True)) >> 20, -LARGEST * UNIT, LARGEST * UNIT)


def correct(inputs: list[int], weights: list[int], error: int, rate: int) -> None:
    s = (error << 28) // (2**27 + sum(i * i for i in inputs))
    weights[:] = [clamp(w + (s * i * rate >> 24), -(2**24), 2**24) for i, w in zip(inputs, weights, strict=True)]


class Smallest:
    """What the smallest profile has learnt."""

    def __init__(self, stream: Bytes) -> None:
        self.bits, self.offsets = Bits(stream.rest()), Offsets()
        self.counters: list[dict[int, tuple[int, int]]] = [{} for _ in range(6)]
        self.weights = [[[16384] * 6 for _ in range(2048)] for _ in range(3)]
        self.value_weights = [[0] * 8 for _ in range(32)]
        self.size_weights = [[share * 2**20 // 100 for share in (28, 34, 0, 30, 0, 12, 0, 0)] for _ in range(32)]
        self.before = self.surprise = UNIT // 2
        self.rows: list[list[int]] = []

    def decide(self, contexts: list[int], chosen: tuple[int, int, int]) -> int:
        states = [counter.get(context, (2**20, 0)) for counter, context in zip(self.counters, contexts, strict=True)]
        x = [STRETCHED[p >> 9] for p, _ in states]
        own = [weights[choice] for weights, choice in zip(self.weights, chosen, strict=True)]
        d = [sum(w * i for w, i in zip(weights, x, strict=True)) >> 16 for weights in own]
        bit = self.bits.arithmetic(squash(sum(d) // 3))
        for weights, mix in zip(own, d, strict=True):
            pull = (bit * 65536 - squash(mix)) * 3
            weights[:] = [w + (pull * i >> 16) for w, i in zip(weights, x, strict=True)]
        for counter, context, (p, n) in zip(self.counters, contexts, states, strict=True):
            counter[context] = (p + ((bit * (2**21 - 1) - p) * (2**17 // (2 * n + 3)) >> 16), min(n + 1, 1023))
        return bit


def read_smallest(stream: Bytes, pieces: list[Block]) -> list[int]:
    learnt = Smallest(stream)
    values = [value for piece in pieces for value in smallest_piece(learnt, *piece)]
    learnt.bits.end()
    return values


def smallest_piece(learnt: Smallest, rows: int, columns: int, taps: int) -> list[int]:
    values: list[int] = []
    before, total, seen = max(learnt.before, 4), 0, 0
    start = starts(learnt.rows, columns)
    in_column, in_cell = [0] * columns, [[0] * taps for _ in range(columns)]
    for row in range(rows):
        in_row = 0
        learnt.surprise = max((total + 32 * before) // (seen + 32), 4)
        h = [0] * 8
        for column in range(columns):
            mean = max((total + 32 * before) // (seen + 32), 4)
            row_mean = (in_row + 8 * mean) // (column * taps + 8)
            column_mean = (in_column[column] + 2 * (taps * mean * start[column] // 256)) // ((row + 2) * taps)
            both, in_kernel = min(row_mean * column_mean // mean, LARGEST * UNIT), 0
            h = [0] * 8 if taps > 1 else h
            for tap in range(taps):
                cell_mean = (in_cell[column][tap] + column_mean) // (row + 1)
                kernel_mean = (in_kernel + 2 * both) // (tap + 2)
                aside = lim(values[-taps]) if column > 0 else 0
                above = lim(values[-taps * columns]) if row > 0 else 0
                around = [both, kernel_mean, cell_mean, abs(h[0]), abs(h[1]), abs(h[2]), abs(aside), abs(above)]
                place = min(tap, 31)
                expected = predict(h, learnt.value_weights[place])
                size = max(predict(around, learnt.size_weights[place]), 4)
                scale = (size + mean) >> 1
                lean, at = clamp((16 * expected + scale) // (2 * scale), -15, 15), level(size)
                surprise = clamp((level(learnt.surprise) >> 1) - 4, 0, 15)
                known = [
                    32 * level(kernel_mean) + place,
                    32 * (level(cell_mean) >> 1) + (level(row_mean) >> 1),
                    32 * (level(column_mean) >> 1) + (level(row_mean) >> 1),
                    4 * (min(abs(h[0]), 3 * UNIT) // UNIT) + min(abs(h[1]), 3 * UNIT) // UNIT,
                ]
                of_sign = [
                    32 * (lean + 15) + (at >> 1),
                    9 * sign_of(h[2]) + 3 * sign_of(aside) + sign_of(h[0]),
                    32 * (25 * five(h[0]) + 5 * five(h[2]) + five(aside)) + place,
                    (3 * column + sign_of(above)) % 4608,
                    32 * (lean + 15) + place,
                    9 * (lean + 15) + 3 * sign_of(above) + sign_of(aside),
                ]
                value = smallest_value(learnt, lean, at, surprise, known, of_sign)
                values.append(value)
                f = lim(value)
                correct(h, learnt.value_weights[place], f - expected, 655)
                correct(around, learnt.size_weights[place], abs(f) - size, 328)
                learnt.surprise += (abs(f - expected) - learnt.surprise) >> 3
                h = [f, *h[:7]]
                in_cell[column][tap] += abs(f)
                in_kernel += abs(f)
            in_column[column] += in_kernel
            in_row += in_kernel
            total += in_kernel
            seen += taps
    learnt.before = (total + 32 * before) // (seen + 32)
    if rows > 1:
        sizes = [sum(min(abs(v), LARGEST) for v in values[row * columns * taps :][: columns * taps]) for row in range(rows)]
        learnt.rows = [[size * UNIT // (columns * taps) for size in sizes], *learnt.rows[:7]]
    return values


def starts(rows: list[list[int]], columns: int) -> list[int]:
    known = next((known for known in rows if columns > 1 and columns % len(known) == 0), None)
    if known is None:
        return [256] * columns
    mean = sum(known) // len(known)
    soft = mean // 32 + 4
    return [min((known[column * len(known) // columns] + soft) * 256 // (mean + soft), 4096) for column in range(columns)]


def smallest_value(learnt: Smallest, lean: int, at: int, surprise: int, known: list[int], of_sign: list[int]) -> int:
    def decide(number: int, side: int) -> int:
        q = min(number, 31)
        magnitudes = [32 * (side + 15) + (at >> 1), 512 * ((side + 18) >> 2) + 32 * surprise + (at >> 1), *known]
        contexts = [32 * context + q for context in (of_sign if number == 1 else magnitudes)]
        return learnt.decide(contexts, (q, 32 * at + q, 32 * (side + 15) + q))

    if not decide(0, abs(lean)):
        return 0
    negative = decide(1, lean)
    bucket = 0
    while bucket < 247 and decide(2 + bucket, -lean if negative else lean):
        bucket += 1
    return learnt.offsets.value(learnt.bits, negative, bucket)
