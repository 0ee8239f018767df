"""What Deep Compression left on the table: the same pruned, clustered networks under its own coding and under ours, layer by layer.

    python bench/deep_compression.py --data mnist:DIR --keep FILES
    python bench/deep_compression_coders.py --files FILES --weights DIR

Every coder gets the same integers. "Gaps" is the coding of Han, Mao & Dally 2016, §5: for each weight that is left, its distance from the
one before in 4 bits (8 in convolutions, zeros in between where that is not enough) and its cluster, either under a Huffman code of its
own. "Huffman" is the best of our layouts and codes without contexts, "context" our coder by context. The bound is the entropy of a layer's
integers, each weight for itself; no tables are counted in it. Tables of clusters are in none of the figures.

The LeNets come from `deep_compression.py`; ResNet-20 is the public checkpoint, 60 % pruned and clustered to 5 bits without training. The
third network has the shapes of SqueezeNet 1.0 and weights drawn from a Laplace distribution whose scale differs from row to row and from
column to column as in trained layers; a third of them is kept (Iandola et al. 2016, table 2: 0.66 MB in 8 bits, 0.47 MB in 6).
Writes bench/results/deep_compression_coders.csv.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from torch import nn

from laconic import build_model, from_arrays
from laconic.artifact import read, unpack
from laconic.codec import encode, encode_group, entropy
from laconic.codec.coders import CODERS
from laconic.forms import Codebook
from laconic.forms.magnitude import greatest
from laconic.graph.network import Network
from laconic.methods.fold import Fold
from laconic.methods.prune import Prune
from laconic.methods.share import Share, share
from laconic.zoo.checkpoint import load_weights

RESULTS = Path(__file__).parent / "results" / "deep_compression_coders.csv"
FIRES = [(96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128), (256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]
SPREAD = 0.4  # standard deviation of the logarithm of a row's, or a column's, scale
HUFFMAN = next(coder for coder in CODERS if coder.name == "huffman")

Layers = Mapping[str, np.ndarray]


def main() -> None:
    """Code every network in every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, required=True, help="folder of lenet-300-100.lac and lenet5.lac")
    parser.add_argument("--weights", type=Path, required=True, help="folder of resnet20-12fca82f.th")
    options = parser.parse_args()
    rows = [row for name, layers in networks(options.files, options.weights) for row in measured(name, layers)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    print(*(row for row in rows if row["layer"] == "all"), sep="\n")


def networks(files: Path, weights: Path) -> Iterator[tuple[str, Layers]]:
    """Name, and layer → integers whose zeros are the pruned weights."""
    for name in ("lenet-300-100", "lenet5"):
        forms = unpack(read(files / f"{name}.lac")).tensors
        yield name, {layer: centred(form) for layer, form in forms.items() if isinstance(form, Codebook)}
    model = load_weights(build_model("zoo:resnet20"), weights / "resnet20-12fca82f.th").eval()
    yield "resnet20, 60 % pruned, 5 bits", clustered(model)
    for bits in (8, 6):
        yield f"squeezenet shapes, a third kept, {bits} bits", {name: drawn(name, shape, bits) for name, shape in squeezenet().items()}


def clustered(model: nn.Module) -> Layers:
    """A model after folding, pruning and sharing, none of which looks at the data."""
    images = np.zeros((32, 3, 32, 32), np.float32), np.arange(32) % 10
    data = from_arrays(images, images)
    network = Network(model)
    for step in (Fold(), Prune(sparsity=0.6), Share(bits=5)):
        network = step(network, data)
    return {name: centred(form) for name, form in network.forms.items() if isinstance(form, Codebook)}


def centred(form: Codebook) -> np.ndarray:
    """The clusters numbered in the order of their values, from the one that is zero; int64 of the weight's shape."""
    order = np.argsort(form.table, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[form.integers] - place[np.flatnonzero(form.table == 0)[0]]


def squeezenet() -> dict[str, tuple[int, ...]]:
    """Layer → shape of its weight, as in SqueezeNet 1.0."""
    shapes: dict[str, tuple[int, ...]] = {"conv1": (96, 3, 7, 7)}
    for number, (inputs, squeeze, expand) in enumerate(FIRES, 2):
        shapes[f"fire{number}.squeeze1x1"] = (squeeze, inputs, 1, 1)
        shapes[f"fire{number}.expand1x1"] = (expand, squeeze, 1, 1)
        shapes[f"fire{number}.expand3x3"] = (expand, squeeze, 3, 3)
    return shapes | {"conv10": (1000, 512, 1, 1)}


def drawn(name: str, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Integers of a layer that was never trained, pruned to a third and clustered."""
    rng = np.random.Generator(np.random.PCG64(sum(name.encode())))
    rows, columns = (np.exp(SPREAD * rng.standard_normal(size)) for size in shape[:2])
    weight = rng.laplace(size=shape) * rows[:, None, None, None] * columns[:, None, None]
    kept = greatest(np.abs(weight), weight.size // 3)
    return centred(share(weight.astype(np.float32), kept, 2**bits, "linear", rng))


def measured(name: str, layers: Layers) -> Iterator[dict[str, object]]:
    """A line a layer, and one for all; by context, all layers together are one group."""
    rows = [row_of(name, layer, integers) for layer, integers in layers.items()]
    yield from rows
    whole = {key: sum(row[key] for row in rows) for key in ("weights", "kept", "bound", "gaps", "Huffman")}
    together = len(encode_group(list(layers.values())))
    yield (
        {"network": name, "layer": "all"}
        | whole
        | {"context": together}
        | ratios(whole["gaps"], whole["Huffman"], together, whole["bound"])
    )


def row_of(name: str, layer: str, integers: np.ndarray) -> dict[str, object]:
    bound = round(entropy(integers) * integers.size / 8)
    figures = (gaps_bytes(integers), len(encode(integers)), len(encode_group([integers])))
    sizes = dict(zip(("gaps", "Huffman", "context"), figures, strict=True))
    counts = {"weights": integers.size, "kept": int(np.count_nonzero(integers)), "bound": bound}
    return {"network": name, "layer": layer} | counts | sizes | ratios(*figures, bound)


def ratios(gaps: int, huffman: int, context: int, bound: int) -> dict[str, object]:
    """The coder by context against the others."""
    return {"of gaps": f"{context / gaps:.3f}", "of Huffman": f"{context / huffman:.3f}", "of bound": f"{context / max(bound, 1):.3f}"}


def gaps_bytes(integers: np.ndarray) -> int:
    """Deep Compression's own coding of one layer."""
    longest = 15 if integers.ndim == 2 else 255
    flat = integers.reshape(-1)
    places, last, gaps, values = np.flatnonzero(flat), -1, [], []
    for place in places:
        fillers, rest = divmod(place - last - 1, longest + 1)
        gaps += [longest] * fillers + [rest]
        values += [0] * fillers + [flat[place]]
        last = place
    return sum(len(HUFFMAN.encode(np.array(stream, np.int64))) for stream in (gaps, values) if stream)


if __name__ == "__main__":
    main()
