"""The metrics and losses of the examples, on cases worked out by hand."""

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

Load = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def detection(example: Load) -> ModuleType:
    return example("detection")


# Precision and recall of one kind


def area(detection: ModuleType, confidence: list[float], hits: list[int]) -> float:
    return float(detection.average_precision(torch.tensor(confidence), torch.tensor(hits).float()))


@pytest.mark.parametrize(
    ("confidence", "hits", "wanted"),
    [
        ([0.9, 0.8], [1, 1], 1.0),
        ([0.9, 0.0], [0, 1], 0.0),  # one is false, and the shape was missed
        ([0.9, 0.8], [1, 0], 1.0),  # a false one after all shapes costs nothing
        ([0.8, 0.9], [1, 0], 0.5),  # before them it does
        ([0.9, 0.0], [1, 1], 0.5),  # one of two is missed
        ([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1], (1 + 3 / 4 + 3 / 4) / 3),  # precision 1, 1/2, 2/3, 3/4: at 2/3 the later 3/4 counts
        ([0.0, 0.0], [1, 1], 0.0),
    ],
)
def test_the_area_under_precision_and_recall(detection: ModuleType, confidence: list[float], hits: list[int], wanted: float) -> None:
    assert area(detection, confidence, hits) == pytest.approx(wanted, abs=1e-6)


def stepwise(confidence: np.ndarray, hits: np.ndarray) -> float:
    """The area under the curve as the challenge draws it: at each recall the best precision at that recall or a greater one."""
    order = np.argsort(-confidence, kind="stable")
    found = hits[order][confidence[order] > 0]
    curve = [(found[: i + 1].sum() / hits.sum(), found[: i + 1].mean()) for i in range(len(found))]
    total, last = 0.0, 0.0
    for recall in sorted({recall for recall, _ in curve}):
        total += (recall - last) * max(precision for other, precision in curve if other >= recall)
        last = recall
    return total


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=25))
def test_the_area_is_that_of_the_curve_drawn_step_by_step(detection: ModuleType, rows: list[tuple[int, bool]]) -> None:
    confidence, hits = (np.array(column, float) for column in zip(*rows, strict=True))
    if hits.any():
        found = detection.average_precision(torch.from_numpy(confidence), torch.from_numpy(hits))
        assert float(found) == pytest.approx(stepwise(confidence, hits), abs=1e-9)


# What counts as found


SHAPES = torch.tensor([[[0, 0.3, 0.3, 0.2, 0.2], [1, 0.7, 0.7, 0.4, 0.4], [-1, 0, 0, 0, 0]]])  # two shapes in one scene, one place empty


def found(*boxes: tuple[int, float, float, float, float]) -> Tensor:
    """Detections `(1, 3, 6, 5)`, best first, from (kind, confidence, x, y, side)."""
    every = torch.zeros(1, 3, 6, 5)
    for kind in range(3):
        own = sorted(((confidence, x, y, side, side) for k, confidence, x, y, side in boxes if k == kind), reverse=True)
        if own:
            every[0, kind, : len(own)] = torch.tensor(own)
    return every


RIGHT = ((0, 0.9, 0.3, 0.3, 0.2), (1, 0.8, 0.7, 0.7, 0.4))


@pytest.mark.parametrize(
    ("boxes", "wanted"),
    [
        (RIGHT, 1.0),
        ((), 0.0),
        (RIGHT[:1], 0.5),
        (((1, 0.9, 0.3, 0.3, 0.2), (0, 0.8, 0.7, 0.7, 0.4)), 0.0),  # of the other kind
        (((0, 0.9, 0.3, 0.3, 0.13), RIGHT[1]), 0.5),  # 0.13² / 0.2² = 0.42 of overlap is too little
        (((0, 0.9, 0.3, 0.3, 0.15), RIGHT[1]), 1.0),  # 0.56 is enough
        ((*RIGHT, (0, 0.95, 0.31, 0.3, 0.2)), 1.0),  # one of the two is false, after all shapes of its kind
        ((*RIGHT, (2, 0.99, 0.3, 0.3, 0.2)), 1.0),  # there is none of this kind: nothing to average over
    ],
    ids=["perfect", "nothing", "one missed", "swapped", "too small", "large enough", "duplicate", "no such kind"],
)
def test_the_mean_average_precision_of_one_scene(detection: ModuleType, boxes: tuple, wanted: float) -> None:  # type: ignore[type-arg]
    rows = detection.matches(found(*boxes), SHAPES)
    assert rows.shape == (1, 3, 6 + 3, 2)
    assert float(detection.mean_average_precision(rows)) == pytest.approx(wanted, abs=1e-6)


