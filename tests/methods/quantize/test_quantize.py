"""The step as a whole: targets are met, or refused with exit code 4; the same seed gives the same bits; odd networks pass."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laconic import Fold, Prune, Quantize, compress, from_arrays, load_into
from laconic.base.errors import BudgetError, RecipeError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data
from laconic.forms import Grid
from laconic.graph.network import Network
from laconic.methods.context import Context, coded_bytes
from laconic.methods.quantize import trials
from laconic.nn import weights
from laconic.recipe import Recipe, check, load_recipe, parse, write
from laconic.recipe.run import weights_only_bytes
from laconic.train import Task, as_runner, classification, evaluate

FEW = 128  # samples: the networks are small


def accuracy(model: nn.Module, data: Data) -> float:
    return evaluate(as_runner(model), data.validation, data.preprocessing, classification, "test").value


def applied(step: Quantize, model: nn.Module, data: Data, task: Task = classification) -> Network:
    context = Context(data, model, task, price=weights_only_bytes)
    return step.apply(Network(model), step.plan(Network(model), context), context)


@pytest.fixture(scope="module")
def at_two_bits(trained: nn.Module, digits: Data) -> Network:
    return applied(Quantize(bits=2.0, samples=FEW), trained, digits)


def test_bits_are_bytes_of_the_whole_file(at_two_bits: Network, trained: nn.Module, digits: Data) -> None:
    most = 2.0 * sum(p.numel() for p in weights(trained).values()) / 8
    size = weights_only_bytes(at_two_bits)
    assert 0.94 * most < size <= most


@pytest.mark.parametrize("size", [900, 3000])
def test_bytes_are_met_from_below(size: int, trained: nn.Module, digits: Data) -> None:
    found = weights_only_bytes(applied(Quantize(bytes=size, samples=FEW), trained, digits))
    assert 0.94 * size < found <= size


def test_more_bytes_than_are_needed_are_left_unspent(trained: nn.Module, digits: Data) -> None:
    assert weights_only_bytes(applied(Quantize(bytes=10**6, samples=FEW), trained, digits)) < 10**5


def test_a_drop_is_met_and_a_larger_one_makes_a_smaller_file(trained: nn.Module, digits: Data) -> None:
    before, sizes = accuracy(trained, digits), []
    for drop in (0.0, 1.0, 5.0):
        network = applied(Quantize(drop=drop, samples=FEW), trained, digits)
        assert before - accuracy(network.module, digits) <= drop + 1e-9
        sizes.append(weights_only_bytes(network))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.8 * sizes[0]
    assert sizes[1] < 4 * sum(p.numel() for p in trained.parameters()) / 12


def test_it_costs_a_third_of_what_rounding_each_weight_does_in_as_many_bytes(
    at_two_bits: Network, trained: nn.Module, digits: Data
) -> None:
    """On validation images, which it has not seen; the grids have the same proportions, and are as much finer as the bytes allow."""

    def rounded(share: float) -> Network:
        steps = {name: share * form.table for name, form in at_two_bits.forms.items()}
        whole = {name: np.rint(plain.array(name) / step).astype(np.int32) for name, step in steps.items()}
        return plain.reformed({name: Grid(whole[name].shape, whole[name], step) for name, step in steps.items()})

    plain = Network(trained)
    theirs = next(
        found for found in map(rounded, np.arange(1.0, 0.1, -0.05, dtype=np.float32)) if coded_bytes(found) >= coded_bytes(at_two_bits)
    )
    x = digits.preprocessing.apply(digits.validation.inputs)
    expected = as_runner(trained)(x)
    ours_off, theirs_off = (np.square(as_runner(net.module)(x) - expected).mean() for net in (at_two_bits, theirs))
    assert ours_off < 0.33 * theirs_off


@pytest.mark.parametrize(
    ("step", "says"),
    [(Quantize(bytes=20, samples=FEW), "the file does not come below"), (Quantize(bits=0.01, samples=FEW), "the file does not come below")],
    ids=str,
)
def test_bytes_that_cannot_be_reached_are_refused(step: Quantize, says: str, trained: nn.Module, digits: Data) -> None:
    with pytest.raises(BudgetError, match=says) as caught:
        applied(step, trained, digits)
    assert caught.value.hint


def test_a_drop_that_cannot_be_held_is_refused(trained: nn.Module, digits: Data) -> None:
    """Where every change of the outputs, however small, is a loss."""
    exact = as_runner(trained)(digits.preprocessing.apply(digits.validation.inputs))
    rows = {sample.tobytes() for sample in exact}
    task = Task(classification.loss, lambda outputs, _: torch.tensor([float(y.numpy().tobytes() in rows) for y in outputs]), "bits kept")
    with pytest.raises(BudgetError, match="bits kept is worse by 100"):
        applied(Quantize(drop=50.0, samples=FEW), trained, digits, task)


def test_a_score_that_is_better_when_lower_may_rise(trained: nn.Module, digits: Data) -> None:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    task = Task(classification.loss, loss, "loss", unit="nats", factor=1.0, higher_is_better=False)
    before = evaluate(as_runner(trained), digits.validation, digits.preprocessing, task, "test").value
    network = applied(Quantize(drop=0.1, samples=FEW), trained, digits, task)
    after = evaluate(as_runner(network.module), digits.validation, digits.preprocessing, task, "test").value
    assert before < after <= before + 0.1 + 1e-9


def test_the_same_seed_gives_the_same_bits(at_two_bits: Network, trained: nn.Module, digits: Data) -> None:
    same = applied(Quantize(bits=2.0, samples=FEW), trained, digits)
    for name in at_two_bits.forms:
        assert same.array(name).tobytes() == at_two_bits.array(name).tobytes()


def test_it_goes_through_a_recipe_into_a_file_and_back(
    trained: nn.Module, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laconic.recipe.measure.REPEATS", 2)
    result = compress(trained, digits, [Fold(), Prune(sparsity=0.3), Quantize(bits=2.5, samples=FEW)])
    path = result.save(tmp_path / "small.lac", weights_only=True)
    assert path.stat().st_size <= 2.5 * sum(p.numel() for p in weights(trained).values()) / 8
    loaded = load_into(trained, path)
    x = digits.preprocessing.apply(digits.test.inputs)
    np.testing.assert_allclose(as_runner(loaded)(x), as_runner(result.model)(x), atol=1e-4)
    assert result.record.after.score is not None
    assert result.record.before.score is not None
    assert result.record.after.score.value > result.record.before.score.value - 5
    assert np.mean(result.model[0].weight.detach().numpy() == 0) >= 0.29


@pytest.mark.parametrize("line", ["drop: 0.5", "bits: 2.5, samples: 100", "bytes: 4096"])
def test_a_line_of_a_recipe_comes_back(line: str) -> None:
    (step,) = parse(f"steps:\n  - quantize: {{{line}}}").steps
    assert str(step) == f"quantize: {{{line}}}"
    assert parse(write(Recipe((step,)))).steps == (step,)


@pytest.mark.parametrize(
    "wrong", [{}, {"bits": 2.0, "drop": 1.0}, {"bits": 0.0}, {"bits": 13.0}, {"bytes": 0}, {"drop": -1.0}, {"drop": float("nan")}]
)
def test_what_cannot_be_meant_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Quantize(**wrong)


def test_a_dry_run_takes_seconds_and_never_searches_for_a_drop(trained: nn.Module, digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[object] = []
    monkeypatch.setattr(trials, "scores", lambda *words: scored.append(words))
    start = time.perf_counter()
    found = check(trained, digits, load_recipe("one-shot"))
    assert time.perf_counter() - start < 20
    assert scored == []
    assert {fate.steps for fate in found.fates} == {("quantize",)}
    assert found.size.value < found.before.value / 4


def test_the_program_exits_4_where_the_budget_cannot_be_reached(cli: Any, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    arrays = {
        f"{axis}_{split}": rng.integers(0, high, (40, *shape))
        for split in ("train", "test")
        for axis, high, shape in (("x", 256, (1, 6, 6)), ("y", 3, ()))
    }
    np.savez(tmp_path / "d.npz", **{name: a.astype(np.uint8 if name.startswith("x") else np.int64) for name, a in arrays.items()})
    (tmp_path / "net.py").write_text("from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))\n")
    (tmp_path / "r.yaml").write_text("steps: [quantize: {bytes: 5}]\n")
    done = cli(
        "compress",
        f"{tmp_path / 'net.py'}:build",
        "--data",
        f"npz:{tmp_path / 'd.npz'}",
        "--recipe",
        tmp_path / "r.yaml",
        "-o",
        tmp_path / "f.lac",
    )
    assert done.code == 4
    assert "the file does not come below" in done.err
    assert "5 are wanted" in done.err
    assert not (tmp_path / "f.lac").exists()


class Reader(nn.Module):
    """Words through an embedding and attention to classes; some parameters never take part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words, self.mix = nn.Embedding(20, 16), nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, dropout=0.0)
        self.out, self.idle, self.empty = nn.Linear(16, 4), nn.Linear(64, 64), nn.Parameter(torch.zeros(0, 3))

    def forward(self, words: Tensor) -> Tensor:
        return self.out(self.mix(self.words(words.long())).mean(1))


