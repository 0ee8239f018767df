"""Names, shapes and logits are those of torchvision's networks, and of our own as they were: see golden/make.py."""

import json
import runpy
from pathlib import Path

import pytest

from laconic.zoo import ZOO

HERE = Path(__file__).parent / "golden"
GOLDEN = json.loads((HERE / "networks.json").read_text("utf-8"))
make = runpy.run_path(str(HERE / "make.py"), run_name="make")
QUICK = (
    "lenet5",
    "resnet20",
    "squeezenet1_1",
    "shufflenet_v1",
    "shufflenet_v2_x0_5",
    "mobilenet_v1-0.25",
    "mobilenet_v3_small",
    "mnasnet0_5",
)


def test_every_network_is_golden() -> None:
    assert set(GOLDEN) == set(ZOO)


@pytest.mark.parametrize("name", ZOO)
def test_names_and_shapes(name: str) -> None:
    found = make["names"](make["on_meta"](ZOO[name].build))
    assert found == {key: GOLDEN[name][key] for key in found}


# VGGs differ by their depths alone, and each has above a hundred million weights to make up.
LOGITS = [name for name in ZOO if name not in ("vgg11", "vgg13", "vgg19", "vgg11_bn", "vgg13_bn", "vgg19_bn", "cnn-m")]


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LOGITS])
def test_logits(name: str) -> None:
    network = make["filled"](make["on_meta"](ZOO[name].build))
    assert make["logits"](network, ZOO[name].sample_shape) == pytest.approx(GOLDEN[name]["logits"], rel=1e-3, abs=1e-4)
