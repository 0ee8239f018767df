"""What a hostile file is made of. Whatever such a file does, nothing may be printed."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import pytest

from laconic.artifact import Artifact, Limits, Notes, layout, unpack
from laconic.base.errors import ArtifactError
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Codebook, Dense, Masked
from laconic.runtime import Session

HEAD = '<ir_version: 10, opset_import: ["" : 20]>'


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., bytes]:
    """A call that makes a graph of a body in ONNX's own notation, with the input `x` (n, 4) and the file's tensor `w` (4, 3)."""

    def build(body: str, signature: str = "(float[n, 4] x, float[4, 3] w) => (y)", head: str = HEAD) -> bytes:
        return onnx.parser.parse_model(f"{head} g {signature} {{ {body} }}").SerializeToString()

    return build


@pytest.fixture(scope="session")
def sound(graph_of: Callable[..., bytes]) -> Artifact:
    """A small network of all Forms, with a graph that computes a shape, and with all notes."""
    body = """
        zero = Constant <value_ints = [0]> ()
        rest = Constant <value_ints = [-1]> ()
        sides = Shape (x)
        batch = Gather (sides, zero)
        hidden = MatMul (x, w)
        sum = Add (hidden, b)
        up = Relu (sum)
        target = Concat <axis = 0> (batch, rest)
        flat = Reshape (up, target)
        y = MatMul (flat, v)
    """
    rng = np.random.default_rng(0)
    tensors = {
        "w": Codebook((4, 3), rng.integers(0, 3, (4, 3)), np.float32([0, 0.5, -1])),
        "b": Dense.of(np.float32([0.25, -0.0, 1e-3])),
        "v": Masked.of(np.float32([[1, 0], [0, 2], [0, -3]])),
        "seen": Dense.of(np.array(7, np.int64)),
    }
    signature = "(float[n, 4] x, float[4, 3] w, float[3] b, float[3, 2] v) => (float[n, 2] y)"
    notes = Notes(Preprocessing((4,), 1.0), ("no", "yes"), (("conv", "bn"),), "")
    return Artifact(tensors | {"seen again": tensors["seen"]}, graph_of(body, signature), notes)


LIMITS = Limits(values=1 << 22, repeated_values=1 << 20, decoded_bytes=1 << 25, activation_bytes=1 << 24)


@pytest.fixture(scope="session")
def trial() -> Callable[[bytes], str]:
    """A call that does with a file what a reader may do, and says how far it came; only an ArtifactError may stop it."""

    def attempt(file: bytes) -> str:
        try:
            layout(file, LIMITS)
            artifact = unpack(file, LIMITS)
            if artifact.graph is None:
                return "decoded"
            session = Session(artifact, limits=LIMITS)
            session(np.ones((2, *session.sample_shape), np.float32))
        except ArtifactError:
            return "refused"
        return "ran"

    return attempt
