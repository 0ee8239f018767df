"""Work in threads, for what lets go of Python's lock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from laconic.base.errors import UsageError

MOST = 4  # unless more are asked for: beyond, memory grows faster than speed

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """`map`, in threads: the results in the order of the items, of which only a few more than there are threads are taken ahead.

    Args:
        work: what is done to an item; may run in any thread.
        items: taken one by one, in the caller's own thread.
        threads: how many; by default the number of processors, at most `MOST`.

    Raises:
        UsageError: `threads` is not positive. Or whatever `work` raises, when it is that item's turn.

    >>> list(in_order(len, ["a", "bc", ""], threads=2))
    [1, 2, 0]
    """
    number = min(os.cpu_count() or 1, MOST) if threads is None else threads
    if number < 1:
        raise UsageError(f"one thread at least is needed, got {threads}")
    return map(work, items) if number == 1 else _ahead(work, items, number)


def _ahead(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    pool, waiting = ThreadPoolExecutor(threads), deque[Future[Result]]()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Without waiting: the collector may close a generator that nobody finished, in any thread and at any moment, such as in one that
        # is just being started; to wait for other threads there would be to wait for ever.
        pool.shutdown(wait=False, cancel_futures=True)
