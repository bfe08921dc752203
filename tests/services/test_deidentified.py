"""Studies object by object: in their order, a few ahead, and nothing is left open."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from archimage.errors import CancelledError, NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.services.deidentified import AHEAD, ahead


def instances(count: int) -> list[StoredInstance]:
    """Return some."""
    return [StoredInstance(f"1.{number}", "1.2.3", "1.2", "x", 1, 0, b"") for number in range(count)]


def test_they_come_in_their_order_each_with_what_was_made_or_why_not() -> None:
    gone = threading.Event()

    def make(instance: StoredInstance) -> str:
        if instance.sop_instance_uid == "1.0":
            assert gone.wait(10)  # the others are made before
        if instance.sop_instance_uid == "1.2":
            raise NotAcceptableError("it is not safe")
        if instance.sop_instance_uid == "1.3":
            gone.set()
        return instance.sop_instance_uid

    with ThreadPoolExecutor(AHEAD) as threads:
        found = [made for _, made in ahead(instances(7), make, threads)]
    assert [str(made) for made in found] == ["1.0", "1.1", "it is not safe", "1.3", "1.4", "1.5", "1.6"]


def test_of_what_nobody_takes_any_more_all_is_dropped() -> None:
    made, dropped = list[str](), list[str]()

    def make(instance: StoredInstance) -> str:
        made.append(instance.sop_instance_uid)
        return instance.sop_instance_uid

    with ThreadPoolExecutor(AHEAD) as threads:
        coming = ahead(instances(100), make, threads, dropped.append)
        assert next(coming)[1] == "1.0"
        coming.close()
    assert len(made) <= AHEAD
    assert sorted(dropped) == sorted(made[1:])


@pytest.mark.parametrize("closes", [ThreadPoolExecutor.shutdown, lambda threads: threads.shutdown(cancel_futures=True)])
def test_the_end_of_the_archive_ends_them(closes: Callable[[ThreadPoolExecutor], None]) -> None:
    held, begun = threading.Event(), threading.Event()

    def make(instance: StoredInstance) -> str:
        begun.set()
        assert held.wait(10)
        return instance.sop_instance_uid

    threads = ThreadPoolExecutor(1)
    coming = ahead(instances(20), make, threads)
    taking = threading.Thread(target=lambda: outcome.append(ended(coming)))
    outcome = list[type[BaseException] | None]()
    taking.start()
    assert begun.wait(10)
    closing = threading.Thread(target=closes, args=(threads,))
    closing.start()
    held.set()
    for one in (taking, closing):
        one.join(10)
    assert outcome == [CancelledError]


def ended(coming: Iterable[object]) -> type[BaseException] | None:
    """Take all, and return what ended that."""
    try:
        list(coming)
    except CancelledError as error:
        return type(error)
    return None
