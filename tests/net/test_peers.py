"""What remote nodes are asked for: ended when nobody wants it any more, bounded, and told as it went."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.dicom.encode import encode_elements
from archimage.errors import CancelledError, PeerFailedError
from archimage.model.attributes import Level
from archimage.model.jobs import JobState
from archimage.model.nodes import Node
from archimage.model.peers import Wanted
from archimage.model.tasks import Task, TaskState
from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from archimage.services.store import Expected
from tests.attacks.datasets import PATIENT_NAME, dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT, Peer
from tests.interop.peers import free_port, serve
from tests.net.background import Background, listening

_WITHIN_S = 10.0
_STUDY = Wanted("1.2.3")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An empty archive that asks others."""
    with closing(build(Config(storage=StorageConfig(directory=tmp_path / "ours", durability="os")))) as found:
        found.begin()
        yield found


def _know(app: App, port: int) -> str:
    """Enter the node that listens at a port; return its AE title."""
    return app.services.nodes.add(Node("PACS_SCP", "127.0.0.1", port)).ae_title


def _ended(app: App, task: Task) -> Task:
    assert wait_until(lambda: app.services.tasks.get(task.id).state.ended, _WITHIN_S)
    return app.services.tasks.get(task.id)


def _service(uid: str, field: CommandField, handler: Handler) -> ServiceClass:
    return ServiceClass((SupportedContext(uid, (EXPLICIT_VR_LITTLE_ENDIAN,)),), {(uid, field): handler})


def _answering(*responses: Response) -> Handler:
    async def answer(_request: Request) -> AsyncGenerator[Response, None]:
        for response in responses:
            yield response

    return answer


def _getting(*responses: Response) -> ServiceClass:
    return _service(STUDY_ROOT_GET, CommandField.C_GET_RQ, _answering(*responses))


def _moving(*responses: Response) -> ServiceClass:
    return _service(STUDY_ROOT_MOVE, CommandField.C_MOVE_RQ, _answering(*responses))


def test_a_retrieval_that_is_cancelled_ends_though_the_node_says_nothing(app: App) -> None:
    asked = threading.Event()

    async def stubborn(_request: Request) -> AsyncGenerator[Response, None]:
        yield Response(0xFF00, remaining=9, completed=1, failed=0, warning=0)
        asked.set()
        await asyncio.get_running_loop().create_future()

    with listening(_service(STUDY_ROOT_GET, CommandField.C_GET_RQ, stubborn)) as server:
        before = server.holds()[0]
        task = app.peers.retrieve(_know(app, server.port), _STUDY)
        assert asked.wait(_WITHIN_S)
        assert wait_until(lambda: app.services.tasks.get(task.id).total == 10, _WITHIN_S)
        app.services.tasks.cancel(task.id)
        assert _ended(app, task).state is TaskState.CANCELLED
        assert wait_until(lambda: server.holds()[0] == before, _WITHIN_S)


def test_a_close_ends_what_somebody_waits_for(app: App) -> None:
    raised: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        node = _know(app, silent.getsockname()[1])

        def ask() -> None:
            try:
                app.peers.echo(node)
            except CancelledError as error:
                raised.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        connection, _ = silent.accept()
        app.peers.close()
        asking.join(_WITHIN_S)
        connection.close()
    assert len(raised) == 1


def test_an_answer_that_never_ends_is_cut(app: App) -> None:
    service = _service(STUDY_ROOT_FIND, CommandField.C_FIND_RQ, _answering(Response(0xFF00, bytes(17 << 20))))
    with listening(service) as server, pytest.raises(PeerFailedError, match="more than 16 MiB"):
        app.peers.query(_know(app, server.port), Level.STUDY, {}, 10)


def test_an_answer_that_is_no_data_set_is_told_with_its_node(app: App) -> None:
    answers = Response(0xFF00, b"\x08\0\x05\0CS\xff\x00"), Response(0)
    with (
        listening(_service(STUDY_ROOT_FIND, CommandField.C_FIND_RQ, _answering(*answers))) as server,
        pytest.raises(PeerFailedError, match=r"PACS_SCP at .* cannot be read"),
    ):
        app.peers.query(_know(app, server.port), Level.STUDY, {}, 10)


def test_enough_is_enough_though_the_node_does_not_end(app: App) -> None:
    match = encode_elements([(0x0020000D, "UI", b"1.2.3")], EXPLICIT_VR_LITTLE_ENDIAN)
    endless = _answering(Response(0xFF00, match), Response(0xFF00, match))
    with listening(_service(STUDY_ROOT_FIND, CommandField.C_FIND_RQ, endless)) as server:
        found = app.peers.query(_know(app, server.port), Level.STUDY, {}, 1)
    assert (found.rows, found.complete) == ([{"StudyInstanceUID": "1.2.3"}], False)


