"""A session of the server: which answer each request gets, and what is left of one that ends early."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Final

import pytest

from archimage import errors
from archimage.errors import ArchimageError, BlobNotFoundError, OperationFailedError, ProtocolError
from archimage.net.dispatch import Handler, Incoming, Operation, Request, Response, ServiceClass
from archimage.net.statuses import status_of
from archimage.protocol.command import Command, CommandField, c_cancel_rq, c_echo_rq, c_store_rq
from archimage.protocol.items import AsyncOperationsWindow, PresentationContext, RoleSelection, UserInformation
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.pdu import Abort, AssociateRequest, ReleaseRequest, ReleaseResponse, encode_pdu
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_FIND, STUDY_ROOT_GET
from tests.attacks.server import wait_until
from tests.attacks.wire import CONTEXTS, CT, CT_CONTEXT, ECHO_CONTEXT, Peer, request
from tests.net.background import SETTINGS, Background, listening

FIND_CONTEXT: Final = 5
GET_CONTEXT: Final = 7
_QUERY = (
    PresentationContext(FIND_CONTEXT, STUDY_ROOT_FIND, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    PresentationContext(GET_CONTEXT, STUDY_ROOT_GET, (EXPLICIT_VR_LITTLE_ENDIAN,)),
)
_MiB = 1 << 20


def _asking(*, outstanding: int = 8, receives: bool = True) -> AssociateRequest:
    """Ask for everything; receives: we offer to be the SCP of Storage, as C-GET needs, and not its SCU."""
    roles = (RoleSelection(CT, scu_role=not receives, scp_role=receives),)
    information = UserInformation(
        implementation_class_uid="1.2.3", roles=roles, async_operations=AsyncOperationsWindow(outstanding, 1)
    )
    return AssociateRequest("PACS_SCP", "TESTER", (*CONTEXTS, *_QUERY), information)


def _leaves(kind: type[ArchimageError]) -> Iterator[type[ArchimageError]]:
    below = [lower for lower in kind.__subclasses__() if lower.__module__ == errors.__name__]
    if not below:
        yield kind
    for lower in below:
        yield from _leaves(lower)


_LEAVES = [kind for kind in _leaves(ArchimageError) if not issubclass(kind, ProtocolError)]


class _Service:
    """Does what a request's identifier says."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started = 0
        self.over = 0
        self.stored: list[int] = []
        self.abandoned = threading.Event()

    def service_class(self) -> ServiceClass:
        """Serve C-FIND, C-GET and C-STORE."""
        contexts = tuple(SupportedContext(uid, ANY) for uid in (STUDY_ROOT_FIND, STUDY_ROOT_GET))
        handlers: dict[tuple[str, int], Handler] = {
            (STUDY_ROOT_FIND, CommandField.C_FIND_RQ): self._find,
            (STUDY_ROOT_GET, CommandField.C_GET_RQ): self._get,
        }
        return ServiceClass(
            (*contexts, SupportedContext(CT, ANY, scu_role=True)),
            handlers,
            {CommandField.C_STORE_RQ: lambda incoming: _Store(self, incoming)},
        )

    def open_gate(self, server: Background) -> None:
        """Let everybody go who waits."""
        server.loop.call_soon_threadsafe(self.gate.set)

    async def _find(self, asked: Request) -> AsyncGenerator[Response, None]:
        self.started += 1
        try:
            async for response in self._answers(asked):
                yield response
        finally:
            self.over += 1

    async def _answers(self, asked: Request) -> AsyncGenerator[Response, None]:
        match asked.identifier.rstrip(b"\0").decode().split():
            case ["raise", name]:
                raise _error(name)
            case ["fail"]:
                raise ZeroDivisionError
            case ["wait", *_]:
                await self.gate.wait()
            case ["count"]:
                for number in itertools.count():
                    if asked.cancelled.is_set():
                        yield Response(Status.CANCEL)
                        return
                    yield Response(Status.PENDING, b"%08d" % number)
                    await asyncio.sleep(0)
        yield Response(Status.SUCCESS)

    async def _get(self, asked: Request) -> AsyncGenerator[Response, None]:
        """Send so many objects of so many MiB; a negative number of MiB fails on the way."""
        count, size = map(int, asked.identifier.split(b"\0")[0].split())
        for number in range(count):
            command = c_store_rq(100 + number, CT, f"1.2.{number}")
            self.stored.append(await asked.channel.store(CT_CONTEXT, command, _pieces(size) if size else b"whole"))
            yield Response(Status.PENDING)
        yield Response(Status.SUCCESS, completed=count)


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(abs(size)):
        yield bytes(_MiB)
    if size < 0:
        raise BlobNotFoundError("it is gone")


