"""Weights that lie beside an ONNX file: read only from inside its folder, and only as many bytes as the tensor has.

A file may point anywhere (`../../etc/passwd`, a symbolic link, a device); what it points to would end up in the packed file.
"""

from pathlib import Path, PureWindowsPath

import onnx

from laconic.base.errors import ModelError


def external_bytes(tensor: onnx.TensorProto, folder: Path, length: int) -> bytes:
    """The `length` bytes that `tensor` keeps in another file.

    Args:
        tensor: whose data location is external.
        folder: of the ONNX file; nothing outside of it is read.
        length: of the tensor, in bytes.

    Raises:
        ModelError: the place is outside the folder, is no ordinary file, or does not hold exactly that.
    """
    said = {entry.key: entry.value for entry in tensor.external_data}
    where = f"tensor {tensor.name!r}, in {said.get('location', '')!r}"
    path, offset, stated = (
        _inside(said.get("location", ""), folder, where),
        _count(said, "offset", 0, where),
        _count(said, "length", length, where),
    )
    if stated != length:
        raise ModelError(f"the tensor has {length} bytes and its entry speaks of {stated}", where=where, hint="save the model again")
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
    except (OSError, OverflowError) as cause:
        raise ModelError(f"the weights beside the model cannot be read: {cause}", where=where) from cause
    if len(content) != length:
        raise ModelError("the file beside the model is too short for this tensor", where=where, hint="copy both files again")
    return content


def _inside(location: str, folder: Path, where: str) -> Path:
    relative = location and "\0" not in location and "\\" not in location and not PureWindowsPath(location).anchor
    path = (folder / location).resolve() if relative else folder
    if not relative or not path.is_relative_to(folder.resolve()):
        raise ModelError("the model keeps weights outside of its own folder", where=where, hint="put all its files into one folder")
    if not path.is_file():
        raise ModelError("the file that holds the weights is not there", where=where, hint="keep it beside the model")
    return path


def _count(said: dict[str, str], word: str, otherwise: int, where: str) -> int:
    text = said.get(word, "") or str(otherwise)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(f"the {word} of the weights beside the model is no number: {text!r}", where=where)
    return int(text)
