"""The graph that leaves torch computes what the model computes, keeps every name, and says nothing else."""

import copy
from collections import Counter

import onnx
import onnxruntime
import pytest
import torch
from google.protobuf.message import Message
from torch import Tensor, nn

from laconic.base.errors import ExportError
from laconic.graph.export import INPUT, OUTPUT, export
from laconic.graph.skeleton import _fresh
from laconic.zoo.lenet import LeNet5


class WithEverything(nn.Module):
    """Depthwise, grouped and tied layers, a linear one on sequences, concatenation, an unused weight, names that look like ours."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, padding="same", groups=2, bias=False)
        self.b = nn.Conv2d(4, 4, 1, groups=4)
        self.c = nn.BatchNorm2d(8, affine=False)
        self.tied = nn.Conv2d(4, 4, 1, groups=4, bias=False)
        self.tied.weight = self.b.weight
        self.linear = nn.Linear(8, 3)
        self.unused = nn.Parameter(torch.ones(2, 2))
        self.register_buffer("scale", torch.tensor([0.5, 2.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        x = self.c(torch.cat((self.b(x), self.tied(x)), 1))
        return (self.linear(x.flatten(2).transpose(1, 2)) * self.scale).mean(1)


def filled(model: nn.Module, graph: bytes) -> onnxruntime.InferenceSession:
    """The graph with the model's weights put back in, in ONNX Runtime."""
    parsed = onnx.load_from_string(graph)
    state = model.state_dict()
    for value in [v for v in parsed.graph.input if v.name in state]:
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(state[value.name].numpy(), value.name))
        parsed.graph.input.remove(value)
    onnx.checker.check_model(parsed, full_check=True)
    return onnxruntime.InferenceSession(parsed.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=["lenet", "residual", "everything", "half"])
def exported(request: pytest.FixtureRequest) -> tuple[str, nn.Module, tuple[int, ...], bytes]:
    torch.manual_seed(0)
    models = {"lenet": (LeNet5, (1, 28, 28)), "everything": (WithEverything, (2, 5, 5))}
    if request.param in models:
        build, shape = models[request.param]
        model = build().eval()
    else:
        model, shape = copy.deepcopy(request.getfixturevalue("residual")), (1, 8, 8)
        model = model.half() if request.param == "half" else model
    return request.param, model, shape, export(model, shape)


Exported = tuple[str, nn.Module, tuple[int, ...], bytes]


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_outputs_are_those_of_torch_at_every_batch_size(exported: Exported, batch: int) -> None:
    name, model, shape, graph = exported
    inputs = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))
    ours = torch.from_numpy(filled(model, graph).run(None, {INPUT: inputs.numpy()})[0])
    with torch.no_grad():
        theirs = model(inputs.to(next(model.parameters()).dtype)).float()
    assert ours.dtype == torch.float32
    assert torch.allclose(ours, theirs, rtol=1e-2 if name == "half" else 1e-5, atol=1e-2 if name == "half" else 1e-5)


def test_every_weight_that_computes_is_an_input_under_its_own_name(exported: Exported) -> None:
    name, model, _, graph = exported
    inputs = {value.name: value.type.tensor_type for value in onnx.load_from_string(graph).graph.input}
    state = model.state_dict()
    missing = {n for n in state if n not in inputs and not n.endswith("num_batches_tracked")}
    assert missing == ({"unused", "b.weight"} if name == "everything" else set())  # tied.weight stands for both
    assert inputs.keys() - state.keys() == {INPUT}
    for n in inputs.keys() & state.keys():
        assert tuple(axis.dim_value for axis in inputs[n].shape.dim) == tuple(state[n].shape)


SIMPLE = {
    "lenet": {"Conv": 2, "MaxPool": 2, "Reshape": 1, "Gemm": 2, "Relu": 1},
    "residual": {"Conv": 3, "BatchNormalization": 3, "Relu": 3, "Add": 1, "Reshape": 1, "Gemm": 1},
}


def test_the_graph_is_simplified_and_no_weight_is_folded_into_it(exported: Exported) -> None:
    """The exporter computes shapes, and zeros for the biases that are not there, at run time."""
    name, _, _, graph = exported
    nodes = Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)
    assert nodes == SIMPLE.get(name, nodes)
    assert not nodes.keys() & {"Shape", "Expand", "CastLike", "Identity", "Constant"}


