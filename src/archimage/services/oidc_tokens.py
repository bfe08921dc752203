"""Tokens of a provider (JWT): what they say is believed only if signature, issuer, audience, time and nonce are right.

Ref: RFC 7519, RFC 8725; OpenID Connect Core 1.0 §3.1.3.7; RFC 9068 §4.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from archimage.errors import NotAuthenticatedError
from archimage.services.oidc_keys import Key

LEEWAY_S: Final = 60.0
"""So far clocks may be apart."""
MAX_LENGTH: Final = 16_384
_KEY_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""Algorithm to the type of its keys: only asymmetric ones, so that no public key can serve as a shared secret."""

FindKey = Callable[[Callable[[Key], bool]], Key | None]
"""Returns the provider's key that fits, None where none does."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say: who has issued it, to whom, and in answer to what."""

    issuer: str
    audience: str
    nonce: str = ""


def checked_claims(text: str, find: FindKey, expected: Expected, now: float) -> Mapping[str, Any]:
    """Return what a token says.

    Raises:
        NotAuthenticatedError: it cannot be believed; the message says why.
    """
    if len(text) > MAX_LENGTH:
        raise _wrong("it is too long")
    header = _header(text)
    algorithm, key_id = header.get("alg"), header.get("kid")
    key_type = _KEY_TYPES.get(algorithm) if isinstance(algorithm, str) else None
    if key_type is None:
        raise _wrong(f"it is signed by {str(algorithm)[:20]!r}, which is not allowed")

    def fits(key: Key) -> bool:
        named = key_id is None or key.get("kid") == key_id
        return (
            named
            and key.get("kty") == key_type
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
        )

    key = find(fits)
    if key is None:
        raise _wrong("the provider has no such key")
    claims = _verified(text, key, str(algorithm))
    _check(claims, expected, now)
    return claims


def _header(text: str) -> Mapping[str, Any]:
    """Read what stands before the first dot."""
    part = text.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or text.count(".") != 2:
        raise _wrong("it is no signed JWT")
    return header


def _verified(text: str, key: Key, algorithm: str) -> Mapping[str, Any]:
    """Return the claims of a token whose signature is that of key."""
    from joserfc import jwt  # a server without a provider needs it never
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kinds: Mapping[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        return jwt.decode(text, kinds[key["kty"]].import_key(dict(key)), algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise _wrong("its signature is wrong") from None


def _check(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """Raise NotAuthenticatedError where claims are not as they must be."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        raise _wrong("another provider has issued it")
    if expected.audience not in audiences:
        raise _wrong("it is meant for somebody else")
    if expected.nonce and len(audiences) > 1 and claims.get("azp") != expected.audience:
        raise _wrong("it was issued to somebody else")
    if not _number(claims, "exp") > now - LEEWAY_S:
        raise _wrong("it is over")
    if max(_number(claims, "nbf", 0.0), _number(claims, "iat", 0.0)) > now + LEEWAY_S:
        raise _wrong("it is of the future")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _wrong("it names nobody")
    if expected.nonce and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), expected.nonce.encode()):
        raise _wrong("it belongs to another login")


def _number(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    found = claims.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise _wrong(f"its {name} is no number")
    return found


def _wrong(why: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(
        f"the token of the provider is not believed: {why}", next_step="Have the provider issue another one."
    )
