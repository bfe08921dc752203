"""A large C-MOVE is sent to its end: by whoever serves it, or once he is no more, by the next one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from archimage.protocol.uids import STUDY_ROOT_MOVE
from tests.attacks.server import Server, launch, running, wait_until
from tests.interop.managing import Api
from tests.jobs.test_killing import OBJECTS, STUDIES, Receiver, ended, fill, receiving, study

_WITHIN_S = 60.0
_ASKING_S = 5.0  # that of pynetdicom, which waits for so long after the server is gone
_LARGE = {"dicom__large_move": 2 * OBJECTS}
ALL = STUDIES * OBJECTS


def wanted(*numbers: int) -> Dataset:
    """Name studies."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = [study(number) for number in numbers or range(STUDIES)]
    return identifier


def move(server: Server, identifier: Dataset, hear: Callable[[Any, int], None] = lambda *_: None) -> list[int]:
    """Ask for a C-MOVE to the receiver; return the statuses of the answers, as far as they came."""
    asking = AE(ae_title="ASKING")
    asking.add_requested_context(STUDY_ROOT_MOVE)
    asking.dimse_timeout = _ASKING_S
    association = asking.associate("127.0.0.1", server.port, ae_title="PACS_SCP")
    assert association.is_established
    statuses = []
    for status, _ in association.send_c_move(identifier, "THEIRS", STUDY_ROOT_MOVE, msg_id=7):
        statuses.append(int(status.get("Status", -1)))
        hear(association, len(statuses))
    association.release()
    asking.shutdown()
    return statuses


def nothing() -> None:
    """Let the node do nothing but take what comes."""


def api_of(server: Server) -> Api:
    return Api(f"http://127.0.0.1:{server.http_port}")


def jobs(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api_of(server).ask("GET", "/jobs?kind=move").json
    return found


def ended_so(server: Server, state: str) -> dict[str, Any]:
    """Wait until the one C-MOVE that was kept has ended so; return its job."""
    assert wait_until(lambda: [job["state"] for job in jobs(server)] == [state], _WITHIN_S), jobs(server)
    return jobs(server)[0]


@contextmanager
def known(server: Server, at: int, work: Callable[[], None]) -> Iterator[tuple[Receiver, set[str]]]:
    """Run a node that the server knows, and have it filled; yield it with what it is to get."""
    with receiving(at, work) as theirs:
        stored = fill(server)
        api_of(server).add("THEIRS", theirs.port)
        yield theirs, {uid for uids in stored for uid in uids}


def test_what_a_server_that_is_killed_leaves_of_a_large_move_is_sent_by_the_next_one(tmp_path: Path) -> None:
    first = launch(tmp_path / "ours", settings=_LARGE)
    first.wait_until_ready()
    with known(first, 2 * OBJECTS + 1, first.process.kill) as (theirs, stored):
        assert 0x0000 not in move(first, wanted())
        first.process.wait(_WITHIN_S)
        assert len(theirs.came) < ALL
        with running(tmp_path / "ours", settings=_LARGE) as second:
            assert wait_until(lambda: bool(jobs(second)), _WITHIN_S)
            job = ended(api_of(second), jobs(second)[0]["id"])
    assert set(theirs.came) == stored
    assert (job["result"]["completed"], job["result"]["failed"]) == (ALL, 0)
    assert sum(theirs.came.values()) < 2 * ALL  # the studies that were sent whole are not sent again
    assert job["payload"]["studies"] == [study(number) for number in range(STUDIES)]


def test_what_a_server_that_is_stopped_leaves_of_it_is_sent_by_the_next_one(tmp_path: Path) -> None:
    first = launch(tmp_path / "ours", settings=_LARGE)
    first.wait_until_ready()
    with known(first, OBJECTS + 1, first.process.terminate) as (theirs, stored):
        move(first, wanted())
        assert first.process.wait(20) == 0, first.log
        with running(tmp_path / "ours", settings=_LARGE) as second:
            ended(api_of(second), jobs(second)[0]["id"])
    assert set(theirs.came) == stored


def test_a_move_that_comes_to_its_end_leaves_a_job_that_is_done(tmp_path: Path) -> None:
    with running(tmp_path / "ours", settings=_LARGE) as server, known(server, -1, nothing) as (theirs, stored):
        statuses = move(server, wanted())
        assert (statuses[-1], set(theirs.came)) == (0x0000, stored)
        job = ended_so(server, "done")
        assert (job["done"], job["total"], job["destination"], job["attempts"]) == (ALL, ALL, "THEIRS", 1)
        assert move(server, wanted(1))[-1] == 0x0000
        assert len(jobs(server)) == 1  # a small one is not kept


def test_what_a_destination_that_hangs_up_has_not_got_is_sent_again_later(tmp_path: Path) -> None:
    hung_up = threading.Event()
    with running(tmp_path / "ours", settings=_LARGE) as server, known(server, OBJECTS + 1, hung_up.set) as found:
        theirs, stored = found
        take = theirs.take

        def hang_up(event: Any) -> int:
            status = take(event)
            if hung_up.is_set():
                hung_up.clear()
                event.assoc.abort()
            return status

        theirs.take = hang_up  # type: ignore[method-assign]
        assert move(server, wanted())[-1] != 0x0000
        ended_so(server, "waiting")
        number = jobs(server)[0]["id"]
        assert api_of(server).ask("POST", f"/jobs/{number}/retry").status == 200  # at once
        job = ended(api_of(server), number)
    assert set(theirs.came) == stored
    assert job["result"]["completed"] == ALL


@pytest.mark.parametrize("how", ["cancel", "leave"])
def test_a_move_that_is_not_wanted_any_more_is_not_gone_on_with(tmp_path: Path, how: str) -> None:
    def hear(association: Any, answers: int) -> None:
        if answers == 2 and how == "cancel":
            association.send_c_cancel(7, query_model=STUDY_ROOT_MOVE)
        elif answers == 2:
            association.abort()

    with running(tmp_path / "ours", settings=_LARGE) as server, known(server, -1, nothing) as (theirs, _):
        slow = threading.Event()
        take = theirs.take

        def take_slowly(event: Any) -> int:
            slow.wait(0.1)
            return take(event)

        theirs.take = take_slowly  # type: ignore[method-assign]
        move(server, wanted(), hear)
        job = ended_so(server, "cancelled")
        assert job["done"] < ALL
        assert len(theirs.came) < ALL