class _Store(Operation):
    """A C-STORE that is settled when the gate opens."""

    def __init__(self, service: _Service, incoming: Incoming) -> None:
        self._service = service
        self._incoming = incoming
        self._last = False

    def add(self, _data: memoryview, *, last: bool) -> None:
        """Take nothing."""
        self._last = last

    async def settle(self) -> None:
        """Wait."""
        if self._incoming.command.affected_sop_instance_uid == "0.0":
            raise ZeroDivisionError
        await self._service.gate.wait()
        if self._last:
            self._incoming.reply(Response(Status.SUCCESS))

    def abandon(self) -> None:
        """Tell the test."""
        self._service.abandoned.set()


def _error(name: str) -> ArchimageError:
    kind = getattr(errors, name)
    if issubclass(kind, OperationFailedError):
        return OperationFailedError("told", status=0xA700)
    if kind is errors.RefusedOperationError:
        return errors.RefusedOperationError("told", status=0x0106, offending=(0x00400252,))
    if issubclass(kind, errors.AssociationRejectedError):
        return errors.AssociationRejectedError("told", result=1, source=1, reason=1)
    made: ArchimageError = kind("told")
    return made


@pytest.fixture
def service() -> _Service:
    """What the server does."""
    return _Service()


@pytest.fixture
def server(service: _Service) -> Iterator[Background]:
    """A server with it, which is as it was when the test is over."""
    with listening(service.service_class()) as server:
        server.check_echo()
        before = server.holds()
        yield server
        service.open_gate(server)
        server.check_nothing_is_left(before)


@pytest.fixture
def peer(server: Background) -> Iterator[Peer]:
    """An association with it."""
    with Peer.associated(server.port, _asking()) as peer:
        yield peer


def _find(peer: Peer, identifier: str, message_id: int | None = None) -> int:
    """Send a C-FIND; return its message id."""
    message_id = message_id or peer.next_message_id()
    command = Command(CommandField.C_FIND_RQ, message_id, affected_sop_class_uid=STUDY_ROOT_FIND, priority=0)
    peer.send_command(FIND_CONTEXT, command, has_dataset=True)
    peer.send_dataset(FIND_CONTEXT, identifier.encode())
    return message_id


def _get(peer: Peer, count: int, size: int) -> int:
    return peer.ask(CommandField.C_GET_RQ, GET_CONTEXT, STUDY_ROOT_GET, f"{count} {size}\0".encode())


# Statuses.


def test_a_command_without_a_service_is_unrecognised(peer: Peer) -> None:
    peer.ask(CommandField.C_GET_RQ, FIND_CONTEXT, STUDY_ROOT_FIND, b"\0\0")
    assert peer.status() == Status.UNRECOGNISED_OPERATION
    assert peer.echo() == 0


def test_a_store_on_a_context_where_we_only_send_is_unrecognised(peer: Peer) -> None:
    assert peer.store("1.2.3", b"data") == Status.UNRECOGNISED_OPERATION


def test_a_message_id_in_use_is_a_duplicate_and_the_first_request_goes_on(
    server: Background, service: _Service, peer: Peer
) -> None:
    _find(peer, "wait", 9)
    _find(peer, "wait", 9)
    assert peer.status() == Status.DUPLICATE_INVOCATION
    service.open_gate(server)
    assert peer.status() == 0
    assert service.started == 1


@pytest.mark.parametrize("kind", _LEAVES, ids=lambda kind: kind.__name__)
def test_an_error_of_a_handler_becomes_its_status_and_says_why(peer: Peer, kind: type[ArchimageError]) -> None:
    _find(peer, f"raise {kind.__name__}")
    answer, _ = peer.response()
    assert answer.status == status_of(_error(kind.__name__), CommandField.C_FIND_RQ)
    assert answer.error_comment == "told"
    assert peer.echo() == 0


def test_a_bug_of_a_handler_is_a_processing_failure(peer: Peer) -> None:
    _find(peer, "fail")
    assert peer.status() == Status.PROCESSING_FAILURE
    assert peer.echo() == 0


def test_an_identifier_above_the_limit_is_refused_and_the_association_goes_on(peer: Peer, service: _Service) -> None:
    _find(peer, "x" * (_MiB + 2))
    answer, _ = peer.response()
    assert answer.status == Status.OUT_OF_RESOURCES
    assert "1048576 bytes" in (answer.error_comment or "")
    _find(peer, "x" * _MiB)
    assert peer.status() == 0
    assert service.started == 1


