"""What a provider says is believed only if it can be: tokens and providers that lie are refused."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwk, jwt
from pydantic import SecretStr

from archimage.config_access import OidcConfig
from archimage.errors import NotAuthenticatedError, UnavailableError
from archimage.model.access import Principal
from archimage.services.oidc import OidcClient, Started
from tests.services.identifying import Clock, processes

ISSUER = "https://idp.example"
CALLBACK = "https://archive.example/login/oidc/callback"
RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
SETTINGS = OidcConfig(
    issuer=ISSUER,
    client_id="archive",
    client_secret=SecretStr("s3cret:/?"),
    roles={"pacs-admins": "admin", "readers": "reader"},
    roles_claim="realm_access.roles",
)


@dataclass
class Peer:
    """A provider; what is changed of it is a lie."""

    clock: Clock = field(default_factory=Clock)
    keys: list[Any] = field(default_factory=lambda: [RSA, EC])
    document: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    raw_keys: bytes | None = None
    fails: bool = False

    def __call__(
        self, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Answer."""
        path = urlsplit(address).path
        self.asked.append(path)
        if self.fails:
            raise UnavailableError("no answer")
        if path == "/token":
            self.forms.append(form or {})
            self.headers.append(headers or {})
        told: Mapping[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": ISSUER,
                **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")},
                "jwks_uri": f"{ISSUER}/jwks",
                **self.document,
            },
            "/jwks": {"keys": [key.as_dict(private=False) for key in self.keys]},
            "/token": self.tokens,
            "/userinfo": self.more,
        }[path]
        return json.dumps(told).encode() if self.raw_keys is None or path != "/jwks" else self.raw_keys

    def claims(self, **changed: object) -> dict[str, Any]:
        """What a good token says; None leaves a claim out."""
        now = int(self.clock.now)
        claims = {
            "iss": ISSUER,
            "aud": "archive",
            "sub": "248289761001",
            "exp": now + 300,
            "iat": now,
            "preferred_username": "Alice",
            "realm_access": {"roles": ["pacs-admins", "others"]},
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}


def signed(claims: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", **header: object) -> str:
    """Sign claims."""
    kid = {} if "kid" in header else {"kid": key.kid}
    told = {"alg": algorithm, **kid, **header}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, dict(claims), key, algorithms=[algorithm])


def unsigned(claims: Mapping[str, Any], algorithm: str, signature: bytes = b"") -> str:
    """Write a token of any algorithm with any signature."""
    parts = (json.dumps({"alg": algorithm, "kid": "rsa"}).encode(), json.dumps(claims).encode(), signature)
    return ".".join(map(_encoded, parts))


def with_shared_secret(claims: Mapping[str, Any], secret: bytes) -> str:
    """Sign claims with a secret, HMAC."""
    told = unsigned(claims, "HS256").rstrip(".")
    return f"{told}.{_encoded(hmac.digest(secret, told.encode(), 'sha256'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture
def peer() -> Peer:
    """A provider that tells the truth."""
    return Peer()


@pytest.fixture
def client(peer: Peer) -> OidcClient:
    """Our side."""
    return OidcClient(SETTINGS, peer, peer.clock)


def begun(client: OidcClient) -> Started:
    """Begin a login; return what the browser keeps."""
    return Started.decode(client.begin(CALLBACK, "/studies/1.2")[1].encode())


def finished(
    client: OidcClient,
    peer: Peer,
    changed: Mapping[str, object] | None = None,
    key: Any = RSA,
    algorithm: str = "RS256",
) -> Principal:
    """Log in, with an ID token of which something is changed."""
    started = begun(client)
    claims = peer.claims(**{"nonce": started.nonce, **(changed or {})})
    peer.tokens = {"id_token": signed(claims, key, algorithm)}
    return client.finish({"state": started.state, "code": "c0de"}, started, CALLBACK)


def test_with_a_provider_there_are_users_though_the_archive_has_none_of_its_own(
    client: OidcClient, tmp_path: Path
) -> None:
    with processes(tmp_path) as start:
        assert not start().service.has_users()
    with processes(tmp_path, provider=client) as start:
        assert start().service.has_users()


