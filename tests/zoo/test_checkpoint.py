"""Weights from files: what fits is loaded, what would run code or does not fit is refused."""

import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.zoo.checkpoint import load_weights, read_state
from laconic.zoo.googlenet import TABLE, GoogLeNet


def _network(seed=0, hidden=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, hidden, 3), nn.BatchNorm2d(hidden), nn.Flatten(), nn.Linear(hidden, 2))


def _equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.th"])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_pickled_state_dicts_are_found(tmp_path, name, key, prefix):
    saved = _network(1)
    state = {prefix + k: v for k, v in saved.state_dict().items()}
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / name)
    assert _equal(load_weights(_network(2), tmp_path / name).state_dict(), saved.state_dict())


def test_safetensors(tmp_path):
    saved = _network(1)
    safetensors.torch.save_file(saved.state_dict(), tmp_path / "w.safetensors")
    assert _equal(load_weights(_network(2), str(tmp_path / "w.safetensors")).state_dict(), saved.state_dict())


def test_the_model_itself_is_left_alone(tmp_path):
    model, before = _network(2), _network(2).state_dict()
    torch.save(_network(1).state_dict(), tmp_path / "w.pt")
    load_weights(model, tmp_path / "w.pt")
    assert _equal(model.state_dict(), before)


def test_checkpoints_without_step_counters_load(tmp_path):
    state = {k: v for k, v in _network(1).state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "w.pt")
    loaded = load_weights(_network(2), tmp_path / "w.pt")
    assert _equal({k: loaded.state_dict()[k] for k in state}, state)


def test_a_prefix_on_some_names_only_is_no_wrapper(tmp_path):
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pt")
    assert set(read_state(tmp_path / "w.pt")) == {"module.a", "b"}


class _Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, zipped):
    marker = tmp_path / "it_ran"
    torch.save({"state_dict": _Evil(str(marker))}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"refused: .* would run Python code .*mkdir") as caught:
        read_state(tmp_path / "w.pt")
    assert not marker.exists()
    assert "safetensors" in caught.value.hint


def test_a_whole_pickled_model_is_refused(tmp_path):
    torch.save(_network(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"refused.*torch\.nn"):
        read_state(tmp_path / "w.pt")


def test_missing_unexpected_and_misshapen_names_are_listed(tmp_path):
    state = _network(1, hidden=8).state_dict()
    state["extra"] = state.pop("3.bias")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError) as caught:
        load_weights(_network(2), tmp_path / "w.pt")
    assert "1 missing: 3.bias" in caught.value.what
    assert "1 unexpected: extra" in caught.value.what
    assert "0.weight (8, 1, 3, 3) for (4, 1, 3, 3)" in caught.value.what
    assert caught.value.where == str(tmp_path / "w.pt")


def test_only_the_first_few_names_are_listed(tmp_path):
    torch.save({f"w{i}": torch.ones(1) for i in range(30)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"30 unexpected: w0, w1, w2, w3, w4, …"):
        load_weights(_network(), tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, "best": 0.9}, "it holds epoch, best"),
        ([torch.ones(1)], "it holds list"),
        ({}, "it holds nothing"),
        ({"state_dict": {}}, "it holds nothing"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path, content, words):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=words):
        read_state(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 7, 100, 0.5, 0.99])
def test_a_truncated_file_is_damaged(tmp_path, suffix, kept):
    path = tmp_path / f"w.{suffix}"
    state = _network().state_dict()
    torch.save(state, path) if suffix == "pt" else safetensors.torch.save_file(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ModelError, match="damaged") as caught:
        read_state(path)
    assert caught.value.where == str(path)


def test_a_file_of_another_kind_is_damaged(tmp_path):
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": 1}, protocol=2)[:-3])
    with pytest.raises(ModelError, match="damaged"):
        read_state(tmp_path / "w.pt")


def test_no_file_a_folder_and_another_suffix(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        read_state(tmp_path / "w.pt")
    (tmp_path / "d.pt").mkdir()
    with pytest.raises(ModelError, match="a folder"):
        read_state(tmp_path / "d.pt")
    (tmp_path / "w.h5").touch()
    with pytest.raises(ModelError, match=r"not read from \.h5"):
        read_state(tmp_path / "w.h5")


def test_the_side_classifiers_of_a_googlenet_are_passed_over(tmp_path):
    network = GoogLeNet(classes=4, sample_shape=(3, 32, 32), rows=dict(list(TABLE.items())[:6]))
    saved = {name: value + 1 for name, value in network.state_dict().items()}
    state = {**saved, "aux1.fc1.weight": torch.ones(2, 2), "aux2.conv.bn.bias": torch.ones(2)}
    torch.save(state, tmp_path / "w.pt")
    assert _equal(load_weights(network, tmp_path / "w.pt").state_dict(), saved)
    torch.save({**state, "aux3.weight": torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"1 unexpected: aux3\.weight\n"):
        load_weights(network, tmp_path / "w.pt")
