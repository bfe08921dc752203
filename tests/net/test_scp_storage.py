"""C-STORE into a real archive: kept as received, several at once on an association, nothing left of what is cut off."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.model.records import StoredInstance
from archimage.net.scp import storage
from archimage.protocol.command import c_store_rq, encode_command
from archimage.protocol.items import AsyncOperationsWindow, PresentationContext, RoleSelection, UserInformation
from archimage.protocol.pdu import (
    CONTROL_COMMAND,
    CONTROL_LAST,
    AssociateAccept,
    AssociateRequest,
    encode_data_header,
)
from archimage.protocol.status import Status
from archimage.protocol.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_SOP_CLASSES,
)
from archimage.threads import WorkerThreads
from tests.attacks.datasets import SOP_CLASS_UID, dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CONTEXTS, CT, CT_CONTEXT, Peer
from tests.attacks.wire import request as asking
from tests.net.background import Background, listening

_UNKNOWN_CLASS = "1.2.826.0.1.3680043.8.498.77"
_WINDOW = 8


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An open archive, one for the module."""
    app = build(Config(storage=StorageConfig(directory=tmp_path_factory.mktemp("archive"))))
    yield app
    app.close()


@pytest.fixture
def server(archive: App, request: pytest.FixtureRequest) -> Iterator[Background]:
    """A server that stores into it; the parameter says whether SOP classes that nobody knows are taken."""
    with (
        closing(WorkerThreads(4, "ingest")) as threads,
        listening(
            storage.service(archive.services.store, threads, unknown_sop_classes=getattr(request, "param", False))
        ) as server,
    ):
        yield server


def _stored(archive: App, sop_instance_uid: str) -> StoredInstance:
    stored = archive.index.lookup(sop_instance_uid)
    assert stored is not None
    return stored


def _kept(archive: App, sop_instance_uid: str) -> bytes:
    """Return the data set as it is on disk."""
    stored = _stored(archive, sop_instance_uid)
    with archive.blobs.open(stored.path) as reader:
        return reader.read(stored.data_set_offset, stored.size_bytes)


def _incoming(archive: App) -> list[Path]:
    return [path for path in (archive.config.storage.directory / "incoming").rglob("*") if path.is_file()]


def _windowed(outstanding: int = _WINDOW) -> AssociateRequest:
    information = UserInformation(
        implementation_class_uid="1.2.3", async_operations=AsyncOperationsWindow(outstanding, 1)
    )
    return AssociateRequest("PACS_SCP", "MODALITY", CONTEXTS, information)


# As received.


@pytest.mark.parametrize(
    "syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN], ids=["IV", "EV", "BE"]
)
@pytest.mark.parametrize("size", [2, 70_000, 3 << 20])
def test_an_object_is_kept_as_received(server: Background, archive: App, syntax: str, size: int) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(range(250)) * (size // 250) + b"ab", transfer_syntax_uid=syntax)
    with Peer.associated(server.port, asking((PresentationContext(CT_CONTEXT, CT, (syntax,)),))) as peer:
        assert peer.store(uid, data) == Status.SUCCESS
        assert _kept(archive, uid) == data
        assert _stored(archive, uid).transfer_syntax_uid == syntax
        peer.release()


def test_a_data_set_in_tiny_fragments_is_kept_whole(server: Background, archive: App) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(range(256)) * 1_000)
    with Peer.associated(server.port) as peer:
        peer.begin_store(uid)
        for start in range(0, len(data), 500):
            piece = data[start : start + 500]
            control = CONTROL_LAST if start + 500 >= len(data) else 0
            peer.send(encode_data_header(CT_CONTEXT, len(piece), control) + piece)
        assert peer.status() == Status.SUCCESS
    assert _kept(archive, uid) == data


def test_the_senders_title_is_kept(server: Background, archive: App) -> None:
    uid = new_uid()
    with Peer.associated(server.port, asking(calling="CT_ROOM_3")) as peer:
        assert peer.store(uid, dataset(uid)) == Status.SUCCESS
    with archive.blobs.open(_stored(archive, uid).path) as reader:
        assert b"CT_ROOM_3" in reader.read(0, 1_000)


