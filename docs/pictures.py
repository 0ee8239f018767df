"""Draw the pictures of the documents, from figures that are measured here and from bench/results.

python docs/pictures.py            writes docs/pictures/*.svg
"""

import csv
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from laconic.codec import encode_group, entropy
from laconic.codec.coders import CODERS
from laconic.nn.spiral import spiral, through_relu

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "laconic"  # the same bytes for the same picture
from matplotlib import pyplot as plt  # noqa: E402  after the backend is chosen

PICTURES = Path(__file__).parent / "pictures"
RESULTS = Path(__file__).parents[1] / "bench" / "results"
ROWS, COLUMNS = 256, 576
DIMENSIONS, EMBEDDING = (2, 3, 5, 15, 30), 3
STEPS = np.geomspace(0.5, 8, 17)  # in standard deviations of the weights
FAMILIES = ("LeNet", "ResNet", "MobileNet", "MnasNet", "ShuffleNet", "SqueezeNet")
HUFFMAN = next(coder for coder in CODERS if coder.name == "huffman")


def weights() -> tuple[np.ndarray, np.ndarray]:
    """A layer as training leaves them, rows of different scale: the weights, and each row's scale."""
    rng = np.random.Generator(np.random.PCG64(0))
    scale = np.exp(0.8 * rng.standard_normal((ROWS, 1)))
    return rng.laplace(size=(ROWS, COLUMNS)) * scale, scale


def row_entropy(integers: np.ndarray) -> float:
    """Bits a weight where every row has the code that suits it best, the codes not counted."""
    return float(np.mean([entropy(row) for row in integers]))


def entropy_bound() -> None:
    """Bits a weight against the step: codes, and the bounds below them."""
    layer, _ = weights()
    integers = [np.rint(layer / (step * layer.std())).astype(np.int64) for step in STEPS]
    sizes = {
        "fixed length": [np.ceil(np.log2(np.ptp(q) + 1)) for q in integers],
        "Huffman": [8 * len(HUFFMAN.encode(q.reshape(-1))) / q.size for q in integers],
        "by context": [8 * len(encode_group([q])) / q.size for q in integers],
    }
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for (name, bits), style in zip(sizes.items(), ("s:", "o-", "D-"), strict=True):
        axes.plot(STEPS, bits, style, label=name, markersize=4)
    axes.plot(STEPS, [entropy(q) for q in integers], "k--", linewidth=1, label="entropy, all weights alike")
    axes.plot(STEPS, [row_entropy(q) for q in integers], "k:", linewidth=1, label="entropy, each row for itself")
    axes.set(xscale="log", yscale="log", xlabel="step in standard deviations", ylabel="bits a weight")
    axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    axes.set_yticks([0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8], ["0.05", "0.1", "0.25", "0.5", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(PICTURES / "entropy-bound.svg", metadata={"Date": None})
    plt.close(figure)


def rate_accuracy() -> None:
    """ResNet-20's accuracy against the bytes of the file: ours at once and trained, and NNCodec."""
    at_once = _rows("rate_accuracy.csv")
    compared = [row for row in _rows("size.csv") if row["network"] == "resnet20" and row["accuracy %"]]
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axes.plot(*_points(at_once), "o-", label="laconic, at once (quantize)", markersize=4)
    for label, word, style in (("laconic, trained (squeeze)", "trained", "*"), ("NNCodec 0.3.1, on all test images", "NNCodec", "s")):
        found = [row for row in compared if word in row["method"]]
        if found:
            axes.plot(*_points(found), style, label=label, markersize=9 if style == "*" else 5)
    fp32 = next(row for row in compared if row["method"] == "as it came")
    axes.axhline(float(fp32["accuracy %"]), color="k", linewidth=1, linestyle="--", label=f"float32, {int(fp32['bytes']) / 1000:,.0f} KB")
    axes.set(xlabel="weights-only file in KB", ylabel="top-1 % on the verdict's images")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(PICTURES / "rate-accuracy.svg", metadata={"Date": None})
    plt.close(figure)


def relu_spiral() -> None:
    """A spiral behind a ReLU in n dimensions, brought back to the plane (Sandler et al. 2018, figure 1)."""
    points, fine = spiral(150), spiral()[1:]
    figure, panels = plt.subplots(1, 1 + len(DIMENSIONS), figsize=(10, 2.1), layout="constrained")
    panels[0].scatter(*points.T, c=np.arange(len(points)), s=3, cmap="viridis")
    panels[0].set_title("before", fontsize=9)
    for axes, n in zip(panels[1:], DIMENSIONS, strict=True):
        back, _ = through_relu(points, n, np.random.Generator(np.random.PCG64(EMBEDDING)))
        _, lost = through_relu(fine, n, np.random.Generator(np.random.PCG64(EMBEDDING)))
        axes.scatter(*back.T, c=np.arange(len(points)), s=3, cmap="viridis")
        axes.set_title(f"n = {n}: {lost.mean():.0%} lost", fontsize=9)
    for axes in panels:
        axes.set(aspect="equal", xticks=[], yticks=[])
    figure.savefig(PICTURES / "relu-spiral.svg", metadata={"Date": None})
    plt.close(figure)


def zoo_trained() -> None:
    """Networks after equally many epochs on the same images: accuracy against multiply-adds, and against latency."""
    rows = [row for row in _rows("zoo_trained.csv") if row["median ms"]]
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for family, style in zip(FAMILIES, "os^vD*", strict=True):
        found = [row for row in rows if row["network"].startswith(family.lower())]
        if not found:
            continue
        for axes, column in zip(panels, ("MACs", "median ms"), strict=True):
            axes.plot(*([float(row[of].split()[0]) for row in found] for of in (column, "top-1 %")), style, label=family, markersize=6)
    for axes, label in zip(panels, ("million multiply-adds", "ms a sample, batch 1, one thread"), strict=True):
        axes.set(xscale="log", xlabel=label)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("top-1 % on the test images")
    panels[0].legend(frameon=False)
    figure.savefig(PICTURES / "zoo-trained.svg", metadata={"Date": None})
    plt.close(figure)


def _rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _points(rows: list[dict[str, str]]) -> tuple[list[float], list[float]]:
    return [int(row["bytes"]) / 1000 for row in rows], [float(row["accuracy %"]) for row in rows]


if __name__ == "__main__":
    entropy_bound()
    relu_spiral()
    if (RESULTS / "size.csv").exists():
        rate_accuracy()
    if (RESULTS / "zoo_trained.csv").exists():
        zoo_trained()
