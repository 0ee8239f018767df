"""Work in threads: in order, a little ahead, and all of it or an error."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from laconic.base.errors import UsageError
from laconic.base.threads import in_order


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_results_have_the_order_of_the_items(threads: int | None) -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(in_order(slow_at_first, range(20), threads)) == [number * number for number in range(20)]
    assert list(in_order(slow_at_first, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_few_items_are_taken_ahead_and_all_of_them_here(threads: int) -> None:
    taken: list[int] = []
    here: set[int] = set()

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            here.add(threading.get_ident())
            yield number

    for done, result in enumerate(in_order(lambda number: number, items(), threads)):
        assert result == done
        assert len(taken) <= done + threads + 1
    assert here == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_when_its_item_does(threads: int) -> None:
    def fail_at_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = in_order(fail_at_three, range(9), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_who_stops_listening_stops_the_work() -> None:
    before, results = threading.active_count(), in_order(lambda number: number, range(10**9), 3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_collector_may_close_what_was_left_in_whatever_thread_it_runs() -> None:
    """In a process of its own, because once this waited for ever: a thread that is being started collects an older pool's generator."""
    code = """
import gc
from laconic.base.threads import in_order
gc.set_threshold(20, 2, 2)
for _ in range(3000):
    results = in_order(lambda number: [number], range(9), 3)
    circle = [results]
    circle.append(circle)
    next(results)
    del results, circle
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_do_nothing(threads: int) -> None:
    with pytest.raises(UsageError, match="one thread"):
        in_order(len, [], threads)
