"""What every architecture in the zoo must do, and what its paper says of it."""

import csv
import importlib
import inspect
import pkgutil
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic.artifact import Artifact, pack, unpack
from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.forms import Dense
from laconic.graph.export import export
from laconic.profile import count
from laconic.runtime import Session
from laconic.zoo import ZOO

ROOT = Path(__file__).parents[2]
SHALLOW = load_attribute(f"{Path(__file__).with_name('shallow.py')}:SHALLOW", error=LaconicError)

# Published: LeNet-300-100 and Caffe's LeNet-5 in Han et al. 2016 (266 K, 431 K), exact by arithmetic; CIFAR ResNets: He et al. 2016,
# table 6 (0.27, 0.46, 0.66, 0.85, 1.7 M), exact as their public re-implementation counts them. All that torchvision has: its
# documentation. Xception: table 3 of its paper. MobileNetV1: the authors' released models (4.24, 2.59, 1.34, 0.47 M).
PARAMETERS = {
    "lenet-300-100": 266_610,
    "lenet5": 431_080,
    "lenet5-classic": 61_706,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "alexnet": 61_100_840,
    "alexnet-grouped": 60_965_224,
    "cnn-f": 60_834_536,
    "cnn-m": 102_908_520,
    "cnn-s": 102_908_520,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "googlenet": 6_624_904,
    "googlenet-5x5": 6_998_552,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_0-simple": 1_248_424,
    "squeezenet1_0-complex": 1_589_672,
    "squeezenet1_1": 1_235_496,
    "xception": 22_855_952,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v1-0.75": 2_585_560,
    "mobilenet_v1-0.5": 1_331_592,
    "mobilenet_v1-0.25": 470_072,
    "mobilenet_v1-full": 29_294_088,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v2-1.4": 6_108_776,
    "mobilenet_v2-0.75": 2_636_424,
    "mobilenet_v2-0.5": 1_968_680,
    "mobilenet_v2-0.35": 1_677_128,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "shufflenet_v1": 1_865_728,
    "shufflenet_v1-g1": 1_531_936,
    "shufflenet_v1-g2": 1_733_848,
    "shufflenet_v1-g4": 1_968_344,
    "shufflenet_v1-g8": 2_434_768,
    "shufflenet_v2_x0_5": 1_366_792,
    "shufflenet_v2_x1_0": 2_278_604,
    "shufflenet_v2_x1_5": 3_503_624,
    "shufflenet_v2_x2_0": 7_393_996,
    "mnasnet0_5": 2_218_512,
    "mnasnet0_75": 3_170_208,
    "mnasnet1_0": 4_383_312,
    "mnasnet1_3": 6_282_256,
}
PROJECTIONS = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64  # option B: two 1×1 convolutions, each with its batch normalisation
CIFAR = [name for name in ZOO if ZOO[name].sample_shape == (3, 32, 32)]
PARAMETERS |= {name: PARAMETERS[name.removesuffix("-b")] + PROJECTIONS for name in CIFAR if name.endswith("-b")}

# Millions, from the papers' tables; within 2 %, as some leave out the last layer and some count additions of biases.
MACS = {
    "resnet18": 1_800,
    "resnet34": 3_600,
    "mobilenet_v1": 569,
    "mobilenet_v1-0.75": 325,
    "mobilenet_v1-0.5": 149,
    "mobilenet_v1-0.25": 41,
    "mobilenet_v1-full": 4_866,
    "mobilenet_v2": 300,
    "mobilenet_v2-1.4": 585,
    "mobilenet_v2-0.75": 209,
    "mobilenet_v2-0.5": 97,
    "mobilenet_v2-0.35": 59,
    "mobilenet_v3_large": 217,
    "mobilenet_v3_small": 56,
    "shufflenet_v1": 137,
    "shufflenet_v1-g1": 143,
    "shufflenet_v1-g2": 140,
    "shufflenet_v1-g4": 133,
    "shufflenet_v1-g8": 137,
    "shufflenet_v2_x0_5": 41,
    "shufflenet_v2_x1_0": 146,
    "shufflenet_v2_x1_5": 299,
    "shufflenet_v2_x2_0": 591,
    "squeezenet1_0": 819,
    "squeezenet1_1": 349,
    "mnasnet1_0": 315,
}
SMALL = [name for name in ZOO if ZOO[name].classes == 10]
DEEP = ("resnet44", "resnet56", "resnet110")
FAMILIES = ("alexnet", "vgg16_bn", "googlenet", "resnet18", "squeezenet1_0-complex", "xception", "mobilenet_v1-0.25", "mobilenet_v2-0.35",
            "mobilenet_v3_small", "shufflenet_v1", "shufflenet_v2_x0_5", "mnasnet0_5")  # fmt: skip


