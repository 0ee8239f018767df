"""Networks that a compressor might stumble over, one row each: name, how it is built, its sample, and what becomes of it.

A new case is a new row.
"""

import operator
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, weight_norm

CLASSES = 4
IMAGE, VECTOR, SEQUENCE = (1, 8, 8), (12,), (6, 8)


@dataclass(frozen=True)
class Odd:
    """One row.

    Args:
        name: of the case.
        build: the network.
        shape: of one sample.
        dense: names of matrices that stay dense; each must be listed with its reason.
        weights_only: words of the reason why the file has no graph; empty where it has one.
        refused: words of the refusal; empty where it is compressed.
    """

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = IMAGE
    dense: tuple[str, ...] = ()
    weights_only: str = ""
    refused: str = ""


class Net(nn.Module):
    """Layers by name, and a forward pass given as a function of the network and its input."""

    def __init__(self, run: Callable[["Net", Tensor], object], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, x: Tensor) -> object:
        return self.run(self, x)


def head(*layers: nn.Module, features: int) -> nn.Sequential:
    """The layers, flattened, and a classifier."""
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, CLASSES))


def line() -> nn.Linear:
    return nn.Linear(12, CLASSES)


def changed(model: nn.Module, change: Callable[[nn.Module], object]) -> nn.Module:
    """The model after a change in place."""
    change(model)
    return model


def branching(m: Net, x: Tensor) -> Tensor:
    return m.fc(x) if float(x.sum()) > 0 else -m.fc(x)


def looping(m: Net, x: Tensor) -> Tensor:
    for _ in range(int(x.abs().mean().item() * 3)):
        x = torch.relu(m.mid(x))
    return m.fc(x)


def tied() -> nn.Module:
    def tie(m: nn.Module) -> None:
        m.back.weight = m.there.weight

    both = Net(lambda m, x: m.fc(m.back(torch.relu(m.there(x)))), there=nn.Linear(12, 12), back=nn.Linear(12, 12), fc=line())
    return changed(both, tie)


