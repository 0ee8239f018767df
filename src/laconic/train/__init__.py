"""The training loop, what it minimises, and how its result is judged."""

from laconic.train.evaluate import Judged, Runner, as_runner, evaluate, judge, scores
from laconic.train.labels import labels
from laconic.train.loop import Tick, from_task, loop
from laconic.train.task import BatchLoss, Scheduled, Task, classification, next_token
from laconic.train.training import Training

__all__ = [
    "BatchLoss",
    "Judged",
    "Runner",
    "Scheduled",
    "Task",
    "Tick",
    "Training",
    "as_runner",
    "classification",
    "evaluate",
    "from_task",
    "judge",
    "labels",
    "loop",
    "next_token",
    "scores",
]