def on_meta(name: str, **shape: object) -> nn.Module:
    with torch.device("meta"):
        return ZOO[name].build(**shape)


def kinds(names):
    builders = [ZOO[name].build for name in names]
    return {build.func if isinstance(build, partial) else build for build in builders}


def test_every_architecture_has_a_published_figure():
    assert set(ZOO) == set(PARAMETERS)


def test_every_file_with_a_network_is_in_the_zoo():
    files = [importlib.import_module(f"laconic.zoo.{file.name}") for file in pkgutil.iter_modules(laconic.zoo.__path__)]
    classes = [found for file in files for _, found in inspect.getmembers(file, inspect.isclass) if found.__module__ == file.__name__]
    networks = {found for found in classes if issubclass(found, nn.Module) and "sample_shape" in inspect.signature(found).parameters}
    assert networks == kinds(ZOO)


def test_every_kind_of_network_is_small_or_has_one_that_stands_for_its_family():
    assert kinds([*SMALL, *FAMILIES]) == kinds(ZOO)


def test_every_kind_of_network_is_small_or_has_a_shallow_one():
    assert kinds(SMALL) | {shallow.network for shallow in SHALLOW.values()} == kinds(ZOO)


COUNTED = {row["network"]: row for row in csv.DictReader((ROOT / "bench" / "results" / "zoo.csv").read_text("utf-8").splitlines())}


def test_the_printed_table_has_every_architecture_in_its_order():
    assert list(COUNTED) == list(ZOO)


LONG = re.compile(r"-|34|44|56|1[015][012]|_x[02]|_x1_5|_large|xception")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if LONG.search(n) else ()) for n in ZOO])
def test_parameters_and_macs_are_as_printed(name):
    found = count(on_meta(name), ZOO[name].sample_shape)
    assert (found.params, found.macs) == (int(COUNTED[name]["parameters"]), int(COUNTED[name]["MACs"]))


@pytest.mark.parametrize("name", ZOO)
def test_printed_figures_are_near_the_papers(name):
    """Papers round, leave out layers, and some networks differ from theirs as their files say: within an eighth."""
    for ours, theirs in (("parameters", "in the paper, M"), ("MACs", "in the paper, M MACs")):
        if COUNTED[name][theirs]:
            assert int(COUNTED[name][ours]) / 1e6 == pytest.approx(float(COUNTED[name][theirs]), rel=1 / 8), ours


@pytest.mark.parametrize("name", ZOO)
def test_parameters_are_as_published(name):
    network = on_meta(name, classes=ZOO[name].classes, sample_shape=ZOO[name].sample_shape)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if re.search(r"-|34|_x[02]|_x1_5", n) else ()) for n in MACS])
def test_macs_are_as_published(name):
    assert count(on_meta(name), ZOO[name].sample_shape).macs / 1e6 == pytest.approx(MACS[name], rel=0.02)


def test_the_resolution_multiplier_is_the_sample():
    shape = (3, 160, 160)
    assert count(on_meta("mobilenet_v1-0.5", sample_shape=shape), shape).macs / 1e6 == pytest.approx(76, rel=0.01)


def test_one_by_one_convolutions_take_95_per_cent_of_mobilenet():
    found = count(on_meta("mobilenet_v1"), (3, 224, 224))
    pointwise = {name for name, m in on_meta("mobilenet_v1").named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)}
    share = sum(layer.macs for layer in found.layers if layer.name in pointwise) / found.macs
    assert share == pytest.approx(0.9486, abs=5e-4)  # Howard et al. 2017, table 2


