"""User identity: who is believed, who is rejected, what is answered, and that nobody waits for somebody else's proof.

Ref: PS3.7 §D.3.3.7.
"""

import ssl
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from archimage.errors import AssociationRejectedError, IndexUnavailableError, NotAuthenticatedError, UnavailableError
from archimage.model.access import Principal
from archimage.model.callers import current
from archimage.model.nodes import Login, Node
from archimage.net.admission import AdmissionPolicy
from archimage.net.blocking import Client
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.identity import IdentityPolicy
from archimage.net.proposals import for_services
from archimage.net.remote import remote
from archimage.net.server import bind
from archimage.protocol.command import CommandField, c_echo_rq
from archimage.protocol.items import PresentationContext, UserIdentity, UserInformation
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.pdu import Abort, AssociateAccept, AssociateReject, AssociateRequest, encode_pdu
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from tests.attacks.server import wait_until
from tests.attacks.wire import CONTEXTS, Peer, request
from tests.net.background import SETTINGS, Background, listening
from tests.tls.keys import Keys, make_keys

_REFUSED: Final = AssociateReject(1, 1, 1)
_CONGESTED: Final = AssociateReject(2, 3, 1)
_TOKEN: Final = "e30.e30.c2lnbmVk"
_WHO: Final = "1.2.3.4"


class _Users:
    """Knows three users; a passcode is looked at only while the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def by_name(self, user: str, address: str) -> Principal:
        self.asked += 1
        return self._known(user == "scanner", user, address)

    def by_password(self, user: str, password: str, address: str) -> Principal:
        self.asked += 1
        assert self.gate.wait(20)
        if user == "busy":
            raise UnavailableError("too many are to be checked")
        if user == "lost":
            raise IndexUnavailableError("the index does not answer")
        return self._known((user, password) == ("ada", "s3cret ü"), user, address)

    def by_jwt(self, text: str) -> Principal:
        self.asked += 1
        return self._known(text == _TOKEN, "eve", "")

    def _known(self, right: bool, user: str, address: str) -> Principal:
        if not right:
            raise NotAuthenticatedError(f"{user!r} is not believed")
        return Principal(address, user=user, roles=frozenset({"reader"}))


def _asking(kind: int, primary: str | bytes = "", secondary: str = "", *, answer: bool = True) -> AssociateRequest:
    """Ask as a user, for C-ECHO and for who one is."""
    first = primary if isinstance(primary, bytes) else primary.encode()
    identity = UserIdentity(kind, first, secondary.encode(), positive_response_requested=answer)
    who = PresentationContext(5, _WHO, (IMPLICIT_VR_LITTLE_ENDIAN,))
    return AssociateRequest("PACS_SCP", "TESTER", (*CONTEXTS, who), UserInformation(user_identity=identity))


async def _who(_request: Request) -> AsyncGenerator[Response, None]:
    caller = current()
    assert caller is not None
    found = caller.principal
    yield Response(0, error_comment=f"{found.ae_title} {found.user} {','.join(found.roles)} {found.address}")


_SERVICE: Final = ServiceClass((SupportedContext(_WHO, ANY),), {(_WHO, CommandField.C_ECHO_RQ): _who})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def users() -> _Users:
    """Whom the server knows."""
    return _Users()


@contextmanager
def _serving(users: _Users | None, *, required: bool = False, wanted: bool = True) -> Iterator[Background]:
    identity = IdentityPolicy(users, required, lambda: wanted)
    policy = AdmissionPolicy(frozenset({"PACS_SCP"}), max_associations=40, identity=identity)
    with listening(_SERVICE, settings=SETTINGS, policy=policy) as server:
        yield server


@contextmanager
def _secured(server: Background, keys: Keys) -> Iterator[int]:
    """Listen with TLS too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate("server"), keys.key("server"))
    listener = bind("127.0.0.1", 0, shared=False)

    async def listen() -> None:
        assert server.server is not None
        server.server.listen_tls(listener, lambda: context, lambda _host, _reason: None)

    server.call(listen)
    yield listener.getsockname()[1]


def _tls_peer(port: int, keys: Keys) -> Peer:
    peer = Peer(port)
    peer.socket = keys.client().wrap_socket(peer.socket, server_hostname="localhost")
    return peer


