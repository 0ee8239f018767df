"""Profiles against the published figures of whole networks, and the promise that a model is left as it was."""

import contextlib
import copy
import json
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from laconic.base.errors import ModelError, UsageError
from laconic.profile import count, profile
from laconic.profile.observe import observe, parts
from laconic.profile.stopwatch import latencies


def lenet5() -> nn.Sequential:
    """LeNet-5 as Caffe ships it: 20 and 50 maps, 500 units."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    )  # fmt: skip


def digest(model: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def test_lenet5_layer_by_layer():
    found = count(lenet5(), (1, 28, 28))
    assert found.params == 431_080
    assert [layer.macs for layer in found.layers if layer.macs] == [288_000, 1_600_000, 400_000, 5_000]
    assert [layer.bytes_out for layer in found.layers][:2] == [4 * 20 * 24 * 24, 4 * 20 * 12 * 12]
    assert found.layers[0].bytes_in == 4 * 28 * 28
    assert found.activation_bytes == sum(layer.bytes_out for layer in found.layers)
    assert found.latency is None


def test_depthwise_separable_pair():
    pair = nn.Sequential(nn.Conv2d(3, 3, 5, groups=3, bias=False), nn.Conv2d(3, 256, 1, bias=False))
    found = count(pair, (3, 12, 12))
    assert (found.params, found.macs) == (843, 53_952)


def test_counts_grow_with_the_batch():
    assert count(lenet5(), (1, 28, 28), batch=8).macs == 8 * count(lenet5(), (1, 28, 28)).macs


def test_module_called_twice_counts_twice_and_its_parameters_once():
    layer = nn.Linear(6, 6)
    found = count(nn.Sequential(layer, nn.Sequential(nn.ReLU(), layer)), (6,))
    assert (found.params, found.macs, found.layers[0].calls) == (42, 72, 2)


def test_tied_parameters_count_once():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    found = count(nn.Sequential(first, second), (6,))
    assert [layer.params for layer in found.layers] == [42, 6]
    assert found.params == sum(p.numel() for p in nn.Sequential(first, second).parameters())


class Scale(nn.Module):
    """A leaf of a kind that no profiler knows, with a parameter and a product of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(6, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.table


def test_unknown_layers_are_named_and_their_products_seen():
    found = count(nn.Sequential(nn.Linear(6, 6), Scale()), (6,))
    assert found.unknown == ("1",)
    assert (found.params, found.macs, found.outside_macs) == (42 + 36, 36, 36)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)
        self.unused = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


def test_attention_is_not_hidden():
    model = Attention().requires_grad_(False)
    found = count(model, (5, 8))
    assert found.params == sum(p.numel() for p in model.parameters())
    assert "inner" in found.unknown
    assert found.outside_macs >= 5 * 8 * 8 * 4  # three projections in, one out
    assert profile(model, (5, 8), repeats=1, roof=False).outside_macs == found.outside_macs
    assert {layer.name: layer.calls for layer in found.layers}["unused"] == 0


