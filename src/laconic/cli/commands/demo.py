"""`laconic demo`: the main job on real data that come with scikit-learn, from training to a fresh process."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laconic.base.errors import ArtifactError
from laconic.cli.options import Json
from laconic.cli.targets import make_folder
from laconic.cli.terminal import found_in, show, show_json, size, verdict

if TYPE_CHECKING:
    from torch import nn

    from laconic.base.progress import Progress
    from laconic.datasets.data import Data

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for digits.lac, report.html and results.json.")]

MODEL, RECIPE, SEED = "zoo:lenet5", "deep-compression", 0


def demo(out: Out = Path("demo"), as_json: Json = False) -> None:
    """Train, compress and run a small network, in a minute.

    LeNet-5 is trained on the handwritten digits that come with scikit-learn and compressed by the preset deep-compression; the
    file is then run in a fresh process, without torch and without the model's class.
    """
    from laconic.api import compress
    from laconic.cli.progress import at_work
    from laconic.datasets.reference import load_data
    from laconic.profile.stopwatch import one_thread
    from laconic.report import summary, write

    make_folder(out)
    file = out / "digits.lac"
    with at_work() as progress, one_thread():  # one thread: the same digits on any number of cores, and no fight over them
        data = load_data("digits", sample_shape=(1, 28, 28))
        result = compress(_trained(data, progress), data, RECIPE, name="LeNet-5", progress=progress)
        result.save(file)
        write(result.record, out)
        progress("load", 0.0, "a fresh process")
        fresh = _in_a_fresh_process(file, data)
    if as_json:
        show_json({"file": str(file), "report": str(out / "report.html"), "fresh_process": fresh, "record": asdict(result.record)})
    else:
        show(summary(result.record), "", verdict(_sentence(file, fresh)), found_in("The report", out / "report.html"))


def _trained(data: "Data", progress: "Progress") -> "nn.Module":
    """LeNet-5 after five epochs; they were chosen on the validation split."""
    import torch

    from laconic.graph.network import Network
    from laconic.methods.context import Context
    from laconic.methods.finetune import Finetune
    from laconic.zoo.reference import build_model

    torch.manual_seed(SEED)
    network = Network(build_model(MODEL, classes=len(data.classes), sample_shape=data.preprocessing.shape))
    step = Finetune(epochs=5, lr=0.002, batch=32, optimizer="adam")
    context = Context(data, network.module, seed=SEED, progress=lambda _, share, detail: progress("train", share, detail))
    return step.apply(network, step.plan(network, context), context).module


def _in_a_fresh_process(file: Path, data: "Data") -> dict[str, Any]:
    """What the file does where neither torch nor the class is: the same, bit for bit, as in this process.

    Raises:
        ArtifactError: it does something else.
    """
    import numpy as np

    from laconic.runtime import load
    from laconic.runtime.probe import digest

    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.npz"
        np.savez(samples, inputs=data.test.inputs, targets=data.test.targets)
        command = [sys.executable, "-m", "laconic.runtime.probe", str(file), str(samples)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError("the file does not load in a fresh process", where=str(file), hint=done.stderr.strip().splitlines()[-1])
    fresh: dict[str, Any] = json.loads(done.stdout)
    if fresh["outputs_sha256"] != digest(load(file)(data.preprocessing.apply(data.test.inputs))):
        raise ArtifactError("the file gives other outputs in a fresh process", where=str(file), hint="please report this")
    return fresh


def _sentence(file: Path, fresh: dict[str, Any]) -> str:
    return (
        f"A fresh process {'with' if fresh['torch'] else 'without'} torch and without the model's class loaded {file} "
        f"({size(fresh['bytes'])}) and read {fresh['correct']} of {fresh['samples']} test digits right, "
        "with the same outputs, bit for bit."
    )
