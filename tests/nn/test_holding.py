"""What is held in a Form stays in it while it trains, and comes out as a plain model of exactly those values."""

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laconic.forms import Codebook, Form, Grid, Masked
from laconic.nn import Held, hold, weights
from laconic.nn.weights import to_numpy

Digest = Callable[[nn.Module], str]


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def masked(array: np.ndarray, share: float = 0.5) -> Masked:
    return Masked.of(array, rng().random(array.shape) >= share)


def shared(array: np.ndarray, entries: int = 4) -> Codebook:
    table = np.concatenate((np.zeros(1), rng().standard_normal(entries - 1) / 4)).astype(array.dtype)
    return Codebook.of(rng().integers(0, entries, array.shape), table)


def gridded(array: np.ndarray) -> Grid:
    steps = (0.01 + rng().random(len(array)) / 20).astype(array.dtype)
    return Grid(array.shape, rng().integers(-7, 8, array.shape), steps)


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the same weights share an integer, whatever it is: the entries of a codebook may change places while they train."""
    pairs = np.unique(np.stack([one.reshape(-1), other.reshape(-1)]).astype(np.int64), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs)


MAKERS: dict[str, Callable[[np.ndarray], Form]] = {"masked": masked, "codebook": shared, "grid": gridded}


def held(model: nn.Module, make: Callable[[np.ndarray], Form]) -> Held:
    return hold(model, {name: make(to_numpy(p)) for name, p in weights(model).items()})


def optimizers(module: nn.Module, dtype: torch.dtype) -> Iterator[torch.optim.Optimizer]:
    yield torch.optim.SGD(module.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=0.1)
    if dtype != torch.float16:  # whose least number is above Adam's epsilon
        yield torch.optim.Adam(module.parameters(), 0.01, weight_decay=0.1)


def train(module: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(16, 1, 8, 8, generator=generator).to(dtype), torch.arange(16) % 4
    module.train()
    for optimizer in optimizers(module, dtype):
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(module(inputs), targets).backward()
            optimizer.step()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_a_weight_never_leaves_its_form(model: nn.Module, kind: str, dtype: torch.dtype) -> None:
    model = model.to(dtype)
    start = {name: MAKERS[kind](to_numpy(p)) for name, p in weights(model).items()}
    copy_ = hold(model, start)
    train(copy_.module, dtype)
    plain, forms = copy_.release()
    assert forms.keys() == start.keys()
    for name, form in forms.items():
        assert type(form) is type(start[name])
        assert (form.shape, form.dtype) == (start[name].shape, start[name].dtype)
        assert same_partition(form.integers, start[name].integers)
        assert not np.array_equal(form.table, start[name].table), "nothing was trained"
        assert np.isfinite(form.table.astype(np.float64)).all()
        assert to_numpy(plain.get_parameter(name)).tobytes() == form.array().tobytes()


@pytest.mark.parametrize("kind", MAKERS)
def test_the_forward_pass_sees_the_form_and_so_does_the_released_model(model: nn.Module, kind: str) -> None:
    copy_ = held(model, MAKERS[kind])
    train(copy_.module)
    plain, _ = copy_.release()
    inputs = torch.randn(3, 1, 8, 8)
    assert torch.equal(plain.eval()(inputs), copy_.module.eval()(inputs))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_model_that_was_given_stays_as_it_is(model: nn.Module, digest: Digest, kind: str) -> None:
    before = digest(model)
    copy_ = held(model, MAKERS[kind])
    train(copy_.module)
    plain, _ = copy_.release()
    for parameter in plain.parameters():
        parameter.data.zero_()
    assert digest(model) == before
    assert type(model.fc) is nn.Linear


def test_zeros_stay_zero_with_momentum_and_decay_when_a_mask_tightens(model: nn.Module) -> None:
    start = Masked.of(to_numpy(model.fc.weight), np.ones(model.fc.weight.shape, bool))
    copy_ = hold(model, {"fc.weight": start})
    inputs, targets = torch.randn(16, 1, 8, 8), torch.arange(16) % 4
    optimizer = torch.optim.SGD(copy_.module.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    mask = rng().random(start.shape) < 0.3
    for step in range(8):
        if step == 3:  # by now every weight has momentum
            copy_.tighten("fc.weight", mask)
        optimizer.zero_grad()
        F.cross_entropy(copy_.module(inputs), targets).backward()
        optimizer.step()
        if step >= 3:
            assert (to_numpy(copy_.module.fc.weight)[~mask] == 0).all()
    form = copy_.form("fc.weight")
    assert isinstance(form, Masked)
    assert np.array_equal(form.mask, mask)
    plain, _ = copy_.release()
    assert not np.signbit(to_numpy(plain.fc.weight)[~mask]).any(), "a pruned weight is +0"


def test_the_entry_that_is_zero_stays_zero_and_the_others_move(model: nn.Module) -> None:
    copy_ = held(model, shared)
    zeros = {name: copy_.form(name).array() == 0 for name in copy_.names}
    train(copy_.module)
    for name, form in copy_.release()[1].items():
        assert np.count_nonzero(form.table == 0) == 1
        assert np.array_equal(form.array() == 0, zeros[name])


def test_an_optimiser_that_moves_what_has_no_gradient_moves_no_zero() -> None:
    copy_ = hold(nn.Linear(2, 2), {"weight": Codebook.of(np.array([[0, 1], [1, 0]]), np.float32([0, 5]))})
    copy_.module.parametrizations.weight.original.data += 1
    assert copy_.module.weight.tolist() == [[0, 6], [6, 0]]
    assert copy_.form("weight").array().tolist() == [[0, 6], [6, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
def test_the_gradient_of_a_shared_value_is_the_sum_over_its_cluster(dtype: torch.dtype) -> None:
    layer = nn.Linear(50, 40, dtype=dtype)
    form = shared(to_numpy(layer.weight), 5)
    copy_ = hold(layer, {"weight": form})
    inputs = torch.randn(8, 50).to(dtype)
    copy_.module(inputs).pow(2).sum().backward()
    got = copy_.module.parametrizations.weight.original.grad

    table = torch.from_numpy(form.table.astype(np.float64)).requires_grad_()
    index = torch.from_numpy(form.integers.astype(np.int64))
    F.linear(inputs.double(), table[index], layer.bias.double()).pow(2).sum().backward()
    assert got.dtype == dtype
    moving = torch.from_numpy(form.table != 0)
    assert (got[~moving] == 0).all(), "the entry that is zero has no gradient"
    tolerance = {torch.float16: 5e-3, torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    assert torch.allclose(got[moving].double(), table.grad[moving], rtol=tolerance, atol=tolerance)


def test_the_gradient_of_a_step_is_that_of_plain_autograd() -> None:
    layer = nn.Linear(6, 3, dtype=torch.float64)
    form = gridded(to_numpy(layer.weight))
    copy_ = hold(layer, {"weight": form})
    inputs = torch.randn(4, 6, dtype=torch.float64)
    copy_.module(inputs).pow(3).sum().backward()
    steps = torch.from_numpy(form.table).requires_grad_()
    F.linear(inputs, torch.from_numpy(form.integers) * steps[:, None], layer.bias).pow(3).sum().backward()
    assert torch.allclose(copy_.module.parametrizations.weight.original.grad, steps.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 3, 9])
def test_a_step_counts_for_a_run_of_weights(groups: int) -> None:
    layer = nn.Linear(6, 3)
    form = Grid((3, 6), rng().integers(-7, 8, (3, 6)), rng().random(groups).astype(np.float32))
    assert np.array_equal(to_numpy(hold(layer, {"weight": form}).module.weight), form.array())


def test_masking_scales_no_gradient() -> None:
    layer = nn.Linear(6, 3)
    mask = rng().random((3, 6)) < 0.5
    copy_ = hold(layer, {"weight": Masked.of(to_numpy(layer.weight), mask)})
    copy_.module(torch.ones(1, 6)).sum().backward()
    assert np.array_equal(to_numpy(copy_.module.parametrizations.weight.original.grad), mask.astype(np.float32))


def test_what_is_not_held_trains_and_is_carried_over_with_the_statistics(model: nn.Module) -> None:
    copy_ = hold(model, {"fc.weight": masked(to_numpy(model.fc.weight))})
    train(copy_.module)
    plain, _ = copy_.release()
    assert int(plain.norm.num_batches_tracked) == 10
    for name in ("norm.running_mean", "norm.running_var", "block.conv1.weight", "block.bn2.bias", "fc.bias"):
        assert torch.equal(plain.state_dict()[name], copy_.module.state_dict()[name])
        assert not torch.equal(plain.state_dict()[name], model.state_dict()[name]), name


def test_the_released_model_has_the_modes_and_the_frozen_weights_of_the_given_one(model: nn.Module) -> None:
    model.train()
    model.norm.eval()
    model.fc.requires_grad_(False)
    copy_ = held(model, masked)
    copy_.module.eval()
    plain, forms = copy_.release()
    assert [m.training for m in plain.modules()] == [m.training for m in model.modules()]
    assert [p.requires_grad for p in plain.parameters()] == [p.requires_grad for p in model.parameters()]
    assert "fc.weight" in forms


class Tied(nn.Module):
    """An embedding whose matrix is also the head's, and one layer that is used under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, 6, bias=False), nn.Linear(4, 6)
        self.head.weight = self.embed.weight
        self.first = self.second = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(torch.relu(self.embed(self.first(torch.relu(self.embed(x)))))))


