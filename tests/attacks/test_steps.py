"""Performed procedure steps of peers that do not keep to the rules: the status of the standard, and nothing changed.

Ref: PS3.4 §F.7.2; PS3.7 Annex C.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from archimage.net.scp.mpps import MAX_DATASET_BYTES
from archimage.protocol.command import Command, CommandField, n_create_rq, n_get_rq, n_set_rq
from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.pdu import AssociateRequest
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, MPPS, MPPS_RETRIEVE, STORAGE_COMMITMENT_PUSH
from archimage.services.datasets import encode
from tests.attacks.server import Server
from tests.attacks.wire import Peer
from tests.services.stepping import ended, step

_UID = "1.2.3.941"
_SYNTAX = EXPLICIT_VR_LITTLE_ENDIAN


@contextmanager
def _peer(server: Server) -> Iterator[Peer]:
    contexts = tuple(PresentationContext(number, uid, (_SYNTAX,)) for number, uid in ((1, MPPS), (3, MPPS_RETRIEVE)))
    with Peer.associated(server.port, AssociateRequest("PACS_SCP", "ATTACKER", contexts)) as peer:
        yield peer


def _ask(peer: Peer, command: Command, dataset: bytes | None = None, context_id: int = 1) -> Command:
    peer.send_command(context_id, command, has_dataset=dataset is not None)
    if dataset is not None:
        peer.send_dataset(context_id, dataset)
    return peer.response()[0]


def test_a_completed_step_is_not_changed(server: Server) -> None:
    done = encode(ended(["1.2.9.1"]), _SYNTAX)
    with _peer(server) as peer:
        assert _ask(peer, n_create_rq(1, MPPS, _UID), encode(step(), _SYNTAX)).status == 0
        assert _ask(peer, n_set_rq(2, MPPS, _UID), done).status == 0
        before = _ask(peer, n_get_rq(3, MPPS_RETRIEVE, _UID), context_id=3)
        for number, changes in enumerate((ended(["1.2.9.2"], "DISCONTINUED"), step(), {}), 4):
            answer = _ask(peer, n_set_rq(number, MPPS, _UID), encode(changes, _SYNTAX))
            assert (answer.status, answer.error_id) == (0x0110, 0xA710)
        assert _ask(peer, n_get_rq(9, MPPS_RETRIEVE, _UID), context_id=3).status == before.status == 0


@pytest.mark.parametrize(
    ("command", "dataset", "status"),
    [
        (n_create_rq(1, MPPS, "../../x"), encode(step(), _SYNTAX), 0x0117),
        (n_create_rq(1, MPPS, "1.2.3.942"), b"", 0x0120),
        (n_create_rq(1, MPPS, "1.2.3.942"), encode(step(), _SYNTAX)[:-5], 0xC000),
        (n_create_rq(1, MPPS, "1.2.3.942"), b"\xff" * 4_096, 0xC000),
        (n_create_rq(1, STORAGE_COMMITMENT_PUSH, "1.2.3.942"), encode(step(), _SYNTAX), 0x0119),
        (n_set_rq(1, MPPS, "1.2.3.942"), encode(ended(), _SYNTAX), 0x0112),
        (n_create_rq(1, MPPS, "1.2.3.942"), bytes(MAX_DATASET_BYTES + 2), 0xA700),
    ],
)
def test_what_cannot_be_is_answered_with_its_status(
    server: Server, command: Command, dataset: bytes, status: int
) -> None:
    before = server.footprint()
    with _peer(server) as peer:
        assert _ask(peer, command, dataset).status == status
        assert _ask(peer, n_get_rq(2, MPPS_RETRIEVE, "1.2.3.942"), context_id=3).status == 0x0112
    server.check_answers(before)


def test_nested_sequences_do_not_bring_it_down(server: Server) -> None:
    sequence, item = b"\x40\x00\x40\x03SQ\0\0\xff\xff\xff\xff", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    before = server.footprint()
    with _peer(server) as peer:
        assert _ask(peer, n_create_rq(1, MPPS, "1.2.3.943"), (sequence + item) * 20_000).status == 0xC000
    server.check_answers(before)


@pytest.mark.parametrize("field", [CommandField.N_ACTION_RQ, CommandField.N_DELETE_RQ, CommandField.N_GET_RQ])
def test_other_operations_are_not_known(server: Server, field: CommandField) -> None:
    action = 1 if field is CommandField.N_ACTION_RQ else None
    command = Command(field, 1, requested_sop_class_uid=MPPS, requested_sop_instance_uid=_UID, action_type_id=action)
    with _peer(server) as peer:
        assert _ask(peer, command).status == 0x0211
