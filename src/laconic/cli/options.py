"""The options that commands share, and how their words are read."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from laconic.base.errors import UsageError


class ProfileWord(StrEnum):
    """How much is known of a weight before it is coded."""

    AUTO = "auto"
    SMALLEST = "smallest"
    FAST = "fast"


Profile = Annotated[ProfileWord, typer.Option(help="Of the coder; auto: smallest up to 16 million weights, fast above.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
File = Annotated[Path, typer.Argument(metavar="F.lac", help="The file.", show_default=False)]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="zoo:NAME, torchvision:NAME, timm:NAME, path/file.py:build, file.onnx or file.lac.", show_default=False
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.", show_default=False)]
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Checkpoint to load: .safetensors, .pt, .pth, .th, .lac.")]
Input = Annotated[str | None, typer.Option("--input", metavar="CxHxW", help="Shape of one sample, e.g. 3x32x32.")]
Mean = Annotated[str | None, typer.Option(metavar="A,B,C", help="Per channel, of inputs from 0 to 1: what the network was trained with.")]
Std = Annotated[str | None, typer.Option(metavar="A,B,C", help="Likewise; goes with --mean.")]


def read_shape(word: str | None) -> tuple[int, ...] | None:
    """A shape as it is typed.

    Raises:
        UsageError: not whole numbers from 1 with x between them.

    >>> read_shape("3x32x32")
    (3, 32, 32)
    """
    if word is None:
        return None
    sides = word.lower().replace("×", "x").split("x")
    if not all(side.isascii() and side.isdigit() and int(side) > 0 for side in sides):
        raise UsageError(f"{word!r} is no shape", where="--input", hint="3x32x32: channels, height, width, without the batch")
    return tuple(map(int, sides))


@dataclass(frozen=True)
class Sample:
    """What was said of the samples; None where nothing was.

    Args:
        shape: of one sample, without the batch.
        mean: per channel, of inputs from 0 to 1.
        std: likewise.
    """

    shape: tuple[int, ...] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


def read_sample(shape: str | None, mean: str | None, std: str | None) -> Sample:
    """The words of --input, --mean and --std.

    Raises:
        UsageError: a word that cannot be read, or --mean without --std.
    """
    if (mean is None) != (std is None):
        raise UsageError("--mean and --std go together", hint="give both, or neither")
    return Sample(read_shape(shape), read_numbers(mean, "--mean"), read_numbers(std, "--std"))


def read_numbers(word: str | None, option: str) -> tuple[float, ...] | None:
    """Numbers with commas between them.

    Raises:
        UsageError: something else.

    >>> read_numbers("0.5,0.25", "--mean")
    (0.5, 0.25)
    """
    if word is None:
        return None
    try:
        return tuple(float(number) for number in word.split(","))
    except ValueError:
        raise UsageError(f"{word!r} are no numbers", where=option, hint="one for each channel, with commas: 0.485,0.456,0.406") from None
