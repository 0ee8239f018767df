"""`laconic unpack`: the weights of a file as plain arrays."""

from laconic.cli.options import File, Json, Output
from laconic.cli.targets import check_file
from laconic.cli.terminal import show, show_json, size, verdict


def unpack(file: File, output: Output, as_json: Json = False) -> None:
    """Decode the weights of a file into .npz or .safetensors.

    Tensors have the names of the state dict; those of a weights-only file are called 0, 1, …
    """
    from laconic.artifact import layout, read
    from laconic.cli.arrays import write_arrays
    from laconic.cli.progress import at_work

    check_file(output)
    content = read(file)
    with at_work() as progress:
        write_arrays(output, content, output.suffix, progress)
    names = [entry.name for entry in layout(content).entries]
    length = output.stat().st_size
    if as_json:
        show_json({"file": str(output), "bytes": length, "tensors": names})
    else:
        show(verdict(f"{output}: the {len(names)} tensors of {file.name}, {size(length)}."))
