"""Work that several ask for at once is done once, and its failure is everybody's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from archimage.services.single_flight import SingleFlight


def test_those_who_ask_meanwhile_do_not_run_it_and_others_are_not_held_up() -> None:
    flights = SingleFlight[int]()
    running, go_on, asked = threading.Event(), threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        running.set()
        assert go_on.wait(10)
        return len(runs)

    def ask() -> int:
        asked.set()
        return flights.run("a", work)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.run, "a", work)
        assert running.wait(10)
        second = pool.submit(ask)
        assert asked.wait(10)
        assert flights.run("b", lambda: 7) == 7
        go_on.set()
        results = [first.result(10), second.result(10)]
    assert results[0] == 1
    assert results[1] == len(runs)


def test_who_asks_later_has_it_done_again() -> None:
    flights = SingleFlight[object]()
    assert flights.run("a", object) is not flights.run("a", object)


def test_a_failure_is_raised_and_not_remembered() -> None:
    flights = SingleFlight[int]()
    with pytest.raises(ZeroDivisionError):
        flights.run("a", lambda: 1 // 0)
    assert flights.run("a", lambda: 1) == 1


def test_all_who_wait_learn_of_a_failure() -> None:
    flights = SingleFlight[int]()
    running, go_on = threading.Event(), threading.Event()

    def fail() -> int:
        running.set()
        assert go_on.wait(10)
        raise ValueError("no")

    waiting = threading.Barrier(3)

    def ask() -> str:
        waiting.wait(10)
        try:
            return str(flights.run("a", lambda: 2))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(flights.run, "a", fail)
        assert running.wait(10)
        others = [pool.submit(ask) for _ in range(2)]
        waiting.wait(10)
        go_on.set()
        with pytest.raises(ValueError, match="no"):
            first.result(10)
        assert {other.result(10) for other in others} <= {"no", "2"}
