"""The step as a whole: integers in the file and in the session, the network the same to a few of its steps, everything else as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from laconic import Finetune, Fold, Int8, Prune, PruneBlocks, PruneChannels, Quantize, Share, compress, load, load_into
from laconic.artifact import Artifact, Notes, write
from laconic.base.edits import Rounded as Edit
from laconic.base.errors import ExportError, ModelError, RecipeError
from laconic.base.preprocessing import Preprocessing, tokens
from laconic.datasets.data import Data, Split
from laconic.forms import Form, Grid, Masked
from laconic.forms.rows import levels
from laconic.graph.network import Network
from laconic.graph.persist import preserve, revive
from laconic.graph.replay import noted
from laconic.methods.context import Context
from laconic.nn.rounded import Rounded
from laconic.recipe import check_order, parse
from laconic.recipe.package import package
from laconic.recipe.recipe import Recipe
from laconic.recipe.run import run
from laconic.runtime import Session, to_onnx
from laconic.train import Training

SAMPLES = 32
STEP = Int8(samples=SAMPLES)
Digest = Callable[[nn.Module], str]


@pytest.fixture(scope="module")
def rounded(residual: nn.Module, data: Data) -> Network:
    return STEP(residual, data)


@pytest.fixture(scope="module")
def artifact(rounded: Network, data: Data) -> Artifact:
    found, why = package(rounded, data)
    assert why == ""
    return found


@pytest.fixture
def small(history: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Three layers, quick to trace."""
    torch.manual_seed(0)
    deep = (nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
    return history(nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), *deep, nn.Flatten(), nn.Linear(24, 4))).eval()


def integers(form: Form) -> np.ndarray:
    assert isinstance(form, Grid)
    return np.asarray(form.integers).astype(np.int64)


def inputs_of(data: Data) -> Tensor:
    return torch.from_numpy(data.preprocessing.apply(data.test.inputs))


def outputs(model: nn.Module, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(x).numpy()


def off(model: nn.Module, other: nn.Module, data: Data) -> float:
    """Root mean square difference of outputs, in standard deviations of those of `other`."""
    x = inputs_of(data)
    ours, theirs = outputs(model, x), outputs(other, x)
    return float(np.sqrt(np.square(ours - theirs).mean()) / theirs.std())


def same(one: nn.Module, other: nn.Module) -> None:
    states = one.state_dict(), other.state_dict()
    assert list(states[0]) == list(states[1])
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_the_model_that_came_stays_as_it_is(small: nn.Module, data: Data, digest: Digest) -> None:
    before = digest(small.train())
    Int8(samples=SAMPLES, equalize=True, rounding="adaptive", iterations=2)(small, data)
    assert digest(small) == before


def test_every_layer_has_a_weight_on_a_grid_of_seven_bits(rounded: Network, residual: nn.Module) -> None:
    names = ["stem", "block.conv1", "block.conv2", "fc"]
    assert set(rounded.forms) == {f"{name}.weight" for name in names}
    for name in names:
        form = rounded.forms[f"{name}.weight"]
        assert 32 < np.abs(integers(form)).max() <= 63
        assert len(form.table) == form.shape[0]
        np.testing.assert_array_equal(form.array(), rounded.array(f"{name}.weight"))


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_weights_have_no_more_bits_than_were_asked_for(bits: int, data: Data) -> None:
    network = Int8(bits=bits, samples=8)(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), data)
    assert max(np.abs(integers(form)).max() for form in network.forms.values()) == levels(bits)


def test_the_network_computes_nearly_the_same(rounded: Network, residual: nn.Module, data: Data) -> None:
    assert 0 < off(rounded.module, residual, data) < 0.03


def test_its_values_are_on_grids_that_are_noted(rounded: Network) -> None:
    edit = rounded.edits[-1]
    assert edit == Edit((1, 8, 8), "float32", ("x", "relu", "relu_1", "block_conv2", "relu_2"))
    values = {name: module for name, module in rounded.module.named_modules() if isinstance(module, Rounded)}
    assert list(values) == [f"rounded.{value}" for value in edit.values]
    assert all(float(value.scale) != 1 for value in values.values())
    assert int(values["rounded.relu"].zero_point) == 0
    assert 0 < int(values["rounded.x"].zero_point) < 255


