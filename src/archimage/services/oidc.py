"""Logging in with a provider of OpenID Connect, and its tokens: the authorisation code flow with PKCE.

What the provider says is believed only of keys that it publishes itself, signed with an asymmetric algorithm.

Ref: OpenID Connect Core 1.0 §3.1, Discovery 1.0 §4, RFC 7636 (PKCE), RFC 9068 (JWT access tokens), RFC 9207 (iss).
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from archimage.config_access import OidcConfig
from archimage.errors import NotAuthenticatedError
from archimage.model.access import Principal
from archimage.model.users import is_user_name
from archimage.ports.identity import Fetch
from archimage.services.oidc_keys import Provider, parsed
from archimage.services.oidc_tokens import Expected, checked_claims
from archimage.services.proofs import new_secret

STARTED_FOR_S: Final = 600.0
"""So long somebody may take to log in there."""
MAX_ROLES_TOLD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Started:
    """A login that has begun: what the browser keeps of it, and nobody else knows; next is where it is to lead."""

    state: str
    nonce: str
    verifier: str
    next: str

    def encode(self) -> str:
        """Write it as a cookie."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode("ascii").rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Started":
        """Read it; raises NotAuthenticatedError."""
        try:
            told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            started = cls(**told)
        except (ValueError, TypeError):
            raise _again("no login has begun in this browser, or it took too long") from None
        if not all(isinstance(part, str) and part for part in asdict(started).values()):
            raise _again("what this browser keeps of the login is damaged")
        return started


class OidcClient:
    """Logs people in with a provider, and checks the tokens that programs have of it; what it asks blocks."""

    def __init__(self, settings: OidcConfig, fetch: Fetch, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._provider = Provider(settings.issuer, fetch, clock)

    @property
    def name(self) -> str:
        """What people know the provider as."""
        return self._settings.name

    def begin(self, redirect_uri: str, leading_to: str) -> tuple[str, Started]:
        """Return the address to send a browser to, and what it is to keep meanwhile.

        Raises:
            UnavailableError: the provider does not answer, or says what cannot be.
        """
        started = Started(new_secret(), new_secret(), new_secret(), leading_to)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(started.verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": started.state,
            "nonce": started.nonce,
            "code_challenge": challenge.decode("ascii"),
            "code_challenge_method": "S256",
        }
        endpoint = self._provider.endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", started

    def finish(self, told: Mapping[str, str], started: Started, redirect_uri: str) -> Principal:
        """Return who has logged in, of what the browser brings back from the provider.

        Raises:
            NotAuthenticatedError: he has not, or it cannot be believed.
            UnavailableError: the provider does not answer.
        """
        if not hmac.compare_digest(told.get("state", "").encode(), started.state.encode()):
            raise _again("the answer of the provider belongs to another login")
        if told.get("iss", self._settings.issuer) != self._settings.issuer:
            raise _again("the answer is of another provider")
        if "error" in told or not told.get("code"):
            raise _again(f"the provider refuses: {_short(told.get('error_description') or told.get('error') or '')}")
        tokens = self._redeem(told["code"], started, redirect_uri)
        expected = Expected(self._settings.issuer, self._settings.client_id, started.nonce)
        claims = self._claims(str(tokens.get("id_token", "")), expected)
        return self._principal(self._with_more(claims, str(tokens.get("access_token", ""))))

    def principal(self, text: str) -> Principal:
        """Return who comes with an access token of the provider.

        Raises:
            NotAuthenticatedError: it cannot be believed, or is meant for somebody else.
            UnavailableError: the provider's keys cannot be had.
        """
        expected = Expected(self._settings.issuer, self._settings.audience or self._settings.client_id)
        return self._principal(self._claims(text, expected))

    def _redeem(self, code: str, started: Started, redirect_uri: str) -> Mapping[str, Any]:
        """Exchange a code for tokens."""
        settings, secret = self._settings, self._settings.client_secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": started.verifier,
        }
        headers = {"Accept": "application/json"}
        if secret:  # RFC 6749 §2.3.1
            told = f"{quote(settings.client_id, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(told).decode('ascii')}"
        else:
            form["client_id"] = settings.client_id
        return parsed(self._fetch(self._provider.endpoint("token_endpoint"), form, headers), "the token endpoint")

    def _claims(self, text: str, expected: Expected) -> Mapping[str, Any]:
        return checked_claims(text, self._provider.key, expected, self._clock())

    def _with_more(self, claims: Mapping[str, Any], access_token: str) -> Mapping[str, Any]:
        """Ask for the claims of the same person that the provider has not put into the ID token."""
        if _at(claims, self._settings.user_claim) is not None or not access_token:
            return claims
        endpoint = self._provider.optional("userinfo_endpoint")
        if not endpoint:
            return claims
        answer = self._fetch(endpoint, None, {"Authorization": f"Bearer {access_token}"})
        more = parsed(answer, "the user info endpoint")
        if more.get("sub") != claims["sub"]:
            raise _again("the provider tells of somebody else")
        return {**more, **claims}

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return whoever the claims name, with the roles that the settings give his there."""
        settings = self._settings
        user = _at(claims, settings.user_claim)
        name = user.lower() if isinstance(user, str) else ""
        if not is_user_name(name):
            raise NotAuthenticatedError(
                f"the claim {settings.user_claim} of the provider names no user: {_short(str(user))!r}",
                next_step="Set access.oidc.user_claim to one of 1 to 64 letters, digits, `.`, `_`, `-` and `@`.",
            )
        found = _at(claims, settings.roles_claim)
        told = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
        roles = (settings.roles.get(role) for role in told[:MAX_ROLES_TOLD] if isinstance(role, str))
        return Principal(user=name, roles=frozenset(role for role in roles if role))


def provider_of(settings: OidcConfig, fetch: Fetch) -> OidcClient | None:
    """Return the client of the provider that is set, None where none is."""
    return OidcClient(settings, fetch) if settings.issuer else None


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim; one that is called so as a whole comes before those that dots lead to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _again(what: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(what, next_step="Begin again, at /login.")


def _short(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:200])