# Cancelling and ending.


def test_a_cancel_ends_the_request_it_names_and_no_other(peer: Peer) -> None:
    counting = _find(peer, "count")
    peer.send_command(FIND_CONTEXT, c_cancel_rq(counting + 1), has_dataset=False)
    assert {peer.status() for _ in range(100)} == {Status.PENDING}
    peer.send_command(FIND_CONTEXT, c_cancel_rq(counting), has_dataset=False)
    statuses = iter(peer.status, Status.CANCEL)
    assert set(statuses) <= {Status.PENDING}
    assert peer.echo() == 0


def test_a_release_is_answered_while_a_request_runs(peer: Peer, service: _Service) -> None:
    _find(peer, "wait")
    assert wait_until(lambda: service.started == 1, 20.0)
    peer.send(ReleaseRequest())
    assert isinstance(peer.receive(), ReleaseResponse)
    peer.close()
    assert wait_until(lambda: service.over == 1, 20.0)


def test_several_requests_run_at_once_and_each_is_answered_once(
    server: Background, peer: Peer, service: _Service
) -> None:
    waiting = {_find(peer, "wait") for _ in range(7)}
    assert peer.echo() == 0
    service.open_gate(server)
    assert {peer.response()[0].message_id_being_responded_to for _ in range(7)} == waiting


_ASSOCIATE: Callable[[Peer], object] = lambda peer: peer.associate(_asking())  # noqa: E731 - a step among others
_ASSOCIATE_AS_SENDER: Callable[[Peer], object] = lambda peer: peer.associate(_asking(receives=False))  # noqa: E731
_PHASES: dict[str, tuple[Callable[[Peer], object], ...]] = {
    "nothing": (),
    "half a request": (lambda peer: peer.send(encode_pdu(_asking())[:50]),),
    "request": (lambda peer: peer.send(_asking()),),
    "association": (_ASSOCIATE,),
    "half a command": (_ASSOCIATE, lambda peer: peer.send(b"\4\0\0\0\0\x50\0\0\0\x4c\1\3half")),
    "command": (_ASSOCIATE_AS_SENDER, lambda peer: peer.begin_store("1.2.3")),
    "half a data set": (
        _ASSOCIATE_AS_SENDER,
        lambda peer: peer.begin_store("1.2.3"),
        lambda peer: peer.send_dataset(CT_CONTEXT, bytes(_MiB), whole=False),
    ),
    "handler": (_ASSOCIATE, lambda peer: _find(peer, "wait")),
    "responses": (_ASSOCIATE, lambda peer: _find(peer, "count")),
    "sub-operation": (_ASSOCIATE, lambda peer: _get(peer, 3, 20)),
}


@pytest.mark.parametrize("how", ["abort", "reset", "end"])
@pytest.mark.parametrize("phase", _PHASES)
def test_nothing_is_left_of_an_association_that_ends_in_any_phase(
    server: Background, service: _Service, phase: str, how: str
) -> None:
    peer = Peer(server.port)
    for step in _PHASES[phase]:
        step(peer)
    if how == "abort":
        peer.send(Abort(0, 0))
    if how == "reset":
        peer.reset()
    else:
        peer.close()
    service.open_gate(server)
    server.check_echo()