@pytest.fixture(scope="module")
def sentences() -> Data:
    rng = np.random.Generator(np.random.PCG64(0))
    parts = [(rng.integers(0, 20, (n, 6)).astype(np.uint8), np.arange(n) % 4) for n in (200, 40, 40)]
    return from_arrays(*parts, preprocessing=Preprocessing((6,), scale=1.0))


def test_words_attention_and_parameters_that_never_take_part(sentences: Data) -> None:
    model = Reader().eval()
    network = applied(Quantize(bits=4.0, samples=FEW), model, sentences)
    assert set(network.forms) == {name for name, p in model.named_parameters() if p.numel()}
    assert not network.array("idle.weight").any()
    x = sentences.preprocessing.apply(sentences.validation.inputs)
    expected = as_runner(model)(x)
    assert np.square(as_runner(network.module)(x) - expected).mean() < 0.02 * expected.var()
    least = sum(p.numel() for name, p in weights(model).items() if not name.startswith("idle"))
    assert weights_only_bytes(network) < 4.0 * (least + 4096) / 8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_narrow_networks(dtype: torch.dtype, trained: nn.Module, digits: Data) -> None:
    model = Network(trained).reformed({}).module.to(dtype)
    network = applied(Quantize(drop=1.0, samples=FEW), model, digits)
    assert all(p.dtype == dtype for p in network.module.parameters())
    assert accuracy(model, digits) - accuracy(network.module, digits) <= 1.0 + 1e-9
    assert weights_only_bytes(network) < 2 * sum(p.numel() for p in model.parameters()) / 4


def test_calibration_takes_no_more_than_memory_has_room_for(data: Data, model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    known = Data.calibration
    monkeypatch.setattr(Data, "calibration", lambda self, samples: asked.append(samples) or known(self, samples))
    monkeypatch.setattr("laconic.methods.context.MOST_NUMBERS", 64 * 10)
    Quantize(bits=8.0)(model, data)
    assert set(asked) == {10}
