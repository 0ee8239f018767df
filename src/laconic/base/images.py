"""Image files to 8-bit arrays."""

import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from laconic.base.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif")

MODES = {1: "L", 3: "RGB"}
# What Pillow raises, by trial and by its source, on files that are no image or not all of one.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
_CHUNK = 256


def natural_shape(path: Path) -> tuple[int, int, int]:
    """`(channels, height, width)` of an image as its file holds it; one channel for grey, three for all else.

    Raises:
        DataError: the file is no image, or a broken one.
    """
    try:
        with Image.open(path) as image:
            return 1 if image.mode in ("1", "L", "LA") else 3, image.height, image.width
    except _BROKEN as cause:
        raise _broken(path, cause) from cause


def decode(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """One image as 8-bit `(channels, height, width)`, grey or RGB by `channels`, resized bilinearly where its size differs.

    Raises:
        DataError: the file is no image, a broken one, or has more than 8 bits a pixel and channel.
    """
    channels, height, width = shape
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"an image of more than 8 bits (mode {image.mode})", where=str(path), hint="save it with 8 bits")
            picture = image.convert(MODES[channels])
    except _BROKEN as cause:
        raise _broken(path, cause) from cause
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def decode_all(paths: Sequence[Path], shape: tuple[int, int, int]) -> np.ndarray:
    """`decode` of every path, `(n, *shape)`, on as many threads as there are processors (Pillow lets go of the lock)."""
    if shape[0] not in MODES:
        raise DataError(f"image files have 1 channel or 3, and the network takes {shape[0]}")
    pixels = np.empty((len(paths), *shape), np.uint8)

    def fill(start: int) -> None:
        for row, path in enumerate(paths[start : start + _CHUNK], start):
            pixels[row] = decode(path, shape)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(0, len(paths), _CHUNK)))
    return pixels


def _broken(path: Path, cause: BaseException) -> DataError:
    return DataError(f"the image cannot be decoded: {type(cause).__name__}", where=str(path), hint="mend, replace or remove the file")