def _answer(peer: Peer, asked: AssociateRequest) -> object:
    """Return the refusal, or what the acceptance says of the user."""
    answer = peer.associate(asked)
    return answer.user_information.user_identity_response if isinstance(answer, AssociateAccept) else answer


def _named(peer: Peer) -> str:
    peer.send_command(5, c_echo_rq(peer.next_message_id()), has_dataset=False)
    return peer.response()[0].error_comment or ""


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (_asking(1, "scanner"), b""),
        (_asking(1, "scanner", answer=False), None),
        (_asking(1, "ada"), _REFUSED),
        (_asking(1, b"\xff\xfe"), _REFUSED),
        (_asking(5, _TOKEN), _TOKEN.encode()),
        (_asking(5, _TOKEN, answer=False), None),
        (_asking(5, f"{_TOKEN}x"), _REFUSED),
        (_asking(5, ""), _REFUSED),
        (request(), None),
    ],
)
def test_an_identity_decides_and_is_answered_where_that_is_asked_for(
    users: _Users, asked: AssociateRequest, answer: object
) -> None:
    with _serving(users) as server, Peer(server.port) as peer:
        assert _answer(peer, asked) == answer


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (_asking(2, "ada", "s3cret ü"), b""),
        (_asking(2, "ada", "s3cret ü", answer=False), None),
        (_asking(2, "ada", "wrong"), _REFUSED),
        (_asking(2, "nobody", "s3cret ü"), _REFUSED),
        (_asking(2, "busy", "s3cret"), _CONGESTED),
        (_asking(2, "lost", "s3cret"), _CONGESTED),
    ],
)
def test_a_passcode_is_looked_at_over_tls(users: _Users, keys: Keys, asked: AssociateRequest, answer: object) -> None:
    with _serving(users) as server, _secured(server, keys) as port, _tls_peer(port, keys) as peer:
        assert _answer(peer, asked) == answer