def test_the_graph_says_nothing_that_does_not_compute(exported: Exported) -> None:
    _, model, _, graph = exported
    parsed = onnx.load_from_string(graph)
    assert (parsed.producer_name, parsed.producer_version, parsed.domain, parsed.doc_string) == ("", "", "", "")
    assert not parsed.metadata_props
    assert not parsed.functions
    assert not parsed.graph.value_info
    assert {entry.domain for entry in parsed.opset_import} == {""}
    known = {*model.state_dict(), INPUT, OUTPUT, "g", "batch", *(node.op_type for node in parsed.graph.node)}
    known |= {word for node in parsed.graph.node for a in node.attribute for word in (a.name, a.s.decode())}
    inner = set(texts(parsed)) - known
    assert len(inner) > 5
    assert all(len(name) <= 2 for name in inner), inner
    for word in (b"/", b"torch", b"pkg", b"Module", b".py", type(model).__name__.encode()):
        assert word not in graph, word


def texts(message: Message) -> list[str]:
    """Every string in a protobuf message, at any depth."""
    found: list[str] = []
    for field, value in message.ListFields():
        for item in value if field.is_repeated else [value]:
            found += texts(item) if isinstance(item, Message) else [item] * isinstance(item, str)
    return found


def test_the_weights_themselves_are_not_in_it(exported: Exported) -> None:
    _, model, _, graph = exported
    assert len(graph) < 6000
    for name, tensor in model.state_dict().items():
        if tensor.numel() > 8:
            assert tensor.numpy().tobytes() not in graph, name


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_is(model: nn.Module, digest, capfd) -> None:  # type: ignore[no-untyped-def]
    model.train()
    before = digest(model)
    assert export(model, (1, 8, 8)) == export(model, (1, 8, 8))
    assert digest(model) == before
    assert capfd.readouterr() == ("", ""), "the exporter's talk is no concern of the user"


class Confusing(nn.Module):
    """Tensors that are called what the exporter, or our own cleaning, calls values of its own."""

    NAMES = ("val_0", "val_1", "val_2", "input", "output", "a", "1", "model", "linear", "batch")

    def __init__(self) -> None:
        super().__init__()
        for name in self.NAMES:
            self.register_parameter(name, nn.Parameter(torch.randn(4, 4)))

    def forward(self, x: Tensor) -> Tensor:
        for name in self.NAMES:
            x = torch.relu(x.reshape(x.shape[0], 2, 2).flatten(1) @ self.get_parameter(name)) + 1
        return x


def test_no_name_of_a_tensor_meets_a_name_of_the_exporters() -> None:
    torch.manual_seed(0)
    model = Confusing()
    graph = export(model, (4,))
    parsed = onnx.load_from_string(graph)
    (sample,) = {value.name for value in parsed.graph.input} - {*Confusing.NAMES}
    inputs = torch.randn(3, 4)
    ours = torch.from_numpy(filled(model, graph).run(None, {sample: inputs.numpy()})[0])
    assert torch.allclose(ours, model(inputs).detach(), rtol=1e-5, atol=1e-5)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) if x.sum() > 0 else -self.fc(x)


def test_control_flow_that_depends_on_data_is_refused_with_the_reason() -> None:
    with pytest.raises(ExportError, match="cannot be exported") as caught:
        export(Branching(), (4,))
    assert "data-dependent" in caught.value.where
    assert "weights-only" in caught.value.hint


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).reshape(len(x), -1, 2)


def test_a_number_of_samples_that_is_traced_as_a_constant_is_told_as_such() -> None:
    with pytest.raises(ExportError, match="takes the number of samples for a constant") as caught:
        export(Counting(), (4,))
    assert "x.shape[0]" in caught.value.hint


def test_short_names_are_all_different_and_none_is_taken() -> None:
    taken = {"a", "z", "_z", "10"}
    names = [_fresh(number, taken) for number in range(1, 3000)]
    assert len(set(names)) == len(names)
    assert not taken & set(names)
    assert max(map(len, names)) == 3
