"""Draw the picture of the README: how much smaller networks became, and how fast ResNet-56 runs, beside others, from bench/results.

python docs/reached.py            writes docs/pictures/reached.svg
"""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "laconic"  # the same bytes for the same picture
from matplotlib import pyplot as plt  # noqa: E402  after the backend is chosen
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
OURS, THEIRS = "tab:blue", "0.65"
MARKS = {  # of a method: mark, colour, size, and how many points above it its accuracy stands
    "laconic, at once": ("o", OURS, 8, 8),
    "laconic, trained": ("*", OURS, 11, 8),
    "Deep Compression": ("s", THEIRS, 6, -15),
    "SCMR": ("D", THEIRS, 5, -24),
    "MIRACLE": ("^", THEIRS, 6, -15),
    "NNCodec": ("v", THEIRS, 6, -15),
}
ENGINES = {
    "torch, fp32": "torch",
    "torch.compile, fp32": "torch.compile",
    "NNCF and OpenVINO, fp32": "OpenVINO",
    "NNCF and OpenVINO, fp32 and bf16": "OpenVINO, bf16",
    "NNCF and OpenVINO, int8": "NNCF int8, OpenVINO",
    "NNCF and OpenVINO, int8 and bf16": "NNCF int8, OpenVINO, bf16",
    "torch-pruning and ONNX Runtime, fp32": "torch-pruning, half the channels",
}


def main() -> None:
    """Bytes on the left, time on the right."""
    figure, (bytes_, time) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained", width_ratios=(7, 4))
    draw_smaller(bytes_)
    draw_faster(time)
    figure.savefig(ROOT / "docs" / "pictures" / "reached.svg", metadata={"Date": None})


def draw_smaller(axes: Axes) -> None:
    """A line for each network, with ours above it and others below, and what they cost in accuracy."""
    rows = read("size")
    networks = list(dict.fromkeys(row["network"] for row in rows))[::-1]
    for row in rows:
        method = next((name for name in MARKS if row["method"].startswith(name)), None)
        if method is not None:
            mark, color, size, above = MARKS[method]
            point = float(row["of fp32"].split()[0]), networks.index(row["network"])
            axes.plot(*point, mark, color=color, markersize=size)
            axes.annotate(row["change"], point, (0, above), textcoords="offset points", ha="center", fontsize=7)
    for place in range(len(networks)):
        axes.axhline(place, color="0.9", linewidth=1, zorder=0)
    axes.set(xscale="log", xlabel="times smaller than float32; points of accuracy", ylim=(-0.7, len(networks) - 0.4), xlim=(8, 1500))
    axes.set_yticks(range(len(networks)), networks)
    axes.set_xticks([10, 20, 50, 100, 200, 500, 1000], ["10", "20", "50", "100", "200", "500", "1000"])
    axes.minorticks_off()
    shown = [Line2D([], [], marker=mark, color=color, linestyle="", label=name) for name, (mark, color, *_) in MARKS.items()]
    axes.legend(handles=shown, frameon=False, fontsize=8, ncols=2, loc="lower right")


def draw_faster(axes: Axes) -> None:
    """A bar for each way to run ResNet-56, in the engine that suits it best."""
    best: dict[str, dict[str, str]] = {}
    for row in sorted(read("speed"), key=lambda row: -float(row["median ms"])):
        if row["network"] == "resnet56":
            best[name_of(row)] = row  # a faster one takes the place of a slower
    found = sorted(best.items(), key=lambda named: -float(named[1]["median ms"]))
    for place, (name, row) in enumerate(found):
        time, score = float(row["median ms"]), row["top-1 % on all"]
        axes.barh(place, time, color=OURS if name.startswith("laconic") else THEIRS, height=0.65)
        axes.annotate(f"{time:.2f}" + (f" ({score} %)" if score else ""), (time, place), (4, -3), textcoords="offset points", fontsize=8)
    slowest = float(found[0][1]["median ms"])
    axes.set(xlabel="ResNet-56: ms a sample, batch 1, one thread", xlim=(0, 1.4 * slowest))
    axes.set_yticks(range(len(found)), [name for name, _ in found], fontsize=8)


def name_of(row: dict[str, str]) -> str:
    """What a row of the race is called."""
    if row["engine"] in ENGINES:
        return ENGINES[row["engine"]]
    named = {"fold": "laconic, as it came", "int8": "laconic, int8"}
    return named.get(row["method"], "laconic, fewer blocks" + (", int8" if row["method"].endswith("int8") else ""))


def read(name: str) -> list[dict[str, str]]:
    """A table of bench/results."""
    with (ROOT / "bench" / "results" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
