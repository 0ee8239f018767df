"""Detection: where is which shape?

    python examples/detection.py

A small single-shot detector (Liu et al. 2016, "SSD: Single Shot MultiBox Detector") finds discs, squares and triangles of many sizes on
noise. Small ones are predicted by a convolution over a map of 6 × 6 places, large ones by two fully connected layers that see the whole
scene. Nearly all of the arithmetic is in the convolutions, and most of the bytes are in the fully connected layers, so the former become
chains of low rank, and the latter lose nine in ten of their weights; then the network trains on, and goes onto grids that take a bit and a
fifth for each of its weights, those that are gone among them.

The metric is the mean average precision at an overlap of 0.5. It ranks the detections of all scenes together, so it is no mean over
scenes: the task's `score` says what was found in each scene, and its `aggregate` ranks that. Prints the table of the run (mAP, bytes, time,
before and after), and the mAP of the file that was written, `detection.lac`, when it is loaded again.

Layers are split where that is faster on this machine, as measured, so on another one the file may be another.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import laconic

SIDE, SHAPES, MOST = 48, 3, 4  # pixels; kinds of shapes; shapes in a scene
MAPS = ((6, (10, 15)), (3, (21, 28)))  # places along a side, and sides of their default boxes in pixels
KEPT = 6  # detections of one kind in a scene
SPREAD = torch.tensor([0.1, 0.1, 0.2, 0.2])  # of the offsets, which are divided by it
POSITIVE, OVERLAPPING, NEGATIVES = 0.5, 0.45, 3  # overlap of a match; of a duplicate; background boxes that count for each match


# Boxes are (x, y, width, height) of their middle, in shares of the scene's side.


def default_boxes() -> Tensor:
    """One for each size at each place of each map, `(boxes, 4)`."""
    boxes = []
    for places, sizes in MAPS:
        middles = (torch.arange(places) + 0.5) / places
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        at_places = [torch.stack([x, y, *torch.full((2, places, places), size / SIDE)], 2) for size in sizes]
        boxes.append(torch.stack(at_places, 2).reshape(-1, 4))
    return torch.cat(boxes)


def overlap(ours: Tensor, theirs: Tensor) -> Tensor:
    """Intersection over union of all pairs, `(…, a, b)`, of boxes `(…, a, 4)` and `(…, b, 4)`."""
    ours, theirs = ours[..., :, None, :], theirs[..., None, :, :]
    low = torch.maximum(ours[..., :2] - ours[..., 2:] / 2, theirs[..., :2] - theirs[..., 2:] / 2)
    high = torch.minimum(ours[..., :2] + ours[..., 2:] / 2, theirs[..., :2] + theirs[..., 2:] / 2)
    both = (high - low).clamp(min=0).prod(-1)
    return both / (ours[..., 2:].prod(-1) + theirs[..., 2:].prod(-1) - both)


DEFAULTS = default_boxes()


class Detector(nn.Module):
    """Scenes `(n, 1, 48, 48)` → offsets from each default box, and logits of background and shapes: `(n, boxes, 4 + 1 + shapes)`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(layer(1, 16, 2), layer(16, 32, 2), layer(32, 64, 1), layer(64, 128, 2))
        (_, small), (places, large) = MAPS
        self.small = nn.Conv2d(128, len(small) * (5 + SHAPES), 3, padding=1)
        self.fc1 = nn.Linear(128 * places**2, 256)
        self.fc2 = nn.Linear(256, places**2 * len(large) * (5 + SHAPES))

    def forward(self, scenes: Tensor) -> Tensor:
        features = self.features(scenes)
        small = self.small(features).permute(0, 2, 3, 1)
        large = self.fc2(torch.relu(self.fc1(F.max_pool2d(features, 2).flatten(1))))
        return torch.cat([boxes.flatten(1).unflatten(1, (-1, 5 + SHAPES)) for boxes in (small, large)], 1)


def layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


# Targets are (kind, x, y, width, height), `(n, shapes, 5)`; a scene with fewer shapes is filled up with kind -1.


def matched(targets: Tensor) -> tuple[Tensor, Tensor]:
    """The class of each default box, 0 for background, `(n, boxes)`, and the box that it stands for, `(n, boxes, 4)` (§2.2, matching)."""
    shared = overlap(DEFAULTS.expand(len(targets), -1, -1), targets[..., 1:])
    shared = shared.where(targets[:, None, :, 0] >= 0, -1.0)
    best, choice = shared.max(2)
    favourite = F.one_hot(shared.argmax(1), len(DEFAULTS)).mT.bool() & (shared > 0)  # every shape has one box, whatever the overlap
    choice = choice.where(~favourite.any(2), favourite.int().argmax(2))
    chosen = targets.gather(1, choice[..., None].expand(-1, -1, 5))
    return (chosen[..., 0].long() + 1).where((best >= POSITIVE) | favourite.any(2), 0), chosen[..., 1:]


