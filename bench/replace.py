"""Convolutions of trained networks as compact blocks: what it saves, what it costs, and what is learnt back, kind by kind.

    python bench/replace.py --data folder:DIR --weights DIR --work DIR           rebuilds, trains and judges
    python bench/replace.py --data folder:DIR --weights DIR --work DIR --time    then, with nothing else at work, times the files

ResNet-20 is a public CIFAR-10 checkpoint, of which all 3 × 3 convolutions behind the first are replaced; the VGG-style network is trained
here for a few epochs, and likewise. Every kind of block has its default size. Accuracy is read on the half of the test
images on which nothing was chosen: when the blocks have taken their places, when each has learnt its layer's outputs from 256 images, and
when the whole has been distilled from the original on 10 000 training images for 3 epochs: short, so that the table
says which kinds are learnt back quickly, and not how far they come. Accuracy after that, and all latency, is of the files, which are kept
in --work. Latency is wall clock of a session, batch 1 on one thread, all files of a network in turns, normalisations folded; a run that
others interrupted is run again.

Writes bench/results/replace.csv row by row; a call goes on where the last one ended.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from guarded import in_turns
from one_shot_unseen import vgg
from results_file import Results
from torch import nn

from laconic import Distill, Finetune, Fold, Replace, build_model, load, load_data
from laconic.artifact import pack
from laconic.base.measures import machine
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.plan import Plan
from laconic.methods.replace.replace import Block
from laconic.methods.step import Step
from laconic.profile import count
from laconic.recipe.package import package
from laconic.train import Runner, as_runner, classification, evaluate
from laconic.zoo.checkpoint import load_weights

RESULTS = Results("replace")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the checkpoint was trained with
BEHIND_THE_FIRST = {"resnet20": "layer*", "vgg-style": "[1-9]*"}
VGG_TRAINING = Finetune(epochs=3, lr=0.1, batch=128, weight_decay=5e-4, warmup=0.1, shift=4, flip=True)
TAUGHT = Distill(epochs=3, lr=0.02, batch=128, weight_decay=1e-4, warmup=0.1, shift=4, flip=True)
IMAGES, SAMPLES, ITERATIONS = 10_000, 256, 100
ROUNDS = 200
ORIGINAL = "as it came"


def main() -> None:
    """A row after the other, or their clocks."""
    options = _options()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    data = load_data(options.data, sample_shape=(3, 32, 32), mean=MEAN, std=STD).for_checkpoint()
    if options.time:
        RESULTS.keep([one | clock for name in NETWORKS for one, clock in clocked(name, data, options.work)])
        return
    for name, build in NETWORKS.items():
        wanted = [block for block in (ORIGINAL, *get_args(Block)) if not RESULTS.has(network=name, block=block)]
        model = build(data, options) if wanted else nn.Identity()
        for block in wanted:
            RESULTS.add({"network": name, "block": block} | row(name, block, model, data, options.work))


def clocked(name: str, data: Data, work: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Every row of a network, and what its file takes beside the original's."""
    sample = data.preprocessing.apply(data.test.inputs[:1])
    rows = [one for one in RESULTS.rows() if one["network"] == name]
    sessions = {one["block"]: load(_file(work, name, one["block"])) for one in rows}
    times = in_turns({block: partial(session, sample) for block, session in sessions.items()}, ROUNDS)
    for one in rows:
        ours = times[one["block"]]
        low, median, high = statistics.quantiles([before / after for before, after in zip(times[ORIGINAL], ours, strict=True)], n=4)
        ratio = f"{median:.2f} ± {(high - low) / 2:.2f}"
        yield one, {"median ms": f"{statistics.median(ours):.3f}", "× the original": ratio, "n": str(ROUNDS), "machine": machine()}


def resnet20(data: Data, options: argparse.Namespace) -> nn.Module:
    """The checkpoint."""
    return load_weights(build_model("zoo:resnet20"), options.weights / "resnet20-12fca82f.th").eval()


def vgg_style(data: Data, options: argparse.Namespace) -> nn.Module:
    """Trained once."""
    torch.manual_seed(0)
    model, kept = vgg(), options.work / "replace-vgg.pt"
    if not kept.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        torch.save(_carried(VGG_TRAINING, Network(model), data, model).module.state_dict(), kept)
    return load_weights(model, kept).eval()


NETWORKS: Mapping[str, Callable[[Data, argparse.Namespace], nn.Module]] = {"resnet20": resnet20, "vgg-style": vgg_style}


def row(name: str, block: str, model: nn.Module, data: Data, work: Path) -> dict[str, str]:
    """What one kind of block makes of a network."""
    original, kept = Network(model), _file(work, name, block)
    if block == ORIGINAL:
        return _said(original, data, kept, "", "", "0")
    few = replace(data, train=data.train.take(np.random.default_rng(0).permutation(len(data.train))[:IMAGES]))
    step = Replace(epochs=0, block={BEHIND_THE_FIRST[name]: block}, samples=SAMPLES, iterations=0)  # type: ignore[dict-item]
    context = Context(few, model, progress=_shown(f"{name}, {block}"))
    plan = step.plan(original, context)
    print(plan, flush=True)
    network = step.apply(original, plan, context)
    put = _score(as_runner(network.module), data)
    network = replace(step, iterations=ITERATIONS).apply(original, plan, context)
    each = _score(as_runner(network.module), data)
    return _said(_carried(TAUGHT, network, few, model), data, kept, put, each, str(_replaced(plan)))


def _carried(step: Step, network: Network, data: Data, original: nn.Module) -> Network:
    context = Context(data, original, progress=_shown(step.word()))
    return step.apply(network, step.plan(network, context), context)


def _said(network: Network, data: Data, kept: Path, put: str, each: str, replaced: str) -> dict[str, str]:
    content = pack(package(_carried(Fold(), network, data, network.module), data)[0])
    kept.write_bytes(content)
    found = count(network.module, data.preprocessing.shape)
    return {
        "layers replaced": replaced,
        "parameters": str(found.params),
        "MACs": f"{found.macs / 1e6:.2f} M",
        "bytes": str(len(content)),
        "top-1 % put in place": put,
        "top-1 % each block learnt": each,
        "top-1 % the whole distilled": _score(load(kept), data),
        "median ms": "",
        "× the original": "",
        "n": "",
        "machine": "",
    }


def _replaced(plan: Plan) -> int:
    return sum(bool(one["size"]) for one in plan.rows)


def _file(work: Path, name: str, block: str) -> Path:
    return work / f"replace-{name}-{block.replace(' ', '-')}.lac"


def _score(run: Runner, data: Data) -> str:
    return f"{evaluate(run, data.test, data.preprocessing, classification, '').value:.2f}"


def _shown(name: str) -> Callable[[str, float, str], None]:
    return lambda what, share, detail: print(f"\r{name}: {what} {share:4.0%} {detail:60}", end="", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder:DIR with CIFAR-10's images")
    parser.add_argument("--weights", required=True, type=Path, help="folder of the checkpoints")
    parser.add_argument("--work", required=True, type=Path, help="folder for the files")
    parser.add_argument("--time", action="store_true", help="time what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
