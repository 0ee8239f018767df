"""Groups of tensors ⇄ bytes, coded by context: what the first tensors teach serves the next.

    stream  =  nothing                                 for no values
            |  0  what `codec.encode` writes           of all the values in a row, where that is shorter (as far as it was tried)
            |  number of the profile  coded values

Neither the number of tensors nor their shapes are in the stream. Groups do not know of each other and can be decoded in threads of
their own: the kernels release Python's lock.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from laconic.base.errors import CodecError, UsageError
from laconic.codec.arithmetic import ENCODER, close, ended, start
from laconic.codec.coders import sample
from laconic.codec.context.blocks import as_block, block_shape
from laconic.codec.context.profiles import PROFILES, Profile
from laconic.codec.integers import decode, encode
from laconic.codec.limits import check_count, holds
from laconic.codec.statistics import local_entropy
from laconic.codec.window import reach

_PLAIN = 0
_ROOM = 1 << 12
_TRY_BELOW = 1 << 12
_NEAR = 1.03
_CLEAR = 0.99  # where speed counts: without contexts, the decoder is twice as fast


def encode_group(tensors: Sequence[np.ndarray], profile: str = "smallest") -> bytes:
    """The stream of `tensors`, integers of any shape and any integer dtype.

    A tensor is seen as (rows, columns, taps): first axis, second axis, all the others; a vector is one row. Contexts tell magnitudes
    apart, so values should be small where weights are: give the places of a codebook as ranks, counted from its entry that is
    nearest to zero.

    Args:
        profile: a name in `PROFILES`.

    Raises:
        UsageError: there is no such profile, a dtype is no integer, or a value lies beyond int64.

    >>> len(encode_group([np.zeros((16, 16, 3, 3), int), np.eye(16, dtype=int)]))
    12
    """
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r}", hint=f"profiles: {', '.join(PROFILES)}")
    blocks = [as_block(tensor) for tensor in tensors if tensor.size]
    if not blocks:
        return b""
    flat = np.concatenate([values.reshape(-1) for values in blocks])
    if len(flat) >= _TRY_BELOW and reach(flat) == 0:
        return bytes([_PLAIN]) + encode(flat)
    coded = bytes([1 + list(PROFILES).index(profile)]) + write_blocks(PROFILES[profile], blocks)
    if _is_short(coded, flat, _NEAR if profile == "smallest" else _CLEAR):
        return coded
    return _shorter(coded, bytes([_PLAIN]) + encode(flat), len(flat))


def encode_plain(tensors: Sequence[np.ndarray]) -> bytes:
    """The stream of `tensors` without contexts: read several times as fast, and as small where neighbours say nothing of each other.

    Raises:
        UsageError: as `encode_group`.
    """
    flat = np.concatenate([as_block(tensor).reshape(-1) for tensor in tensors]) if tensors else np.empty(0, np.int64)
    return bytes([_PLAIN]) + encode(flat) if len(flat) else b""


def _is_short(coded: bytes, flat: np.ndarray, near: float) -> bool:
    """Whether coding without contexts need not be tried: it hardly gets below the entropy of neighbours, or did worse on a sample."""
    if len(flat) < _TRY_BELOW or not holds(len(coded) - 1, len(flat)):
        return False
    if 8 * len(coded) <= near * local_entropy(flat) * len(flat):
        return True
    probe = sample(flat)
    return len(probe) < len(flat) and len(coded) / len(flat) < len(encode(probe)) / len(probe)


def _shorter(coded: bytes, plain: bytes, count: int) -> bytes:
    return coded if holds(len(coded) - 1, count) and len(coded) < len(plain) else plain


def decode_group(stream: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The tensors of a stream, int64 of these shapes.

    Raises:
        CodecError: the stream is not one that `encode_group` writes for such shapes: damaged, cut, too long, or forged.

    >>> decode_group(encode_group([np.arange(3), np.eye(2, dtype=int)]), [(3,), (2, 2)])
    [array([0, 1, 2]), array([[1, 0],
           [0, 1]])]
    """
    return read_group(stream, shapes)[0]


def read_group(stream: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> tuple[list[np.ndarray], list[int]]:
    """`decode_group`, and the byte of the stream at which each tensor ends; of plain values, by its share of them.

    Raises:
        CodecError: as `decode_group`.
    """
    if any(side < 0 for shape in shapes for side in shape):
        raise CodecError("a shape has a negative side")
    counts = [math.prod(shape) for shape in shapes]
    total = sum(counts)
    if stream and total and stream[0] != _PLAIN:
        check_count(len(stream) - 1, total)
        found = list(each_block(profile_at(stream[0]), stream[1:], shapes))
        return [tensor for tensor, _ in found], [*(1 + end for _, end in found[:-1]), len(stream)]
    flat = decode(stream[1:] if stream and total else stream, total)
    ends = list(itertools.accumulate(counts))
    tensors = [flat[end - count : end].reshape(shape) for count, end, shape in zip(counts, ends, shapes, strict=True)]
    return tensors, [len(stream) * end // max(total, 1) for end in ends]


def profile_at(number: int) -> Profile:
    """The profile of this number.

    Raises:
        CodecError: there is none.
    """
    if number > len(PROFILES):
        raise CodecError(f"no profile has the number {number}", hint="the file may come from a newer laconic")
    return list(PROFILES.values())[number - 1]


def write_blocks(profile: Profile, blocks: Sequence[np.ndarray]) -> bytes:
    """The coded bytes of int64 blocks `(rows, columns, taps)`."""
    learnt, encoder, out = profile.memory(), ENCODER, np.empty(_ROOM, np.uint8)
    for values in blocks:
        encoder, out = profile.write(encoder, out, values, learnt)
    return out[: close(encoder, out)].tobytes()


def read_blocks(profile: Profile, stream: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The inverse of `write_blocks`, in the shapes of the tensors.

    Raises:
        CodecError: the stream is not one of such shapes.
    """
    return [tensor for tensor, _ in each_block(profile, stream, shapes)]


def each_block(profile: Profile, stream: bytes | memoryview, shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[np.ndarray, int]]:
    """The tensors one by one, each with the number of bytes that have left the coder's window by then."""
    data = np.frombuffer(bytearray(stream), np.uint8)  # of a bytearray: to numba, read-only is another type to compile for
    learnt, decoder = profile.memory(), start(data)
    for number, shape in enumerate(shapes):
        tensor = np.zeros(shape, np.int64)
        if tensor.size:
            decoder, well = profile.read(decoder, data, tensor.reshape(block_shape(shape)), learnt)
            if not well:
                raise CodecError("the stream ends early, or holds a value beyond int64", where=f"tensor {number}")
        yield tensor, min(int(decoder[2]), data.size)
    if not ended(decoder, data):
        raise CodecError("the stream does not end where its last tensor does")
