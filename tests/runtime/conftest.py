"""A file without torch: a graph in ONNX's own notation, and weights in several Forms."""

import numpy as np
import onnx
import pytest

from laconic.artifact import Artifact, Notes
from laconic.base.preprocessing import Preprocessing
from laconic.forms import Codebook, Dense

BODY = """
    hidden = MatMul (x, w)
    sum = Add (hidden, b)
    up = Relu (sum)
    y = MatMul (up, v)
"""


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """(4, 3), (3,) and (3, 2)."""
    rng = np.random.default_rng(0)
    return {
        "w": np.float32([0, 0.5, -1])[rng.integers(0, 3, (4, 3))],
        "b": rng.normal(size=3).astype(np.float32),
        "v": rng.normal(size=(3, 2)).astype(np.float32),
    }


@pytest.fixture
def artifact(weights: dict[str, np.ndarray]) -> Artifact:
    """`max(x w + b, 0) v` of samples (4,)."""
    signature = "(float[n, 4] x, float[4, 3] w, float[3] b, float[3, 2] v) => (float[n, 2] y)"
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> g {signature} {{ {BODY} }}')
    table, places = np.unique(weights["w"], return_inverse=True)
    tensors = {
        "w": Codebook((4, 3), places.reshape(4, 3), table),
        "b": Dense.of(weights["b"]),
        "v": Dense.of(weights["v"]),
        "unused": Dense.of(np.array(7, np.int64)),
    }
    return Artifact(tensors, model.SerializeToString(), Notes(Preprocessing((4,), 1.0), ("no", "yes")))
