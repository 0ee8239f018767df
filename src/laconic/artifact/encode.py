"""Forms → streams, tensor by tensor: of a tensor that is done, nothing but coded bytes is kept."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from laconic.artifact.artifact import Source
from laconic.artifact.blocks import taker
from laconic.artifact.directory import Directory, Group
from laconic.artifact.entries import DTYPES, TensorEntry, misfit
from laconic.artifact.pools import encode_pool
from laconic.artifact.tails import parts
from laconic.base.dtypes import MANTISSA, bits
from laconic.base.errors import UsageError
from laconic.base.files import Spool
from laconic.base.progress import Progress
from laconic.base.threads import in_order
from laconic.codec import encode_group
from laconic.codec.context.group import encode_plain
from laconic.codec.context.profiles import PROFILES
from laconic.codec.floats import encode_tails, largest_step
from laconic.codec.limits import LARGEST_GROUP, LEAST_GROUP
from laconic.codec.varint import write_varint
from laconic.forms import Form

AUTO = "auto"
SMALLEST_UP_TO = 1 << 24
"""Values in the blocks of a file up to which `AUTO` is `smallest`; above, it is `fast`."""


def profile_for(values: int) -> str:
    """What `AUTO` stands for in a file of so many values in blocks."""
    return "smallest" if values <= SMALLEST_UP_TO else "fast"


@dataclass(frozen=True)
class TailJob:
    """A part of a tail to be coded.

    Args:
        place: of its tensor.
        patterns: of the part's floats.
        mantissa: bits.
        head: what stands before the part.
        last: whether no part follows.
    """

    place: int
    patterns: np.ndarray
    mantissa: int
    head: bytes
    last: bool

    def coded(self) -> bytes:
        """Its bytes; unless it is the last part, after their number."""
        content = encode_tails(self.patterns, self.mantissa)
        return self.head + (content if self.last else write_varint(len(content)) + content)


@dataclass(frozen=True)
class GroupJob:
    """A group to be coded: its blocks, int64 `(rows, columns, taps)`, and the profile; or no profile, to do without contexts."""

    blocks: list[np.ndarray]
    profile: str | None

    def coded(self) -> bytes:
        """Its bytes."""
        return encode_plain(self.blocks) if self.profile is None else encode_group(self.blocks, self.profile)


@dataclass
class Encoder:
    """The streams of a file in the making.

    Args:
        profile: of coding by context: `AUTO`, or a name in `PROFILES`.
        tails, groups: take the streams up.
        progress: is told the share of all weights that has been taken up.

    Raises:
        UsageError: there is no such profile.
    """

    profile: str
    tails: Spool
    groups: Spool
    progress: Progress
    entries: list[TensorEntry] = field(default_factory=list)
    _pools: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _total: int = 0
    _taken: int = 0
    _smallest: bool = False

    def __post_init__(self) -> None:
        if self.profile not in (AUTO, *PROFILES):
            raise UsageError(f"there is no profile {self.profile!r}", hint=f"profiles: {', '.join((AUTO, *PROFILES))}")
        self._smallest = self.profile == "smallest"

    def encode(self, tensors: Mapping[str, Source], threads: int | None) -> tuple[Directory, bytes]:
        """Take up all tensors; the directory, and the pools. The entries, the tails and the groups then stand in their places.

        Raises:
            UsageError: a tensor of a type that the file has no number for.
        """
        tails, groups = dict[int, int](), list[Group]()
        self._total = sum(source.size for source in {id(source): source for source in tensors.values()}.values())
        for job, coded in in_order(lambda job: (job, job.coded()), self._jobs(tensors), threads):
            if isinstance(job, TailJob):
                self.tails.write(coded)
                tails[job.place] = tails.get(job.place, 0) + len(coded)
            else:
                self.groups.write(coded)
                groups.append(Group(sum(map(len, job.blocks)), len(coded)))
        pools = {dtype: encode_pool(self._pools[dtype]) for dtype in DTYPES if dtype in self._pools}
        lengths = {dtype: len(content) for dtype, content in pools.items()}
        empty = {place: 0 for place, entry in enumerate(self.entries) if entry.has_tail}
        return Directory(lengths, empty | tails, tuple(groups)), b"".join(pools.values())

    def _jobs(self, tensors: Mapping[str, Source]) -> Iterator[TailJob | GroupJob]:
        """The work in the order of the streams. A tensor is asked for when all before it have been cut up."""
        held: list[np.ndarray] = []
        room, noise = LARGEST_GROUP, True
        for place, form in self._decided(self._forms(tensors)):
            entry, at, take = self.entries[place], 0, taker(form)
            if entry.pooled:
                self._pools.setdefault(entry.dtype, []).append(form.table)
            if entry.has_tail:
                yield from _tail_jobs(place, form)
            if entry.blocks and noise != self._is_noise(entry):
                if room <= LARGEST_GROUP - LEAST_GROUP:
                    yield self._job(held, noise)
                    held, room = [], LARGEST_GROUP
                noise = not held and self._is_noise(entry)
            for block in entry.blocks:
                rows, width = block[0], block[1] * block[2]
                while rows:
                    if width > room:
                        yield self._job(held, noise)
                        held, room, noise = [], LARGEST_GROUP, self._is_noise(entry)
                    fitting = min(rows, room // width)
                    run = slice(at, at + fitting * width)
                    held.append(take(run).reshape(fitting, *block[1:]))
                    rows, room, at = rows - fitting, room - fitting * width, run.stop
                    self._tell(entry.name, fitting * width)
            self._tell(entry.name, entry.size - at)
            del form, take  # before the next is made
        if held:
            yield self._job(held, noise)

    def _is_noise(self, entry: TensorEntry) -> bool:
        """Whether contexts would hardly make its block smaller, but several times slower to read: the heads of plain floats, unless the
        smallest file was asked for."""
        return entry.form == "dense" and entry.has_tail and not self._smallest

    def _job(self, blocks: list[np.ndarray], noise: bool) -> GroupJob:
        return GroupJob(blocks, None if noise else self.profile)

    def _forms(self, tensors: Mapping[str, Source]) -> Iterator[tuple[int, Form]]:
        """Each tensor that is not tied, with its place, where its entry stands by then. Whoever takes it holds it alone."""
        places: dict[int, int] = {}
        for place, (name, source) in enumerate(tensors.items()):
            if id(source) in places:
                self.entries.append(TensorEntry(name, "tied", tied_to=places[id(source)]))
            else:
                places[id(source)] = place
                yield place, self._entered(name, source.make())

    def _entered(self, name: str, form: Form) -> Form:
        """The Form in this machine's byte order and in one piece, after its entry was made."""
        name.encode()  # a name that is no text is found here, before the work
        if form.dtype.name not in DTYPES:
            raise UsageError(f"tensors of type {form.dtype} cannot be packed", where=name, hint=f"types: {', '.join(DTYPES)}")
        entry = TensorEntry(name, form.kind, form.dtype.name, form.shape, len(form.table) if form.kind in ("grid", "codebook") else 0)
        reason = misfit(entry)
        if reason:
            raise UsageError(reason, where=name, hint="give the weight another Form")
        self.entries.append(entry)
        return replace(form, table=np.ascontiguousarray(form.table.astype(form.dtype.newbyteorder("="), copy=False)))

    def _decided(self, forms: Iterator[tuple[int, Form]]) -> Iterator[tuple[int, Form]]:
        """The same, once the profile is known."""
        waiting = self._decide(forms) if self.profile == AUTO else deque()
        while waiting:
            yield waiting.popleft()
        yield from forms

    def _decide(self, forms: Iterator[tuple[int, Form]]) -> deque[tuple[int, Form]]:
        """Choose the profile; the tensors that had to be looked at for that, no more than it takes."""
        waiting, values = deque[tuple[int, Form]](), 0
        for place, form in forms:
            waiting.append((place, form))
            values += form.size if self.entries[place].blocks else 0
            if values > SMALLEST_UP_TO:
                break
        self.profile = profile_for(values)
        return waiting

    def _tell(self, name: str, values: int) -> None:
        self._taken += values
        self.progress("pack", self._taken / max(self._total, 1), name)


def _tail_jobs(place: int, form: Form) -> Iterator[TailJob]:
    patterns, mantissa = bits(form.table), MANTISSA[form.dtype.name]
    every = list(parts(patterns))
    for number, part in enumerate(every, 1):
        head = write_varint(largest_step(patterns, mantissa)) if number == 1 else b""
        yield TailJob(place, part, mantissa, head, number == len(every))
