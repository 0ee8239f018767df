"""Several ranks take the step of one: here as threads of one process, and (slow) as processes that accelerate brings together."""

import copy
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.datasets.data import Data
from laconic.train import Training, classification, from_task, loop
from laconic.train.ranks import ALONE, FirstMemory, check_alike, own_part

LOSS = from_task(classification.loss)


class Meeting:
    """Where threads lay down what they have, and all of them see it."""

    def __init__(self, count: int) -> None:
        self.count, self.barrier, self.table = count, threading.Barrier(count, timeout=20), [None] * count  # type: ignore[var-annotated]

    def exchange(self, number: int, value: Any) -> list[Any]:
        self.table[number] = value
        self.barrier.wait()
        found = list(self.table)
        self.barrier.wait()
        return found


class Thread:
    """One rank of a meeting."""

    def __init__(self, meeting: Meeting, number: int) -> None:
        self.meeting, self.number, self.count = meeting, number, meeting.count

    def add(self, values: Tensor) -> Tensor:
        return torch.stack(self.meeting.exchange(self.number, values)).sum(0)

    def told(self, value: Any) -> Any:
        return self.meeting.exchange(self.number, value)[0]

    def all(self, value: Any) -> list[Any]:
        return self.meeting.exchange(self.number, value)


def together(count: int, work: Callable[[Thread], Any]) -> list[Any]:
    """What each rank makes; whatever any of them raises, the first of them first."""
    meeting, found, errors = Meeting(count), [None] * count, []  # type: ignore[var-annotated]

    def run(number: int) -> None:
        try:
            found[number] = work(Thread(meeting, number))
        except threading.BrokenBarrierError:
            pass
        except BaseException as cause:  # noqa: BLE001  it is raised again in the test's own thread
            errors.append(cause)
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)).double().eval()


def train(model: nn.Module, data: Data, training: Training, **more: Any) -> tuple[nn.Module, list[float]]:
    return model, [tick.loss for tick in loop(model, data.train, data.preprocessing, LOSS, training, 0, **more)]


FIELDS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"optimizer": "adam"},
    "accumulated": {"accumulate": 2},
    "averaged": {"average": "ema"},
    "mixed": {"mixup": 0.5},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("count", [2, 3])
def test_ranks_take_the_step_of_one(data: Data, count: int, fields: dict[str, Any]) -> None:
    training = Training(epochs=2, batch=13, lr=0.05, flip=True, **fields)
    if fields.get("mixup"):
        loss = from_task(lambda o, t: t.share * classification.loss(o, t.first) + (1 - t.share) * classification.loss(o, t.second))
    else:
        loss = LOSS

    def run(ranks: Any) -> tuple[nn.Module, list[float]]:
        model = plain_models[ranks.number if ranks is not ALONE else -1]
        return model, [t.loss for t in loop(model, data.train, data.preprocessing, loss, training, 0, ranks=ranks)]

    plain_models = [plain() for _ in range(count + 1)]
    alone, losses = run(ALONE)
    for model, told in together(count, run):
        assert told == pytest.approx(losses, rel=1e-9)
        assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(alone.parameters(), model.parameters(), strict=True))


def test_normalised_batches_leave_all_ranks_with_the_same_statistics(model: nn.Module, data: Data) -> None:
    models = [copy.deepcopy(model) for _ in range(2)]
    one, other = together(2, lambda ranks: train(models[ranks.number], data, Training(epochs=2, batch=21), ranks=ranks)[0].state_dict())
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_means_of_normalised_batches_are_those_of_the_whole_batch(model: nn.Module, data: Data) -> None:
    still, models = Training(batch=21, lr=1e-12), [copy.deepcopy(model) for _ in range(2)]
    alone, _ = train(model, data, still)
    for found, _ in together(2, lambda ranks: train(models[ranks.number], data, still, ranks=ranks)):
        assert torch.allclose(found.norm.running_mean, alone.norm.running_mean, rtol=1e-4, atol=1e-5)
        assert found.norm.num_batches_tracked == alone.norm.num_batches_tracked


def test_a_last_batch_too_small_for_all_leaves_some_idle(model: nn.Module, data: Data) -> None:
    models = [copy.deepcopy(model) for _ in range(3)]  # the last batch of two samples goes to one rank: it is normalised
    states = together(3, lambda ranks: train(models[ranks.number], data, Training(batch=62), ranks=ranks)[0].state_dict())
    assert all(torch.equal(states[0][name], state[name]) for state in states for name in state)


def test_where_one_rank_is_short_of_memory_all_take_smaller_portions(data: Data) -> None:
    def run(ranks: Thread) -> tuple[nn.Module, set[int | None]]:
        def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
            if ranks.number == 1 and len(inputs) > 4:
                raise MemoryError
            return classification.loss(model(inputs), targets)

        ticks = list(loop(models[ranks.number], data.train, data.preprocessing, loss, Training(batch=32), 0, ranks=ranks))
        return models[ranks.number], {tick.most for tick in ticks}

    models = [plain() for _ in range(2)]
    alone, _ = train(plain(), data, Training(batch=32))
    for model, most in together(2, run):
        assert most == {8}  # of both together
        assert all(torch.allclose(a, b, rtol=1e-8) for a, b in zip(alone.parameters(), model.parameters(), strict=True))


