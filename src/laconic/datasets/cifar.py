"""`cifar10:DIR` and `cifar100:DIR`: the binary version (no pickles).

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, University of Toronto, 2009. A record is
its labels, one byte each, then 3 × 32 × 32 bytes: red, green, blue, row by row.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split, hold_out_tenth

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class _Layout:
    """What tells the two sets apart.

    Args:
        folder: the folder that the public archive unpacks to.
        train: files of training records.
        test: files of test records.
        names: text file with one class name a line.
        classes: number of classes.
        labels: label bytes before the pixels; the last of them is the (fine) class.
        mean, std: of the 50 000 training images, per channel, in units of 255.
    """

    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    classes: int
    labels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_CIFAR10 = _Layout(
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test=("test_batch.bin",),
    names="batches.meta.txt",
    classes=10,
    labels=1,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)
_CIFAR100 = _Layout(
    folder="cifar-100-binary",
    train=("train.bin",),
    test=("test.bin",),
    names="fine_label_names.txt",
    classes=100,
    labels=2,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)


def load_cifar10(folder: Path) -> Data:
    """CIFAR-10 from `data_batch_1.bin` … `data_batch_5.bin` and `test_batch.bin`, here or in `cifar-10-batches-bin`.

    One training image in ten, at most 5 000, is held out to validate.

    Raises:
        DataError: a file is missing, or not a whole number of records.
    """
    return _load(folder, _CIFAR10, f"cifar10:{folder}")


def load_cifar100(folder: Path) -> Data:
    """CIFAR-100 with its 100 fine classes from `train.bin` and `test.bin`, here or in `cifar-100-binary`; else as CIFAR-10."""
    return _load(folder, _CIFAR100, f"cifar100:{folder}")


def _load(folder: Path, layout: _Layout, name: str) -> Data:
    home = folder / layout.folder if (folder / layout.folder).is_dir() else folder
    whole, test = _read(home, layout.train, layout.labels), _read(home, layout.test, layout.labels)
    train, validation = hold_out_tenth(whole)
    return Data(
        name,
        train,
        validation,
        test,
        Preprocessing((3, 32, 32), mean=layout.mean, std=layout.std),
        _class_names(home / layout.names, layout.classes),
        f"binary files; {len(validation)} of {len(whole)} training images held out to validate, by seed 0.",
    )


def _read(home: Path, files: tuple[str, ...], labels: int) -> Split:
    records = np.concatenate([_records(home / file, labels + _PIXELS) for file in files])
    return Split(records[:, labels:].reshape(-1, 3, 32, 32), records[:, labels - 1].astype(np.int64))


def _records(path: Path, size: int) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as cause:
        hint = "unpack the binary version of the set (its name ends in -binary.tar.gz) and name that folder"
        raise DataError(f"the file cannot be read: {cause.strerror}", where=str(path), hint=hint) from cause
    if not content or len(content) % size:
        raise DataError(f"{len(content)} bytes are not a whole number of records of {size}", where=str(path), hint="fetch it again")
    return np.frombuffer(content, np.uint8).reshape(-1, size)


def _class_names(path: Path, classes: int) -> tuple[str, ...]:
    """The names in the set's own list; numbers where it is missing or of another length."""
    names = tuple(path.read_text(encoding="utf-8").split()) if path.is_file() else ()
    return names if len(names) == classes else tuple(map(str, range(classes)))
