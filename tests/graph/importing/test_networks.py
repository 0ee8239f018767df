"""Whole networks, as several exporters write them: the same outputs in torch, real layers, and a graph that can leave torch again."""

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from laconic.artifact import Artifact, write
from laconic.base.errors import LaconicError
from laconic.base.imports import load_attribute
from laconic.forms import Codebook, Masked
from laconic.graph.export import export
from laconic.graph.fold import foldable
from laconic.graph.importing import Imported, import_model
from laconic.graph.network import Network
from laconic.nn import check_model, home, weights
from laconic.nn.weights import to_numpy
from laconic.runtime import Session, load
from laconic.zoo import ZOO

HOME = Path(__file__).parent
NETWORKS, WRITERS, Encoder, Generator, built, save = (
    load_attribute(f"{HOME.parent / 'conftest.py'}:{name}", error=LaconicError)
    for name in ("NETWORKS", "WRITERS", "Encoder", "Generator", "built", "write")
)
ODD = load_attribute(f"{HOME.parents[1] / 'conformance' / 'odd_models.py'}:MODELS", error=LaconicError)
FIXED = {("upsampling", "torchscript of old")}  # a Resize to the size of one sample's batch

Written = Callable[[str, str], Path]
Array = np.ndarray


def original(path: Path, *inputs: Array, literally: bool = False) -> list[Array]:
    """What ONNX Runtime computes from the file as it is; `literally` node by node, not with the kernels that add up integers."""
    options = onnxruntime.SessionOptions()
    if literally:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    engine = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return list(engine.run(None, dict(zip((value.name for value in engine.get_inputs()), inputs, strict=True))))


def outputs(model: nn.Module, inputs: Array) -> Array:
    with torch.no_grad():
        return model(torch.from_numpy(inputs).to(home(model)[1])).float().numpy()


def exported(model: nn.Module, shape: tuple[int, ...]) -> Session:
    return Session(Artifact(Network(model).tensors(), export(model, shape)))


def samples(shape: tuple[int, ...], count: int) -> Array:
    return np.random.Generator(np.random.PCG64(5)).normal(size=(count, *shape)).astype(np.float32)


def assert_close(ours: Array, theirs: Array) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


ALL = [
    pytest.param(network, writer, marks=pytest.mark.slow if (network in ("lstm", "gru") and writer == "dynamo") else [])
    for network in NETWORKS
    for writer in WRITERS
]


@pytest.mark.parametrize(("network", "writer"), ALL)
def test_a_network_computes_the_same(written: Written, network: str, writer: str) -> None:
    path, shape = written(network, writer), NETWORKS[network][1]
    model = copy.deepcopy(import_model(path))
    batch = samples(shape, 3)
    assert_close(outputs(model, batch[:1]), original(path, batch[:1])[0])
    check_model(model)
    if (network, writer) in FIXED:
        with pytest.raises(LaconicError, match="made for a batch of 1"):
            model(torch.from_numpy(batch))
    else:
        assert_close(outputs(model, batch), np.concatenate([original(path, row[None])[0] for row in batch]))


AGAIN = [
    pytest.param(network, writer, marks=[] if writer == "dynamo" and network in ("convolutional", "upsampling") else pytest.mark.slow)
    for network in NETWORKS
    for writer in WRITERS
    if (network, writer) not in FIXED
]


@pytest.mark.parametrize(("network", "writer"), AGAIN)
def test_it_leaves_torch_again_with_a_free_batch(written: Written, network: str, writer: str) -> None:
    path, shape = written(network, writer), NETWORKS[network][1]
    batch = samples(shape, 3)
    wanted = np.concatenate([original(path, row[None])[0] for row in batch])
    assert_close(exported(import_model(path), shape)(batch), wanted)


LAYERS = {
    "convolutional": {"Conv2d": 4, "BatchNorm2d": 2, "Linear": 1},
    "vision transformer": {"Conv2d": 1, "LayerNorm": 5, "Linear": 13},
    "upsampling": {"Conv2d": 2, "ConvTranspose2d": 1},
}


