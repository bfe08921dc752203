"""Figures that take long are told as they were, and counted anew by somebody else."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from archimage.errors import IndexUnavailableError
from archimage.services.refreshed import Refreshed


class Counter:
    """Counts up, once it may; and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.may_end = threading.Event()
        self.may_end.set()
        self.fails = False
        self.counted = 0

    def count(self) -> int:
        """Count."""
        assert self.may_end.wait(10)
        if self.fails:
            raise IndexUnavailableError("it does not answer")
        self.counted += 1
        return self.counted


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """A thread."""
    with ThreadPoolExecutor(1) as found:
        yield found


def test_figures_hold_and_are_counted_anew_while_the_old_ones_are_told(executor: ThreadPoolExecutor) -> None:
    counter = Counter()
    figures = Refreshed(counter.count, executor, holds_s=60, monotonic=lambda: counter.now)
    assert (figures.get(), figures.get()) == (1, 1)
    counter.now = 60
    counter.may_end.clear()
    assert (figures.get(), figures.get()) == (1, 1)
    counter.may_end.set()
    executor.submit(lambda: None).result(10)
    assert (figures.get(), counter.counted) == (2, 2)


def test_figures_that_cannot_be_counted_anew_stay_and_are_tried_again(executor: ThreadPoolExecutor) -> None:
    counter = Counter()
    figures = Refreshed(counter.count, executor, holds_s=60, monotonic=lambda: counter.now)
    figures.get()
    counter.now, counter.fails = 60, True
    assert figures.get() == 1
    executor.submit(lambda: None).result(10)
    counter.fails = False
    assert figures.get() == 1
    executor.submit(lambda: None).result(10)
    assert figures.get() == 2


def test_who_asks_first_is_told_why_there_are_none(executor: ThreadPoolExecutor) -> None:
    counter = Counter()
    counter.fails = True
    with pytest.raises(IndexUnavailableError):
        Refreshed(counter.count, executor, holds_s=60).get()


def test_figures_outlive_the_thread_that_counts_them(executor: ThreadPoolExecutor) -> None:
    counter = Counter()
    figures = Refreshed(counter.count, executor, holds_s=0)
    executor.shutdown()
    assert (figures.get(), figures.get()) == (1, 1)
