"""Storage commitment against those who ask for too much, and across the death of the process that was asked."""

from pathlib import Path

from archimage.model.commitments import Reference
from archimage.net.scp.commitment import MAX_BYTES
from archimage.protocol.command import Command, n_action_rq
from archimage.protocol.items import PresentationContext
from archimage.protocol.status import Status
from archimage.protocol.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT_PUSH,
    STORAGE_COMMITMENT_PUSH_INSTANCE,
    VERIFICATION,
)
from archimage.services import datasets
from archimage.services.commitment_messages import request as asking
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import launch, running
from tests.attacks.wire import CT, ECHO_CONTEXT, Peer, request
from tests.interop.committing import Asker
from tests.interop.committing import ask as ask_by_pynetdicom
from tests.interop.committing import asking as asked_by_pynetdicom

_CONTEXT = 3


def _associated(port: int) -> Peer:
    contexts = (
        PresentationContext(ECHO_CONTEXT, VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN,)),
        PresentationContext(_CONTEXT, STORAGE_COMMITMENT_PUSH, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    )
    return Peer.associated(port, request(contexts), timeout_s=30)


def _ask(peer: Peer, references: list[Reference]) -> Command:
    uid = new_uid()
    number = peer.next_message_id()
    command = n_action_rq(number, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, 1)
    peer.send_command(_CONTEXT, command, has_dataset=True)
    peer.send_dataset(_CONTEXT, datasets.encode(asking(uid, references), EXPLICIT_VR_LITTLE_ENDIAN))
    return peer.response()[0]


def test_a_request_of_100_000_objects_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "here" / "and" / "data") as server, _associated(server.port) as peer:
        assert peer.echo() == 0
        before = server.footprint()
        response = _ask(peer, [Reference(CT, f"1.2.826.0.1.3680043.8.498.{number}") for number in range(100_000)])
        assert response.status == Status.RESOURCE_LIMITATION
        peer.release()
        server.check_unharmed(before)


def test_a_data_set_beyond_every_request_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, _associated(server.port) as peer:
        command = n_action_rq(peer.next_message_id(), STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, 1)
        peer.send_command(_CONTEXT, command, has_dataset=True)
        peer.send_dataset(_CONTEXT, bytes(MAX_BYTES + 2))
        assert peer.status() == Status.OUT_OF_RESOURCES
        assert peer.echo() == 0


def test_a_request_that_was_answered_outlives_its_process(tmp_path: Path) -> None:
    asker, uid = Asker(), new_uid()
    options = ["--node", f"ASKER=127.0.0.1:{asker.port}"]
    server = launch(tmp_path / "data", options)
    try:
        server.wait_until_ready()
        with Peer.associated(server.port) as peer:
            assert peer.store(uid, dataset(uid)) == 0
        asked = asked_by_pynetdicom((CT, uid), (CT, "1.2.3.4"))
        association = asker.ae.associate("127.0.0.1", server.port, ae_title="PACS_SCP")
        assert ask_by_pynetdicom(association, asked) == 0
    finally:
        server.process.kill()
        server.process.wait(20)
    with asker.listening(), running(tmp_path / "data", options):
        event, told = asker.told()
    assert (event, told.TransactionUID) == (2, asked.TransactionUID)
    assert [item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence] == [uid]
