"""Where a training stands: all that a kill may not lose, and all that a wrong turn must be taken back to."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from laconic.base.errors import DataError, ResourceError
from laconic.nn.checks import home
from laconic.train.average import Average
from laconic.train.best import Best
from laconic.train.memory import Memory
from laconic.train.portions import Batch, least_portion, portions, ran_out
from laconic.train.ranks import ALONE, Ranks, Sum, check_alike, own_part
from laconic.train.task import BatchLoss

KEEP_EVERY = 20.0  # seconds; the end of an epoch is always kept
MOST_SETBACKS = 3


class Course:
    """A model, what is trained beside it, their optimiser, and how far they have come.

    Args:
        model: trained in place.
        optimizer: over its parameters and those of its companions.
        companions: modules that are trained beside it.
        average: follows the weights.
        best: judges them after each epoch.
        ranks: who take the steps together.
        clip: norm of all gradients together, above which a step is shortened.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        companions: Sequence[nn.Module] = (),
        average: Average | None = None,
        best: Best | None = None,
        ranks: Ranks = ALONE,
        clip: float | None = None,
    ) -> None:
        self.model, self.optimizer, self.companions = model, optimizer, companions
        self.average, self.best = average, best
        self.step = 0
        self.most: int | None = None  # samples at a time, once memory has run out
        self._least, self._home = least_portion(nn.ModuleList([model, *companions])), home(model)
        self._ranks = ranks
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._trained, self._clip = trained, clip
        self._sum = Sum(ranks, trained, nn.ModuleList([model, *companions]))
        self._setbacks = 0
        self._kept = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether it is to stop before its last step."""
        return self.best is not None and self.best.over

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, halved once for every setback."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate / 2**self._setbacks

    def differentiate(self, loss: BatchLoss, group: Sequence[Batch], seed: int) -> float:
        """The gradients of the mean loss over all samples of a step, and that mean. Each rank sees its part of the samples.

        Where memory does not suffice on any rank, half as many samples go through at a time, from now on.

        Args:
            loss: (model, inputs, targets) → mean over the samples.
            group: the batches of the step.
            seed: of what the model draws.

        Raises:
            ResourceError: memory does not suffice for the least that can go through.
        """
        while True:
            _draw_from(seed)
            self.optimizer.zero_grad(set_to_none=True)
            value, seen, found = 0.0, 0.0, ""
            try:
                for inputs, targets, share in self._portions(group):
                    value += self._backward(loss, inputs, targets, share)
                    seen += share
            except (MemoryError, RuntimeError) as cause:
                if not ran_out(cause):
                    raise
                found = str(cause) or type(cause).__name__
            value, short = self._sum(value, seen, bool(found))
            if not short:
                return value
            self._halve(max(len(inputs) for inputs, _ in group), found)  # out here nothing holds the tensors of the attempt any more

    def descend(self) -> None:
        """One step of the optimiser along the gradients, shortened where they are too large."""
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self._trained, self._clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.follow(self.step)
        self.step += 1

    def judge(self) -> None:
        """Ask, at the end of an epoch, whether these are the best weights so far.

        Raises:
            ModelError: the ranks do not hold the same.
        """
        for module in (self.model, *self.companions):
            check_alike(self._ranks, module.state_dict(), f"training step {self.step}")
        if self.best is None:
            return
        if self.average is None:
            self.best.judge(self.model)
        else:
            with self.average.in_place():
                self.best.judge(self.model)

    def conclude(self) -> None:
        """Give the model the weights that the training is for: the best, or the mean, or the last as they are."""
        if self.best is not None:
            self.best.give(self.model)
        elif self.average is not None:
            self.average.give()

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on."""
        parts = {
            "model": self.model.state_dict(),
            "companions": [companion.state_dict() for companion in self.companions],
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state(),
            "best": None if self.best is None else self.best.state(),
        }
        return {"step": self.step, "setbacks": self._setbacks, "most": self.most} | copy.deepcopy(parts)

    @property
    def due(self) -> bool:
        """Whether it is long ago that the state was kept."""
        return time.monotonic() - self._kept > KEEP_EVERY

    def sound(self) -> bool:
        """Whether all that is trained is finite: a gradient may be none where the loss is, and what is kept must be good to go on from."""
        return bool(self._ranks.told(all(bool(parameter.isfinite().all()) for parameter in self._trained)))

    def keep(self, memory: Memory, last: bool) -> None:
        """Give the state to `memory` if this was the last step of an epoch, or the last time is long ago."""
        if last or self.due:
            memory.keep(self.state)
            self._kept = time.monotonic()

    def recall(self, memory: Memory) -> None:
        """Go on from the state that `memory` kept, if it kept one."""
        state = memory.recall()
        if state is not None:
            self._setbacks, self.most = state["setbacks"], state["most"]
            self._restore(state)

    def go_back(self, state: Mapping[str, Any], found: str) -> None:
        """Return to `state` with half the learning rate, for what was found.

        Raises:
            DataError: that was tried three times already.
        """
        failed = self.step
        self._restore(state)
        if self._setbacks == MOST_SETBACKS:
            where = f"training step {failed}, after halving the learning rate {MOST_SETBACKS} times"
            raise DataError(found, where=where, hint="lower lr, or look for NaN in the data")
        self._setbacks += 1

    def _portions(self, group: Sequence[Batch]) -> Iterator[tuple[torch.Tensor, Any, float]]:
        """This rank's part of each portion of the step, with its share of all samples."""
        whole = portions(group, self.most, self._least)
        if self._ranks.count == 1:
            yield from whole
            return
        for inputs, targets, share in whole:
            rows = own_part(self._ranks, len(inputs), self._least)
            if rows.start < rows.stop:
                yield inputs[rows], targets[rows], share * (rows.stop - rows.start) / len(inputs)

    def _backward(self, loss: BatchLoss, inputs: torch.Tensor, targets: Any, share: float) -> float:
        device, dtype = self._home
        own = inputs.to(device, dtype) if inputs.is_floating_point() else inputs.to(device)
        error = loss(self.model, own, targets.to(device))
        error = error if share == 1 else error * share
        error.backward()  # type: ignore[no-untyped-call]
        return float(error.detach())

    def _halve(self, samples: int, found: str) -> None:
        """Let half as many samples through at a time as the greatest batch had, or the greatest piece of one."""
        before = samples if self.most is None else min(self.most, samples)
        if before <= self._least:
            where = f"training step {self.step}, {before} sample{'s' if before > 1 else ''} at a time"
            asked = found.splitlines()[0] if found else "see the other ranks"
            hint = f"a smaller model or sample, or more memory; what was asked for: {asked}"
            raise ResourceError("there is not enough memory to train", where=where, hint=hint)
        self.most = max(before // 2, self._least)

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        for companion, kept in zip(self.companions, state["companions"], strict=True):
            companion.load_state_dict(kept)
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self.average is not None:
            self.average.restore(state["average"])
        if self.best is not None:
            self.best.restore(state["best"])


def _draw_from(seed: int) -> None:
    """Seed the global generators, from which dropout and the like draw.

    As `torch.manual_seed` does; but that one takes milliseconds to note who called it where there is no GPU in use.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
