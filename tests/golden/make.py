"""Write the golden files of the format's version: `python tests/golden/make.py` (once for a version, never again).

Whoever changes the coder later changes what is written, never what is read: files made by one version are read by all that follow.
"""

import hashlib
import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import torch

from laconic import build_model, tokens
from laconic.artifact import Artifact, Notes, pack, unpack
from laconic.base.dtypes import bits
from laconic.base.preprocessing import Preprocessing
from laconic.codec.coders import CODERS
from laconic.codec.context.group import write_blocks
from laconic.codec.context.profiles import PROFILES
from laconic.codec.layouts import LAYOUTS, PLAIN
from laconic.codec.varint import write_varint
from laconic.forms import Codebook, Dense, Form, Grid, Masked
from laconic.graph.export import export

HERE = Path(__file__).parent
FORMS = runpy.run_path(str(HERE.parent / "artifact" / "conftest.py"))["forms"]
NOTES = Notes(Preprocessing((1, 28, 28), 1 / 255, (0.25,), (0.5,)), ("zero", "один", "二"), (("conv1", "bn1"),), "")


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def laplacian(*shape: int, scale: float) -> np.ndarray:
    """Integers of rows that differ, as those of a trained layer."""
    rows = np.exp(0.7 * rng().standard_normal((shape[0],) + (1,) * (len(shape) - 1)))
    return np.rint(rng().laplace(size=shape) * scale * rows).astype(np.int64)


def network(scale: float) -> dict[str, Form]:
    """Layers on grids whose rows are the columns of the next."""
    shapes = {"conv1": (24, 3, 3, 3), "conv2": (48, 24, 3, 3), "fc1": (60, 192), "fc2": (10, 60)}
    layers = {name: laplacian(*shape, scale=scale) for name, shape in shapes.items()}
    layers["conv2"][:, ::5] = 0
    return {f"{name}.weight": Grid(q.shape, q.astype(np.int32), np.float32([0.0125])) for name, q in layers.items()}


def some(*words: str) -> dict[str, Form]:
    """Those of the tests' forms whose names begin so."""
    return {name: form for name, form in FORMS().items() if name.startswith(words)}


def lenet() -> Artifact:
    """A network that runs, its weights on grids."""
    torch.manual_seed(0)
    model = build_model("zoo:lenet5").eval()
    tensors: dict[str, Form] = {}
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        step = np.float32([array.std() * 1.5])
        tensors[name] = Grid(array.shape, np.rint(array / step).astype(np.int32), step)
    return Artifact(tensors, export(model, (1, 28, 28)), NOTES)


def files() -> Iterator[tuple[str, bytes]]:
    """Name → content of every golden file."""
    sparse = np.where(rng().random((1100, 1000)) < 0.002, laplacian(1100, 1000, scale=3), 0)
    normal = rng().standard_normal((96, 64)).astype(np.float32)
    yield "pools", pack(Artifact({name: form for name, form in FORMS().items() if form.size < 4096}))
    yield "large", pack(Artifact(some("large")), profile="smallest")
    yield "large-fast", pack(Artifact(some("large")), profile="fast")
    yield "smallest-coarse", pack(Artifact(network(0.3)), profile="smallest")
    yield "smallest-fine", pack(Artifact(network(9.0)), profile="smallest")
    yield "fast-coarse", pack(Artifact(network(0.3)), profile="fast")
    yield "fast-fine", pack(Artifact(network(9.0)), profile="fast")
    yield "groups", pack(Artifact({"w": Grid(sparse.shape, sparse.astype(np.int32), np.float32([0.5]))}), profile="fast")
    yield (
        "floats",
        pack(Artifact({"w": Dense.of(normal), "half": Dense.of(normal.astype(np.float16)), "double": Dense.of(normal.astype(np.float64))})),
    )
    yield (
        "bfloat16",
        pack(Artifact({"w": Dense.of(normal.astype(ml_dtypes.bfloat16)), "e5m2": Dense.of(normal.astype(ml_dtypes.float8_e5m2))})),
    )
    yield (
        "masked",
        pack(Artifact({"w": Masked.of(np.where(np.abs(normal) > 1.2, normal, 0)), "none": Masked.of(np.zeros((80, 60), np.float32))})),
    )
    yield (
        "codebook",
        pack(Artifact({"w": Codebook.of(rng().integers(0, 32, (96, 64)), np.sort(rng().standard_normal(32)).astype(np.float32))})),
    )
    yield "rows", pack(Artifact({"w": Grid((96, 64), laplacian(96, 64, scale=20), rng().random(96).astype(np.float32))}))
    yield "groups-of-steps", pack(Artifact({"w": Grid((96, 64), laplacian(96, 64, scale=2), rng().random(192).astype(np.float32))}))
    yield "tied", pack(Artifact(dict.fromkeys(("encoder.weight", "decoder.weight"), Dense.of(normal))))
    yield "network", pack(lenet())
    yield "weights-only", pack(lenet(), weights_only=True)
    yield "tokens", pack(Artifact(some("", "网络"), None, Notes(tokens(64), reason="none")))
    yield "nothing", pack(Artifact({}))


def streams() -> Iterator[tuple[str, list[int], bytes]]:
    """Name, values and stream of every layout with every coder, and of both profiles."""
    values = np.array([0, 0, 3, -1, 0, 0, 0, 5, 3, 0, 0, -1, 0, 2, 0, 0, 0, 0, 1, 3] * 3)
    for number, layout in enumerate(LAYOUTS):
        parts = layout.split(values)
        assert parts is not None
        for main_number, coder in enumerate(CODERS):
            main = coder.encode(parts[0])
            if number == PLAIN:
                yield f"{layout.name} {coder.name}", values.tolist(), bytes([number << 6 | main_number]) + main
                continue
            for side_number, side_coder in enumerate(CODERS):
                side = side_coder.encode(parts[1])
                head = bytes([number << 6 | side_number << 3 | main_number]) + write_varint(len(parts[1])) + write_varint(len(side))
                yield f"{layout.name} {coder.name}, {side_coder.name}", values.tolist(), head + side + main
    for name, profile in PROFILES.items():
        yield f"group {name}", values.tolist(), write_blocks(profile, [values.reshape(4, 5, 3)])


def digest(form: Form) -> str:
    """Type, shape and every bit of a decoded tensor."""
    array = form.array()
    return hashlib.sha256(f"{array.dtype.name} {array.shape}".encode() + bits(array).tobytes()).hexdigest()


def main() -> None:
    """Write files, digests and streams; whatever is there already is left alone."""
    folder = HERE / "version-1"
    if folder.exists():
        sys.exit(f"{folder} is frozen")
    folder.mkdir()
    digests = {}
    for name, content in files():
        (folder / f"{name}.lac").write_bytes(content)
        digests[name] = {tensor: digest(form) for tensor, form in unpack(content).tensors.items()}
    (folder / "digests.json").write_text(json.dumps(digests, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    told = {name: {"values": values, "stream": stream.hex()} for name, values, stream in streams()}
    (folder / "streams.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