def test_a_passcode_without_tls_is_refused_unseen_and_not_logged(
    users: _Users, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with _serving(users) as server, Peer(server.port) as peer:
        assert _answer(peer, _asking(2, "ada", "s3cret ü")) == _REFUSED
    said = capsys.readouterr().out + caplog.text
    assert "a passcode came over a connection without TLS" in said
    assert "s3cret" not in said
    assert users.asked == 0


def test_services_know_the_user(users: _Users) -> None:
    with _serving(users) as server:
        with Peer.associated(server.port, _asking(1, "scanner")) as peer:
            assert _named(peer) == "TESTER scanner reader 127.0.0.1"
        with Peer.associated(server.port, _asking(3, "a ticket")) as peer:
            assert _named(peer) == "TESTER   127.0.0.1"


@pytest.mark.parametrize("kind", [0, 3, 4, 6, 255])
def test_other_kinds_are_ignored_unless_one_is_required(users: _Users, kind: int) -> None:
    for required, answer in ((False, None), (True, _REFUSED)):
        with _serving(users, required=required) as server, Peer(server.port) as peer:
            assert _answer(peer, _asking(kind, "a ticket")) == answer
    assert users.asked == 0


@pytest.mark.parametrize(
    ("asked", "answer"), [(request(), _REFUSED), (_asking(1, "ada"), _REFUSED), (_asking(1, "scanner"), b"")]
)
def test_where_an_identity_is_required_there_is_one_that_was_proved(
    users: _Users, asked: AssociateRequest, answer: object
) -> None:
    with _serving(users, required=True, wanted=False) as server, Peer(server.port) as peer:
        assert _answer(peer, asked) == answer


def test_nobody_is_asked_while_it_does_not_matter_or_nobody_knows(users: _Users) -> None:
    with _serving(users, wanted=False) as server, Peer(server.port) as peer:
        assert _answer(peer, _asking(1, "ada")) is None
    with _serving(None) as server, Peer(server.port) as peer:
        assert _answer(peer, _asking(1, "ada")) is None
    with _serving(None, required=True) as server, Peer(server.port) as peer:
        assert _answer(peer, _asking(1, "ada")) == _REFUSED
    assert users.asked == 0


def test_others_are_answered_while_many_passcodes_are_looked_at(users: _Users, keys: Keys) -> None:
    users.gate.clear()
    with _serving(users) as server, _secured(server, keys) as port, ExitStack() as stack:
        known = stack.enter_context(Peer.associated(server.port))
        trying = []
        for _ in range(20):
            trying.append(stack.enter_context(_tls_peer(port, keys)))
            trying[-1].send(_asking(2, "ada", "wrong"))
        assert wait_until(lambda: users.asked > 0, 20.0)
        began = time.monotonic()
        assert known.echo() == 0
        server.check_echo()
        assert time.monotonic() - began < 1.0
        users.gate.set()
        assert [peer.receive() for peer in trying] == [_REFUSED] * len(trying)
        assert users.asked == len(trying)
        server.check_echo()


@pytest.mark.parametrize("how", ["data", "second request", "abort", "leave", "reset"])
def test_what_comes_while_an_identity_is_looked_at_is_not_served(users: _Users, keys: Keys, how: str) -> None:
    users.gate.clear()
    with _serving(users) as server, _secured(server, keys) as port, _tls_peer(port, keys) as peer:
        before = server.holds()
        peer.send(_asking(2, "ada", "s3cret ü"))
        assert wait_until(lambda: users.asked == 1, 20.0)
        if how == "data":
            peer.send_command(5, c_echo_rq(1), has_dataset=False)
        elif how == "second request":
            peer.send(encode_pdu(request()))
        elif how == "abort":
            peer.send(Abort(0, 0))
        elif how == "leave":
            peer.close()
        else:
            peer.reset()
        if how in {"data", "second request"}:
            answer = peer.receive()
            assert isinstance(answer, Abort)
            assert answer.source == 2
            peer.close()
        users.gate.set()
        assert wait_until(lambda: server.holds()[0] < before[0], 20.0)
        assert server.server is not None
        assert server.server.admission.admitted == 0
        server.check_echo()


def test_an_identity_that_cannot_be_told_in_time_is_refused_for_now(users: _Users, keys: Keys) -> None:
    users.gate.clear()
    identity = IdentityPolicy(users)
    policy = AdmissionPolicy(None, identity=identity)
    brief = type(SETTINGS)("PACS_SCP", artim_timeout_s=1.0)
    with listening(settings=brief, policy=policy) as server, _secured(server, keys) as port:
        with _tls_peer(port, keys) as peer:
            assert _answer(peer, _asking(2, "ada", "s3cret ü")) == _CONGESTED
        users.gate.set()


def test_those_whose_identity_is_looked_at_have_a_place_and_give_it_back(users: _Users, keys: Keys) -> None:
    users.gate.clear()
    policy = AdmissionPolicy(None, max_associations=1, identity=IdentityPolicy(users))
    with listening(policy=policy) as server, _secured(server, keys) as port, _tls_peer(port, keys) as peer:
        peer.send(_asking(2, "ada", "wrong"))
        assert wait_until(lambda: users.asked == 1, 20.0)
        with Peer(server.port) as other:
            assert other.associate(request()) == AssociateReject(2, 3, 2)
        users.gate.set()
        assert peer.receive() == _REFUSED
        server.check_echo()


def test_a_node_is_called_as_the_user_of_the_settings(users: _Users, keys: Keys) -> None:
    with _serving(users, required=True) as server, _secured(server, keys) as port, Client("TESTER") as client:

        def echo(node: Node) -> int:
            with client.connect(remote(node, keys.client), for_services(VERIFICATION)) as association:
                return association.echo()

        assert echo(Node("PACS_SCP", "127.0.0.1", server.port, login=Login("scanner"))) == 0
        assert echo(Node("PACS_SCP", "localhost", port, tls=True, login=Login("ada", "s3cret ü"))) == 0
        for login in (None, Login("nobody")):
            refused = Node("PACS_SCP", "127.0.0.1", server.port, login=login)
            with pytest.raises(AssociationRejectedError, match="no reason given"):
                echo(refused)


def test_a_login_does_not_show_its_passcode() -> None:
    node = Node("PACS_SCP", "127.0.0.1", 104, tls=True, login=Login("ada", "s3cret"))
    assert "s3cret" not in repr(node) + repr(remote(node, ssl.create_default_context))
