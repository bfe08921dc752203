"""What is open is told as it is, and ends with A-ABORT when somebody wants that; openings and ends are published."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest

from archimage.errors import NotFoundError
from archimage.model.associations import AssociationState
from archimage.model.events import AssociationClosed, AssociationOpened, AssociationRefused
from archimage.net.admission import AdmissionPolicy
from archimage.net.associations import AssociationTable
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.protocol.association import AssociationSettings
from archimage.protocol.command import CommandField, c_echo_rq
from archimage.protocol.items import PresentationContext
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.pdu import Abort, ReleaseRequest, encode_pdu
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.server import wait_until
from tests.attacks.wire import ECHO_CONTEXT, Peer, request
from tests.net.background import POLICY, Background, listening

Told = AssociationOpened | AssociationClosed | AssociationRefused
_WITHIN_S = 5.0


@pytest.fixture
def told() -> list[Told]:
    """What was published."""
    return []


@pytest.fixture
def table(told: list[Told]) -> AssociationTable:
    """An empty table."""
    return AssociationTable(told.append)


@pytest.fixture
def server(table: AssociationTable) -> Iterator[Background]:
    """A server that enters what is open in table."""
    with listening(table=table) as found:
        yield found


def test_an_association_is_told_with_who_what_and_how_much(server: Background, table: AssociationTable) -> None:
    with Peer.associated(server.port) as peer:
        (before,) = table.all()
        assert (before.calling_ae_title, before.called_ae_title) == ("ATTACKER", "PACS_SCP")
        assert before.address == "127.0.0.1"
        assert (before.last_operation, before.operations, before.state) == ("", 0, AssociationState.OPEN)
        assert before.since > 1e9
        assert peer.echo() == peer.echo() == 0
        (after,) = table.all()
        assert (after.id, after.last_operation, after.operations, after.running) == (before.id, "C-ECHO-RQ", 2, 0)
        assert after.age_s > before.age_s > 0
        peer.release()
    assert wait_until(lambda: table.all() == [], _WITHIN_S)


def test_bytes_are_those_of_the_connection(server: Background, table: AssociationTable) -> None:
    asked = request()
    with Peer(server.port) as peer:
        peer.send(asked)
        came = len(peer.socket.recv(1 << 16))
        (found,) = table.all()
        assert (found.received_bytes, found.sent_bytes) == (len(encode_pdu(asked)), came)
        peer.send_command(ECHO_CONTEXT, c_echo_rq(1), has_dataset=False)
        came += len(peer.socket.recv(1 << 16))
        assert table.all()[0].sent_bytes == came


def test_a_connection_without_an_association_is_none(server: Background, table: AssociationTable) -> None:
    with Peer(server.port):
        assert table.all() == []


def test_what_is_not_answered_yet_runs(table: AssociationTable) -> None:
    async def stubborn(_request: Request) -> AsyncGenerator[Response, None]:
        await asyncio.get_running_loop().create_future()
        yield Response(0)

    service = ServiceClass((SupportedContext("1.2.3", ANY),), {("1.2.3", CommandField.C_ECHO_RQ): stubborn})
    asked = request((PresentationContext(1, "1.2.3", (IMPLICIT_VR_LITTLE_ENDIAN,)),))
    with listening(service, table=table) as server, Peer.associated(server.port, asked) as peer:
        peer.send_command(1, c_echo_rq(1), has_dataset=False)
        assert wait_until(lambda: [found.running for found in table.all()] == [1], _WITHIN_S)
        assert table.all()[0].operations == 0


def test_the_oldest_comes_first_and_only_the_one_that_is_meant_is_aborted(
    server: Background, table: AssociationTable, told: list[Told]
) -> None:
    with Peer.associated(server.port) as first, Peer.associated(server.port) as second:
        one, two = table.all()
        assert one.since <= two.since
        table.abort(one.id)
        assert first.receive() == Abort(0, 0)
        assert second.echo() == 0
        first.close()
        assert wait_until(lambda: [found.id for found in table.all()] == [two.id], _WITHIN_S)
        closed = AssociationClosed(one.id, "ATTACKER", "aborted here")
        assert wait_until(lambda: told[-1] == closed, _WITHIN_S)  # it is taken out of the table a moment before


def test_one_that_was_aborted_and_lingers_is_closing(server: Background, table: AssociationTable) -> None:
    with Peer.associated(server.port) as peer:
        table.abort(table.all()[0].id)
        assert peer.receive() == Abort(0, 0)
        assert [found.state for found in table.all()] == [AssociationState.CLOSING]


def test_what_is_not_open_cannot_be_aborted(server: Background, table: AssociationTable) -> None:
    with Peer.associated(server.port) as peer:
        association_id = table.all()[0].id
        peer.release()
    assert wait_until(lambda: table.all() == [], _WITHIN_S)
    with pytest.raises(NotFoundError):
        table.abort(association_id)


def _lose(peer: Peer) -> None:
    peer.close()


def _abort(peer: Peer) -> None:
    peer.send(Abort(0, 0))


def _break(peer: Peer) -> None:
    peer.send(b"\xff" * 12)


def _stay_silent(peer: Peer) -> None:
    peer.receive()


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (Peer.release, ""),
        (lambda peer: peer.send(ReleaseRequest()), ""),
        (_lose, "the connection was lost"),
        (_abort, "aborted by the peer"),
        (_break, "the peer broke the protocol"),
        (_stay_silent, "the peer was silent for too long"),
    ],
)
def test_every_opening_and_end_is_published(
    table: AssociationTable, told: list[Told], leave: Callable[[Peer], None], reason: str
) -> None:
    settings = AssociationSettings("PACS_SCP", idle_timeout_s=0.3, artim_timeout_s=0.3)
    with listening(settings=settings, table=table) as server, Peer.associated(server.port) as peer:
        association_id = table.all()[0].id
        assert told == [AssociationOpened(association_id, "ATTACKER", "PACS_SCP", "127.0.0.1")]
        leave(peer)
        assert wait_until(lambda: len(told) == 2, _WITHIN_S)
    (_, closed) = told
    assert isinstance(closed, AssociationClosed)
    assert (closed.association_id, closed.calling_ae_title) == (association_id, "ATTACKER")
    assert closed.reason.startswith(reason)
    assert bool(closed.reason) == bool(reason)


@pytest.mark.parametrize(
    ("policy", "called", "named"),
    [
        (POLICY, "OTHER", "this archive goes by PACS_SCP"),
        (AdmissionPolicy(None), "A\\B", "any AE title"),
        (AdmissionPolicy(None, frozenset({"CT"})), "PACS_SCP", "dicom.allowed_calling_ae_titles"),
        (AdmissionPolicy(None, max_associations=0), "PACS_SCP", "dicom.max_associations allows"),
    ],
)
def test_a_refusal_is_published_with_its_reason(
    table: AssociationTable, told: list[Told], policy: AdmissionPolicy, called: str, named: str
) -> None:
    with listening(policy=policy, table=table) as server, Peer(server.port) as peer:
        peer.associate(request(called=called))
        assert table.all() == []
    (refused,) = told
    assert isinstance(refused, AssociationRefused)
    assert (refused.calling_ae_title, refused.called_ae_title, refused.address) == ("ATTACKER", called, "127.0.0.1")
    assert named in refused.reason


def test_a_refusal_of_one_too_many_of_a_title_and_of_a_strange_one_says_so(told: list[Told]) -> None:
    policy = AdmissionPolicy(None, max_associations_per_ae=1)
    with (
        listening(policy=policy, table=AssociationTable(told.append)) as server,
        Peer.associated(server.port),
        Peer(server.port) as second,
        Peer(server.port) as third,
    ):
        second.associate(request())
        third.associate(request(calling="$(id)"))
        refused = [event.reason for event in told if isinstance(event, AssociationRefused)]
    assert "dicom.max_associations_per_ae" in refused[0]
    assert "'$(id)'" in refused[1]
