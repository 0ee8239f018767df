"""Language: which character comes next?

    python examples/language.py

A small causal transformer (Vaswani et al. 2017, normalised before each part) reads 48 characters of sentences that a grammar makes up, and
says after each what comes next. Its loss and score are the task `laconic.next_token`: bits a character, less is better; to guess would
cost 4.75. Its parameters are then halved in whole heads and whole hidden units while it trains on, and what is left goes onto the coarsest
grids with which it loses no more than 0.02 bits in all. Prints the table of the run, and the score of the file that was written,
`language.lac`, when it is loaded again; and the sentence with which this file goes on.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import laconic

LENGTH, WIDTH, HEADS, BLOCKS = 48, 64, 4, 2
LETTERS = " abcdefghijklmnopqrstuvwxyz."
GRAMMAR = {
    "sentence": ("one does .", "many do ."),
    "one": ("the thing", "a quick thing", "the thing that does"),
    "many": ("the things", "two quick things", "some things that do"),
    "does": ("sleeps", "sees one", "follows many"),
    "do": ("sleep", "see one", "follow many"),
    "thing": ("cat", "dog", "bird", "house"),
    "things": ("cats", "dogs", "birds", "houses"),
    "quick": ("quick", "old", "small", "very old"),
}


class Block(nn.Module):
    """Attention to what came before, and two layers, each added to the stream `(n, length, width)`."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """Numbers of letters `(n, length)` → logits of the next ones `(n, letters, length)`."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(LETTERS), WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(LETTERS))

    def forward(self, letters: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.letters(letters) + self.places))).transpose(1, 2)


def text(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of text `(n, 48)` as numbers of letters, and the letters that come next, `(n, 48)`."""
    rng = np.random.default_rng(seed)
    written = ""
    while len(written) <= samples * LENGTH:
        written += expand("sentence", rng) + " "
    numbers = numbered(written)
    rows = np.arange(samples)[:, None] * LENGTH + np.arange(LENGTH)
    return numbers[rows], numbers[rows + 1]


def expand(words: str, rng: np.random.Generator) -> str:
    """Every name of the grammar replaced by one of its meanings, over and over."""
    return " ".join(expand(rng.choice(GRAMMAR[word]), rng) if word in GRAMMAR else word for word in words.split())


def numbered(written: str) -> np.ndarray:
    return np.array([LETTERS.index(letter) for letter in written])


def go_on(session: laconic.Session, written: str, letters: int) -> str:
    """The text with so many more letters, always the likeliest."""
    for _ in range(letters):
        last = written[-LENGTH:]
        logits = session(numbered(last.ljust(LENGTH))[None])
        written += LETTERS[logits[0, :, len(last) - 1].argmax()]
    return written


def main(epochs: int = 8, samples: int = 2500, out: Path = Path("language.lac")) -> laconic.Result:
    """Write, train, compress, save, and load again."""
    data = laconic.from_arrays(text(samples, 0), text(300, 1), text(300, 2), name="grammar", preprocessing=laconic.tokens(LENGTH))
    torch.manual_seed(0)
    training = laconic.Finetune(epochs=epochs, lr=0.003, batch=32, optimizer="adam", warmup=0.1)
    model = training(Transformer(), data, task=laconic.next_token).module
    again = laconic.Training(epochs=epochs // 2, lr=0.002, batch=32, optimizer="adam")
    recipe = [laconic.PruneChannels(params=0.5, rounds=4, training=again), laconic.Quantize(drop=0.02, samples=128)]
    result = laconic.compress(model, data, recipe, task=laconic.next_token)
    print(result)
    session = laconic.load(result.save(out))
    print(f"{out}, loaded again: {laconic.evaluate(session, data, task=laconic.next_token)}")
    print(go_on(session, "a very old bird ", 60))
    return result


if __name__ == "__main__":
    main()