def test_a_browser_is_sent_to_the_provider_with_a_challenge_of_its_own(client: OidcClient) -> None:
    address, started = client.begin(CALLBACK, "/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(started.verifier.encode()).digest()).decode().rstrip("=")
    assert asked == {
        "response_type": "code",
        "client_id": "archive",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": started.state,
        "nonce": started.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    assert started != client.begin(CALLBACK, "/")[1]


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS384"), (EC, "ES256")])
def test_who_has_logged_in_there_is_known_here_with_the_roles_of_the_settings(
    client: OidcClient, peer: Peer, key: Any, algorithm: str
) -> None:
    found = finished(client, peer, None, key, algorithm)
    assert found == Principal(user="alice", roles=frozenset({"admin"}))
    assert peer.forms[0]["code_verifier"] not in peer.headers[0]["Authorization"]
    told = base64.b64decode(peer.headers[0]["Authorization"].removeprefix("Basic "))
    assert told == b"archive:s3cret%3A%2F%3F"
    assert "client_id" not in peer.forms[0]


def test_a_public_client_names_itself_without_a_secret(peer: Peer) -> None:
    client = OidcClient(SETTINGS.model_copy(update={"client_secret": SecretStr("")}), peer, peer.clock)
    finished(client, peer)
    assert peer.forms[0]["client_id"] == "archive"
    assert "Authorization" not in peer.headers[0]


def test_claims_that_the_token_has_not_are_asked_for_and_are_of_the_same_person(client: OidcClient, peer: Peer) -> None:
    started = begun(client)
    token = signed(peer.claims(nonce=started.nonce, preferred_username=None, realm_access=None))
    peer.tokens = {"id_token": token, "access_token": "opaque"}
    peer.more = {"sub": "248289761001", "preferred_username": "bob", "realm_access": {"roles": ["readers"]}}
    told = {"state": started.state, "code": "c0de"}
    assert client.finish(told, started, CALLBACK) == Principal(user="bob", roles=frozenset({"reader"}))
    peer.more["sub"] = "another"
    with pytest.raises(NotAuthenticatedError, match="somebody else"):
        client.finish(told, started, CALLBACK)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "another"}, "somebody else"),
        ({"aud": ["another"]}, "somebody else"),
        ({"aud": ["archive", "another"]}, "issued to somebody else"),
        ({"aud": ["archive", "another"], "azp": "another"}, "issued to somebody else"),
        ({"aud": None}, "somebody else"),
        ({"iss": "https://idp.example.attacker.example"}, "another provider"),
        ({"exp": 1}, "over"),
        ({"exp": None}, "exp is no number"),
        ({"exp": "9999999999"}, "exp is no number"),
        ({"exp": True}, "exp is no number"),
        ({"iat": 9_999_999_999}, "future"),
        ({"nbf": 9_999_999_999}, "future"),
        ({"nonce": "of another login"}, "another login"),
        ({"nonce": None}, "another login"),
        ({"sub": None}, "names nobody"),
        ({"preferred_username": "no name at all"}, "names no user"),
        ({"preferred_username": ["alice"]}, "names no user"),
        ({"preferred_username": "x" * 65}, "names no user"),
    ],
)
def test_a_token_that_is_not_for_this_login_is_refused(
    client: OidcClient, peer: Peer, changed: dict[str, object], why: str
) -> None:
    with pytest.raises(NotAuthenticatedError, match=why):
        finished(client, peer, changed)


