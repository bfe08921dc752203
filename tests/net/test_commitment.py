"""A result of storage commitment that is heard in the last moment of the association that asked."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from archimage.model.commitments import CommitmentState, Reference
from archimage.protocol.command import (
    CommandField,
    encode_command,
    n_action_rq,
)
from archimage.protocol.items import PresentationContext
from archimage.protocol.pdu import CONTROL_COMMAND, CONTROL_LAST, ReleaseRequest, encode_data_header, encode_pdu
from archimage.protocol.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT_PUSH,
    STORAGE_COMMITMENT_PUSH_INSTANCE,
)
from archimage.services import datasets
from archimage.services.commitment_messages import request as asking
from tests.attacks.datasets import new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT, Peer, request
from tests.net.background import listening
from tests.services.keeping import opened, store

_CONTEXT = 1


def _ask(peer: Peer, reference: Reference) -> bytes:
    """Ask, wait for the result, and return what says that it was heard and releases the association."""
    command = n_action_rq(1, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, 1)
    peer.send_command(_CONTEXT, command, has_dataset=True)
    peer.send_dataset(_CONTEXT, datasets.encode(asking(new_uid(), [reference]), EXPLICIT_VR_LITTLE_ENDIAN))
    assert peer.status() == 0
    event, _ = peer.response()
    assert event.field == CommandField.N_EVENT_REPORT_RQ
    heard = encode_command(event.response(0), has_dataset=False)
    return (
        encode_data_header(_CONTEXT, len(heard), CONTROL_COMMAND | CONTROL_LAST) + heard + encode_pdu(ReleaseRequest())
    )


@pytest.mark.parametrize("leave", [Peer.ended, Peer.close], ids=["waits", "closes"])
def test_a_result_is_noted_as_heard_though_its_asker_leaves_before_there_is_a_thread_to_note_it(
    leave: Callable[[Peer], object], tmp_path: Path
) -> None:
    contexts = [PresentationContext(_CONTEXT, STORAGE_COMMITMENT_PUSH, (EXPLICIT_VR_LITTLE_ENDIAN,))]
    free = threading.Event()
    with opened(tmp_path / "data") as app, ThreadPoolExecutor(1) as executor:
        (uid,) = store(app)
        with listening(*app.department.commitment.dicom(executor)) as server:
            with Peer.associated(server.port, request(contexts)) as peer:
                last_words = _ask(peer, Reference(CT, uid))
                executor.submit(free.wait, 30)
                peer.send(last_words)
                with suppress(OSError):
                    leave(peer)
            server.check_echo()  # by then the server has seen that the asker left
            free.set()
            records = app.department.commitment.records
            assert wait_until(lambda: records.list()[0].state is CommitmentState.REPORTED, 10)
