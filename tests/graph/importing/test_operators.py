"""Every operator in the table computes what ONNX Runtime computes, or where that has none onnx's reference implementation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from laconic.graph.importing import import_model
from laconic.graph.importing.operators import OPERATORS

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """One node: its operator, inputs (None where one is left out; the first is the sample), attributes, and how many outputs are read."""

    operator: str
    inputs: Sequence[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 20
    name: str = ""
    read: int = 9

    def __str__(self) -> str:
        said = ",".join(f"{word}={value}" for word, value in self.attributes.items())
        return f"{self.operator}-{self.name or said or 'plain'}-{self.opset}".replace(" ", "")[:80]


def floats(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    return np.random.Generator(np.random.PCG64(seed)).uniform(low, high, shape).astype(np.float32)


def integers(*shape: int, low: int = 0, high: int = 9, dtype: Any = np.int64, seed: int = 0) -> Array:
    return np.random.Generator(np.random.PCG64(seed)).integers(low, high, shape).astype(dtype)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def number(value: float, dtype: Any = np.float32) -> Array:
    return np.array(value, dtype)


def case(operator: str, *inputs: Any, outputs: int = 1, opset: int = 20, name: str = "", read: int = 9, **attributes: Any) -> Case:
    return Case(operator, inputs, attributes, outputs, opset, name, read)


x, image, steps = floats(2, 3, 4), floats(2, 4, 7, 6), floats(5, 2, 3)
positive, share = floats(2, 3, 4, low=0.1), floats(2, 3, 4, low=-0.9, high=0.9)
yes, no = integers(2, 3, 4, high=2, dtype=bool), integers(3, 4, high=2, dtype=bool, seed=1)
scale, shift, mean, var = (floats(4, low=0.5, high=1.5, seed=seed) for seed in range(4))
levels = integers(2, 4, 7, 6, high=256, dtype=np.uint8)
weight8 = integers(5, 4, 3, 3, low=-63, high=64, dtype=np.int8)  # of 8 bits, some processors' kernels add up no more than 16

UNARY = (
    "Abs Atan Asinh Ceil Cos Cosh Erf Exp Floor HardSwish Identity IsNaN Mish Neg Relu Round Sigmoid Sign Sin Sinh Softplus Softsign "
    "Tan Tanh"
)
WITH_ALPHA = "Celu Elu LeakyRelu HardSigmoid Selu ThresholdedRelu"
SIGNED = "Add Sub Mul Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mean Sum"
REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"

CASES = [
    *[case(word, x) for word in UNARY.split()],
    *[case(word, share) for word in ("Acos", "Asin", "Atanh")],
    *[case(word, positive) for word in ("Log", "Reciprocal", "Sqrt")],
    case("Acosh", positive + 1),
    *[case(word, x, alpha=0.3) for word in WITH_ALPHA.split()],
    *[case(word, x) for word in WITH_ALPHA.split()],
    case("HardSigmoid", x, alpha=0.4, beta=0.3),
    case("Selu", x, alpha=1.2, gamma=0.7),
    case("Gelu", x),
    case("Gelu", x, approximate="tanh"),
    case("Shrink", x, lambd=0.4, bias=0.1),
    case("Swish", x, opset=24, alpha=0.7),
    case("PRelu", x, floats(3, 1, seed=3)),
    case("Round", np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]), name="halves"),
    case("IsInf", np.float32([1, np.inf, -np.inf, np.nan])),
    case("IsInf", np.float32([1, np.inf, -np.inf, np.nan]), detect_negative=0),
    case("Not", yes),
    *[case(word, yes, no) for word in ("And", "Or", "Xor")],
    *[case(f"Bitwise{word}", integers(3, 4), integers(4, seed=1)) for word in ("And", "Or", "Xor")],
    case("BitwiseNot", integers(3, 4)),
    *[case("BitShift", integers(3, 4, dtype=np.uint8), integers(4, high=3, dtype=np.uint8), direction=way) for way in ("LEFT", "RIGHT")],
    *[case(word, x, floats(3, 1, seed=1)) for word in SIGNED.split()],
    *[case(word, x, floats(4, seed=1), floats(2, 1, 1, seed=2), name="three") for word in ("Max", "Min", "Mean", "Sum")],
    case("Div", integers(3, 4, low=-9), ints(-4, 3, 2, 5), name="integers"),
    case("Mod", integers(3, 4, low=-9), ints(-4, 3, 2, 5)),
    case("Mod", x, floats(4, low=0.5, seed=1), fmod=1),
    case("Mod", integers(3, 4, low=-9), ints(-4, 3, 2, 5), fmod=1),
    case("Pow", positive, number(2.5)),
    case("Pow", integers(3, 4), number(2.0), name="integers"),
    case("Where", yes, x, floats(4, seed=1)),
    case("Clip", x, number(-0.5), number(1.0)),
    case("Clip", x, None, number(1.0), name="above"),
    case("Clip", x, number(-0.5), name="below"),
    case("Cast", x * 10, to=onnx.TensorProto.INT32),
    case("Cast", x, to=onnx.TensorProto.BOOL),
    case("Cast", x, to=onnx.TensorProto.FLOAT16),
    case("CastLike", x, ints(1)),
    case("Dropout", x),
    *[case(word, x, axis=axis) for word in ("Softmax", "LogSoftmax", "Hardmax") for axis in (-1, 1)],
    *[
        case("ArgMax", integers(3, 5, high=3, dtype=np.float32), axis=1, keepdims=keep, select_last_index=last)
        for keep in (0, 1)
        for last in (0, 1)
    ],
    case("ArgMin", x, axis=-1, keepdims=0),
    *[case(f"Reduce{word}", positive, axes=[1], opset=13) for word in REDUCTIONS.split() if word != "Sum"],
    *[case(f"Reduce{word}", positive, ints(0, -1), keepdims=0, opset=18) for word in REDUCTIONS.split()],
    *[case(f"Reduce{word}", positive, opset=18) for word in REDUCTIONS.split()],
    case("ReduceSum", x, ints(), noop_with_empty_axes=1, name="of nothing"),
    case("ReduceSum", integers(2, 3), ints(1), name="integers"),
    *[case("CumSum", x, number(1, np.int64), exclusive=alone, reverse=back) for alone in (0, 1) for back in (0, 1)],
    case("TopK", floats(3, 8), ints(3), outputs=2),
    case("TopK", floats(3, 8), ints(2), outputs=2, largest=0, axis=0),
    case("Concat", x, floats(2, 5, 4, seed=1), axis=1),
    case("ConstantOfShape", ints(2, 3), value=helper.make_tensor("v", 1, [1], [1.5])),
    case("DepthToSpace", floats(2, 8, 3, 2), blocksize=2),
    case("DepthToSpace", floats(2, 8, 3, 2), blocksize=2, mode="CRD"),
    case("SpaceToDepth", floats(2, 3, 4, 6), blocksize=2),
    case("Expand", floats(3, 1), ints(2, 1, 4)),
    case("Expand", x, ints(1, 1), name="to less"),
    case("EyeLike", floats(3, 5), k=1),
    case("EyeLike", floats(3, 5), dtype=onnx.TensorProto.INT64, k=-1),
    *[case("Flatten", image, axis=axis) for axis in (0, 1, 2, -1)],
    case("Gather", x, integers(2, 2, low=-3, high=3), axis=1),
    case("Gather", x, number(-1, np.int64), axis=2, name="one"),
    case("Gather", x, ints(1, 0, -1), axis=-1, name="a row"),
    case("GatherElements", x, integers(2, 2, 4, low=-3, high=3), axis=1),
    case("GatherND", x, ints(0, 1, -1, 2).reshape(2, 2)),
    case("GatherND", x, integers(2, 5, 1, low=-3, high=3), batch_dims=1),
    case("OneHot", integers(3, 2, low=-6, high=8), ints(5), np.float32([0.1, 0.9])),
    case("OneHot", integers(3, 2, high=5), number(5, np.int64), np.float32([0.0, 1.0]), axis=1),
    case("Pad", x, ints(0, 1, 2, 0, 0, 1)),
    case("Pad", x, ints(0, 1, -1, 0, 0, -1), number(1.5), name="cut and filled"),
    case("Pad", x, ints(1, 2), None, ints(-1), name="one axis"),
    *[case("Pad", image, ints(0, 0, 2, 1, 0, 0, 1, 3), mode=mode) for mode in ("reflect", "edge")],
    case("Pad", image, ints(0, 0, 2, 1, 0, 0, 1, 3), mode="wrap", opset=19),
    case("Range", number(2, np.int64), number(11, np.int64), number(3, np.int64)),
    case("Range", number(0.5), number(3.0), number(0.5), name="floats"),
    case("Reshape", x, ints(0, -1)),
    case("Reshape", x, ints(4, 6)),
    case("Reshape", floats(0, 3), ints(3, 0), allowzero=1),
    *[
        case("ScatterElements", x, integers(2, 2, 4, low=-3, high=3), floats(2, 2, 4, seed=1), axis=1, reduction=how, name=how)
        for how in ("add", "mul", "max", "min")
    ],
    case("ScatterElements", x, ints(2, 0, 1, -2).reshape(1, 1, 4), floats(1, 1, 4, seed=1), axis=1),
    *[
        case("ScatterND", x, ints(0, 2, 1, 0).reshape(2, 2), floats(2, 4, seed=1), reduction=how)
        for how in ("none", "add", "mul", "max", "min")
    ],
    case("Slice", image, ints(1, -3), ints(100, -1), ints(2, 3)),
    case("Slice", image, ints(5, -1), ints(-100, 1), ints(2, 3), ints(-2, -1), name="backwards"),
    case("Slice", image, ints(0, 1), ints(1, 3), name="the first axes"),
    case("Split", image, ints(1, 3), axis=1, outputs=2),
    case("Split", image, axis=2, outputs=3, num_outputs=3),
    case("Split", image, axis=1, outputs=2, opset=13),
    case("Squeeze", floats(1, 3, 1), ints(-1)),
    case("Squeeze", floats(1, 3, 1)),
    case("Unsqueeze", x, ints(0, -1)),
    case("Tile", x, ints(1, 2, 3)),
    case("Transpose", x),
    case("Transpose", x, perm=[1, 2, 0]),
    *[case("Trilu", floats(2, 4, 5), number(k, np.int64), upper=up) for k in (-1, 1) for up in (0, 1)],
    case("NonZero", yes),
    case("Einsum", floats(2, 3, 4), floats(2, 4, 5, seed=1), equation="b i j, b j k -> b i k"),
    case("MatMul", x, floats(4, 5, seed=1)),
    case("MatMul", floats(2, 3, 4, 5), floats(3, 5, 2, seed=1)),
    case("MatMul", floats(5), floats(5, 2, seed=1), name="a vector"),
    case("Gemm", floats(3, 4), floats(4, 5, seed=1), floats(5, seed=2)),
    case("Gemm", floats(3, 4), floats(5, 4, seed=1), floats(5, seed=2), transB=1),
    case("Gemm", floats(4, 3), floats(5, 4, seed=1), floats(3, 5, seed=2), transA=1, transB=1, alpha=0.5, beta=2.0),
    case("Gemm", floats(3, 4), floats(4, 5, seed=1), opset=13, name="without a bias"),
    case("Conv", image, floats(5, 4, 3, 3, seed=1), floats(5, seed=2)),
    case("Conv", image, floats(6, 2, 3, 2, seed=1), floats(6, seed=2), group=2, strides=[2, 1], dilations=[1, 2], pads=[1, 2, 1, 2]),
    case("Conv", image, floats(5, 4, 3, 3, seed=1), pads=[1, 0, 2, 1]),
    *[case("Conv", image, floats(5, 4, 3, 2, seed=1), auto_pad=how, strides=[2, 1]) for how in ("SAME_UPPER", "SAME_LOWER", "VALID")],
    case("Conv", floats(2, 4, 9), floats(5, 4, 3, seed=1), pads=[1, 1]),
    case("Conv", floats(2, 3, 4, 5, 4), floats(2, 3, 2, 2, 2, seed=1), strides=[1, 2, 1]),
    case("ConvTranspose", image, floats(4, 3, 3, 2, seed=1), floats(3, seed=2), strides=[2, 3], pads=[1, 0, 1, 0], output_padding=[1, 2]),
    case("ConvTranspose", image, floats(4, 2, 3, 3, seed=1), group=2, strides=[2, 2], pads=[1, 0, 0, 2], dilations=[1, 2]),
    case("ConvTranspose", image, floats(4, 2, 3, 3, seed=1), strides=[2, 2], pads=[0, 1, 1, 0], output_padding=[1, 1]),
    case("MaxPool", image, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
    case("MaxPool", image, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    case("MaxPool", image, kernel_shape=[2, 2], dilations=[2, 3]),
    case("MaxPool", image, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    case("MaxPool", floats(2, 3, 9), kernel_shape=[3], pads=[2, 2]),
    case("MaxPool", levels, kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="of bytes", opset=13),
    *[case("AveragePool", image, kernel_shape=[3, 2], pads=[1, 1, 1, 1], count_include_pad=count) for count in (0, 1)],
    *[case("AveragePool", image, kernel_shape=[3, 2], pads=[2, 0, 1, 1], count_include_pad=count) for count in (0, 1)],
    case("AveragePool", image, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    case("AveragePool", image, kernel_shape=[3, 3], auto_pad="SAME_LOWER", strides=[2, 2]),
    case("GlobalAveragePool", image),
    case("GlobalMaxPool", image),
    case("BatchNormalization", image, scale, shift, mean, var, epsilon=0.01),
    case("BatchNormalization", floats(3, 4), scale, shift, mean, var, name="of rows"),
    case("BatchNormalization", floats(3, 4, 5), scale, shift, mean, var, name="of lines"),
    case("BatchNormalization", image, scale, shift, mean, var, training_mode=1, opset=15, outputs=3, read=1),
    case("InstanceNormalization", image, scale, shift, epsilon=0.01),
    case("GroupNormalization", image, floats(2, seed=1), floats(2, seed=2), num_groups=2, opset=18),
    case("GroupNormalization", image, scale, shift, num_groups=2, opset=21),
    case("LayerNormalization", x, floats(4, seed=1), floats(4, seed=2)),
    case("LayerNormalization", x, floats(3, 4, seed=1), axis=1, epsilon=0.1),
    case("LayerNormalization", x, floats(4, seed=1), floats(4, seed=2), axis=1, name="broadcast"),
    case("RMSNormalization", x, floats(4, seed=1), opset=23),
    case("LRN", image, size=3, alpha=0.2, beta=0.6, bias=1.5),
    *[case("LpNormalization", x, axis=axis, p=p) for axis in (1, -1) for p in (1, 2)],
    *[
        case("LSTM", steps, floats(1, 16, 3, seed=1), floats(1, 16, 4, seed=2), *rest, hidden_size=4, outputs=3, name=name)
        for name, rest in {
            "bare": (),
            "biases": (floats(1, 32, seed=3),),
            "states": (floats(1, 32, seed=3), None, floats(1, 2, 4, seed=4), floats(1, 2, 4, seed=5)),
        }.items()
    ],
    case(
        "LSTM",
        steps,
        floats(2, 16, 3, seed=1),
        floats(2, 16, 4, seed=2),
        floats(2, 32, seed=3),
        hidden_size=4,
        outputs=3,
        direction="bidirectional",
    ),
    case(
        "GRU",
        steps,
        floats(1, 12, 3, seed=1),
        floats(1, 12, 4, seed=2),
        floats(1, 24, seed=3),
        hidden_size=4,
        outputs=2,
        linear_before_reset=1,
    ),
    case(
        "GRU",
        steps,
        floats(2, 12, 3, seed=1),
        floats(2, 12, 4, seed=2),
        floats(2, 24, seed=3),
        None,
        floats(2, 2, 4, seed=4),
        hidden_size=4,
        outputs=2,
        linear_before_reset=1,
        direction="bidirectional",
    ),
    *[
        case(
            "RNN",
            steps,
            floats(1, 4, 3, seed=1),
            floats(1, 4, 4, seed=2),
            floats(1, 8, seed=3),
            hidden_size=4,
            outputs=2,
            activations=[word],
        )
        for word in ("Tanh", "Relu")
    ],
    case("RNN", steps, floats(1, 4, 3, seed=1), floats(1, 4, 4, seed=2), hidden_size=4, outputs=2, name="plain"),
    *[
        case("Resize", image, None, np.float32([1, 1, 2, 1.5]), mode=mode, coordinate_transformation_mode=how)
        for mode in ("nearest", "linear")
        for how in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    ],
    *[
        case(
            "Resize", image, None, np.float32([1, 1, 0.6, 2]), mode="nearest", nearest_mode=how, coordinate_transformation_mode="asymmetric"
        )
        for how in ("floor", "ceil", "round_prefer_ceil", "round_prefer_floor")
    ],
    case("Resize", image, None, None, ints(2, 4, 10, 3), mode="linear"),
    case("Resize", image, None, np.float32([1, 1, 2, 2]), mode="linear", coordinate_transformation_mode="half_pixel_symmetric", opset=19),
    *[
        case("Resize", image, None, np.float32([1, 1, 2, 1.5]), mode="cubic", coordinate_transformation_mode=how)
        for how in ("half_pixel", "align_corners")
    ],
    *[
        case("GridSample", image, floats(2, 5, 3, 2, low=-1.2, high=1.2, seed=1), mode=mode, align_corners=align)
        for mode in ("linear", "nearest", "cubic")
        for align in (0, 1)
    ],
    case("GridSample", image, floats(2, 5, 3, 2, low=-1.2, high=1.2, seed=1), mode="bilinear", padding_mode="border", opset=16),
    case("QuantizeLinear", x, number(0.02), number(100, np.uint8)),
    case("QuantizeLinear", image, floats(4, low=0.01, high=0.03, seed=1), integers(4, low=-9, dtype=np.int8), axis=1),
    case("QuantizeLinear", x, number(0.02), name="without a zero"),
    case("DequantizeLinear", levels, number(0.02), number(100, np.uint8)),
    case("DequantizeLinear", weight8, floats(5, low=0.01, high=0.03), integers(5, low=-9, dtype=np.int8), axis=0),
    case("DequantizeLinear", integers(4, 6, low=-8, dtype=np.int8), floats(2, 6, low=0.01), axis=0, block_size=2, opset=21),
    case("DynamicQuantizeLinear", x, outputs=3),
    case("MatMulInteger", levels, integers(6, 5, high=256, dtype=np.uint8, seed=1), number(9, np.uint8), number(7, np.uint8)),
    case(
        "ConvInteger",
        levels,
        integers(5, 4, 3, 3, high=256, dtype=np.uint8, seed=1),
        number(9, np.uint8),
        number(7, np.uint8),
        pads=[1, 1, 1, 1],
    ),
    case(
        "QLinearMatMul",
        levels,
        number(0.02),
        number(99, np.uint8),
        integers(6, 5, high=256, dtype=np.uint8, seed=1),
        number(0.03),
        number(90, np.uint8),
        number(0.1),
        number(128, np.uint8),
    ),
    case(
        "QLinearConv",
        levels,
        number(0.02),
        number(99, np.uint8),
        weight8,
        floats(5, low=0.01, high=0.03),
        integers(5, high=1, dtype=np.int8),
        number(0.4),
        number(128, np.uint8),
        integers(5, low=-99, high=99, dtype=np.int32),
        strides=[2, 1],
    ),
]


def model_of(one: Case, fed: int) -> onnx.ModelProto:
    """A graph of this node; the first `fed` inputs are the graph's own, the others are initializers."""
    names = [f"i{place}" if array is not None else "" for place, array in enumerate(one.inputs)]
    node = helper.make_node(one.operator, names, [f"o{place}" for place in range(one.outputs)], **one.attributes)
    arrays = {name: array for name, array in zip(names, one.inputs, strict=True) if array is not None}
    own = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(arrays[n].dtype), arrays[n].shape) for n in names[:fed] if n]
    results = [helper.make_empty_tensor_value_info(name) for name in node.output[: one.read]]
    rest = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items() if name not in names[:fed]]
    graph = helper.make_graph([node], "g", own, results, rest)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", one.opset)], ir_version=10)


