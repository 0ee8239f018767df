"""A run from model to record: what is refused before it begins, what is read when, and where every figure comes from."""

import copy
import importlib
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.artifact import unpack
from laconic.base.errors import DataError, ExportError, LaconicError, ModelError, RecipeError, UsageError
from laconic.base.measures import Measure
from laconic.base.preprocessing import Preprocessing
from laconic.base.records import Record
from laconic.datasets.data import Data, Split
from laconic.forms import Codebook
from laconic.methods.distill import Distill
from laconic.methods.finetune import Finetune
from laconic.methods.fold import Fold
from laconic.methods.prune import Prune
from laconic.methods.share import Share
from laconic.methods.step import Step
from laconic.recipe import Recipe, Run, parse, run
from laconic.recipe.measure import speed_line
from laconic.runtime import Session
from laconic.runtime.engines import Choice
from laconic.train import Task, classification

Digest = Callable[[nn.Module], str]
MODULE = importlib.import_module("laconic.recipe.run")  # the package's `run` is the function
FULL = Recipe(
    (
        Finetune(epochs=2, batch=16, lr=0.02),
        Fold(),
        Prune(sparsity=0.5),
        Distill(epochs=1, batch=16),
        Share(bits=4),
        Finetune(epochs=1, lr=1e-3),
    ),
    seed=7,
)
SHORT = Recipe((Prune(sparsity=0.5), Share(bits=3)))
NEVER = Finetune(epochs=10**9)


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is not what is tested here."""
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 3)


@pytest.fixture(scope="module")
def done(residual: nn.Module, data: Data, digest: Digest) -> Run:
    before = digest(residual)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laconic.recipe.measure.REPEATS", 3)
        found = run(residual, data, FULL, name="tiny")
    assert digest(residual) == before, "the user's model is not touched"
    return found


def test_the_record_tells_the_whole_story(done: Run, data: Data) -> None:
    record = done.record
    assert (record.model, record.data, record.metric, record.seed) == ("tiny", "quadrants", "top-1 accuracy", 7)
    assert parse(record.recipe) == FULL
    assert [stage.line for stage in record.stages] == [str(step) for step in FULL.steps]
    assert [len(stage.plan) for stage in record.stages] == [1, 3, 4, 2, 4, 1]
    assert all(stage.score is not None and stage.score.n == 32 for stage in record.stages)
    assert record.stages[4].size.value < record.stages[2].size.value < record.stages[0].size.value
    assert record.environment["data"] == data.provenance
    assert not record.warnings
    assert Record.from_json(record.to_json()) == record
    json.loads(record.to_json(), parse_constant=pytest.fail)


def test_every_figure_comes_from_the_bytes(done: Run, data: Data) -> None:
    record, loaded = done.record, unpack(done.content)
    assert record.after.size.value == len(done.content) == sum(record.parts.values())
    images, labels = data.preprocessing.apply(data.test.inputs), data.test.targets
    share = float((Session(loaded)(images).argmax(1) == labels).mean())
    assert record.after.score is not None
    assert record.after.score.value == pytest.approx(100 * share)
    assert record.after.score.n == len(labels)
    assert {layer.name for layer in record.layers} == set(loaded.tensors)
    for layer in record.layers:
        form = loaded.tensors[layer.name]
        assert (layer.form, layer.shape, layer.dense_bytes) == (form.kind, form.shape, form.array().nbytes)
        assert layer.values == len(np.unique(form.array()))
        assert layer.nonzero == np.count_nonzero(form.array())
    assert {layer.form for layer in record.layers if layer.name.endswith("weight")} == {"codebook"}


def test_the_compressed_network_in_torch_is_the_file_s(done: Run, data: Data) -> None:
    images = data.preprocessing.apply(data.test.inputs)
    with torch.no_grad():
        ours = done.network.module(torch.from_numpy(images)).numpy()
    assert np.allclose(Session(unpack(done.content))(images), ours, rtol=1e-5, atol=1e-5)
    for name, form in unpack(done.content).tensors.items():
        assert form.array().tobytes() == done.network.module.state_dict()[name].numpy().tobytes()


def test_the_original_is_measured_as_it_came(done: Run, residual: nn.Module, data: Data) -> None:
    with torch.no_grad():
        hits = residual(torch.from_numpy(data.preprocessing.apply(data.test.inputs))).argmax(1).numpy() == data.test.targets
    assert done.record.before.score is not None
    assert done.record.before.score.value == pytest.approx(100 * hits.mean())
    assert done.record.before.size.value == sum(t.numel() * t.element_size() for t in residual.state_dict().values())
    assert done.record.before.params == sum(p.numel() for p in residual.parameters())


def stub_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds and is tested elsewhere: pack weights only."""

    def refuse(*_: object) -> bytes:
        raise ExportError("not now", where="in this test")

    monkeypatch.setattr("laconic.recipe.package.export", refuse)