def test_every_storage_sop_class_is_accepted(server: Background) -> None:
    uids = tuple(STORAGE_SOP_CLASSES)
    for start in range(0, len(uids), 128):
        contexts = [
            PresentationContext(2 * number + 1, uid, ("1.2.840.10008.1.2.4.201", IMPLICIT_VR_LITTLE_ENDIAN))
            for number, uid in enumerate(uids[start : start + 128])
        ]
        with Peer(server.port) as peer:
            answer = peer.associate(asking(contexts))
            assert isinstance(answer, AssociateAccept)
            assert {(one.result, one.transfer_syntax) for one in answer.contexts} == {(0, "1.2.840.10008.1.2.4.201")}


@pytest.mark.parametrize("server", [True, False], ids=["taken", "refused"], indirect=True)
def test_unknown_sop_classes_are_taken_by_setting(
    server: Background, archive: App, request: pytest.FixtureRequest
) -> None:
    taken = request.node.callspec.params["server"]
    uid = new_uid()
    context = PresentationContext(1, _UNKNOWN_CLASS, (EXPLICIT_VR_LITTLE_ENDIAN,))
    with Peer(server.port) as peer:
        answer = peer.associate(asking((context,)))

        assert isinstance(answer, AssociateAccept)
        assert [one.result for one in answer.contexts] == [0 if taken else 3]
        if taken:
            data = dataset(uid, replaced={SOP_CLASS_UID: _UNKNOWN_CLASS.encode()})
            assert peer.store(uid, data, sop_class_uid=_UNKNOWN_CLASS, context_id=1) == Status.SUCCESS
            assert _kept(archive, uid) == data


# Refused.


def test_a_store_where_we_only_send_is_unrecognised(server: Background, archive: App) -> None:
    uid = new_uid()
    roles = (RoleSelection(CT, scu_role=False, scp_role=True),)
    with Peer.associated(server.port, asking(roles=roles)) as peer:
        assert peer.store(uid, dataset(uid)) == Status.UNRECOGNISED_OPERATION
    assert archive.index.lookup(uid) is None


def test_a_store_of_another_class_than_its_context_is_refused(server: Background, archive: App) -> None:
    uid, other = new_uid(), "1.2.840.10008.5.1.4.1.1.4"
    with Peer.associated(server.port) as peer:
        data = dataset(uid, replaced={SOP_CLASS_UID: other.encode()})
        assert peer.store(uid, data, sop_class_uid=other) == Status.DATASET_MISMATCH
    assert archive.index.lookup(uid) is None


def test_refusals_say_why_and_leave_nothing(server: Background, archive: App) -> None:
    uid = new_uid()
    with Peer.associated(server.port) as peer:
        for announced, data, status, why in (
            ("1.2.x", dataset("1.2.x"), Status.INVALID_SOP_INSTANCE, "1.2.x"),
            (uid, dataset("1.2.3"), Status.DATASET_MISMATCH, uid),
            (uid, dataset(uid)[:-100], Status.CANNOT_UNDERSTAND, ""),
        ):
            peer.begin_store(announced)
            peer.send_dataset(CT_CONTEXT, data)
            answer, _ = peer.response()
            assert answer.status == status
            assert answer.error_comment
            assert why in answer.error_comment
    assert archive.index.lookup(uid) is None
    assert _incoming(archive) == []


@pytest.mark.parametrize("how", ["abort", "end", "reset"])
def test_what_was_cut_off_is_dropped_and_what_was_whole_is_kept(server: Background, archive: App, how: str) -> None:
    whole, cut = new_uid(), new_uid()
    before = server.holds()
    peer = Peer.associated(server.port, _windowed())
    peer.begin_store(whole)
    peer.send_dataset(CT_CONTEXT, dataset(whole, pixels=bytes(200_000)))
    peer.begin_store(cut)
    peer.send_dataset(CT_CONTEXT, dataset(cut, pixels=bytes(4 << 20))[: 3 << 20], whole=False)
    assert peer.status() == Status.SUCCESS
    assert wait_until(lambda: len(_incoming(archive)) == 1, 20.0)
    if how == "reset":
        peer.reset()
    else:
        if how == "abort":
            peer.send(b"\7\0\0\0\0\4\0\0\0\0")
        peer.close()
    assert wait_until(lambda: not _incoming(archive), 20.0)
    assert archive.index.lookup(cut) is None
    assert _kept(archive, whole) == dataset(whole, pixels=bytes(200_000))
    assert wait_until(lambda: server.holds()[0] <= before[0], 20.0)