def test_a_session_computes_what_the_network_does(rounded: Network, artifact: Artifact, data: Data) -> None:
    x = inputs_of(data)
    expected = outputs(rounded.module, x)
    assert np.abs(Session(artifact)(x.numpy()) - expected).max() < 0.02 * expected.std()
    model = onnx.load_from_string(to_onnx(artifact))
    kinds = [constant.data_type for constant in model.graph.initializer if constant.name.endswith(".integers")]
    assert kinds.count(onnx.TensorProto.INT8) == 4
    assert kinds.count(onnx.TensorProto.INT32) == 4


def test_a_file_runs_without_its_class_and_goes_back_into_it(
    rounded: Network, artifact: Artifact, residual: nn.Module, data: Data, tmp_path: Path
) -> None:
    x = inputs_of(data)
    expected = outputs(rounded.module, x)
    write(tmp_path / "f.lac", artifact)
    assert np.abs(load(tmp_path / "f.lac")(x.numpy()) - expected).max() < 0.02 * expected.std()
    for weights_only in (False, True):
        write(tmp_path / "f.lac", artifact, weights_only)
        loaded = load_into(type(residual)(), tmp_path / "f.lac")
        assert set(loaded.state_dict()) == set(residual.state_dict())
        np.testing.assert_array_equal(loaded.stem.weight.detach().numpy(), rounded.array("stem.weight"))
        assert off(loaded, residual, data) < 0.03


@pytest.mark.parametrize("weights_only", [False, True])
def test_a_file_does_not_go_into_another_class(artifact: Artifact, tmp_path: Path, weights_only: bool) -> None:
    write(tmp_path / "f.lac", artifact, weights_only)
    for other in (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Flatten())):
        with pytest.raises((ModelError, ExportError)):
            load_into(other, tmp_path / "f.lac")


def test_a_file_of_a_model_without_folds_does_not_go_into_another_class(data: Data, tmp_path: Path) -> None:
    network = STEP(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), data)
    write(tmp_path / "f.lac", Artifact(network.tensors(), None, noted(network.edits)))
    with pytest.raises(ModelError, match="is in the file only"):
        load_into(nn.Sequential(nn.Linear(64, 4), nn.Flatten()), tmp_path / "f.lac")


def test_a_note_of_values_that_the_class_does_not_have_is_refused(small: nn.Module, tmp_path: Path) -> None:
    """By its own name for it, before anything is put into the class."""
    stranger = Edit((1, 8, 8), "float32", ("x", "gelu"))
    write(tmp_path / "f.lac", Artifact(Network(small).tensors(), None, Notes(rounded=stranger)), weights_only=True)
    with pytest.raises(ModelError, match="no value 'gelu'"):
        load_into(small, tmp_path / "f.lac")


def test_a_run_that_was_interrupted_has_the_same_network(rounded: Network, residual: nn.Module, data: Data) -> None:
    content = preserve(rounded)
    again = revive(content, residual)
    same(again.module, rounded.module)
    assert again.edits == rounded.edits
    assert preserve(again) == content
    np.testing.assert_array_equal(outputs(again.module, inputs_of(data)), outputs(rounded.module, inputs_of(data)))


def test_it_comes_after_whatever_made_the_network_smaller(residual: nn.Module, data: Data, tmp_path: Path) -> None:
    before = Network(residual)
    for step in (PruneChannels(ratio=0.3, criterion="l2"), Prune(sparsity=0.3), Fold()):
        before = step(before, data)
    network = STEP(before, data)
    again = revive(preserve(network), residual)
    same(again.module, network.module)
    np.testing.assert_array_equal(outputs(again.module, inputs_of(data)), outputs(network.module, inputs_of(data)))
    for weights_only in (False, True):
        write(tmp_path / "f.lac", Artifact(network.tensors(), None, noted(network.edits)), weights_only)
        assert off(load_into(type(residual)(), tmp_path / "f.lac"), before.module, data) < 0.03


def test_pruned_weights_stay_zero(small: nn.Module, data: Data) -> None:
    pruned = Prune(sparsity=0.5)(small, data)
    network = Int8(samples=SAMPLES, equalize=True)(pruned, data)
    for name, form in pruned.forms.items():
        assert not network.array(name)[form.array() == 0].any()
        assert (integers(network.forms[name]) == 0).sum() >= (form.array() == 0).sum()


