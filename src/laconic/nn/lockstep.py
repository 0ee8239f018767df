"""Two networks run hand in hand on the same samples, so that at each layer the inputs of both are at hand, and only those."""

import contextlib
import queue
import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.nn.maps import Use, Uses

_PATIENCE = 0.1  # seconds between looks at whether the other thread has given up


class _GivenUp(Exception):  # noqa: N818  it ends a thread, and nobody is told
    pass


def hand_in_hand(reference: nn.Module, model: nn.Module, inputs: Tensor, visit: Callable[[Tensor, Use], Tensor]) -> None:
    """Run both networks; before `model` multiplies by a weight, `visit` may change it.

    Args:
        reference: of the same structure; it calls what `model` calls, in the same order.
        model: the one whose weights change.
        inputs: preprocessed samples, samples first, all of them in one batch.
        visit: the inputs of this call in the reference, the call in `model` → outputs with which `model` goes on.

    Raises: whatever either network or `visit` raises.
    """
    theirs: queue.Queue[Tensor | Exception] = queue.Queue(maxsize=1)
    given_up = threading.Event()

    def show(use: Use) -> Tensor:
        _offer(theirs, use.operands.inputs, given_up)
        return use.call(use.operands.inputs, use.operands.weight, use.operands.bias)

    def lead() -> None:
        with contextlib.suppress(_GivenUp):
            _offer(theirs, _failure(reference, inputs, show), given_up)

    def follow(use: Use) -> Tensor:
        seen = theirs.get()
        if isinstance(seen, Exception):
            raise seen
        return visit(seen, use)

    leader = threading.Thread(target=lead, name="reference network", daemon=True)
    leader.start()
    try:
        _run(model, inputs, follow)
    finally:
        given_up.set()
        leader.join()


def _run(model: nn.Module, inputs: Tensor, visit: Callable[[Use], Tensor]) -> None:
    with torch.no_grad(), Uses(model, visit):
        model(inputs)


def _failure(reference: nn.Module, inputs: Tensor, visit: Callable[[Use], Tensor]) -> Exception:
    """What the other thread is to raise if it still waits when this network is through."""
    try:
        _run(reference, inputs, visit)
    except _GivenUp:
        raise
    except Exception as cause:  # noqa: BLE001  whatever the user's own code raises
        return cause
    return ModelError("the forward pass does not take the same way twice", hint="make it free of randomness in evaluation mode")


def _offer(channel: "queue.Queue[Tensor | Exception]", item: Tensor | Exception, given_up: threading.Event) -> None:
    while not given_up.is_set():
        try:
            return channel.put(item, timeout=_PATIENCE)
        except queue.Full:
            continue
    raise _GivenUp