def test_a_refused_query_says_why_and_what_next(app: App) -> None:
    refusal = Response(0xA700, error_comment="too much")
    with (
        listening(_service(STUDY_ROOT_FIND, CommandField.C_FIND_RQ, _answering(refusal))) as server,
        pytest.raises(PeerFailedError, match=r"0xA700: out of resources \(too much\)") as caught,
    ):
        app.peers.query(_know(app, server.port), Level.STUDY, {}, 10)
    assert "Free room" in caught.value.next_step


def _retrieved(app: App, server: Background) -> Task:
    return _ended(app, app.peers.retrieve(_know(app, server.port), _STUDY))


def test_what_c_get_could_not_bring_is_brought_by_c_move(app: App) -> None:
    partly = Response(0xB000, completed=1, failed=1, warning=0)
    with listening(_getting(partly), _moving(Response(0, completed=2, failed=0, warning=0))) as server:
        task = _retrieved(app, server)
    assert (task.state, task.result["method"], task.result["completed"]) == (TaskState.DONE, "C-MOVE", 2)
    assert "could not send 1" in task.result["remark"]


def test_where_c_move_brings_no_more_what_came_by_c_get_counts(app: App) -> None:
    partly = Response(0xB000, completed=1, failed=1, warning=0)
    with listening(_getting(partly), _moving(Response(0xA801))) as server:
        task = _retrieved(app, server)
    assert (task.state, task.result["method"], task.result["failed"]) == (TaskState.DONE, "C-GET", 1)
    assert "0xA801" in task.result["remark"]


def test_where_neither_works_both_are_told(app: App) -> None:
    with listening(_getting(Response(0xC000)), _moving(Response(0xA801))) as server:
        task = _retrieved(app, server)
    assert task.state is TaskState.FAILED
    assert "0xA801: move destination unknown" in task.error
    assert "0xC000" in task.error
    assert "our AE title" in task.next


def test_a_node_that_aborts_where_c_get_is_asked_for_is_asked_by_c_move(app: App) -> None:
    stray = Response(0xFF00, bytes(17 << 20))  # which our side aborts
    with listening(_getting(stray), _moving(Response(0, completed=2, failed=0, warning=0))) as server:
        task = _retrieved(app, server)
    assert (task.state, task.result["method"]) == (TaskState.DONE, "C-MOVE")


def test_a_node_that_is_not_there_is_told_at_once_and_asked_again_later(app: App) -> None:
    port = free_port()
    task = app.peers.retrieve(_know(app, port), _STUDY)
    refused = f"PACS_SCP at 127.0.0.1:{port}: Connection refused"
    assert wait_until(lambda: refused in app.services.tasks.get(task.id).message, _WITHIN_S)
    job = app.jobs.service.get(int(task.id, 16))
    assert (job.state, job.attempts) == (JobState.WAITING, 1)
    assert job.due_at > time.time()
    assert str(port) in job.next
    app.jobs.service.cancel(job.id)
    assert _ended(app, task).state is TaskState.CANCELLED


def _store(port: int, *objects: tuple[str, bytes]) -> None:
    with Peer.associated(port) as peer:
        assert [peer.store(uid, data) for uid, data in objects] == [0] * len(objects)
        peer.release()


def test_what_our_own_archive_refuses_is_told_with_its_reason(app: App, tmp_path: Path) -> None:
    conflicting, fine = new_uid(), new_uid()
    other = dataset(conflicting, replaced={PATIENT_NAME: b"Other^One"})
    app.services.store.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, conflicting), [dataset(conflicting)])
    with serve(tmp_path / "theirs") as node:
        _store(node.port, (conflicting, other), (fine, dataset(fine)))
        title = _know(app, node.port)
        study, series = Wanted("1.2.826.0.1.3680043.8.499.1"), "1.2.826.0.1.3680043.8.499.2"
        partly = _ended(app, app.peers.retrieve(title, study))
        alone = _ended(app, app.peers.retrieve(title, Wanted(study.study_instance_uid, series, (conflicting,))))
    assert (partly.state, partly.result["method"], partly.result["failed"]) == (TaskState.DONE, "C-GET", 1)
    assert list(partly.result["problems"]) == [conflicting]
    assert app.index.lookup(fine) is not None
    assert alone.state is TaskState.FAILED
    assert "could be kept here" in alone.error