def test_ranks_that_have_parted_are_told_by_the_tensor_and_the_rank(data: Data) -> None:
    def run(ranks: Thread) -> None:
        model = models[ranks.number]
        for tick in loop(model, data.train, data.preprocessing, LOSS, Training(batch=16), 0, ranks=ranks):
            if tick.step == 1 and ranks.number == 1:
                with torch.no_grad():
                    model[3].bias[2] += 1e-9

    models = [plain() for _ in range(3)]
    with pytest.raises(ModelError, match=r"3\.bias is another on rank 1 than on rank 0") as caught:
        together(3, run)
    assert caught.value.where == "training step 4"


def test_alike_is_alike() -> None:
    models = [plain(), plain()]
    together(2, lambda ranks: check_alike(ranks, models[ranks.number].state_dict(), "here"))
    check_alike(ALONE, plain().state_dict(), "here")


def test_only_the_first_remembers_and_all_recall_what_it_kept(data: Data, diary: Any) -> None:
    diaries = [diary(), diary()]
    training = Training(epochs=2, batch=16)

    def run(ranks: Thread) -> list[int]:
        ticks = loop(
            plain_models[ranks.number],
            data.train,
            data.preprocessing,
            LOSS,
            training,
            0,
            FirstMemory(ranks, diaries[ranks.number]),
            ranks=ranks,
        )
        return [tick.step for tick in ticks]

    plain_models = [plain(), plain()]
    together(2, run)
    assert [len(d.states) for d in diaries] == [2, 0]
    diaries[0].states.pop()
    plain_models = [plain(), plain()]
    assert together(2, run) == [[4, 5, 6, 7]] * 2


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 64])
@pytest.mark.parametrize("least", [1, 2])
def test_parts_are_a_partition_as_equal_as_can_be(samples: int, least: int) -> None:
    meeting = Meeting(3)
    parts = [range(samples)[own_part(Thread(meeting, number), samples, least)] for number in range(3)]
    assert [row for part in parts for row in part] == list(range(samples))
    assert all(len(part) >= min(least, samples) for part in parts if len(part))
    if samples >= 3 * least:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


SCRIPT = """
import sys
import numpy as np
import torch
from torch import nn
from laconic import Finetune, Prune, Share, Training, compress, from_arrays
from laconic.train.ranks import follows

rng = np.random.default_rng(0)
targets = rng.integers(0, 3, 320)
inputs = rng.integers(0, 80, (320, 1, 6, 6)).astype(np.uint8) + (60 * targets)[:, None, None, None].astype(np.uint8)
data = from_arrays((inputs[:240], targets[:240]), (inputs[240:], targets[240:]))
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
pruning = Training(epochs=2, batch=32, lr=0.01)
steps = [Prune(sparsity=0.5, rounds=2, training=pruning), Share(bits=4), Finetune(epochs=3, batch=32, lr=0.01)]
result = compress(model, data, steps, folder=sys.argv[1], resume=len(sys.argv) > 2)
if not follows():
    torch.save(result.model.state_dict(), sys.argv[1] + "/weights.pt")
    print(result.record.after.score.value)
"""


def launch(script: Path, folder: Path, count: int, *more: str) -> list["subprocess.Popen[str]"]:
    """The processes that torchrun would start, without its supervisor."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"} if count > 1 else {}
    own = [{"RANK": str(n), "LOCAL_RANK": str(n), "LOCAL_WORLD_SIZE": str(count)} if count > 1 else {} for n in range(count)]
    command = [sys.executable, str(script), str(folder), *more]
    pipe = subprocess.PIPE
    return [subprocess.Popen(command, env=os.environ | common | names, stdout=pipe, stderr=pipe, text=True) for names in own]


@pytest.mark.slow
def test_two_processes_end_with_the_weights_and_the_accuracy_of_one(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    scores, weights = [], []
    for count in (1, 2):
        folder = tmp_path / str(count)
        said = [(p.communicate(timeout=300), p.returncode) for p in launch(script, folder, count)]
        assert [code for _, code in said] == [0] * count, said
        assert all(not out for (out, _), _ in said[1:])
        scores.append(float(said[0][0][0].split()[-1]))
        weights.append(torch.load(folder / "weights.pt"))
    assert scores[0] == scores[1]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_run_and_the_journal_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("epochs=3", "epochs=60"))
    folder = tmp_path / "run"
    first, second = launch(script, folder, 2)
    journal = folder / "journal"
    while not (journal.exists() and '"number":2' in journal.read_text().replace(" ", "")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.1)
    os.kill(second.pid, signal.SIGKILL)
    _, said = first.communicate(timeout=60)
    second.communicate()
    assert first.returncode != 0
    assert "another rank has gone" in said
    done = [(p.communicate(timeout=300), p.returncode) for p in launch(script, folder, 2, "resume")]
    assert [code for _, code in done] == [0, 0], done