class Half(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / 2


def test_parametrized_layer_is_a_layer():
    model = lenet5()
    parametrize.register_parametrization(model[5], "weight", Half())
    found = profile(model, (1, 28, 28), repeats=1)
    assert (found.params, found.macs) == (431_080, 2_293_000)
    assert [layer.name for layer in found.layers] == [str(position) for position in range(8)]
    assert found.unknown == ()


class Counting(nn.Module):
    evaluations = 0

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        Counting.evaluations += 1
        return weight / 2


def test_the_clock_does_not_measure_the_parametrization():
    model = nn.Sequential(nn.Linear(4, 4))
    parametrize.register_parametrization(model[0], "weight", Counting())
    Counting.evaluations = 0
    profile(model, (4,), repeats=1)
    once = Counting.evaluations
    profile(model, (4,), repeats=9)
    assert Counting.evaluations == 2 * once


@pytest.mark.parametrize("width", [784, 3])
def test_observing_leaves_no_hook_behind(width):
    model = nn.Sequential(nn.Linear(784, 10))
    with contextlib.suppress(ModelError):
        observe(model, torch.zeros(1, width), parts(model))
    assert not any(module._forward_hooks for module in model.modules())


def test_model_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 10)).train()
    before, threads, state = digest(model), torch.get_num_threads(), torch.get_rng_state()
    profile(model, (1, 8, 8), repeats=2)
    assert digest(model) == before
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_threads_are_restored_after_one():
    seen = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return x

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        profile(Spy(), (3,), repeats=1)
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_latencies_are_medians_of_the_repeats(monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr("laconic.profile.stopwatch.perf_counter", lambda: float(next(ticks)))
    layer = nn.ReLU()
    found = profile(nn.Sequential(layer, layer, nn.Flatten()), (4,), repeats=5)
    # One tick from entering to leaving a layer: the layer that is called twice takes two, the unhooked whole takes one.
    assert [(row.latency.value, row.latency.n, row.latency.unit) for row in found.layers] == [(2000, 5, "ms"), (1000, 5, "ms")]
    assert (found.latency.value, found.latency.n) == (1000, 5)


def test_a_forward_that_an_object_has_of_its_own_is_clocked_and_kept():
    layer, plain = nn.ReLU(), nn.ReLU()
    layer.forward = own = lambda x: x + 1
    model = nn.Sequential(layer, plain)
    spent = latencies(model, torch.zeros(1, 3), [one for one in parts(model) if one.is_layer], repeats=3)
    assert set(spent.layers) == {"0", "1"}
    assert layer.forward is own
    assert "forward" not in vars(plain)


def test_a_layer_within_a_layer_is_its_parents(monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr("laconic.profile.stopwatch.perf_counter", lambda: float(next(ticks)))
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    layer = parts(model)[-1]
    watched = [replace(layer, name="outer", module=model[0]), replace(layer, name="inner", module=model[0][0])]
    spent = latencies(model, torch.zeros(1, 3), watched, repeats=3)
    assert {name: one.value for name, one in spent.layers.items()} == {"outer": 3000, "inner": 0}
    assert spent.between.value == 2000


def test_layers_of_a_transformer_are_clocked_one_by_one():
    model = nn.Sequential(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 4))
    before = torch.backends.mha.get_fastpath_enabled()
    found = profile(model, (5, 16), repeats=2, roof=False)
    assert {layer.name for layer in found.layers if layer.calls and layer.latency is None} == set()
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_counting_and_profiling_agree():
    model = lenet5()
    counted, timed = count(model, (1, 28, 28)), profile(model, (1, 28, 28), repeats=2)
    assert timed.roofline is not None
    assert timed.energy is not None
    unmeasured = {"layers": (), "latency": None, "between": None, "energy": None, "roofline": None}
    assert replace(timed, **unmeasured, conv=counted.conv, fc=counted.fc) == replace(counted, layers=())
    assert [replace(layer, latency=None) for layer in timed.layers] == list(counted.layers)
    assert 0 < timed.conv.time < 100
    assert 0 < timed.conv.time + timed.fc.time < 100


def test_profile_is_plain_values():
    found = profile(lenet5(), (1, 28, 28), repeats=2)
    fields = json.loads(json.dumps(asdict(found)))
    assert fields["layers"][0]["latency"]["unit"] == "ms"
    rows = found.rows()
    assert len(rows) == len(found.layers)
    assert (rows[0]["input"], rows[0]["output"], rows[0]["MACs"]) == ("1×1×28×28", "1×20×24×24", 288_000)


def test_wrong_samples_are_refused_with_the_scene():
    with pytest.raises(ModelError, match=r"\(1, 3, 28, 28\)"):
        count(lenet5(), (3, 28, 28))
    with pytest.raises(ModelError, match=r"\(1, 3, 28, 28\)"):
        profile(lenet5(), (3, 28, 28))


def test_nothing_can_be_timed_on_meta_or_in_no_passes():
    with torch.device("meta"):
        empty = lenet5()
    with pytest.raises(ModelError, match="meta"):
        profile(empty, (1, 28, 28))
    with pytest.raises(UsageError, match="0 timed passes"):
        profile(copy.deepcopy(lenet5()), (1, 28, 28), repeats=0)
