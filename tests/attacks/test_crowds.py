"""Many connections at once or in a row: limits, and what they leave behind."""

from contextlib import ExitStack

import psutil
import pytest

from archimage.protocol.pdu import Abort, AssociateAccept, AssociateReject
from tests.attacks.conftest import SCALE
from tests.attacks.server import ANSWERS_WITHIN_S, Server, wait_until
from tests.attacks.trail import is_told
from tests.attacks.wire import Peer, request

_SILENT = 300
_CONNECTS = int(2_000 * SCALE)
_SLOTS = 3
_SLOTS_PER_AE = 2


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Few associations, and a list of who may call."""
    return {
        "dicom__max_associations": _SLOTS,
        "dicom__max_associations_per_ae": _SLOTS_PER_AE,
        "dicom__allowed_calling_ae_titles": "ATTACKER,OTHER,../x",
    }


def test_an_echo_is_answered_beside_silent_connections(server: Server) -> None:
    with ExitStack() as peers:
        for _ in range(_SILENT):
            peers.enter_context(Peer(server.port))
        assert server.echo() <= ANSWERS_WITHIN_S


def test_associations_beyond_the_limits_are_rejected_and_the_next_is_let_in_again(server: Server) -> None:
    with ExitStack() as peers:
        for _ in range(_SLOTS_PER_AE):
            peers.enter_context(Peer.associated(server.port))
        with Peer(server.port) as peer:
            assert peer.associate(request()) == AssociateReject(2, 3, 1)
        peers.enter_context(Peer.associated(server.port, request(calling="OTHER")))
        with Peer(server.port) as peer:
            assert peer.associate(request(calling="OTHER")) == AssociateReject(2, 3, 2)
    assert wait_until(lambda: _lets_in(server), 1.0)
    assert is_told(server, "110113", "AETITLES=ATTACKER", "max_associations_per_ae allows", "127.0.0.1")
    assert is_told(server, "110113", "AETITLES=OTHER", "as many as dicom.max_associations allows", "127.0.0.1")


def _lets_in(server: Server) -> bool:
    with Peer(server.port) as peer:
        return isinstance(peer.associate(request()), AssociateAccept)


def test_an_unknown_caller_is_rejected_and_one_that_is_listed_is_not(server: Server) -> None:
    with Peer(server.port) as peer:
        assert peer.associate(request(calling="STRANGER")) == AssociateReject(1, 1, 3)
    with Peer(server.port) as peer:
        assert isinstance(peer.associate(request(calling="../x")), AssociateAccept)
    assert is_told(server, "110113", "AETITLES=STRANGER", "dicom.allowed_calling_ae_titles", "127.0.0.1")


def test_connections_that_come_and_go_leave_nothing_behind(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    before = server.footprint()
    for number in range(_CONNECTS):
        peer = Peer(server.port)
        if number % 3 == 0:
            peer.reset()
        elif number % 3 == 1:
            peer.send(Abort(0, 0))
            peer.close()
        else:
            peer.close()
    assert wait_until(lambda: process.num_fds() <= before.descriptors * 1.05 + 1, 10.0)
    assert process.num_threads() <= before.threads * 1.05 + 1
    assert process.memory_info().rss <= before.rss_bytes * 1.05
