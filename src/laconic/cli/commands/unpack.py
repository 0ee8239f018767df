"""`laconic unpack`: the weights of a file as plain arrays."""

from laconic.cli.options import File, Json, Output
from laconic.cli.targets import check_file
from laconic.cli.terminal import show, show_json, size, verdict


def unpack(file: File, output: Output, as_json: Json = False) -> None:
    """Decode the weights of a file into .npz or .safetensors.

    Tensors have the names of the state dict; those of a weights-only file are called 0, 1, …
    """
    from laconic.artifact import read
    from laconic.artifact import unpack as decode
    from laconic.base.files import write_atomically
    from laconic.cli.arrays import write_arrays

    check_file(output)
    artifact = decode(read(file))
    content = write_arrays(artifact, output.suffix)
    write_atomically(output, content)
    if as_json:
        show_json({"file": str(output), "bytes": len(content), "tensors": list(artifact.tensors)})
    else:
        show(verdict(f"{output}: the {len(artifact.tensors)} tensors of {file.name}, {size(len(content))}."))
