"""What the lectures say of distillation, tried: small networks on MNIST, from labels and from teachers, at equal epochs.

    python bench/distillation.py --data mnist:DIR --work DIR [--only CLAIM …]

Each case is trained from `SEEDS` starts; the table has the mean of the test accuracies and their standard deviation. Perceptrons are
written as the widths of their hidden layers. Teachers and what they said are kept in DIR. A row is written when it is there, and a call
goes on where the last one ended. Writes bench/results/distillation.csv.
"""

import argparse
import csv
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from laconic import Distill, Factorize, Finetune, Int8, Prune, Share, build_model, load_data
from laconic.datasets.data import Data, Split
from laconic.graph.network import Network
from laconic.methods.context import Context
from laconic.methods.step import Step
from laconic.train import as_runner, classification, evaluate
from laconic.train.training import Targets, Training

RESULTS = Path(__file__).parent / "results" / "distillation.csv"
SEEDS, EPOCHS = 3, 6
BIG, SMALL, TINY = (800, 800), (32, 32), (8, 8)
TEACHING = Finetune(epochs=10, lr=0.05, weight_decay=1e-4, warmup=0.1, shift=2)
LEARNING = Training(epochs=EPOCHS, lr=0.05, batch=64, warmup=0.1)
MISSING = 7
GENTLE = 0.01
HEAD = ("claim", "case", "accuracy %", "±", "beside it", "n")


@dataclass(frozen=True)
class Case:
    """One line of the table: how a student is trained, and what is told beside its accuracy."""

    claim: str
    name: str
    accuracy: Callable[[int], float]
    beside: Callable[[], str] = str


class School:
    """Data, teachers and students."""

    def __init__(self, data: Data, work: Path) -> None:
        self.data, self.work = data, work

    def teacher(self, seed: int = 0, widths: tuple[int, ...] = BIG, wrong: float = 0.0) -> nn.Module:
        """Trained once, on labels of which a share is drawn at random."""
        path = self.work / f"teacher-{'-'.join(map(str, widths))}-{seed}-{wrong}.pt"
        model = perceptron(widths, seed)
        if path.exists():
            model.load_state_dict(torch.load(path, weights_only=True))
            return model.eval()
        trained = TEACHING(model, replace(self.data, train=misled(self.data.train, wrong)), seed=seed).module
        torch.save(trained.state_dict(), path)
        return trained

    def learn(self, seed: int, step: Step, widths: tuple[int, ...] = SMALL, data: Data | None = None) -> nn.Module:
        """A student."""
        return step(perceptron(widths, seed), data or self.data, seed=seed).module

    def taught(self, teacher: nn.Module | tuple[nn.Module, ...], **said: object) -> Distill:
        """By a teacher, whose answers are kept."""
        fields = {name: getattr(LEARNING, name) for name in ("epochs", "lr", "batch", "warmup")}
        kept = {} if said.get("hints") else {"cache": str(self.work / "answers")}
        return Distill(**fields | kept | said, teacher=teacher)  # type: ignore[arg-type]

    def labels(self) -> Finetune:
        """By labels alone."""
        return Finetune(epochs=LEARNING.epochs, lr=LEARNING.lr, batch=LEARNING.batch, warmup=LEARNING.warmup)

    def accuracy(self, model: nn.Module, rows: np.ndarray | None = None) -> float:
        """On the test split, or these rows of it."""
        split = self.data.test if rows is None else self.data.test.take(rows)
        return evaluate(as_runner(model), split, self.data.preprocessing, classification, "").value


