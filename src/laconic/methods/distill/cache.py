"""What a teacher said, kept on disk: asked about the same input again, it need not think again.

An answer is found by the very input that the teacher was given (a digest of its bytes), so it is right whatever augmentation came before,
in this run or in another one. The file is named after the teacher. It begins with a line that says what follows, and grows by records:

    16 bytes of digest, the outputs as float32

A record that a kill has torn is cut off when the file is opened again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from laconic.base.errors import DataError
from laconic.base.files import reported
from laconic.base.locks import exclusive
from laconic.nn.weights import to_numpy
from laconic.train.precision import wide

Teacher = Callable[[Tensor], Tensor]
DIGEST = 16


class Answers:
    """A teacher who looks up what was asked before, and thinks about the rest."""

    def __init__(self, teacher: Teacher, path: Path, file: BinaryIO, shape: tuple[int, ...]) -> None:
        self._teacher, self._path, self._file = teacher, path, file
        self._record = np.dtype([("input", f"V{DIGEST}"), ("outputs", "<f4", shape)])
        self._start = _opened(file, path, shape)
        self._whole()
        self._known = self._mapped()
        self._rows = {key.tobytes(): row for row, key in enumerate(self._known["input"])}

    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs `(n, …)` of inputs `(n, *shape)`, in float32 where the inputs are."""
        keys = [hashlib.blake2b(sample.tobytes(), digest_size=DIGEST).digest() for sample in to_numpy(inputs.contiguous())]
        new = {key: place for place, key in enumerate(keys) if key not in self._rows}
        if new:
            self._add(list(new), wide(self._teacher(inputs[list(new.values())])))
        outputs = self._known["outputs"][[self._rows[key] for key in keys]]
        return torch.from_numpy(outputs).to(inputs.device)

    def _add(self, keys: list[bytes], outputs: Tensor) -> None:
        found = np.empty(len(keys), self._record)
        found["input"] = np.frombuffer(b"".join(keys), f"V{DIGEST}")
        found["outputs"] = to_numpy(outputs)
        with reported(self._path):
            self._file.write(found.tobytes())
            self._file.flush()
        self._rows |= {key: len(self._rows) + place for place, key in enumerate(keys)}
        self._known = self._mapped()

    def _whole(self) -> None:
        """Cut off what a kill has torn."""
        size = self._file.seek(0, 2) - self._start
        self._file.truncate(self._start + size // self._record.itemsize * self._record.itemsize)
        self._file.seek(0, 2)

    def _mapped(self) -> np.ndarray:
        count = (self._file.tell() - self._start) // self._record.itemsize
        if not count:
            return np.empty(0, self._record)
        return np.memmap(self._path, self._record, "r", self._start, (count,))


@contextmanager
def answers(teacher: Teacher, folder: Path, name: str, shape: tuple[int, ...]) -> Iterator[Answers]:
    """The teacher with its answers of before.

    Args:
        teacher: inputs `(n, …)` → outputs `(n, *shape)`.
        folder: of the answers of all teachers; created where it does not exist.
        name: of this teacher, and of all that its answers depend on beside the inputs.
        shape: of the outputs of one sample.

    Raises:
        ResourceError: another process works with this teacher's answers, or the disk is full. UsageError: no folder can be made there.
        DataError: the file is none of answers of this shape.
    """
    path = folder / f"{name}.answers"
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / f"{name}.lock", "this teacher's answers"):
        with reported(path):
            file = open(path, "a+b")  # noqa: SIM115  closed below; what the body raises is not about this file
        with file:
            yield Answers(teacher, path, file, shape)


def _opened(file: BinaryIO, path: Path, shape: tuple[int, ...]) -> int:
    """Where the records begin, in a file that says so; an empty file is told."""
    said = (json.dumps({"answers": 1, "shape": shape}) + "\n").encode()
    if not file.seek(0, 2):
        with reported(path):
            file.write(said)
            file.flush()
    file.seek(0)
    if file.read(len(said)) != said:
        hint = "remove the file, or name another folder in cache"
        raise DataError(f"the file does not hold a teacher's outputs of shape {shape}", where=str(path), hint=hint)
    return len(said)
