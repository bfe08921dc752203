"""Deliveries: until the receiver has heard it, in order, and across restarts; over a real index."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from archimage.errors import CancelledError, ConflictError, DeliveryRefusedError, NotFoundError, PeerFailedError
from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.deliveries import Delivery, DeliveryState
from archimage.model.jobs import Priority
from archimage.services.deliveries import AT_ONCE, Deliver, DeliveryService, Patience
from tests.attacks.server import wait_until


@contextmanager
def _delivering(directory: Path, deliver: Deliver, patience: Patience | None = None) -> Iterator[DeliveryService]:
    with closing(SqliteIndex(directory / "index.db")) as index:
        service = DeliveryService(DeliveryTable(index))
        service.register("note", deliver, patience)
        with closing(service):
            service.start()
            yield service


def _ended(service: DeliveryService) -> Callable[[], bool]:
    return lambda: not service.find(state=DeliveryState.WAITING)


def test_what_is_added_is_delivered_in_order(tmp_path: Path) -> None:
    heard: list[str] = []
    with _delivering(tmp_path, lambda one: heard.append(one.payload)) as service:
        for number in range(20):
            service.add("note", "AE", "1.2", str(number))
        assert wait_until(_ended(service), 10)
        assert service.counts() == {"note": {"done": 20}}
    assert heard == [str(number) for number in range(20)]


def test_what_people_do_with_a_delivery_is_told(tmp_path: Path) -> None:
    def fail(_one: Delivery) -> None:
        raise PeerFailedError("nobody there")

    with _delivering(tmp_path, fail, Patience(first_s=3_600, most_s=3_600)) as service:
        told: list[str] = []
        service.told = lambda deed, one: told.append(f"{deed} {one.about}")
        service.add("note", "AE", "1.2", "text")
        assert wait_until(lambda: service.find()[0].error == "nobody there", 10)
        number = service.find()[0].id
        assert service.hold(number).state is DeliveryState.PAUSED
        with pytest.raises(ConflictError, match="paused"):
            service.hold(number)
        assert service.let_go(number).state is DeliveryState.WAITING
        with pytest.raises(ConflictError, match="waiting"):
            service.let_go(number)
        service.remove(number)
        with pytest.raises(NotFoundError):
            service.hold(number)
    assert told == ["paused 1.2", "resumed 1.2", "removed 1.2"]


def test_what_was_not_delivered_is_after_a_restart(tmp_path: Path) -> None:
    def fail(_one: Delivery) -> None:
        raise PeerFailedError("nobody there")

    with _delivering(tmp_path, fail, Patience(first_s=3_600, most_s=3_600)) as service:
        service.add("note", "AE", "1.2", "text")
        assert wait_until(lambda: service.find()[0].error == "nobody there", 10)
        assert service.find()[0].state is DeliveryState.WAITING
        with pytest.raises(ConflictError, match="waiting"):
            service.retry(service.find()[0].id)
    heard = threading.Event()
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        later = DeliveryService(DeliveryTable(index), lambda: 1e11)
        later.register("note", lambda _: heard.set())
        with closing(later):
            later.start()
            assert heard.wait(10)


def test_it_is_tried_again_until_it_is_heard(tmp_path: Path) -> None:
    tries: list[int] = []

    def deliver(one: Delivery) -> None:
        tries.append(one.attempts)
        if len(tries) < 4:
            raise PeerFailedError("not yet")

    with _delivering(tmp_path, deliver, Patience(first_s=0.01, most_s=0.02)) as service:
        service.add("note", "AE", "1.2", "text")
        assert wait_until(_ended(service), 10)
        assert service.find()[0].state is DeliveryState.DONE
    assert tries == [0, 1, 2, 3]


def test_a_receiver_that_refuses_is_not_asked_again_unless_somebody_wants_it(tmp_path: Path) -> None:
    tries: list[int] = []

    def deliver(one: Delivery) -> None:
        tries.append(one.id)
        if len(tries) == 1:
            raise DeliveryRefusedError("never")

    with _delivering(tmp_path, deliver) as service:
        service.add("note", "AE", "1.2", "text")
        assert wait_until(_ended(service), 10)
        failed = service.find()[0]
        assert (failed.state, failed.error) == (DeliveryState.FAILED, "never")
        assert service.retry(failed.id).state in {DeliveryState.WAITING, DeliveryState.DONE}
        assert wait_until(_ended(service), 10)
        assert service.get(failed.id).state is DeliveryState.DONE


def test_a_bug_in_the_telling_ends_no_thread(tmp_path: Path) -> None:
    def deliver(one: Delivery) -> None:
        if one.payload == "bad":
            raise ZeroDivisionError

    with _delivering(tmp_path, deliver, Patience(give_up_s=0)) as service:
        service.add("note", "AE", "1.2", "bad")
        service.add("note", "AE", "1.2", "good")
        assert wait_until(_ended(service), 10)
        good, bad = service.find()
        assert (good.state, bad.state, bad.error) == (
            DeliveryState.DONE,
            DeliveryState.FAILED,
            "a bug: ZeroDivisionError",
        )


def test_many_lanes_do_not_wait_for_one(tmp_path: Path) -> None:
    held, heard = threading.Event(), threading.Event()

    def deliver(one: Delivery) -> None:
        if one.destination == "SLOW":
            assert held.wait(10)
        else:
            heard.set()

    with _delivering(tmp_path, deliver) as service:
        service.add("note", "SLOW", "1.2", "")
        service.add("note", "QUICK", "1.2", "")
        assert heard.wait(10)
        held.set()
        assert wait_until(_ended(service), 10)


def test_a_destination_that_does_not_answer_holds_no_more_than_its_share_however_much_waits_for_it(
    tmp_path: Path,
) -> None:
    held, at, most, heard = threading.Event(), threading.Semaphore(AT_ONCE), [0], threading.Semaphore(0)

    def deliver(one: Delivery) -> None:
        if one.destination == "SLOW":
            assert at.acquire(blocking=False), "told more at once"
            most[0] += 1
            assert held.wait(10)
            at.release()
        else:
            heard.release()

    with _delivering(tmp_path, deliver) as service:
        for number in range(10):
            service.add("note", "SLOW", "1.2", "", lane=f"slow {number}")
        assert wait_until(lambda: most[0] == AT_ONCE, 10)
        for number in range(20):
            service.add("note", f"QUICK{number % 5}", "1.2", "", lane=f"quick {number}")
        assert all(heard.acquire(timeout=10) for _ in range(20))
        assert most[0] == AT_ONCE
        held.set()
        assert wait_until(_ended(service), 10)
        assert service.counts() == {"note": {"done": 30}}


def test_what_the_end_of_the_process_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    begun, over = threading.Event(), threading.Event()

    def cut_short(_one: Delivery) -> None:
        begun.set()
        assert over.wait(10)
        raise CancelledError("the archive closes")

    with _delivering(tmp_path, cut_short) as service:
        service.add("note", "AE", "1.2", "text")
        assert begun.wait(10)
        threading.Timer(0.1, over.set).start()
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        heard: list[Delivery] = []
        later = DeliveryService(DeliveryTable(index))
        later.register("note", heard.append)
        later.release()
        with closing(later):
            later.start()
            assert wait_until(_ended(later), 10)
    assert [(one.payload, one.attempts) for one in heard] == [("text", 0)]


def test_what_a_node_of_the_release_before_adds_is_as_urgent_as_most(tmp_path: Path) -> None:
    with _delivering(tmp_path, lambda _: None) as service, closing(sqlite3.connect(tmp_path / "index.db")) as older:
        with older:
            older.execute(
                "INSERT INTO delivery (kind, destination, about, payload, lane, state, attempts, created_at, due_at,"
                " taken_until, error) VALUES ('note', 'AE', '1.2', '', 'note AE', 'waiting', 0, 0, 0, 0, '')"
            )
        assert [one.priority for one in service.find()] == [Priority.NORMAL]
        service.wake()
        assert wait_until(_ended(service), 10)


def test_what_is_not_kept_is_not_found(tmp_path: Path) -> None:
    with _delivering(tmp_path, lambda _: None) as service:
        for call in (service.get, service.remove, service.retry):
            with pytest.raises(NotFoundError):
                call(7)


def test_waits_double_up_to_the_longest() -> None:
    patience = Patience(first_s=5, most_s=60)
    assert [patience.wait_s(attempts) for attempts in (1, 2, 3, 4, 5, 99)] == [5, 10, 20, 40, 60, 60]