@pytest.mark.parametrize("recipe", [FULL, Recipe((Share(bits=2, start="random"),), 3), Recipe()], ids=["full", "random start", "empty"])
def test_the_same_recipe_and_seed_give_the_same_bytes(
    model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    stub_graphs(monkeypatch)
    files = []
    for noise in range(2):
        torch.manual_seed(noise)
        files.append(run(copy.deepcopy(model), data, recipe).content)
    assert files[0] == files[1]
    other = run(model, data, replace(recipe, seed=99)).content
    assert (other == files[0]) == (not recipe.steps)


def test_an_empty_recipe_keeps_every_bit(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_graphs(monkeypatch)
    for name, form in unpack(run(model, data, Recipe()).content).tensors.items():
        assert form.array().tobytes() == model.state_dict()[name].numpy().tobytes()


def test_what_is_done_to_the_networks_afterwards_changes_no_figure(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are measured, not what lies in memory: break that between packing and measuring."""
    whole_pack, whole_compare = MODULE.pack, MODULE.compare

    def pack_then_break(artifact, weights_only=False):  # type: ignore[no-untyped-def]
        content = whole_pack(artifact, weights_only)
        if not weights_only and any(isinstance(form, Codebook) for form in artifact.tensors.values()):
            for form in artifact.tensors.values():
                form.table[...] = 0
        return content

    def break_then_compare(before, after, *rest):  # type: ignore[no-untyped-def]
        for parameter in (*before.module.parameters(), *after.module.parameters()):
            parameter.data.zero_()
        return whole_compare(before, after, *rest)

    whole = run(model, data, SHORT).record
    monkeypatch.setattr(MODULE, "pack", pack_then_break)
    monkeypatch.setattr(MODULE, "compare", break_then_compare)
    broken = run(model, data, SHORT).record
    assert (broken.before.score, broken.after.score) == (whole.before.score, whole.after.score)
    assert broken.after.size == whole.after.size
    assert broken.layers == whole.layers


def test_the_user_s_model_keeps_its_modes(model: nn.Module, data: Data, digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_graphs(monkeypatch)
    model.train()
    model.norm.eval()
    model.fc.requires_grad_(False)
    before = digest(model)
    run(model, data, FULL)
    assert digest(model) == before


class Watched(Split):
    """A split that does not want to be read yet."""

    def __getattribute__(self, name: str):  # type: ignore[no-untyped-def]
        if name in ("inputs", "targets", "take") and not READING["allowed"]:
            READING["reads"] += 1
            raise AssertionError(f"the test split was read before the end ({name})")
        return super().__getattribute__(name)


READING = {"allowed": True, "reads": 0}


def test_the_test_split_is_read_by_the_last_measurement_only(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_graphs(monkeypatch)
    READING.update(allowed=True, reads=0)
    watched = replace(data, test=Watched(data.test.inputs, data.test.targets))
    compare = MODULE.compare

    def allowed(*given):  # type: ignore[no-untyped-def]
        READING["allowed"] = True
        return compare(*given)

    monkeypatch.setattr(MODULE, "compare", allowed)
    READING["allowed"] = False
    found = run(model, watched, FULL)
    assert READING == {"allowed": True, "reads": 0}
    assert found.record.after.score is not None
    assert "test split" in found.record.after.score.how


class Branching(nn.Module):
    """Which layer is used depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(64, 4), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.one(x) if float(x[0, 0]) > 0 else self.other(x)


def test_a_model_that_cannot_be_exported_is_packed_without_a_graph_and_measured_through_its_class(data: Data) -> None:
    torch.manual_seed(0)
    model = Branching()
    found = run(model, data, Recipe((Prune(sparsity=0.5),)))
    loaded = unpack(found.content)
    assert loaded.graph is None
    assert loaded.notes.reason == "the model's graph cannot be exported: its forward pass branches or loops on the data's values"
    assert b"Branching" not in found.content
    assert len(found.record.warnings) == 1
    assert "data-dependent" in found.record.warnings[0]
    outputs = [found.network.module(torch.from_numpy(data.preprocessing.apply(data.test.inputs[i : i + 256]))) for i in range(0, 32, 256)]
    hits = torch.cat(outputs).argmax(1).numpy() == data.test.targets
    assert found.record.after.score is not None
    assert found.record.after.score.value == pytest.approx(100 * hits.mean())
    assert "in torch" in found.record.speed_line


def test_a_model_in_double_precision_that_no_engine_runs_falls_back_too(data: Data) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4)).double()
    found = run(model, data, SHORT)
    assert found.artifact.graph is None
    assert "ONNX Runtime" in found.record.warnings[0]
    assert found.network.module[0].weight.dtype == torch.float64


def test_a_task_of_the_user_s_own_runs_from_end_to_end() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((90, 3)).astype(np.float32)
    targets = (inputs @ np.float32([1, -2, 3]))[:, None]
    splits = [Split(inputs[i : i + 30], targets[i : i + 30]) for i in (0, 30, 60)]
    data = Data("a plane", *splits, Preprocessing((3,), scale=1.0))
    task = Task(functional.mse_loss, lambda o, t: (o - t).abs().mean(1), "mean error", "m", 1.0, higher_is_better=False)
    torch.manual_seed(0)
    recipe = Recipe((Finetune(epochs=60, batch=10, lr=0.05), Share(bits=2), Finetune(epochs=20, batch=10, lr=0.01)))
    record = run(nn.Linear(3, 1), data, recipe, task=task).record
    assert record.metric == "mean error"
    assert record.before.score is not None
    assert record.after.score is not None
    assert (record.after.score.unit, record.after.score.n) == ("m", 30)
    assert record.after.score.value < 0.05 < record.before.score.value


def nan_model(model: nn.Module) -> nn.Module:
    model.fc.weight.data[0, 0] = torch.nan
    return model


class Twice(nn.Module):
    """Returns two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.fc(x.flatten(1)), x


def flat(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))


UNFIT: dict[str, tuple[Callable[[nn.Module], nn.Module], Step, Task, type[LaconicError], str]] = {
    "NaN weights": (nan_model, NEVER, classification, ModelError, "1 of 384 values are not finite"),
    "wrong channels": (lambda _: nn.Conv2d(3, 4, 8), NEVER, classification, ModelError, r"does not run on a batch of shape \(2, 1, 8, 8\)"),
    "two outputs": (lambda _: Twice(), NEVER, classification, ModelError, "returns a tuple, not one tensor"),
    "too few classes": (lambda _: flat(3), NEVER, classification, DataError, "the labels reach 3"),
    "an image for an output": (lambda _: nn.Conv2d(1, 4, 1), NEVER, classification, DataError, "the labels reach 3"),
    "no such layer": (lambda m: m, Prune(sparsity={"conv9": 0.5}), classification, RecipeError, "conv9"),
    "no such teacher": (lambda m: m, Distill(teacher="nowhere.py:build"), classification, ModelError, "no such file"),
    "a loss for each": (
        lambda m: m,
        NEVER,
        Task(lambda o, t: functional.cross_entropy(o, t, reduction="none"), classification.score, "x"),
        UsageError,
        "loss has shape",
    ),
    "a score for all": (lambda m: m, NEVER, Task(classification.loss, lambda o, t: o.mean(), "x"), UsageError, "score has shape"),
    "an aggregate for each": (
        lambda m: m,
        NEVER,
        Task(classification.loss, lambda o, t: o, "x", aggregate=lambda rows: rows.mean(1)),
        UsageError,
        "aggregates the scores of 2 samples to shape",
    ),
    "a loss that fails": (
        lambda m: m,
        NEVER,
        Task(lambda o, t: o @ t, classification.score, "x"),
        DataError,
        "the task does not take outputs",
    ),
}


@pytest.mark.parametrize(("change", "step", "task", "error", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_what_does_not_fit_is_refused_before_anything_is_trained(  # type: ignore[no-untyped-def]
    model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch, change, step: Step, task: Task, error: type[LaconicError], words: str
) -> None:
    monkeypatch.setattr(MODULE, "_carry_out", lambda *_: pytest.fail("it began"))
    with pytest.raises(error, match=words):
        run(change(model), data, Recipe((NEVER, step)), task=task)


def test_progress_is_told_in_words(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_graphs(monkeypatch)
    told: list[tuple[str, float, str]] = []
    run(model, data, SHORT, progress=lambda *said: told.append(said))
    assert [what for what, _, _ in told][:2] == ["export", "prune"]
    assert told[-1][0] == "measure"
    assert all(0 <= share <= 1 for _, share, _ in told)


@pytest.mark.parametrize(
    ("ratio", "forms", "words"),
    [
        (2.0, ["masked"], "2.00 × as fast in torch on this machine."),
        (0.5, [], "0.50 × as fast"),
        (1.02, ["dense"], "About as fast as before (1.02 ×) in torch on this machine."),
        (0.98, ["dense", "codebook"], "zeros and shared values make the file small"),
    ],
)
def test_the_sentence_about_speed_is_honest(ratio: float, forms: list[str], words: str) -> None:
    assert words in speed_line(Measure(ratio, "x", "x"), forms, engine="torch")


def test_the_sentence_names_an_engine_that_is_clearly_faster_and_how_to_ask_for_it() -> None:
    better = Choice("laconic"), Measure(4.2, "x", "x")
    said = speed_line(Measure(1.02, "x", "x"), ["masked"], "ONNX Runtime", better)
    assert said.startswith("About as fast as before (1.02 ×) in ONNX Runtime on this machine: zeros")
    assert said.endswith('In another engine the file runs 4.20 × as fast as there: laconic.load(FILE, engine="laconic").')


def test_other_engines_are_tried_on_files_with_a_graph_alone(model: nn.Module, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laconic.recipe.measure.clearly_faster", lambda *_: (Choice("openvino"), Measure(2, "x", "x")))
    assert 'engine="openvino"' in run(model, data, SHORT).record.speed_line
    stub_graphs(monkeypatch)
    assert "engine" not in run(model, data, SHORT).record.speed_line
