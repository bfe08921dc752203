"""Peers that say who they are, and are not: row 22, each told in the audit trail; and those who were locked out."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from archimage.protocol.items import UserIdentity, UserInformation
from archimage.protocol.pdu import AssociateAccept, AssociateReject, AssociateRequest
from tests.attacks.server import Server, running
from tests.attacks.trail import is_told
from tests.attacks.wire import CONTEXTS, Peer
from tests.tls.keys import Keys, make_keys
from tests.tls.peers import secured

_FAILED: Final = 'EventOutcomeIndicator="4"'
_FAILURES: Final = 3
_PASSCODE: Final = "correct horse battery"
_REFUSED: Final = AssociateReject(1, 1, 1)
_CONGESTED: Final = AssociateReject(2, 3, 1)


def _asking(kind: int, primary: str, secondary: str = "") -> AssociateRequest:
    identity = UserIdentity(kind, primary.encode(), secondary.encode(), positive_response_requested=True)
    information = UserInformation(implementation_class_uid="1.2.3", user_identity=identity)
    return AssociateRequest("PACS_SCP", "ATTACKER", CONTEXTS, information)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def server(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS and users; few failures lock one of them out."""
    directory = tmp_path_factory.mktemp("identity") / "data"
    file = keys.directory / "passcode"
    file.write_text(_PASSCODE, "utf-8")
    for name in ("ada", "eve"):
        command = (sys.executable, "-m", "archimage", "user", "add", name, "--role", "reader")
        more = ("--password-file", str(file), "--data", str(directory))
        subprocess.run([*command, *more], check=True, timeout=60, capture_output=True)
    with running(directory, settings=keys.settings(access__lockout_failures=_FAILURES)) as server:
        yield server


def _answer(server: Server, keys: Keys, asked: AssociateRequest, *, tls: bool = True) -> object:
    with secured(server, keys.client()) if tls else Peer(server.port) as peer:
        answer = peer.associate(asked)
        if isinstance(answer, AssociateAccept):
            peer.release()
            return answer.user_information.user_identity_response
        return answer


def test_a_wrong_passcode_is_refused_and_then_the_right_one_is(server: Server, keys: Keys) -> None:
    assert _answer(server, keys, _asking(2, "eve", _PASSCODE)) == b""
    for _ in range(_FAILURES):
        assert _answer(server, keys, _asking(2, "ada", "wrong")) == _REFUSED
    assert _answer(server, keys, _asking(2, "ada", _PASSCODE)) == _REFUSED
    assert is_told(server, "110114", _FAILED, 'UserID="ada"', "127.0.0.1")
    assert _PASSCODE not in server.log


def test_a_passcode_in_the_clear_is_refused_and_told(server: Server, keys: Keys) -> None:
    assert _answer(server, keys, _asking(2, "eve", _PASSCODE), tls=False) == _REFUSED
    assert is_told(server, "110114", _FAILED, 'UserID="ATTACKER"', "without TLS", "127.0.0.1")


def test_a_name_alone_is_refused_and_told(server: Server, keys: Keys) -> None:
    assert _answer(server, keys, _asking(1, "eve"), tls=False) == _REFUSED
    assert is_told(server, "110114", _FAILED, 'UserID="eve"', "the name alone proves nothing")


def _jwt(algorithm: str, **claims: object) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, {"sub": "eve", "preferred_username": "eve", **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*encoded, "" if algorithm == "none" else "c2lnbmF0dXJl"))


_TOKENS: Final = {
    "unsigned": _jwt("none"),
    "forged": _jwt("HS256"),
    "expired": _jwt("RS256", exp=1),
    "empty": "",
    "text": "x",
    "parts": "a.b.c",
    "dots": "." * 60_000,
}


@pytest.mark.parametrize("token", _TOKENS.values(), ids=_TOKENS)
def test_a_token_that_nobody_issued_is_refused_and_told(server: Server, keys: Keys, token: str) -> None:
    assert _answer(server, keys, _asking(5, token)) == _REFUSED
    assert is_told(server, "110114", _FAILED, 'UserID="ATTACKER"', "127.0.0.1")


def test_many_wrong_passcodes_at_once_hold_nobody_up(server: Server, keys: Keys) -> None:
    with ExitStack() as stack:
        known = stack.enter_context(secured(server, keys.client()))
        assert isinstance(known.associate(_asking(2, "eve", _PASSCODE)), AssociateAccept)
        trying = []
        for number in range(20):
            trying.append(stack.enter_context(secured(server, keys.client())))
            trying[-1].send(_asking(2, f"nobody{number}", "wrong"))
        assert known.echo() == 0
        answers = [peer.receive() for peer in trying]
        assert set(map(str, answers)) <= {str(_REFUSED), str(_CONGESTED)}
        assert known.echo() == 0