Forge = Callable[[Peer], str]
FORGED: dict[str, tuple[Forge, str]] = {
    "none": (lambda peer: unsigned(peer.claims(), "none"), "'none', which is not allowed"),
    "None": (lambda peer: unsigned(peer.claims(), "None"), "not allowed"),
    "hmac with the public key": (
        lambda peer: with_shared_secret(peer.claims(), RSA.as_pem(private=False)),
        "'HS256', which is not allowed",
    ),
    "another key of the same name": (lambda peer: signed(peer.claims(), OTHER), "signature"),
    "an unknown key": (lambda peer: signed(peer.claims(), OTHER, kid="new"), "no such key"),
    "a key of another kind": (lambda peer: signed(peer.claims(), OTHER, kid="ec"), "no such key"),
    "a key that it brings itself": (
        lambda peer: signed(peer.claims(), OTHER, kid="mine", jwk=OTHER.as_dict(private=False)),
        "no such key",
    ),
    "a changed claim": (
        lambda peer: ".".join((signed(peer.claims()).split(".")[0], *unsigned({"sub": "x"}, "x").split(".")[1:])),
        "signature",
    ),
    "no signature": (lambda peer: signed(peer.claims()).rpartition(".")[0] + ".", "signature"),
    "two parts": (lambda peer: signed(peer.claims()).rpartition(".")[0], "no signed JWT"),
    "nothing": (lambda _: "", "no signed JWT"),
    "no JSON": (lambda _: "ey.ey.ey", "no signed JWT"),
    "other characters": (lambda _: "\udcff.é.\0", "no signed JWT"),
    "too much": (lambda peer: signed(peer.claims(padding="x" * 20_000)), "too long"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_token_is_refused(client: OidcClient, peer: Peer, kind: str) -> None:
    forge, why = FORGED[kind]
    with pytest.raises(NotAuthenticatedError, match=why):
        client.principal(forge(peer))


def test_a_token_of_a_program_is_believed_by_its_audience(client: OidcClient, peer: Peer) -> None:
    assert client.principal(signed(peer.claims(aud=["x", "archive"]))).user == "alice"
    api = OidcClient(SETTINGS.model_copy(update={"audience": "https://archive.example"}), peer, peer.clock)
    assert api.principal(signed(peer.claims(aud="https://archive.example"))).user == "alice"
    with pytest.raises(NotAuthenticatedError, match="somebody else"):
        api.principal(signed(peer.claims()))


def test_a_token_without_the_name_of_its_key_is_believed_if_there_is_one_that_fits(
    client: OidcClient, peer: Peer
) -> None:
    assert client.principal(signed(peer.claims(), kid=None)).user == "alice"
    peer.keys = [RSA, jwk.RSAKey.generate_key(2048, {"kid": "second"})]
    with pytest.raises(NotAuthenticatedError, match="no such key"):
        OidcClient(SETTINGS, peer, peer.clock).principal(signed(peer.claims(), kid=None))


def test_a_provider_may_change_its_keys(client: OidcClient, peer: Peer) -> None:
    peer.keys = [RSA]
    client.principal(signed(peer.claims()))
    peer.keys, peer.clock.now = [EC], peer.clock.now + 61
    assert client.principal(signed(peer.claims(), EC, "ES256")).user == "alice"
    with pytest.raises(NotAuthenticatedError, match="no such key"):
        client.principal(signed(peer.claims()))


def test_unknown_keys_have_the_provider_asked_once_a_minute(client: OidcClient, peer: Peer) -> None:
    for _ in range(50):
        with pytest.raises(NotAuthenticatedError):
            client.principal(signed(peer.claims(), OTHER, kid="new"))
    assert peer.asked.count("/jwks") == 1
    peer.clock.now += 61
    with pytest.raises(NotAuthenticatedError):
        client.principal(signed(peer.claims(), OTHER, kid="new"))
    assert peer.asked.count("/jwks") == 2


def test_while_the_provider_is_away_its_keys_go_on_and_it_is_not_asked_all_the_time(
    client: OidcClient, peer: Peer
) -> None:
    client.principal(signed(peer.claims()))
    peer.fails, peer.clock.now = True, peer.clock.now + 3_601
    for _ in range(9):
        assert client.principal(signed(peer.claims())).user == "alice"
    assert len(peer.asked) == 4
    fresh = OidcClient(SETTINGS, peer, peer.clock)
    for _ in range(9):
        with pytest.raises(UnavailableError):
            fresh.begin(CALLBACK, "/")
    assert len(peer.asked) == 5


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://idp.example/"},
        {"issuer": None},
        {"jwks_uri": "http://idp.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["https://idp.example/jwks"]},
        {"jwks_uri": None},
        {"jwks_uri": "https://[/jwks"},
    ],
)
def test_a_provider_that_says_what_cannot_be_is_not_asked_further(peer: Peer, document: dict[str, object]) -> None:
    peer.document = document
    with pytest.raises(UnavailableError):
        OidcClient(SETTINGS, peer, peer.clock).principal(signed(peer.claims()))
    assert "/jwks" not in peer.asked


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b'{"keys": {}}', b'{"keys": [%s]}' % b",".join([b"{}"] * 101), b"[" * 9_999, b'{"keys": 1}']
)
def test_keys_that_are_none_are_not_taken(client: OidcClient, peer: Peer, answer: bytes) -> None:
    peer.raw_keys = answer
    with pytest.raises(UnavailableError):
        client.principal(signed(peer.claims()))


