"""What networks of the zoo must stay, by torchvision's networks where it has them: names, shapes, logits at weights that anybody can make.

python tests/zoo/golden/make.py            writes tests/zoo/golden/networks.json; needs torchvision in the version made for your torch
"""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from laconic.zoo import ZOO

HERE = Path(__file__).parent
SHOWN = 8  # logits


def filled(network: nn.Module) -> nn.Module:
    """The network in evaluation mode with weights made from their names: uniform, of the variance that keeps activations alive."""
    network = network.to_empty(device="cpu").eval()
    for name, tensor in network.state_dict().items():
        draw = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(tensor.shape, np.float32)
        if tensor.ndim > 1:
            draw = (2 * draw - 1) * (6 / np.prod(tensor.shape[1:])) ** 0.5
        elif name.endswith(("bias", "running_mean")):
            draw = 0.2 * draw - 0.1
        else:
            draw = 0.5 + draw  # gains and variances
        tensor.copy_(torch.from_numpy(np.asarray(draw)))
    return network


def names(network: nn.Module) -> dict[str, object]:
    """The number of tensors, and the digest of their names and shapes."""
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in network.state_dict().items())
    return {"tensors": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def logits(network: nn.Module, sample_shape: tuple[int, ...]) -> list[float]:
    """The first few for one image of noise."""
    image = np.random.Generator(np.random.PCG64(0)).random((1, *sample_shape), np.float32)
    with torch.no_grad():
        found: list[float] = network(torch.from_numpy(image))[0, :SHOWN].double().tolist()
    return found


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """The network without values."""
    with torch.device("meta"):
        return build()


if __name__ == "__main__":
    for operator in ("nms", "qnms"):  # of its compiled half, which only comes with CUDA; no network here needs it
        torch.library.define(f"torchvision::{operator}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import torchvision

    theirs, made = set(torchvision.models.list_models(module=torchvision.models)), {}
    for key, entry in ZOO.items():
        options = {"init_weights": False, "aux_logits": False} if key == "googlenet" else {}
        of_torchvision = key in theirs
        build = (lambda k=key, o=options: torchvision.models.get_model(k, **o)) if of_torchvision else entry.build
        network = filled(on_meta(build))
        source = f"torchvision {torchvision.__version__.partition('+')[0]}" if of_torchvision else "laconic"
        made[key] = {"source": source, **names(network), "logits": logits(network, entry.sample_shape)}
        print(key, source, flush=True)
    (HERE / "networks.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