def test_weights_that_are_on_a_grid_stay_as_they_are(small: nn.Module, data: Data) -> None:
    """Biases, which `quantize` puts on grids too, leave them where they are put right."""
    pressed = Quantize(bits=7.0, samples=SAMPLES)(Fold()(small, data), data)
    network = Int8(samples=SAMPLES, equalize=True)(pressed, data)
    assert set(network.forms) == {"0.weight", "2.weight", "7.weight"}
    assert set(pressed.forms) > set(network.forms)
    assert max(np.abs(integers(form)).max() for name, form in pressed.forms.items() if name.endswith("weight")) <= 127
    for name, form in network.forms.items():
        assert form is pressed.forms[name]
        np.testing.assert_array_equal(network.array(name), form.array())
    assert off(network.module, pressed.module, data) < 0.03


def test_weights_on_a_grid_of_too_many_bits_get_another(small: nn.Module, data: Data) -> None:
    name, form = "7.weight", Grid((4, 24), 4 * np.arange(96).reshape(4, 24), np.float32([1e-3]))
    network = STEP(Network(small).reformed({name: form}), data)
    assert np.abs(integers(network.forms[name])).max() <= 63
    np.testing.assert_allclose(network.array(name), form.array(), atol=0.6 * float(network.forms[name].table.max()))


@pytest.mark.parametrize(
    "fields",
    [
        "calibration: minmax, bits: 8",
        "calibration: percentile, percentile: 99.5, equalize: true",
        "calibration: mse, correct: false",
        "calibration: entropy, rounding: adaptive, iterations: 20",
        "rounding: adaptive, iterations: 20, correct: spread",
    ],
)
def test_every_recipe_runs(fields: str, small: nn.Module, data: Data) -> None:
    (step,) = parse(f"steps:\n- int8: {{{fields}, samples: 32}}").steps
    assert isinstance(step, Int8)
    assert f"int8: {{bits: {step.bits}" in str(step)
    network = step(small, data)
    assert off(network.module, small, data) < 0.15
    same(revive(preserve(network), small).module, network.module)


def test_fields_do_what_they_say(small: nn.Module, data: Data) -> None:
    def scales(network: Network) -> list[float]:
        return [float(m.scale) for m in network.module.modules() if isinstance(m, Rounded)]

    minmax = Int8(samples=SAMPLES, bits=3, calibration="minmax", correct=False)(small, data)
    inside = Int8(samples=SAMPLES, bits=3, calibration="percentile", percentile=90, correct=False, rounding="adaptive", iterations=60)(
        small, data
    )
    assert all(one < other for one, other in zip(scales(inside), scales(minmax), strict=True))
    assert torch.equal(inside.module.get_parameter("7.bias"), small.get_parameter("7.bias"))
    apart = [np.abs(integers(inside.forms[name]) - integers(form)).max() for name, form in minmax.forms.items()]
    assert max(apart) == 1
    plain, equal = (Int8(samples=SAMPLES, equalize=equalize)(small, data) for equalize in (False, True))
    assert not torch.equal(plain.module.get_parameter("7.bias"), small.get_parameter("7.bias"))
    assert not np.array_equal(plain.forms["2.weight"].table, equal.forms["2.weight"].table)


def test_spread_scales_the_rows_that_it_rounded_itself(small: nn.Module, data: Data) -> None:
    theirs = Grid((4, 24), np.arange(96).reshape(4, 24) - 48, np.float32([1e-3]))
    mask = np.random.default_rng(0).random(tuple(small.get_parameter("2.weight").shape)) < 0.5
    pruned = Masked.of(mask * small.get_parameter("2.weight").detach().numpy(), mask)
    start = Network(small).reformed({"2.weight": pruned, "7.weight": theirs})
    means, spread = (Int8(samples=SAMPLES, bits=3, correct=correct)(start, data) for correct in (True, "spread"))
    assert spread.forms["7.weight"] is means.forms["7.weight"] is theirs
    scaled = set()
    for name, form in means.forms.items():
        np.testing.assert_array_equal(integers(spread.forms[name]), integers(form))
        np.testing.assert_array_equal(spread.array(name), spread.forms[name].array())
        scaled |= {name} if not np.array_equal(spread.forms[name].table, form.table) else set()
    assert "2.weight" in scaled
    assert scaled == set(means.forms) - {"7.weight"}
    assert off(spread.module, start.module, data) < off(means.module, start.module, data)
    same(revive(preserve(spread), small).module, spread.module)