def expected(model: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """What ONNX Runtime says, or else onnx's reference implementation."""
    try:
        engine = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  no kernel for this operator, of one of its own kinds of exception
        return list(ReferenceEvaluator(model).run(None, feeds))
    return list(engine.run(None, feeds))


def check(one: Case, fed: int, folder: Path) -> None:
    model = model_of(one, fed)
    onnx.save(model, folder / "m.onnx")
    given = [array for array in one.inputs[:fed] if array is not None]
    wanted = expected(model, dict(zip((value.name for value in model.graph.input), given, strict=True)))
    with torch.no_grad():
        found = import_model(folder / "m.onnx")(*map(torch.from_numpy, given))
    results = [found] if isinstance(found, torch.Tensor) else found
    for ours, theirs in zip(results, wanted, strict=False):
        assert ours.numpy().dtype == theirs.dtype
        assert ours.shape == theirs.shape
        tolerance = 1e-3 if theirs.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(ours.numpy(), theirs, tolerance, tolerance)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_an_operator_with_weights_in_the_file(one: Case, tmp_path: Path) -> None:
    check(one, 1, tmp_path)


@pytest.mark.parametrize("one", [c for c in CASES if sum(array is not None for array in c.inputs) > 1], ids=str)
def test_an_operator_that_is_given_all_its_inputs(one: Case, tmp_path: Path) -> None:
    """No layer of torch's then: the functions of the table, and sizes that are read from tensors."""
    check(one, len(one.inputs), tmp_path)


def test_every_operator_of_the_table_is_tried() -> None:
    assert OPERATORS.keys() == {one.operator for one in CASES}


QUICK = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
small = st.integers(1, 3)


@QUICK
@given(st.data())
def test_windows_of_any_attributes(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    axes, operator = draw(st.integers(1, 3)), draw(st.sampled_from(["Conv", "MaxPool", "AveragePool", "ConvTranspose"]))
    each = st.lists(small, min_size=axes, max_size=axes)
    kernel, strides, dilations = draw(each), draw(each), draw(each)
    pads = draw(st.lists(st.integers(0, 2), min_size=2 * axes, max_size=2 * axes))
    assume(all(p < k for p, k in zip(pads, kernel * 2, strict=True)))
    said: dict[str, Any] = {"strides": strides, "pads": pads, "kernel_shape": kernel}
    if operator != "AveragePool":
        said["dilations"] = dilations
    if operator == "AveragePool":
        said["count_include_pad"] = draw(st.integers(0, 1))
    inputs = [floats(2, 4, *[7, 6, 5][:axes])]
    if operator.startswith("Conv"):
        said["group"] = draw(st.sampled_from([1, 2, 4]))
        inputs.append(floats(4, 4 // said["group"], *kernel, seed=1))
    check(Case(operator, inputs, said), draw(st.integers(1, len(inputs))), tmp_path)


@QUICK
@given(st.data())
def test_slices_of_any_kind(tmp_path: Path, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.sampled_from([0, 1, -1]), min_size=1, max_size=3, unique=True))
    bound = st.lists(st.integers(-9, 9), min_size=len(axes), max_size=len(axes))
    starts, ends = data.draw(bound), data.draw(bound)
    step = st.integers(-3, 3).filter(bool)
    by = data.draw(st.lists(step, min_size=len(axes), max_size=len(axes)))
    check(Case("Slice", [floats(4, 5, 6), *map(np.int64, (starts, ends, axes, by))]), 1, tmp_path)
