"""`laconic export`: a file as other programs read it."""

from enum import StrEnum
from typing import Annotated

import typer

from laconic.cli.options import File, Json, Output
from laconic.cli.targets import check_file
from laconic.cli.terminal import show, show_json, size, verdict


class Format(StrEnum):
    """What a file can be exported to."""

    ONNX = "onnx"
    SAFETENSORS = "safetensors"


To = Annotated[
    Format, typer.Option("--to", help="onnx: graph and weights, for any ONNX engine; safetensors: weights alone.", show_default=False)
]


def export(file: File, to: To, output: Output, as_json: Json = False) -> None:
    """Write a file as standard ONNX or safetensors.

    The weights are decoded, and so the result is as large as the original.
    """
    from laconic.artifact import read, unpack
    from laconic.base.files import write_atomically
    from laconic.cli.arrays import write_arrays
    from laconic.runtime import to_onnx

    check_file(output)
    if to is Format.ONNX:
        write_atomically(output, to_onnx(unpack(read(file))))
    else:
        write_arrays(output, read(file), ".safetensors")
    length = output.stat().st_size
    if as_json:
        show_json({"file": str(output), "bytes": length, "format": to.value})
    else:
        show(verdict(f"{output}: {file.name} as {to.value}, {size(length)}."))
