"""Small networks of every way in which channels depend on one another, as published architectures do it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Architecture:
    """A network, its sample, and groups that have to be found."""

    build: Callable[[], nn.Module]
    sample: tuple[int, ...] = (3, 16, 16)
    dtype: str = "float32"
    groups: int = 1


class Wired(nn.Module):
    """Named layers and a function of them."""

    def __init__(self, wiring: Callable[["Wired", Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.wiring = wiring
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.wiring(self, x)


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1, stride: int = 1) -> nn.Sequential:
    made = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(made, nn.BatchNorm2d(outputs), nn.ReLU())


def random(model: nn.Module) -> nn.Module:
    """The model with statistics and scales that are not those of the start, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(
                    torch.rand(value.shape, generator=generator) + 0.5
                    if "var" in name
                    else torch.randn(value.shape, generator=generator) * 0.3
                )
    return model.eval()


def head(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


def wired(wiring: Callable[[Wired, Tensor], Tensor], channels: int, **layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(Wired(wiring, **layers), head(channels))


def dense(m: Wired, x: Tensor) -> Tensor:
    x = m.a(x)
    x = torch.cat([x, m.b(x)], 1)
    return torch.cat([x, m.c(x)], 1)


def excite(m: Wired, x: Tensor) -> Tensor:
    x = m.a(x)
    return x * torch.sigmoid(m.up(F.relu(m.down(x.mean((2, 3), keepdim=True)))))


def option_a(m: Wired, x: Tensor) -> Tensor:
    x = m.a(x)
    return F.relu(m.b(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4)))


def shuffle(m: Wired, x: Tensor) -> Tensor:
    x = m.b(m.a(x))
    n, c, h, w = x.shape
    return m.c(x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))


def halves(m: Wired, x: Tensor) -> Tensor:
    left, right = m.a(x).chunk(2, 1)
    return torch.cat([left, m.b(right)], 1)


def split(m: Wired, x: Tensor) -> Tensor:
    left, right = m.a(x).split([3, 5], 1)
    return m.b(left) + m.c(right)


def gated(m: Wired, x: Tensor) -> Tensor:
    value, gate = m.a(x).chunk(2, 1)
    return m.b(value * torch.sigmoid(gate))


def unet(m: Wired, x: Tensor) -> Tensor:
    top = m.a(x)
    below = m.b(F.max_pool2d(top, 2))
    return m.c(torch.cat([top, F.interpolate(below, scale_factor=2)], 1))


def scaled(m: Wired, x: Tensor) -> Tensor:
    x = m.a(x)
    return x + m.scale.weight.reshape(1, -1, 1, 1) * m.b(x)


def inception(m: Wired, x: Tensor) -> Tensor:
    return torch.cat([m.a(x), m.c(m.b(x)), m.d(F.avg_pool2d(x, 3, 1, 1))], 1)


class Heads(nn.Module):
    """Attention as it is written by hand: one projection, split into three, by heads."""

    def __init__(self, width: int = 8, heads: int = 2, fused: bool = True) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 16), nn.Linear(16, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v) if self.fused else torch.softmax(q @ k.transpose(-2, -1) * 0.5, -1) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, width))
        return x + self.down(F.gelu(self.up(x)))


class Queries(nn.Module):
    """Attention of four heads, with a bias that is learnt, or with keys and values that several heads share."""

    def __init__(self, keys: int = 4, bias: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.keys, self.bias = keys, None if bias is None else nn.Parameter(torch.randn(bias))
        self.q, self.k, self.v, self.out = nn.Linear(8, 16), nn.Linear(8, 4 * keys), nn.Linear(8, 4 * keys), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (-1, 4)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v, self.bias, enable_gqa=self.keys < 4)
        return x + self.out(seen.transpose(1, 2).flatten(2))


class Patches(nn.Module):
    """A vision transformer: patches, a class token, places."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token, self.place = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 17, 8))
        self.body, self.fc = Heads(), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.fc(self.body(x)[:, 0])


def places(m: Wired, x: Tensor) -> Tensor:
    """Pooling of which torch also says where it found what it passes on."""
    x, _ = F.max_pool2d(m.a(x), 2, return_indices=True)
    return F.adaptive_max_pool2d(m.b(x), 1)


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.body = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(self.table(x)).mean(1))


class Mixer(nn.Module):
    """Layers along both axes of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.along, self.across, self.fc = nn.Linear(6, 6), nn.Linear(8, 8), nn.Linear(48, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.along(x.transpose(1, 2)).transpose(1, 2)
        return self.fc(F.relu(self.across(x)).flatten(1))


def sequences(*layers: nn.Module) -> nn.Module:
    """For samples of 5 × 8."""
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(40, 4))


def plain() -> nn.Module:
    return nn.Sequential(conv(3, 8), nn.MaxPool2d(2), conv(8, 6), nn.Flatten(), nn.Linear(6 * 64, 10), nn.Tanh(), nn.Linear(10, 4))


def inverted(m: Wired, x: Tensor) -> Tensor:
    x = m.a(x)
    return x + m.project(m.depth(m.expand(x)))


