"""The public CIFAR-10 ResNets, shared to 5 and 4 bits without training: bytes and accuracy of the file.

    python bench/resnet_cifar.py --weights DIR --data folder:DIR

The checkpoints are those of akamaster/pytorch_resnet_cifar10 (`resnet20-12fca82f.th`, `resnet56-4bfd9763.th`). Such a checkpoint has
seen all training images, so the test images are split by a hash of their content: how to start k-means is chosen on one half,
the verdict is read on the other; the whole test split is a labelled extra. Writes bench/results/resnet_cifar.csv.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import torch

from laconic.artifact import pack, unpack
from laconic.datasets import load_data
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.methods.fold import Fold
from laconic.methods.share import Share
from laconic.recipe.package import package
from laconic.runtime import Session
from laconic.train import Runner, as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights
from laconic.zoo.reference import build_model

RESULTS = Path(__file__).parent / "results" / "resnet_cifar.csv"
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoints were trained with
STARTS = ("linear", "density", "exact")


def main() -> None:
    """Press both networks and write the table."""
    options = _options()
    torch.set_num_threads(1)
    whole = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD)
    rows = [row for name in CHECKPOINTS for row in press(name, Path(options.weights), whole)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"))


def press(name: str, weights: Path, whole: Data) -> Iterator[dict[str, object]]:
    """The network as it is, then shared to 5 and to 4 bits."""
    data = whole.for_checkpoint()
    model = load_weights(build_model(f"zoo:{name}"), weights / CHECKPOINTS[name]).eval()
    raw = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    yield {"network": name, "method": "as it came, fp32 in torch", "weights-only bytes": raw, "file bytes": ""} | _top1(
        as_runner(model), data, whole.test
    )
    folded = Fold()(model, data)
    for bits in (5, 4):
        shared = {start: Share(bits=bits, start=start)(folded, data) for start in STARTS}
        best = max(STARTS, key=lambda start: _accuracy(as_runner(shared[start].module), data.validation, data))
        yield {"network": name, "method": f"fold, share to {bits} bits ({best} start)"} | _weigh(shared[best], data, whole.test)


def _weigh(network: Network, data: Data, everything: Split) -> dict[str, object]:
    """Bytes of the file, and what the file scores when it is loaded again."""
    artifact, _ = package(network, data)
    content = pack(artifact)
    session = Session(unpack(content))
    return {"weights-only bytes": len(pack(artifact, weights_only=True)), "file bytes": len(content)} | _top1(session, data, everything)


def _top1(run: Runner, data: Data, everything: Split) -> dict[str, object]:
    return {
        "top-1 % on the choice half": round(_accuracy(run, data.validation, data), 2),
        "top-1 % on the verdict half": round(_accuracy(run, data.test, data), 2),
        "top-1 % on all 10 000": round(_accuracy(run, everything, data), 2),
    }


def _accuracy(run: Runner, split: Split, data: Data) -> float:
    return evaluate(run, split, data.preprocessing, classification, "benchmark").value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="folder of the two checkpoints")
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
