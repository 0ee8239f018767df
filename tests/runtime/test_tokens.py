"""Networks that look token numbers up: from arrays to the file, and from the file to its outputs."""

import numpy as np
import pytest
import torch
from torch import nn

import laconic
from laconic.artifact import Artifact, Notes, pack, unpack
from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.batches import batches
from laconic.datasets.data import Data
from laconic.graph.network import Network
from laconic.profile.profiler import count
from laconic.recipe.package import package
from laconic.runtime import Session
from laconic.train import as_runner, next_token

WORDS, LENGTH = 12, 8


class Reader(nn.Module):
    """Tokens `(n, length)` → logits `(n, words, length)` of the next ones, from the token and its place."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 16)
        self.places = nn.Parameter(torch.zeros(LENGTH, 16))
        self.mix, self.head = nn.Linear(16, 16), nn.Linear(16, WORDS)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.mix(self.words(tokens) + self.places))).transpose(1, 2)


def counting(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that count up by one, from anywhere, and those that come next."""
    first = np.random.Generator(np.random.PCG64(seed)).integers(0, WORDS, (samples, 1))
    counted = (first + np.arange(LENGTH + 1)) % WORDS
    return counted[:, :-1].astype(np.uint8), counted[:, 1:]


@pytest.fixture(scope="module")
def counts() -> Data:
    splits = [counting(samples, seed) for seed, samples in enumerate((256, 64, 64))]
    return laconic.from_arrays(splits[0], splits[2], splits[1], preprocessing=laconic.tokens(LENGTH), classes=())


@pytest.fixture(scope="module")
def reader(counts: Data) -> nn.Module:
    torch.manual_seed(0)
    return laconic.Finetune(epochs=12, lr=0.02, batch=32, optimizer="adam")(Reader(), counts, task=next_token).module


def test_tokens_reach_the_network_as_they_are(counts: Data) -> None:
    inputs, targets = next(batches(counts.train, counts.preprocessing, 4))
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs.numpy().tolist() == counts.train.inputs[:4].tolist()


def test_a_compressed_reader_reads_in_a_session(reader: nn.Module, counts: Data) -> None:
    result = laconic.compress(reader, counts, laconic.Recipe((laconic.Quantize(bits=4.0),)), task=next_token)
    record = result.record
    assert record.after.score is not None
    assert record.before.score is not None
    assert record.after.score.value < record.before.score.value + 0.1  # bits a token
    session = Session(unpack(result.run.content))
    inputs = session.notes.preprocessing.apply(counts.test.inputs)  # type: ignore[union-attr]
    assert session(inputs).argmax(1).tolist() == as_runner(result.model)(inputs).argmax(1).tolist()
    assert session(inputs.astype(np.int32)).shape == (len(inputs), WORDS, LENGTH)


def test_a_session_of_tokens_refuses_what_is_none(reader: nn.Module, counts: Data) -> None:
    session = Session(package(Network(reader), counts)[0])
    with pytest.raises(DataError, match="the network takes whole numbers, got float32"):
        session(np.zeros((1, LENGTH), np.float32))


def test_the_file_says_that_it_takes_tokens() -> None:
    notes = Notes(laconic.tokens(3, 5))
    assert unpack(pack(Artifact({}, None, notes))).notes == notes
    assert Preprocessing.from_dict(laconic.tokens(3, 5).to_dict()) == laconic.tokens(3, 5)


def test_reals_are_no_tokens_and_tokens_have_no_scale() -> None:
    with pytest.raises(DataError, match="whole numbers"):
        laconic.tokens(2).apply(np.zeros((1, 2)))
    with pytest.raises(DataError, match="no scale"):
        Preprocessing((2,), scale=0.5, dtype="int64")


def test_the_reader_s_work_is_counted(reader: nn.Module) -> None:
    assert count(reader, (LENGTH,), dtype="int64").macs == LENGTH * (16 * 16 + 16 * WORDS)


def test_bits_a_token_are_those_of_an_even_guess_for_a_network_that_knows_nothing() -> None:
    outputs, targets = torch.zeros(3, 8, 5), torch.zeros(3, 5, dtype=torch.int64)
    assert (next_token.factor * next_token.score(outputs, targets)).tolist() == pytest.approx([3.0] * 3)