def test_a_duplicate_is_false(detection: ModuleType) -> None:
    rows = detection.matches(found((0, 0.9, 0.3, 0.3, 0.2), (0, 0.8, 0.3, 0.3, 0.2)), SHAPES)
    assert rows[0, 0, :2].tolist() == [pytest.approx([0.9, 1]), pytest.approx([0.8, 0])]
    assert rows[0, 0, 6:, 1].sum() == 0
    assert rows[0, 1, 6:, 1].sum() == 1  # the other shape was missed


def test_ranks_are_those_of_all_scenes_together(detection: ModuleType) -> None:
    """A false one that is surer than the right one of *another* scene costs precision: no mean over scenes would know."""
    one = detection.matches(found((0, 0.5, 0.3, 0.3, 0.2)), SHAPES[:, :1])
    other = detection.matches(found((0, 0.9, 0.8, 0.8, 0.2)), SHAPES[:, 2:])
    assert float(detection.mean_average_precision(one)) == 1.0
    assert float(detection.mean_average_precision(torch.cat([one, other]))) == 0.5


# Default boxes


def perfect(detection: ModuleType, targets: Tensor) -> Tensor:
    """The outputs of a detector that says for each matched box just what it stands for."""
    classes, boxes = detection.matched(targets)
    middles = (boxes[..., :2] - detection.DEFAULTS[:, :2]) / detection.DEFAULTS[:, 2:]
    sides = (boxes[..., 2:].clamp(min=1e-3) / detection.DEFAULTS[:, 2:]).log()
    return torch.cat([torch.cat([middles, sides], 2) / detection.SPREAD, 20 * F.one_hot(classes, 4)], 2)


def test_what_is_matched_and_said_is_found_again(detection: ModuleType) -> None:
    _, targets = detection.scenes(50, 3)
    targets = torch.from_numpy(targets)
    outputs = perfect(detection, targets)
    assert float(detection.mean_average_precision(detection.score(outputs, targets))) == pytest.approx(1.0)
    assert float(detection.multibox_loss(outputs, targets)) < 1e-3
    assert float(detection.mean_average_precision(detection.score(torch.zeros_like(outputs), targets))) < 0.2


def test_every_shape_has_a_box_and_no_box_stands_for_an_empty_place(detection: ModuleType) -> None:
    _, targets = detection.scenes(50, 4)
    targets = torch.from_numpy(targets)
    classes, boxes = detection.matched(targets)
    for own, box, scene in zip(classes, boxes, targets, strict=True):
        shapes = scene[scene[:, 0] >= 0]
        stood_for = {(int(kind), *map(float, where)) for kind, where in zip(own[own > 0] - 1, box[own > 0], strict=True)}
        assert stood_for == {(int(kind), *map(float, where)) for kind, *where in shapes.tolist()}


def test_overlap_is_intersection_over_union(detection: ModuleType) -> None:
    ours = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.6, 0.5, 0.2, 0.2], [0.1, 0.1, 0.1, 0.1]])
    assert detection.overlap(ours, ours)[0].tolist() == pytest.approx([1, 1 / 3, 0], abs=1e-6)


def test_the_loss_counts_three_background_boxes_for_each_match(detection: ModuleType) -> None:
    """With all logits alike, each box that counts costs log 4; offsets that are right cost nothing."""
    targets = torch.from_numpy(detection.scenes(8, 5)[1])
    outputs = perfect(detection, targets)
    outputs[..., 4:] = 0
    assert float(detection.multibox_loss(outputs, targets)) == pytest.approx(4 * math.log(4), rel=1e-5)


# Segmentation


def test_mean_iou_is_counted_over_all_pictures(example: Load) -> None:
    segmentation = example("segmentation")
    true = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
    said = torch.tensor([[[0, 1, 1, 1]], [[0, 0, 0, 0]]])
    outputs = F.one_hot(said, 4).permute(0, 3, 1, 2).float()
    counts = segmentation.overlaps(outputs, true)
    assert counts[:, :2].tolist() == [[[1, 2], [2, 3]], [[2, 4], [0, 2]]]
    assert float(segmentation.mean_iou(counts)) == pytest.approx((3 / 6 + 2 / 5) / 2)


# Language


def test_targets_are_the_letters_that_come_next(example: Load) -> None:
    language = example("language")
    rows, following = language.text(20, 0)
    assert np.array_equal(rows[:, 1:], following[:, :-1])
    assert np.array_equal(rows[1:, 0], following[:-1, -1])
    written = "".join(language.LETTERS[letter] for letter in rows.reshape(-1))
    assert language.numbered(written).tolist() == rows.reshape(-1).tolist()
    for sentence in written.split(" . ")[1:-1]:
        assert not set(sentence.split()) & set(language.GRAMMAR) - {"quick"}