def multibox_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 of the offsets, and cross entropy of the matches and of the worst background boxes (eq. 1; hard negative mining)."""
    classes, boxes = matched(targets)
    positive = classes > 0
    middles, sides = (boxes[..., :2] - DEFAULTS[:, :2]) / DEFAULTS[:, 2:], (boxes[..., 2:].clamp(min=1e-3) / DEFAULTS[:, 2:]).log()
    offsets = torch.cat([middles, sides], -1) / SPREAD
    placing = F.smooth_l1_loss(outputs[..., :4], offsets, reduction="none").sum(2)
    naming = F.cross_entropy(outputs[..., 4:].mT, classes, reduction="none")
    rank = naming.detach().masked_fill(positive, -1).argsort(1, descending=True).argsort(1)
    hard = ~positive & (rank < NEGATIVES * positive.sum(1, keepdim=True))
    return (placing[positive].sum() + naming[positive | hard].sum()) / positive.sum().clamp(min=1)


def detections(outputs: Tensor) -> Tensor:
    """The most confident boxes that do not overlap, `(n, shapes, kept, 5)`: confidence, box. Non-maximum suppression, best first."""
    confidence = outputs[..., 4:].softmax(2)[..., 1:].mT.clone()
    offsets = outputs[..., :4] * SPREAD
    boxes = torch.cat([DEFAULTS[:, :2] + offsets[..., :2] * DEFAULTS[:, 2:], DEFAULTS[:, 2:] * offsets[..., 2:].clamp(max=3).exp()], 2)
    shared = overlap(boxes, boxes)
    scenes = torch.arange(len(outputs))[:, None]
    found = []
    for _ in range(KEPT):
        most, best = confidence.max(2)
        found.append(torch.cat([most[..., None], boxes[scenes, best]], 2))
        confidence[(shared[scenes, best] > OVERLAPPING)] = 0
    return torch.stack(found, 2)


def matches(found: Tensor, targets: Tensor) -> Tensor:
    """What was found `(n, shapes, kept, 5)` and what was missed, `(n, shapes, kept + most, 2)`: confidence, and 1 if it is a shape.

    A detection is the shape of its kind that it overlaps most, by half at least, if no better one was that shape already: duplicates are
    false. Shapes that were missed follow, with confidence 0.
    """
    free = targets[:, None, :, 0] == torch.arange(SHAPES)[:, None]
    shared = overlap(found[..., 1:], targets[:, None, :, 1:]).where(free[:, :, None], 0.0)
    right = []
    for best, shape in zip(*(values.unbind(2) for values in shared.max(3)), strict=True):
        taken = F.one_hot(shape, targets.shape[1]).bool() & (best >= POSITIVE)[..., None]
        right.append((taken & free).any(2))
        free = free & ~taken
    hits = torch.cat([torch.stack(right, 2), free], 2).float()
    return torch.stack([F.pad(found[..., 0], (0, free.shape[2])), hits], 3)


def mean_average_precision(rows: Tensor) -> Tensor:
    """The mean over kinds of the area under precision against recall, of `matches` of all scenes (Everingham et al. 2010, every point)."""
    return torch.stack([average_precision(*kind.flatten(0, 1).T) for kind in rows.unbind(1) if kind[..., 1].any()]).mean()


def average_precision(confidence: Tensor, hits: Tensor) -> Tensor:
    """Of one kind: each shape that was found counts with the best precision at its rank or below it, one that was missed with 0."""
    ranked = hits[confidence.argsort(descending=True, stable=True)][: int((confidence > 0).sum())]
    precision = ranked.cumsum(0) / torch.arange(1, len(ranked) + 1)
    best = precision.flip(0).cummax(0).values.flip(0)
    return (best * ranked).sum() / hits.sum()


def score(outputs: Tensor, targets: Tensor) -> Tensor:
    return matches(detections(outputs), targets)


DETECTING = laconic.Task(multibox_loss, score, metric="mAP at 0.5", aggregate=mean_average_precision)


def scenes(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scenes `(n, 1, 48, 48)` of 8 bits with one to four shapes that hardly overlap, and their targets `(n, 4, 5)`."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(80, 25, (samples, 1, SIDE, SIDE))
    targets = np.full((samples, MOST, 5), -1, np.float32)
    for scene, target in zip(drawn[:, 0], targets, strict=True):
        free = np.ones((SIDE, SIDE), bool)
        for place in range(rng.integers(1, MOST + 1)):
            kind, side = int(rng.integers(SHAPES)), rng.uniform(9, 30)
            x, y = rng.uniform(side / 2, SIDE - side / 2, 2)
            inside, box = shape(kind, x, y, side / 2), shape(1, x, y, side / 2)
            if (free & box).sum() > 0.9 * box.sum():
                scene[inside] = rng.uniform(130, 220) + rng.normal(0, 15, inside.sum())
                free &= ~box
                target[place] = kind, x / SIDE, y / SIDE, side / SIDE, side / SIDE
    return drawn.clip(0, 255).astype(np.uint8), targets


def shape(kind: int, x: float, y: float, radius: float) -> np.ndarray:
    """The pixels of a disc, a square or a triangle with its tip up, all of the same box."""
    down, across = np.mgrid[:SIDE, :SIDE] + 0.5
    down, across = (down - y) / radius, np.abs(across - x) / radius
    square = np.maximum(np.abs(down), across) < 1
    return [down**2 + across**2 < 1, square, square & (across < (1 + down) / 2)][kind]


def main(epochs: int = 10, samples: int = 1500, out: Path = Path("detection.lac")) -> laconic.Result:
    """Draw, train, compress, write, and load again."""
    data = laconic.from_arrays(scenes(samples, 0), scenes(300, 1), scenes(300, 2), name="scenes")
    torch.manual_seed(0)
    training = laconic.Finetune(epochs=epochs, lr=0.003, batch=32, optimizer="adam", warmup=0.1)
    model = training(Detector(), data, task=DETECTING).module
    again = laconic.Training(epochs=epochs // 2, lr=0.002, batch=32, optimizer="adam")
    recipe = [
        laconic.Factorize(rank={"features.1.*": 12, "features.2.*": 16, "features.3.*": 24}),
        laconic.Prune(sparsity={"fc*": 0.9}, training=again),
        laconic.Fold(),
        laconic.Quantize(bits=1.2, samples=128),
    ]
    result = laconic.compress(model, data, recipe, task=DETECTING)
    print(result)
    print(f"{result.save(out)}, loaded again: {laconic.evaluate(laconic.load(out), data, task=DETECTING)}")
    return result


if __name__ == "__main__":
    main()