# Several at once.


@pytest.mark.parametrize(("asked", "agreed"), [(1, 1), (3, 3), (100, 8), (0, 8)])
def test_a_window_of_operations_is_agreed(server: Background, asked: int, agreed: int) -> None:
    with Peer(server.port) as peer:
        answer = peer.associate(_windowed(asked))
        assert isinstance(answer, AssociateAccept)
        assert answer.user_information.async_operations == AsyncOperationsWindow(agreed, 1)


def _message(message_id: int, sop_instance_uid: str, data: bytes) -> bytes:
    encoded = encode_command(c_store_rq(message_id, CT, sop_instance_uid), has_dataset=True)
    return (
        encode_data_header(CT_CONTEXT, len(encoded), CONTROL_COMMAND | CONTROL_LAST)
        + encoded
        + encode_data_header(CT_CONTEXT, len(data), CONTROL_LAST)
        + data
    )


def _answers(peer: Peer, count: int) -> dict[int | None, int | None]:
    """Return the status of every answer, by the request's message id."""
    answers = [peer.response()[0] for _ in range(count)]
    return {answer.message_id_being_responded_to: answer.status for answer in answers}


def test_outstanding_stores_are_all_answered_once_and_kept(server: Background, archive: App) -> None:
    uids = [new_uid() for _ in range(200)]
    sent = {uid: dataset(uid, pixels=bytes([number]) * (1 + 400 * number)) for number, uid in enumerate(uids)}
    room = threading.Semaphore(_WINDOW)
    with Peer.associated(server.port, _windowed()) as peer:

        def send() -> None:
            for number, uid in enumerate(uids, 1):
                room.acquire()
                peer.send(_message(number, uid, sent[uid]))

        sender = threading.Thread(target=send)
        sender.start()
        answered = []
        for _ in uids:
            answer, _ = peer.response()
            assert answer.status == Status.SUCCESS
            assert answer.affected_sop_instance_uid == uids[(answer.message_id_being_responded_to or 0) - 1]
            answered.append(answer.message_id_being_responded_to)
            room.release()
        sender.join()
        assert peer.echo() == Status.SUCCESS
    assert sorted(answered) == list(range(1, len(uids) + 1))  # type: ignore[type-var]
    assert {uid: hashlib.sha256(_kept(archive, uid)).digest() for uid in uids} == {
        uid: hashlib.sha256(data).digest() for uid, data in sent.items()
    }


def test_receiving_does_not_wait_for_what_is_being_kept(server: Background, archive: App) -> None:
    uids = [new_uid() for _ in range(_WINDOW)]
    with Peer.associated(server.port, _windowed()) as peer, ExitStack() as stack:
        stack.enter_context(archive.index.writing())
        for number, uid in enumerate(uids, 1):
            peer.send(_message(number, uid, dataset(uid, pixels=bytes(100_000))))
        assert wait_until(lambda: len(_incoming(archive)) == _WINDOW, 3.0)
        assert all(archive.index.lookup(uid) is None for uid in uids)
        stack.close()
        assert {peer.status() for _ in uids} == {Status.SUCCESS}


def test_one_bad_object_among_outstanding_ones_is_refused_alone(server: Background, archive: App) -> None:
    uids = [new_uid() for _ in range(5)]
    with Peer.associated(server.port, _windowed()) as peer:
        for number, uid in enumerate(uids, 1):
            peer.send(_message(number, uid, dataset("1.2.3" if number == 3 else uid)))
        answers = _answers(peer, 5)
    assert answers == {1: 0, 2: 0, 3: Status.DATASET_MISMATCH, 4: 0, 5: 0}
    assert [archive.index.lookup(uid) is not None for uid in uids] == [True, True, False, True, True]


def test_the_same_object_twice_at_once_is_kept_once(server: Background, archive: App) -> None:
    uid = new_uid()
    with Peer.associated(server.port, _windowed()) as peer:
        for number in (1, 2):
            peer.send(_message(number, uid, dataset(uid)))
        peer.send(_message(3, uid, dataset(uid, pixels=b"other")))
        answers = _answers(peer, 3)
    assert answers == {1: 0, 2: 0, 3: Status.DUPLICATE_SOP_INSTANCE}
    assert _kept(archive, uid) == dataset(uid)
    assert wait_until(lambda: not _incoming(archive), 20.0)
