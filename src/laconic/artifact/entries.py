"""The lines of the table of tensors: what each is, and which of its numbers are in a block, a pool or a tail."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from laconic.artifact.limits import Limits
from laconic.artifact.wire import Reader
from laconic.base.dtypes import dtype_of, is_floating
from laconic.codec.context.blocks import Block, blocks_of
from laconic.codec.varint import write_varint

FORMS = ("tied", "dense", "masked", "grid", "codebook")
DTYPES = (
    *("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"),
    *("float8_e4m3fn", "float8_e5m2", "int4", "uint4", "uint16", "uint32", "uint64"),
)
"""The number of a Form or type in the file is its place here: add at the end, never reorder."""

DENSE_BLOCK = 1 << 12
"""A dense tensor of so many values is a block; smaller ones stand in a pool."""

_KINDS = 32
_WITH_TABLE = ("grid", "codebook")


@dataclass(frozen=True)
class TensorEntry:
    """One line of the table of tensors.

    Args:
        name: in the state dict; its place, "0", "1", …, in a weights-only file.
        form: dense, masked, grid, codebook; or tied, to the tensor whose type and shape the entry then repeats.
        dtype: the name of the type of its values.
        shape: of the weight.
        table_count: number of steps of a grid, or of entries of a codebook.
        tied_to: place of an earlier tensor, or -1.
    """

    name: str
    form: str
    dtype: str = ""
    shape: tuple[int, ...] = ()
    table_count: int = 0
    tied_to: int = -1

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Bytes of one value in memory."""
        return dtype_of(self.dtype).itemsize

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the weight as an array, and of its table."""
        return (self.size + self.table_count) * self.width

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks whose integers are coded by context; none for tied and empty tensors and for small dense ones."""
        least = {"tied": math.inf, "dense": DENSE_BLOCK}.get(self.form, 1)
        return blocks_of(self.shape) if self.size >= least else ()

    @property
    def has_tail(self) -> bool:
        """Whether its floats have bits outside the block."""
        return self.form in ("dense", "masked") and is_floating(dtype_of(self.dtype)) and bool(self.blocks)

    @property
    def pooled(self) -> int:
        """How many of its values stand in the pool of its type."""
        return self.size if self.form == "dense" and not self.blocks else self.table_count


def write_entry(entry: TensorEntry, named: bool) -> bytes:
    """The line's bytes."""
    name = entry.name.encode()
    head = write_varint(len(name)) + name if named else b""
    if entry.form == "tied":
        return head + bytes(1) + write_varint(entry.tied_to)
    kind = FORMS.index(entry.form) * _KINDS + DTYPES.index(entry.dtype)
    counts = [len(entry.shape), *entry.shape, *([entry.table_count] if entry.form in _WITH_TABLE else [])]
    return head + bytes([kind]) + b"".join(map(write_varint, counts))


def read_entry(reader: Reader, name: str, before: Sequence[TensorEntry], limits: Limits) -> TensorEntry:
    """The inverse, after the name.

    Raises:
        ArtifactError: numbers that are unknown or do not fit each other. LimitError: numbers beyond the limits.
    """
    form, dtype = _read_kind(reader)
    if form == "tied":
        target = reader.varint()
        if target >= len(before) or before[target].form == "tied":
            raise reader.fault(f"tensor {name!r} is tied to {target}, which is no tensor of its own before it")
        return replace(before[target], name=name, form="tied", tied_to=target, table_count=0)
    shape = _read_shape(reader, limits)
    count = reader.bounded(reader.varint(), limits.values, "entries of a table") if form in _WITH_TABLE else 0
    entry = TensorEntry(name, form, dtype, shape, count)
    reason = misfit(entry)
    if reason:
        raise reader.fault(f"tensor {name!r}: {reason}")
    return entry


def misfit(entry: TensorEntry) -> str:
    """Why there can be no such tensor, or nothing.

    >>> misfit(TensorEntry("w", "grid", "float32", (4, 3), table_count=5))
    'a grid of 12 values cannot have 5 steps'
    """
    n, t, floating = entry.size, entry.table_count, is_floating(dtype_of(entry.dtype))
    if entry.form == "masked" and not floating:
        return f"a masked weight is made of floats, not of {entry.dtype}"
    if entry.form == "grid" and (not floating or entry.width == 1):  # floats of 8 bits are a grid as they are
        return f"a grid is made of floats of 16 bits or more, not of {entry.dtype}"
    if entry.form == "grid" and (n % t if t else n):
        return f"a grid of {n} values cannot have {t} steps"
    if entry.form == "codebook" and (t > 1 << 8 * entry.width or (n and not t)):
        return f"a codebook of {n} values of type {entry.dtype} cannot have {t} entries"
    return ""


def _read_kind(reader: Reader) -> tuple[str, str]:
    form, dtype = divmod(reader.byte(), _KINDS)
    if form >= len(FORMS):
        raise reader.fault(f"Form number {form} is unknown")
    if dtype >= len(DTYPES) or (form == 0 and dtype):
        raise reader.fault(f"type number {dtype} is unknown")
    return FORMS[form], DTYPES[dtype]


def _read_shape(reader: Reader, limits: Limits) -> tuple[int, ...]:
    rank = reader.bounded(reader.varint(), limits.rank, "axes of a tensor")
    shape = tuple(reader.varint() for _ in range(rank))
    # an axis of length 0 must not excuse the others: numpy refuses such shapes, too
    reader.bounded(math.prod(max(side, 1) for side in shape), limits.values, "values of a tensor")
    return shape
