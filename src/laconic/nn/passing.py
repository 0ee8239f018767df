"""Which layer a forward pass failed in: torch's own message names a line of torch, and no layer."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from laconic.base.errors import LaconicError, ModelError


@contextmanager
def passing(model: nn.Module, what: str, hint: str = "") -> Iterator[None]:
    """Tell whatever a forward pass inside raises as a `ModelError`: `what`, the cause in one line, the layer that it came from.

    >>> import torch
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    >>> with passing(net, "the model does not run"):
    ...     net(torch.zeros(1, 4))
    Traceback (most recent call last):
    laconic.base.errors.ModelError: the model does not run: RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x4 and 3x2)
      where: layer 1 (Linear)
    """
    inside: list[str] = []
    handles = [handle for name, module in model.named_modules() for handle in _watch(module, name, inside)]
    try:
        yield
    except LaconicError:
        raise
    except Exception as cause:  # broad on purpose: a model's own code may raise anything
        text = (str(cause).strip().splitlines() or ["no message"])[0]
        where = ", ".join([*inside[-1:], *_own_line(cause)])
        raise ModelError(f"{what}: {type(cause).__name__}: {text}", where=where, hint=hint) from cause
    finally:
        for handle in handles:
            handle.remove()


def _own_line(cause: BaseException) -> list[str]:
    """File and line of the user's that the trace passed last: not ours, not a library's."""
    ours = str(Path(__file__).parents[1])
    foreign = ("<", ours, sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"))
    theirs = [frame for frame in traceback.extract_tb(cause.__traceback__) if not frame.filename.startswith(foreign)]
    return [f"{theirs[-1].filename}, line {theirs[-1].lineno}"] if theirs else []


def _watch(module: nn.Module, name: str, inside: list[str]) -> list[Any]:
    told = f"layer {name} ({type(module).__name__})" if name else type(module).__name__

    def enter(*_: object) -> None:
        inside.append(told)

    def leave(*_: object) -> None:
        inside.pop()

    return [module.register_forward_pre_hook(enter, prepend=True), module.register_forward_hook(leave)]