class Told(Exception):  # noqa: N818  it ends the step, and is no error
    pass


def test_adaptive_rounding_is_told_what_the_network_was(small: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def spy(model: nn.Module, original: nn.Module, steps: dict[str, np.ndarray], most: int, *rest: Any) -> dict[str, Grid]:
        assert any(isinstance(part, Rounded) for part in model.modules())
        np.testing.assert_allclose(outputs(original, inputs_of(data)), outputs(small, inputs_of(data)), atol=1e-4)
        assert (list(steps), most, rest[0].shape, rest[1]) == (["0", "2", "7"], 7, (5, 1, 8, 8), 123)
        raise Told

    monkeypatch.setattr("laconic.methods.int8.int8.round_adaptively", spy)
    with pytest.raises(Told):
        Int8(bits=4, samples=5, rounding="adaptive", iterations=123)(small, data)


def test_its_means_are_those_of_the_network_before(small: nn.Module, data: Data) -> None:
    x = torch.from_numpy(data.preprocessing.apply(data.train.inputs))
    wanted = outputs(small, x).mean(0)
    found = outputs(Int8(bits=3, samples=64)(small, data).module, x)
    np.testing.assert_allclose(found.mean(0), wanted, rtol=0, atol=1e-4 * found.std())


def test_the_plan_says_the_range_of_every_value_and_what_is_clipped(small: nn.Module, data: Data) -> None:
    context = Context(data, small)
    minmax, inside = Int8(samples=SAMPLES, calibration="minmax"), Int8(samples=SAMPLES, calibration="percentile", percentile=80)
    for step, clips in ((minmax, False), (inside, True)):
        rows = step.plan(Network(small), context).rows
        assert [row["value"] for row in rows] == ["x", "relu", "relu_1"]
        assert all(row["low"] <= 0 <= row["high"] for row in rows)
        assert all(15 < row["clipped %"] <= 20 if clips else row["clipped %"] == 0 for row in rows)
        assert all(row["step"] == pytest.approx((row["high"] - row["low"]) / 255) for row in rows)


def test_it_gives_the_same_bytes_again(residual: nn.Module, data: Data, rounded: Network) -> None:
    assert preserve(STEP(residual, data)) == preserve(rounded)


def test_training_after_it_keeps_the_integers_and_the_grids_of_values(residual: nn.Module, data: Data, rounded: Network) -> None:
    trained = Finetune(epochs=1, lr=0.01, batch=16)(rounded, data)
    for name, form in rounded.forms.items():
        np.testing.assert_array_equal(integers(trained.forms[name]), integers(form))
        assert not np.array_equal(trained.forms[name].table, form.table)
        np.testing.assert_array_equal(trained.array(name), trained.forms[name].array())
    for name in rounded.edits[-1].tensors():  # type: ignore[union-attr]
        assert torch.equal(trained.module.state_dict()[name], rounded.module.state_dict()[name])
    assert not torch.equal(trained.module.get_parameter("fc.bias"), rounded.module.get_parameter("fc.bias"))
    same(revive(preserve(trained), residual).module, trained.module)


@pytest.mark.parametrize("correct", [True, False, "spread"])
def test_training_within_it_keeps_every_other_weight_in_its_form(data: Data, correct: bool | Literal["spread"]) -> None:
    """Here a transposed convolution that is pruned, and a bias on a grid."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 2, 2), nn.Flatten(), nn.Linear(98, 4)]
    mask = np.random.default_rng(0).random((4, 2, 2, 2)) < 0.5
    weight = layers[2].get_parameter("weight").detach().numpy()
    forms = {"2.weight": Masked.of(weight * mask, mask), "4.bias": Grid((4,), np.array([300, -2, 5, 1]), np.float32([0.01]))}
    step = Int8(samples=SAMPLES, correct=correct, training=Training(epochs=1, lr=0.05, batch=16))
    network = step(Network(nn.Sequential(*layers)).reformed(forms), data)
    assert set(network.forms) == {"0.weight", "2.weight", "4.weight"} | (set() if correct else {"4.bias"})
    for name, form in network.forms.items():
        np.testing.assert_array_equal(network.array(name), form.array())
    assert not network.array("2.weight")[~mask].any()
    assert not np.array_equal(network.array("2.weight"), weight * mask)


@pytest.mark.slow
def test_a_recipe_goes_through_to_a_file(small: nn.Module, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)
    result = compress(small, data, [Prune(sparsity=0.3), STEP])
    result.save(tmp_path / "f.lac")
    x = inputs_of(data)
    expected = outputs(result.model, x)
    assert np.abs(load(tmp_path / "f.lac")(x.numpy()) - expected).max() < 0.02 * expected.std()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_types_than_float32_are_refused(dtype: torch.dtype, model: nn.Module, data: Data) -> None:
    with pytest.raises(ModelError, match="float32") as caught:
        STEP(model.to(dtype), data)
    assert "model.float()" in caught.value.hint


class Words(nn.Module):
    """An embedding and nothing that multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)

    def forward(self, words: Tensor) -> Tensor:
        return self.table(words).mean(1)