@pytest.mark.parametrize("kind", MAKERS)
def test_tied_weights_are_held_under_all_their_names_and_stay_tied(kind: str) -> None:
    model = Tied()
    copy_ = held(model, MAKERS[kind])
    start = copy_.form("embed.weight").table.copy()
    optimizer = torch.optim.SGD(copy_.module.parameters(), 0.01, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        copy_.module(torch.randn(8, 4)).pow(2).sum().backward()
        optimizer.step()
    assert torch.equal(copy_.module.head.weight, copy_.module.embed.weight)
    plain, forms = copy_.release()
    assert plain.head.weight is plain.embed.weight
    assert plain.first is plain.second
    assert set(forms) == {"embed.weight", "first.weight"}
    assert not np.array_equal(forms["embed.weight"].table, start)
    inputs = torch.randn(5, 4)
    assert torch.equal(plain(inputs), copy_.module(inputs))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_recurrent_layer_computes_with_the_held_weights(kind: str) -> None:
    model = nn.LSTM(3, 4, batch_first=True)
    copy_ = held(model, MAKERS[kind])
    sequence = torch.randn(2, 5, 3)
    optimizer = torch.optim.SGD(copy_.module.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        copy_.module(sequence)[0].pow(2).sum().backward()
        optimizer.step()
    plain, _ = copy_.release()
    assert torch.allclose(plain(sequence)[0], copy_.module(sequence)[0], atol=1e-6)


def test_two_held_copies_of_one_model_do_not_know_each_other(model: nn.Module) -> None:
    one, other = held(model, masked), held(model, shared)
    train(one.module)
    assert type(other.release()[1]["fc.weight"]) is Codebook
    assert type(one.release()[1]["fc.weight"]) is Masked
    copy.deepcopy(model)(torch.zeros(1, 1, 8, 8))