def test_broken_keys_among_others_do_no_harm(client: OidcClient, peer: Peer) -> None:
    broken = [{"kty": "RSA", "kid": "broken", "n": "!", "e": 7}, "no key", {"kid": "x"}]
    peer.raw_keys = json.dumps({"keys": [*broken, RSA.as_dict(private=False)]}).encode()
    assert client.principal(signed(peer.claims())).user == "alice"
    with pytest.raises(NotAuthenticatedError, match="signature"):
        client.principal(signed(peer.claims(), kid="broken"))


def test_an_answer_to_another_login_is_refused_before_the_provider_is_asked(client: OidcClient, peer: Peer) -> None:
    started = begun(client)
    for told in (
        {"code": "c0de"},
        {"code": "c0de", "state": "another"},
        {"code": "c0de", "state": started.state, "iss": "https://another.example"},
        {"error": "access_denied", "state": started.state},
        {"state": started.state},
        {"code": "c0de", "state": "\u00e9"},
    ):
        with pytest.raises(NotAuthenticatedError):
            client.finish(told, started, CALLBACK)
    assert peer.forms == []


@pytest.mark.parametrize("text", ["", "x", "e30", base64.urlsafe_b64encode(b'{"state": 1}').decode(), "\u00e9", "W10"])
def test_what_no_login_has_left_is_refused(text: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        Started.decode(text)


@pytest.mark.parametrize(
    "issuer", ["http://idp.example", "ftp://idp.example", "https://", "http://127.0.0.1.example", "https://a@b"]
)
def test_a_provider_is_asked_over_https_or_on_this_machine(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcConfig(issuer=issuer, client_id="archive")
    for fine in ("http://127.0.0.1:8080/realms/x", "http://localhost", "http://[::1]:1", ISSUER):
        assert OidcConfig(issuer=fine, client_id="archive").issuer == fine


def test_while_one_thread_asks_the_provider_again_others_go_on_with_what_is_known(
    client: OidcClient, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.principal(signed(peer.claims()))
    peer.clock.now += 61
    asked, answered = threading.Event(), threading.Event()
    refused: list[NotAuthenticatedError] = []

    def answer(self: Peer, address: str, *more: Any) -> bytes:
        asked.set()
        assert answered.wait(20)
        raise UnavailableError("no answer")

    def come_with_an_unknown_key() -> None:
        with pytest.raises(NotAuthenticatedError) as caught:
            client.principal(signed(peer.claims(), OTHER, kid="new"))
        refused.append(caught.value)

    monkeypatch.setattr(Peer, "__call__", answer)
    waiting = threading.Thread(target=come_with_an_unknown_key)
    waiting.start()
    try:
        assert asked.wait(20)
        assert client.principal(signed(peer.claims())).user == "alice"
        with pytest.raises(NotAuthenticatedError, match="no such key"):
            client.principal(signed(peer.claims(), OTHER, kid="newer"))
    finally:
        answered.set()
        waiting.join(20)
    assert "no such key" in str(refused[0])
