"""Which values are rounded, and that nothing else about the network changes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from laconic.base.errors import LaconicError, ModelError
from laconic.base.imports import load_attribute
from laconic.graph.rounding import Points
from laconic.nn.rounded import Rounded

IMAGE = (3, 8, 8)
ARCHITECTURES = Path(__file__).parent / "channels" / "architectures.py"
Wired = load_attribute(f"{ARCHITECTURES}:Wired", error=LaconicError)


def conv(inputs: int = 4, outputs: int = 4) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def wired(wiring: Callable[[Wired, Tensor], Tensor], **more: nn.Module) -> Points:
    """Convolutions a, b and c of 4 channels, of which a reads the image, and what else there is."""
    torch.manual_seed(0)
    return Points(Wired(wiring, a=conv(3), b=conv(), c=conv(), **more).eval(), IMAGE)


def rounded_after(module: fx.GraphModule) -> dict[str, str]:
    """Name of a node → the value whose grid it is rounded to."""
    nodes = [node for node in module.graph.nodes if str(node.target).startswith("rounded.")]
    return {str(node.args[0]): str(node.target).removeprefix("rounded.") for node in nodes}


def after(points: Points) -> dict[str, str]:
    return rounded_after(points.rounded(points.values))


def test_what_only_moves_a_value_has_its_grid() -> None:
    model = nn.Sequential(conv(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 4))
    points = Points(model, IMAGE)
    assert points.values == ("x", "relu")
    assert points.layers() == ["0", "4"]
    module = points.rounded(points.values)
    moved = {"relu_default": "relu", "max_pool2d_default": "relu", "flatten_using_ints": "relu"}
    assert rounded_after(module) == {"x": "x"} | moved
    assert len([one for one in module.modules() if isinstance(one, Rounded)]) == 2


def test_an_activation_is_rounded_with_its_layer_and_the_output_never() -> None:
    points = wired(lambda m, x: m.c(F.relu6(m.b(F.relu(m.a(x))))))
    assert points.values == ("x", "relu", "relu6")
    assert Points(nn.Sequential(conv(3), nn.ReLU6(), conv(), nn.Hardtanh(inplace=True), conv()), IMAGE).values == (
        "x",
        "hardtanh",
        "hardtanh_",
    )
    assert wired(lambda m, x: F.relu(m.a(x))).values == ("x",)
    assert wired(lambda m, x: m.a(x).flatten(1)).values == ("x",)
    assert wired(lambda m, x: F.relu(m.a(x)) + F.relu(m.b(m.a(x)))).values == ("x", "relu", "a_1", "relu_1")


def test_an_activation_that_is_not_the_only_reader_is_apart() -> None:
    points = wired(lambda m, x: m.b(F.relu(y := m.a(x))) + m.c(y))
    assert points.values == ("x", "a", "relu", "b", "c")
    assert wired(lambda m, x: m.b(F.relu(y := m.a(x))) * y.sigmoid()).values == ("x", "a", "relu", "b")


def test_an_activation_that_no_engine_does_with_the_layer_is_apart() -> None:
    assert wired(lambda m, x: m.b(F.silu(m.a(x)))).values == ("x", "a", "silu")


def test_a_sum_of_convolutions_is_rounded_with_both_of_its_operands() -> None:
    residual = wired(lambda m, x: m.c(F.relu((y := F.relu(m.a(x))) + m.b(y))))
    assert residual.values == ("x", "relu", "b", "relu_1")


def test_a_sum_with_anything_else_is_not() -> None:
    assert wired(lambda m, x: m.b(m.a(x) + 1).flatten(1).softmax(1)).values == ("x", "a", "add_tensor", "b")
    assert "add_tensor" not in wired(lambda m, x: (m.a(x) + torch.sigmoid(m.b(m.a(x)))).softmax(1)).values


def test_a_concatenation_of_convolutions_is_rounded_with_all_of_its_operands() -> None:
    points = wired(lambda m, x: m.d(torch.cat([F.relu(m.a(x)), m.b(F.relu(m.a(x)))], 1)), d=conv(8))
    assert points.values == ("x", "relu", "relu_1", "b", "cat")
    assert wired(lambda m, x: torch.cat([m.a(x), m.b(m.a(x))], 1).softmax(1)).values == ("x", "a", "a_1", "b", "cat")
    assert wired(lambda m, x: torch.cat([m.a(x), x], 1).softmax(1)).values == ("x", "a")


def test_average_pooling_of_a_convolution_is_rounded_and_that_of_anything_else_is_not() -> None:
    assert wired(lambda m, x: F.avg_pool2d(F.relu(m.a(x)), 2).softmax(1)).values == ("x", "relu", "avg_pool2d")
    assert wired(lambda m, x: m.a(F.avg_pool2d(x, 2))).values == ("avg_pool2d",)
    assert wired(lambda m, x: F.avg_pool2d(x, 2).mean(1, keepdim=True) + F.max_pool2d(m.a(x), 2)).values == ("x", "a")


def test_the_parts_of_a_split_have_the_grid_of_the_whole() -> None:
    def halves(m: Wired, x: Tensor) -> Tensor:
        left, right = F.relu(m.a(x)).chunk(2, 1)
        return m.d(left) + m.e(right)

    points = wired(halves, d=conv(2), e=conv(2))
    assert points.values == ("x", "relu", "d", "e")
    assert {name: value for name, value in after(points).items() if "getitem" in name} == {"getitem": "relu", "getitem_1": "relu"}
    assert not any("split" in name or "chunk" in name for name in after(points))


def test_one_of_several_results_of_an_operator_is_a_value_of_its_own() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.fc = nn.LSTM(5, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.lstm(x)[0][:, -1:])

    points = Points(Recurrent(), (6, 5))
    assert points.layers() == ["fc"]
    assert points.values == ("getitem",)
    assert set(after(points).values()) == {"getitem"}

    def unbound(m: Wired, x: Tensor) -> Tensor:
        left, right = x.unbind(1)
        return m.a(left) + m.a(right)

    assert Points(Wired(unbound, a=nn.Linear(5, 4)), (2, 5)).values == ("getitem", "getitem_1")


@pytest.mark.parametrize("then", [F.gelu, torch.tanh, lambda x: x.softmax(1)])
def test_what_a_linear_layer_hands_to_no_layer_is_not_rounded(then: Callable[[Tensor], Tensor]) -> None:
    model = Wired(lambda m, x: m.b(then(m.a(x))), a=nn.Linear(5, 4), b=nn.Linear(4, 3))
    values = Points(model, (5,)).values
    assert values[0] == "x"
    assert len(values) == 2
    assert "a" not in values
    assert Points(Wired(lambda m, x: then(m.a(x)), a=nn.Linear(5, 4)), (5,)).values == ("x",)


def test_linear_layers_on_one_another_have_a_rounded_value_between_them() -> None:
    assert Points(nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (5,)).values == ("x", "_0", "relu")


def test_constants_are_not_rounded() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start, self.a = nn.Parameter(torch.ones(1, 5)), nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.a(self.start)

    points = Points(Constant(), (4,))
    assert points.values == ()
    assert points.layers() == []


def test_unrounded_modules_change_nothing_and_the_model_stays_as_it_is(model: nn.Module, digest: Callable[[nn.Module], str]) -> None:
    before, x = digest(model), torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    points = Points(model, (1, 8, 8))
    points.rounded(points.values)
    through = points.through({name: nn.Identity() for name in points.values})
    with torch.no_grad():
        torch.testing.assert_close(through(x), model(x), rtol=0, atol=0)
    assert digest(model) == before
    assert set(rounded_after(through).values()) == set(points.values)


def test_two_networks_of_the_same_points_share_nothing(model: nn.Module) -> None:
    points = Points(model, (1, 8, 8))
    one, other = points.rounded(points.values), points.rounded(points.values)
    with torch.no_grad():
        for value in one.state_dict().values():
            value.zero_()
    assert all(value.any() for name, value in other.state_dict().items() if name.endswith("scale"))
    assert torch.equal(other.get_parameter("fc.weight"), model.get_parameter("fc.weight"))


def test_the_tensors_of_grids_come_last_and_all_others_keep_their_names(model: nn.Module) -> None:
    points = Points(model, (1, 8, 8))
    names = list(points.rounded(points.values).state_dict())
    own = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    assert [name for name in names if not name.startswith("rounded.") and not name.endswith("num_batches_tracked")] == own
    grids = [f"rounded.{value}.{part}" for value in points.values for part in ("scale", "zero_point")]
    assert names[-len(grids) :] == grids


def test_only_the_values_that_are_asked_for_are_rounded_in_the_order_of_the_network() -> None:
    points = wired(lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x))))))
    module = points.rounded(["relu_1", "x"])
    assert rounded_after(module) == {"x": "x", "relu_default_1": "relu_1"}
    assert [name for name in module.state_dict() if name.endswith("scale")] == ["rounded.x.scale", "rounded.relu_1.scale"]


def test_an_unknown_value_is_refused_by_name() -> None:
    points = wired(lambda m, x: m.b(F.relu(m.a(x))))
    with pytest.raises(ModelError, match="no value 'gelu' to round") as caught:
        points.rounded(["x", "gelu"])
    assert caught.value.hint == "there are x, relu"
    with pytest.raises(ModelError, match="no value 'y'") as caught:
        Points(nn.Sequential(nn.ReLU()), (3,)).rounded(["y"])
    assert caught.value.hint == "there are none"


def test_layers_may_be_called_what_torch_calls_its_own() -> None:
    layers = {"values": conv(3), "relu": conv(), "keys": conv()}
    model = Wired(lambda m, x: m.keys(F.relu(m.keys(m.relu(m.values(x))))), **layers).eval()
    points = Points(model, IMAGE)
    assert points.values == ("x", "values_", "relu", "relu_")
    module, x = points.rounded(points.values), torch.randn(2, *IMAGE)
    assert rounded_after(module) == {"x": "x", "values": "values_", "relu": "relu", "relu_default": "relu_"}
    with torch.no_grad():
        assert module(x).shape == model(x).shape


def test_a_model_with_a_part_that_is_called_rounded_is_refused() -> None:
    with pytest.raises(ModelError, match="has a part called 'rounded'"):
        Points(Wired(lambda m, x: m.rounded(x), rounded=conv(3)), IMAGE)


def test_many_sums_whose_operands_meet_again_do_not_take_forever() -> None:
    def ladder(m: Wired, x: Tensor) -> Tensor:
        x = m.a(x)
        for _ in range(40):
            x = x + F.relu(x)
        return m.b(x)

    points = wired(ladder)
    assert len(points.values) == 1 + 1 + 2 * 40


@pytest.mark.parametrize(("value", "shared"), [(0.0, True), (9.0, False)])
def test_padding_shares_the_grid_of_what_it_pads_unless_it_brings_numbers_of_its_own(value: float, shared: bool) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.ConstantPad2d(1, value), nn.Conv2d(2, 2, 3), nn.Flatten())
    assert len(Points(model, (1, 8, 8)).values) == (2 if shared else 3)
