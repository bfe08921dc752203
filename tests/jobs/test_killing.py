"""A process that is killed in the middle of a sending leaves nothing undone: every object arrives, by whomever."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from pynetdicom import AE, StoragePresentationContexts, evt

from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import Server, launch, running, stop, wait_until
from tests.attacks.wire import CT, Peer
from tests.interop.managing import Api

STUDIES: Final = 5
OBJECTS: Final = 4
_WITHIN_S: Final = 90.0


class Receiver:
    """A node that counts what comes, and does something once when so much has come."""

    def __init__(self, at: int, work: Callable[[], None]) -> None:
        self.came: Counter[str] = Counter()
        self.port = 0
        self._at = at
        self._work = work
        self._lock = threading.Lock()

    def take(self, event: Any) -> int:
        """Take an object."""
        with self._lock:
            uid = str(event.request.AffectedSOPInstanceUID)
            if len(self.came) == self._at:
                self._at = -1
                self._work()
            self.came[uid] += 1
        return 0x0000


@contextmanager
def receiving(at: int, work: Callable[[], None]) -> Iterator[Receiver]:
    """Run a node."""
    receiver, node = Receiver(at, work), AE(ae_title="THEIRS")

    def take(event: Any) -> int:
        return receiver.take(event)  # which a test may have replaced

    node.supported_contexts = StoragePresentationContexts[:120]
    node.add_supported_context(CT)
    server = node.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    assert server is not None
    assert server.socket is not None
    receiver.port = server.socket.getsockname()[1]
    try:
        yield receiver
    finally:
        server.shutdown()
        node.shutdown()


def fill(server: Server) -> list[list[str]]:
    """Store some studies; return the instances of each, by study."""
    found = [[new_uid() for _ in range(OBJECTS)] for _ in range(STUDIES)]
    with Peer.associated(server.port) as peer:
        for number, uids in enumerate(found):
            other = {STUDY_INSTANCE_UID: study(number).encode(), SERIES_INSTANCE_UID: f"1.2.3.{number}.1".encode()}
            for uid in uids:
                assert peer.store(uid, dataset(uid, replaced=other)) == 0
        peer.release()
    return found


def study(number: int) -> str:
    return f"1.2.3.{number}"


def send(server: Server, port: int) -> tuple[Api, int]:
    """Have all studies sent to the node at a port; return the number of the job."""
    api = Api(f"http://127.0.0.1:{server.http_port}")
    api.add("THEIRS", port)
    begun = api.ask("POST", "/nodes/THEIRS/send", {"studies": [study(number) for number in range(STUDIES)]})
    assert begun.status == 202
    return api, int(begun.json["id"], 16)


def ended(api: Api, number: int) -> dict[str, Any]:
    """Wait until a job is done; return it."""
    found: dict[str, Any] = {}

    def is_done() -> bool:
        with suppress(ConnectionError):  # until a killed worker has ended, the kernel may still give it connections
            found.update(api.ask("GET", f"/jobs/{number}").json)
        return bool(found) and found["job"]["state"] == "done"

    assert wait_until(is_done, _WITHIN_S), found
    return found


@pytest.mark.timeout(400)
def test_a_server_that_is_killed_goes_on_where_it_was_when_it_is_started_again(tmp_path: Path) -> None:
    first = launch(tmp_path / "ours")
    first.wait_until_ready()
    with receiving(2 * OBJECTS + 1, first.process.kill) as theirs:
        stored = fill(first)
        _, number = send(first, theirs.port)
        first.process.wait(_WITHIN_S)
        second = launch(tmp_path / "ours")
        try:
            second.wait_until_ready()
            job = ended(Api(f"http://127.0.0.1:{second.http_port}"), number)
        finally:
            assert stop(second) == 0, second.log
    assert set(theirs.came) == {uid for uids in stored for uid in uids}
    assert [theirs.came[uid] for uids in stored[:2] for uid in uids] == [1] * (2 * OBJECTS)  # these were noted
    assert (job["result"]["completed"], job["result"]["failed"]) == (STUDIES * OBJECTS, 0)
    assert job["job"]["attempts"] == 2
    assert "jobs of a process that is no more are gone on with" in second.log


@pytest.mark.timeout(400)
def test_a_worker_that_is_killed_is_gone_on_with_by_another_one(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        for child in psutil.Process(server.process.pid).children():
            with suppress(psutil.Error):
                if any(one.raddr and one.raddr.port == theirs.port for one in child.net_connections("tcp")):
                    killed.append(child.pid)
                    os.kill(child.pid, signal.SIGKILL)

    with running(tmp_path / "ours", ("--workers", "2")) as server, receiving(2 * OBJECTS + 1, kill) as theirs:
        stored = fill(server)
        api, number = send(server, theirs.port)
        job = ended(api, number)
    assert len(killed) == 1
    assert set(theirs.came) == {uid for uids in stored for uid in uids}
    assert (job["result"]["completed"], job["result"]["failed"]) == (STUDIES * OBJECTS, 0)


def test_a_server_that_is_stopped_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    first = launch(tmp_path / "ours")
    first.wait_until_ready()
    with receiving(OBJECTS + 1, first.process.terminate) as theirs:
        stored = fill(first)
        _, number = send(first, theirs.port)
        assert first.process.wait(20) == 0, first.log
        with running(tmp_path / "ours") as second:
            job = ended(Api(f"http://127.0.0.1:{second.http_port}"), number)
    assert set(theirs.came) == {uid for uids in stored for uid in uids}
    assert job["result"]["completed"] == STUDIES * OBJECTS
