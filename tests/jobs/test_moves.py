"""A large C-MOVE is sent to its end: by whoever serves it, or once he is no more, by the next one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from archimage.protocol.uids import STUDY_ROOT_MOVE
from tests.attacks.server import Server, launch, running, wait_until
from tests.interop.managing import Api
from tests.jobs.test_killing import OBJECTS, STUDIES, Receiver, ended, fill, receiving, study

pytestmark = pytest.mark.timeout(400)

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
    """Wait until the C-MOVE that was kept last has ended so; return its job."""
    assert wait_until(lambda: jobs(server)[0]["state"] == state, _WITHIN_S), jobs(server)
    return jobs(server)[0]


@contextmanager
def known(server: Server, at: int, work: Callable[[], None]) -> Iterator[Receiver]:
    """Run a node that the server knows."""
    with receiving(at, work) as theirs:
        api_of(server).add("THEIRS", theirs.port)
        yield theirs


class Filled(NamedTuple):
    """A server, and what it stores."""

    server: Server
    stored: set[str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A server of some studies that lives on."""
    with running(tmp_path_factory.mktemp("moves") / "ours", settings=_LARGE) as server:
        yield Filled(server, all_of(fill(server)))


@contextmanager
def taking(filled: Filled, take: Callable[[Receiver, Any], int] | None = None) -> Iterator[Receiver]:
    """Run a node that the server knows for a while; take may say how it takes an object."""
    with known(filled.server, -1, nothing) as theirs:
        if take is not None:
            usual = theirs.take
            theirs.take = lambda event: (take(theirs, event), usual(event))[1]  # type: ignore[method-assign]
        yield theirs
    assert api_of(filled.server).ask("DELETE", "/nodes/THEIRS").status == 204


def all_of(stored: list[list[str]]) -> set[str]:
    return {uid for uids in stored for uid in uids}


def test_what_a_server_that_is_killed_leaves_of_a_large_move_is_sent_by_the_next_one(tmp_path: Path) -> None:
    first = launch(tmp_path / "ours", settings=_LARGE)
    first.wait_until_ready()
    stored = all_of(fill(first))
    with known(first, 2 * OBJECTS + 1, first.process.kill) as theirs:
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
    stored = all_of(fill(first))
    with known(first, OBJECTS + 1, first.process.terminate) as theirs:
        move(first, wanted())
        assert first.process.wait(20) == 0, first.log
        with running(tmp_path / "ours", settings=_LARGE) as second:
            ended(api_of(second), jobs(second)[0]["id"])
    assert set(theirs.came) == stored


def test_a_move_that_comes_to_its_end_leaves_a_job_that_is_done(filled: Filled) -> None:
    with taking(filled) as theirs:
        statuses = move(filled.server, wanted())
        assert (statuses[-1], set(theirs.came)) == (0x0000, filled.stored)
        job = ended_so(filled.server, "done")
        assert (job["done"], job["total"], job["destination"], job["attempts"]) == (ALL, ALL, "THEIRS", 1)
        assert move(filled.server, wanted(1))[-1] == 0x0000
        assert jobs(filled.server)[0]["id"] == job["id"]  # a small one is not kept


def test_what_a_destination_that_hangs_up_has_not_got_is_sent_again_later(filled: Filled) -> None:
    hung_up = threading.Event()

    def hang_up(theirs: Receiver, event: Any) -> int:
        if len(theirs.came) == OBJECTS + 1 and not hung_up.is_set():
            hung_up.set()
            event.assoc.abort()
        return 0

    with taking(filled, hang_up) as theirs:
        assert move(filled.server, wanted())[-1] != 0x0000
        number = ended_so(filled.server, "waiting")["id"]
        assert api_of(filled.server).ask("POST", f"/jobs/{number}/retry").status == 200  # at once
        job = ended(api_of(filled.server), number)
        assert set(theirs.came) == filled.stored
    assert job["result"]["completed"] == ALL


@pytest.mark.parametrize("how", ["cancel", "leave", "job"])
def test_a_move_that_is_not_wanted_any_more_is_not_gone_on_with(filled: Filled, how: str) -> None:
    slow = threading.Event()

    def hear(association: Any, answers: int) -> None:
        if answers == 2 and how == "cancel":
            association.send_c_cancel(7, query_model=STUDY_ROOT_MOVE)
        elif answers == 2 and how == "leave":
            association.abort()
        elif answers == 2:
            number = jobs(filled.server)[0]["id"]
            assert api_of(filled.server).ask("POST", f"/jobs/{number}/cancel").status == 200

    with taking(filled, lambda *_: slow.wait(0.3)) as theirs:
        statuses = move(filled.server, wanted(), hear)
        job = ended_so(filled.server, "cancelled")
        assert how == "leave" or statuses[-1] == 0xFE00
        assert job["done"] < ALL
        assert len(theirs.came) < ALL