def test_a_model_without_such_layers_is_refused(data: Data) -> None:
    words = Data("words", *[Split(np.arange(12).reshape(4, 3) % 9, np.arange(4))] * 3, tokens(3), tuple("abcd"))
    for model, found in ((Words(), words), (nn.Sequential(nn.Conv3d(1, 4, 1), nn.Flatten()), volumes())):
        with pytest.raises(ModelError, match="no convolution or linear layer") as caught:
            STEP(model, found)
        assert caught.value.where in ("Words", "Sequential")


def volumes() -> Data:
    split = Split(np.zeros((4, 1, 2, 2, 2), np.float32), np.arange(4))
    return Data("volumes", split, split, split, Preprocessing((1, 2, 2, 2), 1.0))


def test_a_network_that_blows_up_is_refused_with_the_name_of_the_value(small: nn.Module, data: Data) -> None:
    with torch.no_grad():
        small.get_parameter("2.weight").fill_(3e38)
    with pytest.raises(ModelError, match="not finite") as caught:
        STEP(small, data)
    assert caught.value.where == "relu_1"


@pytest.mark.parametrize(
    "fields",
    [
        {"bits": 1},
        {"bits": 9},
        {"calibration": "hope"},
        {"percentile": 49.0},
        {"percentile": 101.0},
        {"percentile": float("nan")},
        {"rounding": "down"},
        {"iterations": 0},
        {"samples": 0},
    ],
    ids=str,
)
def test_bad_fields_are_refused(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(RecipeError, match=f"{name} cannot be") as caught:
        Int8(**fields)
    assert caught.value.where == f"int8, {name}"
    assert caught.value.hint


@pytest.mark.parametrize(
    "line", ["prune-channels: {macs: 0.5}", "prune-blocks: {blocks: 1}", "factorize: {macs: 0.5}", "fold", "fuse", "int8: {bits: 4}"]
)
def test_nothing_changes_the_networks_structure_after_it(line: str) -> None:
    word = line.partition(":")[0]
    with pytest.raises(RecipeError, match=f"{word} changes the network's structure, on which int8 rests") as caught:
        parse(f"steps:\n- int8\n- finetune\n- {line}")
    assert "line 4, step 3" in caught.value.where
    assert caught.value.hint == ("say int8 once" if word == "int8" else f"put {word} before int8")
    if word != "int8":
        parse(f"steps:\n- {line}\n- finetune\n- int8")


def test_it_is_not_done_twice_by_hand(rounded: Network, data: Data) -> None:
    with pytest.raises(ModelError, match="'rounded'"):
        STEP(rounded, data)


def test_shared_weights_are_refused(residual: nn.Module, data: Data) -> None:
    with pytest.raises(RecipeError, match="is codebook"):
        STEP(Share(bits=4)(residual, data), data)
    with pytest.raises(RecipeError, match="codebook after step 1"):
        check_order([Share(bits=4), STEP])


@pytest.mark.parametrize("after", [PruneBlocks(blocks=1), Prune(sparsity=0.5), Share(bits=4)], ids=lambda step: step.word())
def test_a_run_refuses_such_an_order_before_anything_is_done(after: Any, residual: nn.Module, data: Data) -> None:
    with pytest.raises(RecipeError):
        run(residual, data, Recipe((STEP, after)))


def test_a_dry_run_tries_it_on_few_samples() -> None:
    assert Int8(bits=5, rounding="adaptive", equalize=True).draft() == Int8(bits=5, samples=16)