def perceptron(widths: Sequence[int], seed: int) -> nn.Module:
    """784 pixels, hidden layers of these widths with ReLU, 10 logits."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise((784, *widths)):
        layers.append(nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU()))
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10)).eval()


def misled(split: Split, wrong: float) -> Split:
    """With a share of the labels drawn at random."""
    rng = np.random.default_rng(0)
    drawn = np.where(rng.random(len(split)) < wrong, rng.integers(0, 10, len(split)), split.targets)
    return Split(split.inputs, drawn.astype(np.int64))


def from_labels_or_teacher(school: School) -> Iterator[Case]:
    """At equal epochs."""
    teacher, claim = school.teacher(), "labels against teacher"
    told = f"teacher {school.accuracy(teacher):.2f}"
    yield Case(claim, "labels", lambda seed: school.accuracy(school.learn(seed, school.labels())), lambda: told)
    for name, said in (
        ("both", {}),
        ("teacher alone", {"labels": False}),
        ("its logits, λ = 0.05", {"labels": False, "match": "mse", "weight": 0.05}),
    ):
        yield Case(claim, name, lambda seed, said=said: school.accuracy(school.learn(seed, school.taught(teacher, **said))), lambda: told)  # type: ignore[misc]


def temperatures(school: School) -> Iterator[Case]:
    """The higher, the flatter."""
    teacher = school.teacher()
    logits = as_runner(teacher)(school.data.preprocessing.apply(school.data.validation.inputs))
    for temperature in (1.0, 2.0, 4.0, 8.0, 20.0):
        soft = torch.from_numpy(logits / temperature).double().softmax(1)
        entropy = float(-(soft * soft.clamp_min(1e-30).log2()).sum(1).mean())
        step = school.taught(teacher, temperature=temperature, labels=False)
        told = f"teacher's entropy {entropy:.3f} bits"
        yield Case("temperature", f"{temperature:g}", lambda s, step=step: school.accuracy(school.learn(s, step)), lambda told=told: told)  # type: ignore[misc]


def a_class_unseen(school: School) -> Iterator[Case]:
    """The student has seen no 7; its bias for 7 is moved to where the validation images, 7s among them, are told best."""
    teacher, data, claim = school.teacher(), school.data, f"no {MISSING} among its images"
    rest = replace(data, train=data.train.take(data.train.targets != MISSING))
    sevens = data.test.targets == MISSING
    for name, step in (("labels", school.labels()), ("teacher", school.taught(teacher, labels=False))):
        for corrected in (False, True):

            def accuracy(seed: int, step: Step = step, corrected: bool = corrected) -> float:
                student = school.learn(seed, step, data=rest)
                return school.accuracy(lifted(student, data) if corrected else student, sevens)

            yield Case(claim, f"{name}, bias {'moved' if corrected else 'as learnt'}", accuracy, lambda: f"accuracy on the {MISSING}s")


def lifted(student: nn.Module, data: Data) -> nn.Module:
    """With the bias for the missing class moved to where most validation images are told right."""
    outputs = torch.from_numpy(as_runner(student)(data.preprocessing.apply(data.validation.inputs)))
    targets = torch.from_numpy(data.validation.targets)

    def right(shift: float) -> float:
        moved = outputs.clone()
        moved[:, MISSING] += shift
        return float((moved.argmax(1) == targets).float().mean())

    best = max(np.linspace(0, 20, 81).tolist(), key=right)
    with torch.no_grad():
        student[-1].bias[MISSING] += best  # type: ignore[index, operator, union-attr]
    return student


def a_teacher_that_errs(school: School) -> Iterator[Case]:
    """Half of the labels that it learnt from were drawn at random; the student's own labels are as bad, or right."""
    claim, bad = "a teacher that errs", replace(school.data, train=misled(school.data.train, 0.5))
    teacher = school.teacher(wrong=0.5)
    told = f"teacher {school.accuracy(teacher):.2f}"
    yield Case(claim, "bad labels alone", lambda seed: school.accuracy(school.learn(seed, school.labels(), data=bad)), lambda: told)
    yield Case(claim, "teacher alone", lambda s: school.accuracy(school.learn(s, school.taught(teacher, labels=False))), lambda: told)
    yield Case(claim, "teacher and right labels", lambda s: school.accuracy(school.learn(s, school.taught(teacher))), lambda: told)


def too_small(school: School) -> Iterator[Case]:
    """With and without someone in between; at a rate that a perceptron so narrow bears."""
    teacher, claim = school.teacher(), "a student too small"
    told = f"{'-'.join(map(str, TINY))} from {'-'.join(map(str, BIG))}"
    labels = replace(school.labels(), lr=GENTLE)
    yield Case(claim, "labels", lambda seed: school.accuracy(school.learn(seed, labels, TINY)), lambda: told)
    for count in (0, 1, 2):
        step = school.taught(teacher, assistants=count, lr=GENTLE)
        yield Case(claim, f"{count} assistants", lambda s, step=step: school.accuracy(school.learn(s, step, TINY)), lambda: told)  # type: ignore[misc]


def ensembles(school: School) -> Iterator[Case]:
    """Five into one."""
    five = tuple(school.teacher(seed) for seed in range(5))
    alone = statistics.mean(school.accuracy(one) for one in five)
    voices = [as_runner(one)(school.data.preprocessing.apply(school.data.test.inputs)) for one in five]
    joint = sum(torch.from_numpy(one).softmax(1) for one in voices)
    assert isinstance(joint, Tensor)
    all_five = 100 * float((joint.argmax(1) == torch.from_numpy(school.data.test.targets)).double().mean())
    yield Case("an ensemble", "one", lambda s: school.accuracy(school.learn(s, school.taught(five[0]))), lambda: f"each {alone:.2f}")
    for combine in ("mean", "geometric", "vote"):
        step = school.taught(five, combine=combine)
        told = f"five together {all_five:.2f}"
        yield Case("an ensemble", f"five, {combine}", lambda s, step=step: school.accuracy(school.learn(s, step)), lambda told=told: told)  # type: ignore[misc]