def test_squeezenet_has_few_parameters_and_many_multiplications():
    small, large = (count(on_meta(name), ZOO[name].sample_shape) for name in ("squeezenet1_0", "alexnet-grouped"))
    assert large.params > 48 * small.params
    assert small.macs > large.macs
    assert small.peak_bytes > large.peak_bytes


@pytest.mark.parametrize("name", ZOO)
def test_defaults_of_the_class_are_those_of_the_table(name):
    bare, told = on_meta(name), on_meta(name, classes=ZOO[name].classes, sample_shape=ZOO[name].sample_shape)
    assert {k: v.shape for k, v in bare.state_dict().items()} == {k: v.shape for k, v in told.state_dict().items()}


@pytest.mark.parametrize("side", [8, 28, 64])
@pytest.mark.parametrize("name", FAMILIES)
def test_classes_channels_and_size_are_free(name, side):
    network = on_meta(name, classes=7, sample_shape=(2, side, side + 4)).eval()
    assert network(torch.zeros(2, 2, side, side + 4, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("name", SMALL)
def test_classes_and_channels_of_small_networks_are_free(name):
    channels = 4 - ZOO[name].sample_shape[0]
    network = on_meta(name, classes=7, sample_shape=(channels, 40, 36)).eval()
    assert network(torch.zeros(2, channels, 40, 36, device="meta")).shape == (2, 7)


@pytest.fixture(params=[*(pytest.param(n, marks=pytest.mark.slow if n.startswith(DEEP) else ()) for n in SMALL), *FAMILIES])
def name(request):
    return request.param


@pytest.fixture
def shape(name):
    return ZOO[name].sample_shape if name in SMALL else (3, 32, 32)


@pytest.fixture
def network(name, shape):
    torch.manual_seed(0)
    return ZOO[name].build(classes=10, sample_shape=shape)


def test_forward_gives_finite_logits_and_every_parameter_learns(network, shape):
    logits = network(torch.randn(3, *shape))
    assert logits.shape == (3, 10)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    silent = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
    assert torch.isfinite(logits).all()


def test_samples_do_not_touch_each_other(network, shape):
    network.eval()
    x = torch.randn(4, *shape)
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*SMALL[:3], "resnet20", "resnet20-b"])
def test_exports_with_a_free_batch_size(name, network, shape):
    network.eval()
    exported = torch.export.export(network, (torch.randn(2, *shape),), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    other = torch.randn(5, *shape)
    torch.testing.assert_close(exported(other), network(other))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHALLOW)
def test_a_shallow_one_keeps_its_bits_in_a_file_and_runs_from_it(name):
    network = shallow_one(name).eval()
    artifact = Artifact(dense(network), export(network, SHALLOW[name].sample))
    found = unpack(pack(artifact, profile="fast"))
    assert {key: form.array().tobytes() for key, form in found.tensors.items()} == {
        key: form.array().tobytes() for key, form in dense(network).items()
    }
    inputs = torch.randn(3, *SHALLOW[name].sample)
    with torch.no_grad():
        np.testing.assert_allclose(Session(found)(inputs.numpy()), network(inputs).numpy(), atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_an_empty_recipe_changes_no_bit():
    network, rng = shallow_one("mobilenet_v2"), np.random.Generator(np.random.PCG64(0))
    splits = [(rng.normal(size=(n, 3, 32, 32)).astype(np.float32), np.arange(n) % 4) for n in (16, 8, 8)]
    found = unpack(laconic.compress(network, laconic.from_arrays(*splits), []).run.content).tensors
    assert {key: form.array().tobytes() for key, form in found.items()} == {
        key: form.array().tobytes() for key, form in dense(network).items()
    }


def shallow_one(name):
    torch.manual_seed(0)
    return SHALLOW[name].build()


def dense(network):
    return {key: Dense.of(tensor.numpy()) for key, tensor in network.state_dict().items()}