def test_a_peer_that_leaves_in_the_breath_of_its_request_is_no_fault_of_ours(
    server: Background, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for farewell in (_asking(), ReleaseRequest()):
        with Peer(server.port) if farewell == _asking() else Peer.associated(server.port) as peer:
            peer.send(encode_pdu(farewell) + encode_pdu(Abort(0, 0)))
            assert wait_until(peer.ended, 20.0)
    assert "Traceback" not in capsys.readouterr().out + caplog.text


# Sub-operations.


def test_sub_operations_are_sent_and_their_statuses_come_back(peer: Peer, service: _Service) -> None:
    asked = _get(peer, 2, 1)
    for status in (0, 0xA700):
        command, data = peer.response()
        assert (command.field, data) == (CommandField.C_STORE_RQ, bytes(_MiB))
        peer.send_command(CT_CONTEXT, command.response(status), has_dataset=False)
        assert peer.status() == Status.PENDING
    answer, _ = peer.response()
    assert (answer.status, answer.message_id_being_responded_to, answer.completed_suboperations) == (0, asked, 2)
    assert service.stored == [0, 0xA700]


def test_a_data_set_at_hand_is_sent_whole(peer: Peer) -> None:
    _get(peer, 1, 0)
    assert peer.response()[1] == b"whole"


def test_answers_wait_for_the_end_of_a_data_set_that_is_being_sent(peer: Peer) -> None:
    _get(peer, 1, 20)
    peer.send_command(ECHO_CONTEXT, c_echo_rq(77), has_dataset=False)
    messages = [peer.response() for _ in range(2)]
    assert {command.field for command, _ in messages} == {CommandField.C_STORE_RQ, CommandField.C_ECHO_RSP}
    command, data = next(message for message in messages if message[0].field == CommandField.C_STORE_RQ)
    assert len(data) == 20 * _MiB
    peer.send_command(CT_CONTEXT, command.response(0), has_dataset=False)
    assert [peer.status(), peer.status()] == [Status.PENDING, Status.SUCCESS]


def test_two_retrievals_at_once_take_turns(peer: Peer, service: _Service) -> None:
    asked = {_get(peer, 3, 1), _get(peer, 3, 1)}
    done: set[int | None] = set()
    while done != asked:
        command, _ = peer.response()
        if command.field == CommandField.C_STORE_RQ:
            peer.send_command(CT_CONTEXT, command.response(0), has_dataset=False)
        elif command.status == 0:
            done.add(command.message_id_being_responded_to)
    assert service.stored == [0] * 6


def test_a_peer_that_takes_no_object_is_given_up(
    peer: Peer, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archimage.net.session.SUB_OPERATION_TIMEOUT_S", 0.3)
    _get(peer, 2, 0)
    assert peer.response()[0].field == CommandField.C_STORE_RQ
    started = time.monotonic()
    assert peer.receive() == Abort(0, 0)
    assert peer.ended()
    assert time.monotonic() - started < 2  # ARTIM, 30 s, is not waited for
    assert service.stored == []


def test_a_source_that_fails_on_the_way_aborts(peer: Peer, service: _Service) -> None:
    _get(peer, 2, -1)
    with pytest.raises(ConnectionError, match="Abort"):
        peer.response()
    assert service.stored == []


# Limits.


def test_a_peer_that_asks_without_end_is_read_no_further(server: Background, peer: Peer, service: _Service) -> None:
    count, size = 4_000, 4_096
    sender = threading.Thread(target=lambda: [_find(peer, "wait".ljust(size), number + 1) for number in range(count)])
    sender.start()
    assert wait_until(lambda: service.started > 16, 20.0)
    server.check_echo()
    sender.join(0.5)  # the kernel may take all of it; the server does not
    assert service.started < count / 4
    service.open_gate(server)
    answered = {peer.response()[0].message_id_being_responded_to for _ in range(count)}
    sender.join()
    assert len(answered) == count


def test_the_idle_deadline_stands_still_while_we_work_and_runs_on_after(service: _Service) -> None:
    settings = type(SETTINGS)("PACS_SCP", idle_timeout_s=0.2)
    with (
        listening(service.service_class(), settings=settings) as server,
        Peer.associated(server.port, _asking(receives=False), timeout_s=0.6) as peer,
    ):
        peer.begin_store("1.2.3")
        peer.send_dataset(CT_CONTEXT, bytes(900_000), whole=False)  # enough of a buffer for the operation to begin
        with pytest.raises(TimeoutError):
            peer.receive()
        service.open_gate(server)
        assert peer.receive() == Abort(0, 0)
        peer.close()
        assert service.abandoned.wait(20.0)


def test_an_operation_that_fails_ends_its_association_only(server: Background, service: _Service) -> None:
    with Peer.associated(server.port, _asking(receives=False)) as peer:
        peer.begin_store("0.0")
        peer.send_dataset(CT_CONTEXT, bytes(100))
        assert peer.ended()
    assert service.abandoned.wait(20.0)
    server.check_echo()


def test_associations_are_aborted_when_the_server_stops(service: _Service) -> None:
    with listening(service.service_class()) as server:
        peers = [Peer.associated(server.port, _asking()) for _ in range(3)]
        _find(peers[0], "wait")
        assert wait_until(lambda: service.started == 1, 20.0)
    for peer in peers:
        assert peer.receive() == Abort(0, 0)
        peer.close()
    assert service.over == 1


def test_what_is_proposed_beyond_our_contexts_is_refused_and_the_rest_works(server: Background) -> None:
    odd = PresentationContext(9, "1.2.3.4", (EXPLICIT_VR_LITTLE_ENDIAN,))
    with Peer.associated(server.port, request((*CONTEXTS, odd))) as peer:
        assert peer.echo() == 0