def few_labels(school: School) -> Iterator[Case]:
    """So many of the training images and up to ten times the epochs, at a gentle rate: at the usual one a student may collapse."""
    teacher, train = school.teacher(), school.data.train
    for share in (0.01, 0.05, 0.2):
        data = replace(school.data, train=train.take(np.arange(int(len(train) * share)) * len(train) // int(len(train) * share)))
        epochs = round(EPOCHS / max(share, 0.1))
        for name, step in (("labels", school.labels()), ("teacher", school.taught(teacher))):
            case = f"{share:.0%} of the images, {name}"
            learn = replace(step, epochs=epochs, lr=GENTLE)
            yield Case("few images", case, lambda s, step=learn, data=data: school.accuracy(school.learn(s, step, data=data)))  # type: ignore[misc]


def depths(school: School) -> Iterator[Case]:
    """Deep and thin against shallow and wide, at two budgets of multiply-adds."""
    teacher = school.teacher(widths=(800, 800, 800, 800))
    for macs in (20_000, 80_000):
        for depth in (1, 2, 4, 8):
            width = next(width for width in range(1, 200) if 794 * (width + 1) + (depth - 1) * (width + 1) ** 2 > macs)
            widths = (width,) * depth
            steps = {"labels": school.labels(), "teacher": school.taught(teacher), "hints": school.taught(teacher, hints=1.0)}
            for name, step in steps.items():
                told = f"{macs // 1000} K MACs, {width} wide"
                case = Case(
                    f"depth at {macs // 1000} K MACs",
                    f"{depth} hidden, {name}",
                    lambda s, step=step, widths=widths: school.accuracy(school.learn(s, step, widths)),
                    lambda told=told: told,
                )  # type: ignore[misc]
                yield case


def bounds(school: School) -> Iterator[Case]:
    """How far a step may go, said as the norm of gradients above which it is shortened, for a deep and thin student."""
    teacher, widths = school.teacher(widths=(800, 800, 800, 800)), (21,) * 8
    for clip in (1.0, 2.0, 5.0, 10.0):
        step = school.taught(teacher, clip=clip)
        case = f"8 hidden, gradients up to {clip:g}"
        yield Case("a bound on steps", case, lambda s, step=step: school.accuracy(school.learn(s, step, widths)))  # type: ignore[misc]


def recovery(school: School) -> Iterator[Case]:
    """What fine-tuning on a fifth of the images learns from, after LeNet-5 was compressed hard: at equal epochs."""
    train, path = school.data.train, school.work / "lenet5.pt"
    model = build_model("zoo:lenet5")
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        torch.manual_seed(0)
        model = replace(TEACHING, epochs=4)(build_model("zoo:lenet5"), school.data).module
        torch.save(model.state_dict(), path)
    few = replace(school.data, train=train.take(np.arange(0, len(train), 5)))
    for name, step, lr in (
        ("pruning", Prune(sparsity=0.98), 0.005),
        ("sharing", Share(bits=1), 2e-5),  # a shared value moves by the gradients of all its weights
        ("low rank", Factorize(macs=0.05), 0.005),
        ("int8", Int8(bits=2), 0.005),
    ):
        network = step(model.eval(), few)
        told = f"{step}: {school.accuracy(network.module):.2f} at once"
        for targets in get_args(Targets):

            def accuracy(seed: int, network: Network = network, targets: Targets = targets, lr: float = lr) -> float:
                tuned = Finetune(epochs=4, lr=lr, batch=64, targets=targets)
                return school.accuracy(_tuned(tuned, network, model, few, seed).module)

            yield Case(f"recovery from {name}", f"from {targets}", accuracy, lambda told=told: told)  # type: ignore[misc]


def _tuned(step: Finetune, network: Network, original: nn.Module, data: Data, seed: int) -> Network:
    context = Context(data, original.eval(), seed=seed)
    return step.apply(network, step.plan(network, context), context)


CLAIMS: dict[str, Callable[[School], Iterator[Case]]] = {
    "labels": from_labels_or_teacher,
    "temperature": temperatures,
    "unseen": a_class_unseen,
    "errs": a_teacher_that_errs,
    "small": too_small,
    "ensemble": ensembles,
    "few": few_labels,
    "recovery": recovery,
    "depth": depths,
    "bounds": bounds,
}


def main() -> None:
    """A claim after the other."""
    options = _options()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    school = School(load_data(options.data), options.work)
    rows = list(csv.DictReader(RESULTS.open(encoding="utf-8"))) if RESULTS.exists() else []
    for claim in options.only:
        for case in CLAIMS[claim](school):
            if not any((row["claim"], row["case"]) == (case.claim, case.name) for row in rows):
                rows.append(_row(case))
                _write(rows)
                print(*rows[-1].values(), sep="  ", flush=True)


def _row(case: Case) -> dict[str, str]:
    found = [case.accuracy(seed) for seed in range(SEEDS)]
    values = (case.claim, case.name, f"{statistics.mean(found):.2f}", f"{statistics.stdev(found):.2f}", case.beside(), str(SEEDS))
    return dict(zip(HEAD, values, strict=True))


def _write(rows: list[dict[str, str]]) -> None:
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEAD, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist:DIR")
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--only", nargs="+", choices=CLAIMS, default=list(CLAIMS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