@pytest.mark.parametrize("network", LAYERS)
def test_layers_are_those_that_torch_knows(tmp_path: Path, network: str) -> None:
    """From a file of ours, with every name; exporters that optimise fold the normalisations first."""
    build, shape = NETWORKS[network]
    torch.manual_seed(0)
    model = build().eval()
    path = pack(model, shape, tmp_path / "f.lac")
    found = import_model(path)
    kinds = Counter(type(module).__name__ for module in found.modules() if type(module).__module__.startswith("torch.nn"))
    assert {kind: count for kind, count in kinds.items() if kind != "Module"} == LAYERS[network]
    assert {n: tuple(t.shape) for n, t in found.state_dict().items()} == {n: tuple(t.shape) for n, t in model.state_dict().items()}


def pack(model: nn.Module, shape: tuple[int, ...], path: Path) -> Path:
    write(path, Artifact(Network(model).tensors(), export(model, shape)))
    return path


def came_back(model: nn.Module, shape: tuple[int, ...], path: Path) -> Imported:
    """The model through a file of ours, after all was found equal."""
    pack(model, shape, path)
    found = import_model(path)
    batch = samples(shape, 3)
    wanted = load(path)(batch)
    tolerance = 1e-5 if home(model)[1] in (torch.float32, torch.float64) and "mixed" not in str(path) else 2e-3
    np.testing.assert_allclose(outputs(found, batch), wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(exported(found, shape)(batch), wanted, rtol=tolerance, atol=tolerance)
    return found


@pytest.mark.parametrize(
    "name", ["lenet5", "lenet-300-100", "lenet5-classic", pytest.param("resnet20", marks=pytest.mark.slow), "resnet20-b"]
)
def test_the_zoo_comes_back_with_every_name_and_bit(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = ZOO[name].build().eval()
    found = came_back(model, ZOO[name].sample_shape, tmp_path / "f.lac").state_dict()
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[key], value) for key, value in model.state_dict().items())
    assert len(foldable(model, ZOO[name].sample_shape)) == len(foldable(import_model(tmp_path / "f.lac"), ZOO[name].sample_shape))


GOOD = [odd for odd in ODD if not odd.refused and not odd.weights_only]
QUICK = ("tied weights", "a matrix and its transpose", "multi-head attention", "BatchNorm without affine", "half precision")


def check_odd(odd: Any, folder: Path) -> None:
    torch.manual_seed(0)
    model = odd.build().eval()
    found = came_back(model, odd.shape, folder / f"{odd.name.replace('/', ' ')}.lac")
    assert several_values(found) == several_values(model)


def several_values(model: nn.Module) -> list[list[float]]:
    """What there is to press: a single value that no layer takes is no weight."""
    return sorted(to_numpy(p).astype(np.float64).ravel().tolist() for p in weights(model).values() if p.numel() > 1)


