"""`mnist:DIR`: the four IDX files of MNIST, or of a set in its format (Fashion-MNIST, KMNIST), compressed or not.

The format: two zero bytes, the type of the values (8: unsigned byte), the number of axes, each axis as four bytes, high byte
first, then the values. Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from laconic.base.errors import DataError
from laconic.datasets.data import Data, Split, hold_out_tenth, measured

_DEFLATE_AT_MOST = 1032  # bytes that one byte of deflate can stand for


def load_mnist(folder: Path) -> Data:
    """MNIST from `train-images-idx3-ubyte`, `train-images.idx3-ubyte` and so on, with or without `.gz`.

    One training image in ten, at most 5 000, is held out to validate.

    Raises:
        DataError: a file is missing, damaged, not of this format, or does not match its partner.
    """
    whole, test = _split(folder, "train"), _split(folder, "t10k")
    train, validation = hold_out_tenth(whole)
    return Data(
        f"mnist:{folder}",
        train,
        validation,
        test,
        measured(train.inputs),
        tuple(str(i) for i in range(int(whole.targets.max()) + 1)),
        f"IDX files; {len(validation)} of {len(whole)} training images held out to validate, by seed 0.",
    )


def _split(folder: Path, part: str) -> Split:
    images, labels = _read_idx(_find(folder, part, "images-idx3")), _read_idx(_find(folder, part, "labels-idx1"))
    if images.ndim != 3 or labels.ndim != 1:
        raise DataError(f"images of {images.ndim} axes and labels of {labels.ndim}", where=f"{folder}, {part}", hint="expected 3 and 1")
    if len(images) != len(labels) or not len(images):
        raise DataError(f"{len(images)} images and {len(labels)} labels", where=f"{folder}, {part}", hint="fetch the files again")
    return Split(images[:, None], labels.astype(np.int64))


def _find(folder: Path, part: str, kind: str) -> Path:
    names = [f"{part}-{style}-ubyte{suffix}" for style in (kind, kind.replace("-", ".")) for suffix in ("", ".gz")]
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise DataError(f"no {names[0]} in the folder", where=str(folder), hint=f"looked for {', '.join(names)}")
    return found


def _read_idx(path: Path) -> np.ndarray:
    most = path.stat().st_size * (_DEFLATE_AT_MOST if path.suffix == ".gz" else 1)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zero, kind, axes = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{axes}I", file.read(4 * axes))
            if zero != 0 or kind != 8 or not axes:
                raise DataError("not an IDX file of bytes", where=str(path), hint="expected it to begin with 00 00 08")
            size = math.prod(shape)
            content = file.read(size + 1) if size <= most else b""
    except (OSError, EOFError, zlib.error, struct.error) as cause:
        raise DataError(f"the file is damaged: {cause}", where=str(path), hint="fetch it again") from cause
    if len(content) != size:
        raise DataError(f"the header promises {size} bytes of values and the file holds others", where=str(path), hint="fetch it again")
    return np.frombuffer(content, np.uint8).reshape(shape)