class Transposed(nn.Module):
    """Encoder and decoder of one matrix, as in autoencoders."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 12))
        self.fc = line()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.linear(F.linear(x, self.weight), self.weight.t()))


class Views(nn.Module):
    """Two parameters that are halves of one piece of memory, or the same rows of it."""

    def __init__(self, overlapping: bool) -> None:
        super().__init__()
        memory = torch.randn(16, 12)
        self.a = nn.Parameter(memory[:8])
        self.b = nn.Parameter(memory[4:12] if overlapping else memory[8:])
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat((F.linear(x, self.a), F.linear(x, self.b)), 1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(8, 10, batch_first=True)
        self.fc = nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class Held(nn.Module):
    """A layer and a tensor of some strange kind beside it."""

    def __init__(self, strange: Tensor, buffer: bool = False) -> None:
        super().__init__()
        self.fc = line()
        if buffer:
            self.register_buffer("strange", strange)
        else:
            self.strange = nn.Parameter(strange, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Tokens(nn.Module):
    def __init__(self, table: nn.Module) -> None:
        super().__init__()
        self.table = table
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        found = self.table((x.abs() * 4).long().clamp(max=19))
        return self.fc(found.mean(1) if found.ndim == 3 else found)


class Listed(nn.Module):
    def __init__(self, named: bool) -> None:
        super().__init__()
        parts = [torch.randn(CLASSES, 12), torch.randn(CLASSES, 12)]
        self.parts = nn.ParameterDict(dict(zip("ab", parts, strict=True))) if named else nn.ParameterList(parts)

    def forward(self, x: Tensor) -> Tensor:
        held = self.parts.values() if isinstance(self.parts, nn.ParameterDict) else self.parts
        return sum((F.linear(x, part) for part in held), torch.zeros(()))


class Excite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True)))))


class Shuffle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient * 2


class Extra(nn.Linear):
    """A state dict that holds more than tensors."""

    def get_extra_state(self) -> dict[str, int]:
        return {"steps": 3}

    def set_extra_state(self, state: object) -> None:
        pass


def old_weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return weight_norm(line())


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, CLASSES)))


def doubly_named() -> nn.Module:
    layer = nn.Linear(12, 12)
    return nn.Sequential(layer, nn.ReLU(), layer, line())


def strided() -> nn.Module:
    model = line()
    model.weight = nn.Parameter(torch.randn(12, CLASSES).t())
    return model


def oddly_named() -> nn.Module:
    model = nn.Sequential()
    for name, layer in (("größe ✓", nn.Linear(12, 12)), ("a/b", nn.ReLU()), ("input", nn.Linear(12, 12)), ("output", line())):
        model.add_module(name, layer)
    return model


def concatenated(m: Net, x: Tensor) -> Tensor:
    a = torch.relu(m.one(x))
    b = torch.relu(m.two(torch.cat((x, a), 1)))
    return m.fc(torch.cat((x, a, b), 1).flatten(1))


def option_a(m: Net, x: Tensor) -> Tensor:
    y = m.one(x)
    short = F.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
    return m.fc((m.two(y) + short).flatten(1))


def in_place(m: Net, x: Tensor) -> Tensor:
    y = m.conv(x)
    y += 1
    y.relu_().mul_(0.5)
    y[:, 0] = 0
    return m.fc(y.flatten(1))


def attend(m: Net, x: Tensor) -> Tensor:
    return m.fc(m.attention(x, x, x, need_weights=False)[0].mean(1))


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def conv(*args: int, **more: int | bool) -> nn.Conv2d:
    return nn.Conv2d(*args, 3, padding=1, **more)  # type: ignore[arg-type]


def normed(norm: nn.Module) -> nn.Module:
    return head(conv(1, 6), norm, nn.ReLU(), features=384)


def with_hook() -> nn.Module:
    model = nn.Sequential(nn.Linear(12, 8), nn.Linear(8, CLASSES))
    model[0].register_forward_hook(lambda _, __, output: output * 2)
    return model


MODELS = (
    Odd("control flow that depends on data", lambda: Net(branching, fc=line()), VECTOR, weights_only="data-dependent"),
    Odd(
        "a loop as long as the data say", lambda: Net(looping, mid=nn.Linear(12, 12), fc=line()), VECTOR, weights_only="cannot be exported"
    ),
    Odd("outputs in a dict", lambda: Net(lambda m, x: {"logits": m.fc(x)}, fc=line()), VECTOR, refused="returns a dict"),
    Odd("outputs in a tuple", lambda: Net(lambda m, x: (m.fc(x), x), fc=line()), VECTOR, refused="returns a tuple"),
    Odd("outputs that are nothing", lambda: Net(lambda m, x: None, fc=line()), VECTOR, refused="returns nothing"),
    Odd("several heads", lambda: Net(lambda m, x: [m.a(x), m.b(x)], a=line(), b=line()), VECTOR, refused="returns a list"),
    Odd("two inputs", lambda: nn.Bilinear(12, 12, CLASSES), VECTOR, refused="does not run"),
    Odd("tied weights", tied, VECTOR),
    Odd("a matrix and its transpose", Transposed, VECTOR),
    Odd(
        "a layer that is called twice",
        lambda: Net(lambda m, x: m.fc(m.mid(torch.relu(m.mid(x)))), mid=nn.Linear(12, 12), fc=line()),
        VECTOR,
    ),
    Odd("halves of one piece of memory", lambda: Views(False), VECTOR),
    Odd("overlapping pieces of memory", lambda: Views(True), VECTOR, refused="overlap"),
    Odd("memory that is not contiguous", strided, VECTOR),
    Odd("channels last", lambda: head(conv(1, 6), nn.ReLU(), features=384).to(memory_format=torch.channels_last)),
    Odd("an LSTM", lambda: Recurrent(nn.LSTM), SEQUENCE),
    Odd("a GRU", lambda: Recurrent(nn.GRU), SEQUENCE),
    Odd("a plain RNN", lambda: Recurrent(nn.RNN), SEQUENCE),
    Odd("multi-head attention", lambda: Net(attend, attention=nn.MultiheadAttention(8, 2, batch_first=True), fc=nn.Linear(8, 4)), SEQUENCE),
    Odd("a transformer encoder", lambda: head(encoder(), features=48), SEQUENCE),
    Odd("grouped convolution", lambda: head(conv(1, 6), conv(6, 6, groups=2), features=384)),
    Odd("depthwise convolution", lambda: head(conv(1, 6), conv(6, 6, groups=6), nn.Conv2d(6, 6, 1), features=384)),
    Odd("dilated convolution", lambda: head(nn.Conv2d(1, 6, 3, padding=2, dilation=2), features=384)),
    Odd("transposed convolution", lambda: head(nn.ConvTranspose2d(1, 3, 2, stride=2), features=768)),
    Odd("padding that reflects", lambda: head(nn.Conv2d(1, 6, 3, padding=1, padding_mode="reflect"), features=384)),
    Odd("convolution in one dimension", lambda: head(nn.Conv1d(6, 5, 3), features=30), SEQUENCE),
    Odd("convolution in three dimensions", lambda: head(nn.Conv3d(1, 3, 2), features=81), (1, 4, 4, 4)),
    Odd("a lazy layer", lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)), refused="no values yet"),
    Odd("the meta device", lambda: nn.Linear(12, CLASSES, device="meta"), VECTOR, refused="no values yet"),
    Odd("half precision", lambda: line().half(), VECTOR),
    Odd("bfloat16", lambda: line().bfloat16(), VECTOR, weights_only="Gemm"),
    Odd("double precision", lambda: line().double(), VECTOR),
    Odd("mixed precision", lambda: Net(lambda m, x: m.fc(m.a(x.half()).float()), a=nn.Linear(12, 12).half(), fc=line()), VECTOR),
    Odd("DataParallel", lambda: nn.DataParallel(line()), VECTOR),
    Odd("an empty parameter", lambda: Held(torch.zeros(0, 3)), VECTOR, dense=("strange",)),
    Odd("a scalar parameter", lambda: Held(torch.tensor(2.0)), VECTOR),
    Odd("scalars in the state", lambda: Held(torch.tensor(7), buffer=True), VECTOR),
    Odd("an integer parameter", lambda: Held(torch.arange(24).reshape(4, 6)), VECTOR, dense=("strange",)),
    Odd("a Boolean buffer", lambda: Held(torch.ones(4, 6, dtype=torch.bool), buffer=True), VECTOR),
    Odd("a complex parameter", lambda: Held(torch.ones(4, 6, dtype=torch.complex64)), VECTOR, refused="complex64"),
    Odd("a complex buffer", lambda: Held(torch.ones(4, 6, dtype=torch.complex64), buffer=True), VECTOR, refused="complex64"),
    Odd("eight-bit floats", lambda: Held(torch.ones(4, 6).to(torch.float8_e4m3fn)), VECTOR, dense=("strange",)),
    Odd("a buffer of eight-bit floats", lambda: Held(torch.ones(4, 6).to(torch.float8_e5m2), buffer=True), VECTOR),
    Odd("a sparse buffer", lambda: Held(torch.eye(6).to_sparse(), buffer=True), VECTOR, refused="sparse"),
    Odd("a weight that is NaN", lambda: changed(line(), lambda m: m.weight.data.fill_(torch.nan)), VECTOR, refused="not finite"),
    Odd("a weight that is infinite", lambda: Held(torch.full((2, 2), torch.inf)), VECTOR, refused="not finite"),
    Odd("a mask of infinities", lambda: Held(torch.full((2, 2), -torch.inf), buffer=True), VECTOR),
    Odd("a constant weight", lambda: changed(line(), lambda m: m.weight.data.fill_(0.5)), VECTOR),
    Odd("a weight of zeros", lambda: changed(line(), lambda m: m.weight.data.zero_()), VECTOR),
    Odd("a weight of one value", lambda: Held(torch.ones(1, 1)), VECTOR),
    Odd("unused parameters", lambda: Net(lambda m, x: m.fc(x), fc=line(), unused=nn.Linear(5, 5)), VECTOR),
    Odd("frozen parameters", lambda: line().requires_grad_(False), VECTOR),
    Odd("no parameters", nn.Flatten, VECTOR, refused="no weights"),
    Odd("buffers only", lambda: nn.BatchNorm1d(12, affine=False), VECTOR, refused="no weights"),
    Odd("biases only", lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(12)), VECTOR, refused="nothing to press"),
    Odd("weight normalisation", lambda: parametrizations.weight_norm(line()), VECTOR, refused="parametrization"),
    Odd("spectral normalisation", lambda: parametrizations.spectral_norm(line()), VECTOR, refused="parametrization"),
    Odd("weight normalisation of old", old_weight_norm, VECTOR, refused="cannot be copied"),
    Odd("a lock in the model", lambda: changed(line(), lambda m: setattr(m, "lock", threading.Lock())), VECTOR, refused="cannot be copied"),
    Odd("a list of parameters", lambda: Listed(False), VECTOR),
    Odd("a dict of parameters", lambda: Listed(True), VECTOR),
    Odd(
        "sequences in sequences", lambda: nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(12, 8)), nn.ReLU()), nn.Linear(8, 4)), VECTOR
    ),
    Odd("a layer by two names", doubly_named, VECTOR),
    Odd("BatchNorm without affine", lambda: normed(nn.BatchNorm2d(6, affine=False))),
    Odd("BatchNorm without statistics", lambda: normed(nn.BatchNorm2d(6, track_running_stats=False))),
    Odd("GroupNorm", lambda: normed(nn.GroupNorm(2, 6))),
    Odd("LayerNorm", lambda: normed(nn.LayerNorm((6, 8, 8)))),
    Odd("InstanceNorm", lambda: normed(nn.InstanceNorm2d(6, affine=True))),
    Odd("an embedding", lambda: Tokens(nn.Embedding(20, 6)), VECTOR),
    Odd("a bag of embeddings", lambda: Tokens(nn.EmbeddingBag(20, 6)), VECTOR, weights_only="operator"),
    Odd("hooks", with_hook, VECTOR),
    Odd("an autograd function", lambda: Net(lambda m, x: Double.apply(m.fc(x)), fc=line()), VECTOR),
    Odd("operations in place", lambda: Net(in_place, conv=conv(1, 6), fc=nn.Linear(384, CLASSES))),
    Odd("names with odd characters", oddly_named, VECTOR),
    Odd("a state with more than tensors", lambda: Extra(12, CLASSES), VECTOR, refused="no tensor"),
    Odd("squeeze and excitation", lambda: head(conv(1, 6), Excite(), features=384)),
    Odd("channel shuffle", lambda: head(conv(1, 6), Shuffle(), conv(6, 6, groups=2), features=384)),
    Odd("concatenation", lambda: Net(concatenated, one=conv(1, 2), two=conv(3, 2), fc=nn.Linear(320, CLASSES))),
    Odd("a shortcut of zeros", lambda: Net(option_a, one=conv(1, 4), two=conv(4, 6, stride=2), fc=nn.Linear(96, CLASSES))),
    Odd("dropout", lambda: nn.Sequential(nn.Linear(12, 8), nn.Dropout(0.5), nn.Linear(8, CLASSES)).train(), VECTOR),
    Odd("a forward pass that reads its mode", lambda: Net(lambda m, x: m.fc(x) * (3 if m.training else 1), fc=line()), VECTOR),
    Odd(
        "noise in the forward pass",
        lambda: Net(lambda m, x: m.fc(x + 0.01 * torch.randn_like(x)), fc=line()),
        VECTOR,
        weights_only="operator",
    ),
    Odd("TorchScript", scripted, VECTOR, refused="TorchScript"),
    Odd("a forward pass that raises", lambda: Net(lambda m, x: operator.truediv(1, 0), fc=line()), VECTOR, refused="ZeroDivisionError"),
    Odd("too few outputs", lambda: nn.Linear(12, 2), VECTOR, refused="labels reach 3"),
    Odd("another input", lambda: nn.Linear(13, CLASSES), VECTOR, refused="does not run on a batch of shape (2, 12)"),
)