@pytest.mark.parametrize("odd", [odd for odd in GOOD if odd.name in QUICK], ids=lambda odd: odd.name)
def test_a_few_odd_models_come_back(odd: Any, tmp_path: Path) -> None:
    check_odd(odd, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("odd", [odd for odd in GOOD if odd.name not in QUICK], ids=lambda odd: odd.name)
def test_all_odd_models_come_back(odd: Any, tmp_path: Path) -> None:
    check_odd(odd, tmp_path)


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    model[1].weight = model[0].weight
    found = import_model(pack(model.eval(), (5,), tmp_path / "f.lac"))
    assert found.get_submodule("1").weight is found.get_submodule("0").weight
    assert list(weights(found)) == ["0.weight"]


def test_values_of_every_form_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    rng = np.random.Generator(np.random.PCG64(0))
    mask = rng.random((4, 6)) < 0.5
    forms = {
        "0.weight": Masked.of(to_numpy(model[0].weight), mask),
        "2.weight": Codebook.of(rng.integers(0, 3, (3, 4)), np.float32([-1, 0.5, 2])),
    }
    network = Network(model).reformed(forms)
    write(tmp_path / "f.lac", Artifact(network.tensors(), export(network.module, (6,))))
    state = import_model(tmp_path / "f.lac").state_dict()
    assert all(torch.equal(state[name], value) for name, value in network.module.state_dict().items())


@pytest.mark.parametrize("writer", ["dynamo", "torchscript"])
def test_token_ids_masks_and_several_outputs(tmp_path: Path, writer: str) -> None:
    tokens = np.random.Generator(np.random.PCG64(0)).integers(0, 30, (2, 9))
    mask = np.array([[1] * 9, [1] * 5 + [0] * 4])
    path = save(built(Encoder), (torch.from_numpy(tokens), torch.from_numpy(mask)), tmp_path / "e.onnx", **WRITERS[writer])
    model = import_model(path)
    with torch.no_grad():
        found = model(torch.from_numpy(tokens), torch.from_numpy(mask))
        assert torch.equal(found[0], model(torch.from_numpy(tokens).float(), torch.from_numpy(mask))[0]), "whole numbers may come as floats"
    assert isinstance(found, tuple)
    for ours, theirs in zip(found, original(path, tokens, mask), strict=True):
        assert_close(ours.numpy(), theirs)
    with pytest.raises(LaconicError, match="takes 2 inputs"):
        model(torch.from_numpy(tokens))


def test_an_embedding_tied_to_the_output_is_one_parameter(tmp_path: Path) -> None:
    model = built(Generator)
    found = import_model(pack(model, (7,), tmp_path / "f.lac"))
    tokens = np.random.Generator(np.random.PCG64(0)).integers(0, 30, (2, 7)).astype(np.float32)
    assert_close(outputs(found, tokens), load(tmp_path / "f.lac")(tokens))
    assert sum(tuple(p.shape) == (30, 16) for p in found.parameters()) == 1
    assert found.state_dict().keys() == model.state_dict().keys()


def test_a_network_quantised_to_8_bits_has_weights_on_a_grid_and_rounds_its_activations(quantised: Path) -> None:
    model = import_model(quantised)
    batch = samples((3, 8, 8), 4)
    assert_close(outputs(model, batch), original(quantised, batch, literally=True)[0])
    assert_close(exported(model, (3, 8, 8))(batch), original(quantised, batch, literally=True)[0])
    kinds = Counter(type(module).__name__ for module in model.modules())
    assert (kinds["Conv2d"], kinds["Linear"]) == (4, 1)
    for name, weight in weights(model).items():
        rows = to_numpy(weight).reshape(len(weight), -1)
        steps = np.abs(rows).max(1, keepdims=True) / 127
        if name.startswith("onnx"):
            assert np.abs(rows / steps - np.rint(rows / steps)).max() < 1e-3, name


def test_rounding_hands_the_gradient_on(quantised: Path) -> None:
    model = import_model(quantised).train()
    model(torch.from_numpy(samples((3, 8, 8), 4))).square().sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None and bool(gradient.any()) for gradient in gradients.values()), gradients.keys()


def test_weights_of_4_bits_are_the_numbers_that_they_stand_for(four_bits: Path) -> None:
    model = import_model(four_bits)
    batch = samples((16,), 3)
    assert_close(outputs(model, batch), original(four_bits, batch)[0])
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {"a.weight": (32, 16), "b.weight": (4, 32)}
    assert_close(exported(model, (16,))(batch), original(four_bits, batch)[0])


def test_it_trains(written: Written) -> None:
    model = import_model(written("convolutional", "torchscript")).train()
    batch = torch.from_numpy(samples((3, 8, 8), 16))
    targets = torch.arange(16) % 4
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch), targets)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_two_graphs_of_the_same_layers_print_differently(tmp_path: Path) -> None:
    def saved(word: str) -> Imported:
        text = f'<ir_version: 10, opset_import: ["" : 20]> g (float[n, 3] x) => (float[n, 3] y) {{ y = {word} (x) }}'
        onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
        return import_model(tmp_path / "m.onnx")

    assert repr(saved("Relu")) == repr(saved("Relu")) != repr(saved("Tanh"))