ARCHITECTURES = {
    "a chain that is flattened": Architecture(plain, groups=3),
    "residual": Architecture(wired(lambda m, x: F.relu(m.a(x) + m.c(m.b(m.a(x)))), 8, a=conv(3, 8), b=conv(8, 6), c=conv(6, 8)), groups=2),
    "residual, projected": Architecture(
        wired(lambda m, x: m.b(m.a(x)) + m.c(m.a(x)), 8, a=conv(3, 6), b=conv(6, 8), c=conv(6, 8, 1)), groups=2
    ),
    "residual, padded": Architecture(wired(option_a, 16, a=conv(3, 8), b=conv(8, 16, stride=2)), groups=2),
    "before the activation": Architecture(
        wired(lambda m, x: m.a(x) + m.b(F.relu(m.n(m.a(x)))), 8, a=nn.Conv2d(3, 8, 3, padding=1), n=nn.BatchNorm2d(8), b=nn.Conv2d(8, 8, 1))
    ),
    "densely joined": Architecture(wired(dense, 16, a=conv(3, 8), b=conv(8, 4), c=conv(12, 4)), groups=3),
    "inception": Architecture(wired(inception, 10, a=conv(3, 4, 1), b=conv(3, 4, 1), c=conv(4, 4), d=conv(3, 2, 1)), groups=4),
    "another type in between": Architecture(wired(lambda m, x: m.b(m.a(x).double().float()), 6, a=conv(3, 8), b=conv(8, 6)), groups=2),
    "depthwise separable": Architecture(lambda: nn.Sequential(conv(3, 8), conv(8, 8, groups=8), conv(8, 12, 1), head(12)), groups=2),
    "depthwise, twice as wide": Architecture(lambda: nn.Sequential(conv(3, 8), conv(8, 16, groups=8), conv(16, 4, 1), head(4)), groups=2),
    "inverted residual": Architecture(
        wired(inverted, 8, a=conv(3, 8), expand=conv(8, 24, 1), depth=conv(24, 24, groups=24), project=nn.Conv2d(24, 8, 1)), groups=2
    ),
    "grouped": Architecture(lambda: nn.Sequential(conv(3, 8), conv(8, 12, groups=2), conv(12, 8, groups=4), head(8)), groups=3),
    "grouped and shuffled": Architecture(wired(shuffle, 8, a=conv(3, 8), b=conv(8, 8, groups=2), c=conv(8, 8, groups=2)), groups=3),
    "halved and joined": Architecture(wired(halves, 8, a=conv(3, 8), b=conv(4, 4)), groups=3),
    "split unevenly": Architecture(wired(split, 6, a=conv(3, 8), b=conv(3, 6), c=conv(5, 6)), groups=3),
    "gated": Architecture(wired(gated, 6, a=conv(3, 8), b=conv(4, 6)), groups=2),
    "squeezed and excited": Architecture(wired(excite, 8, a=conv(3, 8), down=nn.Conv2d(8, 4, 1), up=nn.Conv2d(4, 8, 1)), groups=2),
    "transposed convolution": Architecture(lambda: nn.Sequential(conv(3, 8), nn.ConvTranspose2d(8, 6, 2, 2), nn.ReLU(), head(6)), groups=2),
    "encoder and decoder": Architecture(wired(unet, 6, a=conv(3, 6), b=conv(6, 8), c=conv(14, 6)), groups=3),
    "pooling that tells places": Architecture(wired(places, 6, a=conv(3, 8), b=conv(8, 6)), groups=2),
    "pixel shuffle": Architecture(lambda: nn.Sequential(conv(3, 16), nn.PixelShuffle(2), conv(4, 6), head(6)), groups=2),
    "a scale for each channel": Architecture(wired(scaled, 8, a=conv(3, 8), b=conv(8, 8), scale=nn.Embedding(1, 8)), groups=1),
    "group normalisation": Architecture(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), conv(8, 6), head(6)), groups=1),
    "prelu and instance normalisation": Architecture(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.PReLU(8), conv(8, 6), head(6)), groups=2
    ),
    "one dimension": Architecture(
        lambda: nn.Sequential(nn.Conv1d(3, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 6, 3), nn.Flatten(), nn.Linear(6 * 12, 4)),
        (3, 16),
        groups=2,
    ),
    "three dimensions": Architecture(lambda: nn.Sequential(nn.Conv3d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 8, 4)), (1, 4, 4, 4)),
    "linear layers with normalisation": Architecture(
        lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)), (6,)
    ),
    "attention": Architecture(lambda: sequences(Heads()), (5, 8), groups=2),
    "attention by hand": Architecture(lambda: sequences(Heads(fused=False)), (5, 8), groups=2),
    "attention with a bias for each head": Architecture(lambda: sequences(Queries(bias=(1, 4, 5, 5))), (5, 8)),
    "attention with one bias for all heads": Architecture(lambda: sequences(Queries(bias=(5, 5))), (5, 8)),
    "attention with keys for two heads each": Architecture(lambda: sequences(Queries(keys=2)), (5, 8)),
    "attention with keys for all heads": Architecture(lambda: sequences(Queries(keys=1)), (5, 8)),
    "attention whose weights nobody reads": Architecture(
        lambda: sequences(Wired(lambda m, x: x + m.a(x, x, x)[0], a=nn.MultiheadAttention(8, 2, batch_first=True))), (5, 8)
    ),
    "torch's own transformer": Architecture(Words, (5,), "int64", groups=2),
    "vision transformer": Architecture(Patches, groups=2),
    "mixer": Architecture(Mixer, (6, 8), groups=1),
}
