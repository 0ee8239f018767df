"""Networks of the kinds that people bring, and files of theirs as several tools write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional as F

from laconic import build_model
from laconic.graph.trace import quiet


class Attention(nn.Module):
    """Multi-head self-attention, written out as most libraries do."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        n, length, width = x.shape
        q, k, v = (layer(x).view(n, length, self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
        scores = scores if mask is None else scores.masked_fill(mask[:, None, None, :] == 0, -1e4)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), mask)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class VisionTransformer(nn.Module):
    """8 × 8 images in patches of 2, a class token, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 2, 2)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.blocks = nn.Sequential(Block(16, 2), Block(16, 4))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Encoder(nn.Module):
    """Token ids and their mask to a class, and the hidden states."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(30, 16), nn.Embedding(12, 16)
        self.norm, self.block = nn.LayerNorm(16), Block(16, 4)
        self.pooler, self.head = nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        x = self.block(x, mask)
        return self.head(torch.tanh(self.pooler(x[:, 0]))), x


class Generator(nn.Module):
    """Token ids, as floating-point numbers, to the next token; the output matrix is tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.block, self.head = nn.Embedding(30, 16), Block(16, 4), nn.Linear(16, 30, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.block(self.words(tokens.long())))


class Convolutional(nn.Module):
    """Convolutions with normalisation, pools, a depthwise layer, squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.deep, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.stem(x))), 2)
        x = F.hardswish(self.norm2(self.deep(x)))
        x = x * torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.head(x.mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(5, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0].mean(1))


class Upsampling(nn.Module):
    """An encoder and a decoder with a path around them."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Conv2d(3, 6, 3, 2, 1), nn.ConvTranspose2d(6, 6, 2, 2), nn.Conv2d(9, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.instance_norm(F.silu(self.down(x)))
        y = F.interpolate(self.up(y), scale_factor=0.5, mode="nearest")
        y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.out(torch.cat((x, y), 1)).flatten(2).mean(2)


IMAGE = (3, 8, 8)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutional": (Convolutional, IMAGE),
    "vision transformer": (VisionTransformer, IMAGE),
    "lstm": (lambda: Recurrent(nn.LSTM), (7, 5)),
    "gru": (lambda: Recurrent(nn.GRU), (7, 5)),
    "upsampling": (Upsampling, IMAGE),
}


def built(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


def write(model: nn.Module, inputs: tuple[Tensor, ...], path: Path, *, dynamo: bool, opset: int, free: bool) -> Path:
    """What torch's exporter, or its old one, makes of a model; with a free batch or for this one alone."""
    names = [f"in{place}" for place in range(len(inputs))]
    options: dict[str, Any] = {}
    if free and dynamo:
        options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs)
    elif free:
        options["dynamic_axes"] = {name: {0: "n"} for name in (*names, "out")}
    with quiet():
        torch.onnx.export(
            model, inputs, str(path), dynamo=dynamo, opset_version=opset, input_names=names, output_names=["out"], verbose=False, **options
        )
    return path


WRITERS: dict[str, dict[str, Any]] = {
    "dynamo": {"dynamo": True, "opset": 20, "free": True},
    "torchscript": {"dynamo": False, "opset": 17, "free": True},
    "torchscript for one sample": {"dynamo": False, "opset": 14, "free": False},
    "torchscript of old": {"dynamo": False, "opset": 11, "free": False},
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The file of a network by a writer; each is made once."""
    folder = tmp_path_factory.mktemp("networks")

    def of(network: str, writer: str) -> Path:
        path = folder / f"{network} {writer}.onnx"
        build, shape = NETWORKS[network]
        options = WRITERS[writer]
        example = torch.randn(2 if options["dynamo"] else 1, *shape, generator=torch.Generator().manual_seed(1))
        return path if path.exists() else write(built(build), (example,), path, **options)

    return of


@pytest.fixture(scope="session")
def quantised(written: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutional network, quantised to 8 bits by ONNX Runtime: QuantizeLinear and DequantizeLinear around every layer."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            rng = np.random.Generator(np.random.PCG64(0))
            self.samples = iter([{"in0": rng.normal(size=(1, *IMAGE)).astype(np.float32)} for _ in range(8)])

        def get_next(self) -> Any:
            return next(self.samples, None)

    path = tmp_path_factory.mktemp("quantised") / "q.onnx"
    source, reader = written("convolutional", "torchscript"), Reader()
    quantize_static(
        source, path, reader, quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8
    )
    return path


@pytest.fixture
def four_bits(tmp_path: Path) -> Path:
    """Two products with weights of 4 bits in blocks of 8, signed without a zero and unsigned with one."""
    rng = np.random.Generator(np.random.PCG64(0))

    def weight(name: str, kind: int, low: int, rows: int, columns: int) -> list[onnx.TensorProto]:
        levels = rng.integers(low, low + 16, (rows, columns))
        scales = rng.uniform(0.01, 0.02, (rows // 8, columns)).astype(np.float32)
        return [helper.make_tensor(name, kind, (rows, columns), levels.reshape(-1)), onnx.numpy_helper.from_array(scales, f"{name}_scale")]

    zeros = helper.make_tensor("b_zero", TensorProto.UINT4, (4, 4), rng.integers(0, 16, 16))
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "a_scale"], ["wide_a"], axis=0, block_size=8),
        helper.make_node("MatMul", ["x", "wide_a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("DequantizeLinear", ["b", "b_scale", "b_zero"], ["wide_b"], axis=0, block_size=8),
        helper.make_node("MatMul", ["r", "wide_b"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", side]) for name, side in (("x", 16), ("y", 4))]
    weights = [*weight("a", TensorProto.INT4, -8, 16, 32), *weight("b", TensorProto.UINT4, 0, 32, 4), zeros]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "four.onnx")
    return tmp_path / "four.onnx"


@pytest.fixture(scope="module")
def resnet(history: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """ResNet-20 with statistics of a trained one."""
    torch.manual_seed(0)
    return history(build_model("zoo:resnet20")).eval()


@pytest.fixture(scope="session")
def on_images() -> Callable[[nn.Module], Tensor]:
    """A call that gives a network's outputs on two images of 32 × 32."""

    def run(model: nn.Module) -> Tensor:
        with torch.no_grad():
            return model.eval()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))

    return run
