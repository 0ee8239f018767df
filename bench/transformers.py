"""Two small transformers, trained here on text that ships with Python, quantised at once and packed: bytes against what they lose.

    python bench/transformers.py --work DIR

A decoder reads 64 characters of Python's own reference and says the next one (bits a character on text that it never saw); an encoder
reads 96 characters of the standard library and says which package they are from (accuracy on files that it never saw). Each is then
rounded to nearest in 8 and 4 bits, one step a row, and quantised by `quantize` to 4, 3, 2 and 1.5 bits a parameter from 512 unlabelled
training samples. "plain bytes" are what integers of fixed length would take, with a float32 step for each row and float32 for all else;
"file bytes" are those of the weights-only file. The trained networks are kept in DIR.
Writes bench/results/transformers.csv.
"""

import argparse
import csv
import pathlib
import pydoc_data.topics
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import laconic
from laconic import Data, Finetune, Quantize, Task, from_arrays, next_token
from laconic.forms import Grid
from laconic.forms.form import narrow
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.nn import weights
from laconic.recipe.run import weights_only_bytes
from laconic.train import as_runner, classification, evaluate

RESULTS = Path(__file__).parent / "results" / "transformers.csv"
PACKAGES = ("asyncio", "ctypes", "email", "http", "idlelib", "json", "multiprocessing", "tkinter", "unittest", "xml")
VOCABULARY, WIDTH, HEADS = 128, 128, 4
BITS = (4.0, 3.0, 2.0, 1.5)


class Block(nn.Module):
    """Attention and two layers behind each other, each on a normalised copy of the stream (Xiong et al. 2020)."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(n, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """Characters `(n, length)` → logits `(n, outputs, length)` of a decoder, `(n, outputs)` of an encoder."""

    def __init__(self, blocks: int, length: int, outputs: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(length, WIDTH))
        self.blocks = nn.Sequential(*(Block(causal) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.blocks(self.words(tokens) + self.places))
        return self.head(x).transpose(1, 2) if self.causal else self.head(x.mean(1))


@dataclass(frozen=True)
class Problem:
    """A network, its data, and how it is trained."""

    model: nn.Module
    data: Data
    task: Task
    training: Finetune


def decoder() -> Problem:
    """The next character of Python's reference; one stretch of text in ten is held out to validate, one to test."""
    text = characters("\n".join(text for _, text in sorted(pydoc_data.topics.topics.items())))
    rows = text[: len(text) // 65 * 65].reshape(-1, 65)
    part = np.arange(len(rows)) // 50 % 10  # stretches of 50 rows
    splits = [(rows[chosen, :-1], rows[chosen, 1:].astype(np.int64)) for chosen in (part < 8, part == 8, part == 9)]
    data = from_arrays(splits[0], splits[2], splits[1], name="Python's reference", preprocessing=laconic.tokens(64), classes=())
    return Problem(Transformer(3, 64, VOCABULARY, causal=True), data, next_token, Finetune(14, 0.002, 64, "adam", warmup=0.05))


def encoder() -> Problem:
    """The package that a piece of source is from; one file in ten is held out to validate, two to test."""
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    parts: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]] = ([], [], [])
    for number, package in enumerate(PACKAGES):
        for place, file in enumerate(sorted((library / package).rglob("*.py"))):
            text = characters(file.read_text(encoding="utf-8"))
            rows = text[: len(text) // 96 * 96].reshape(-1, 96)
            labelled = np.concatenate([rows, np.full((len(rows), 1), number)], 1)
            parts[{0: 1, 1: 2, 2: 2}.get(place % 10, 0)].append(labelled[:200])
    splits = [(rows[:, :-1].astype(np.uint8), rows[:, -1].astype(np.int64)) for rows in map(np.concatenate, parts)]
    data = from_arrays(splits[0], splits[2], splits[1], name="standard library", preprocessing=laconic.tokens(96), classes=PACKAGES)
    return Problem(Transformer(2, 96, len(PACKAGES), causal=False), data, classification, Finetune(8, 0.001, 64, "adam", warmup=0.1))


def characters(text: str) -> np.ndarray:
    """ASCII codes; whatever is none is a question mark."""
    return np.frombuffer(text.encode("ascii", "replace"), np.uint8)


PROBLEMS = {"decoder": decoder, "encoder": encoder}


def main() -> None:
    """Whatever is not in the work folder yet, and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the networks and the lines of the table")
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows = [row for name in PROBLEMS for row in lines(name, work)]
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    print(RESULTS.read_text(encoding="utf-8"))


def lines(name: str, work: Path) -> Iterator[dict[str, str]]:
    """A line for each way to hold the network."""
    torch.manual_seed(0)
    problem = PROBLEMS[name]()
    network = trained(problem, work / f"{name}.pt")
    context = Context(problem.data, network.module, problem.task, price=weights_only_bytes)
    yield line(name, "float32", network, 4 * parameters(network), problem)
    for bits in (8, 4):
        yield line(name, f"round to nearest, {bits} bits", rounded(network, bits), plain_bytes(network, bits), problem)
    for bits in BITS:
        step = Quantize(bits=bits)
        yield line(name, str(step), step.apply(network, step.plan(network, context), context), 0, problem)


def trained(problem: Problem, kept: Path) -> Network:
    """The network after its training, from the work folder if it is there."""
    if kept.exists():
        problem.model.load_state_dict(torch.load(kept, weights_only=True))
        return Network(problem.model.eval())
    network = problem.training(problem.model, problem.data, task=problem.task)
    torch.save(network.module.state_dict(), kept)
    return network


def rounded(network: Network, bits: int) -> Network:
    """Every weight of two axes on a grid of its row, symmetric; all else as it was."""
    largest = 2 ** (bits - 1) - 1
    forms = {}
    for name in weights(network.module):
        array = network.array(name)
        steps = np.maximum(np.abs(array).max(1) / largest, 1e-12).astype(np.float32)
        forms[name] = Grid(array.shape, narrow(np.rint(array / steps[:, None]).astype(np.int16)), steps)
    return network.reformed(forms)


def plain_bytes(network: Network, bits: int) -> int:
    """Integers of fixed length, a step for each row, float32 for what is not rounded."""
    pressed = weights(network.module)
    integers = sum(p.numel() for p in pressed.values()) * bits // 8
    return integers + 4 * sum(len(p) for p in pressed.values()) + 4 * (parameters(network) - sum(p.numel() for p in pressed.values()))


def parameters(network: Network) -> int:
    return sum(p.numel() for p in network.module.parameters())


def line(name: str, method: str, network: Network, plain: int, problem: Problem) -> dict[str, str]:
    """What the network weighs, and what it scores on the test split."""
    data = problem.data
    score = evaluate(as_runner(network.module), data.test, data.preprocessing, problem.task, "test split")
    size = weights_only_bytes(network)
    found = {"network": name, "method": method, "plain bytes": str(plain or ""), "file bytes": str(size)}
    found |= {"bits a parameter": f"{8 * size / parameters(network):.2f}"}
    found |= {"metric": problem.task.metric, "test": f"{score.value:.3f}", "±": f"{score.spread:.3f}", "n": str(score.n)}
    print(*found.values(), sep="  ", flush=True)
    return found


if __name__ == "__main__":
    main()
