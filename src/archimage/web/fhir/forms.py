"""In which form resources are answered and taken: JSON, and no other.

Ref: https://hl7.org/fhir/R4B/http.html §3.1.0.1.10 (content types), §3.1.0.1.11 (`_format`, `_pretty`).
"""

import hashlib
from typing import Final

import orjson

from archimage.errors import NotAcceptableError, UnsupportedMediaTypeError
from archimage.services.fhir.ids import Resource
from archimage.web.dicomweb.negotiation import Offer, choose

MEDIA_TYPE: Final = "application/fhir+json"
_OFFERS: Final = (Offer(MEDIA_TYPE), Offer("application/json"))
_FORMATS: Final = frozenset({"json", "application/json", MEDIA_TYPE, "application/fhir json", "*/*"})
"""What `_format` may ask for; a plus sign that is not percent-encoded comes as a space."""
_TAKEN: Final = frozenset({MEDIA_TYPE, "application/json"})


def check_accepted(accept: str | None, wanted: str | None) -> None:
    """Raise NotAcceptableError where the client takes no JSON; `_format` overrides its Accept header."""
    if wanted is None:
        choose(accept, None, _OFFERS)
    elif wanted.partition(";")[0].strip().lower() not in _FORMATS:
        raise NotAcceptableError(f"resources are not given as {wanted[:80]!r} here", next_step=f"Ask for {MEDIA_TYPE}.")


def check_taken(content_type: str | None) -> None:
    """Raise UnsupportedMediaTypeError where a body is no JSON."""
    if (content_type or "").partition(";")[0].strip().lower() not in _TAKEN:
        raise UnsupportedMediaTypeError(
            f"a body of type {(content_type or 'none')[:80]!r} is not taken here", next_step=f"Send {MEDIA_TYPE}."
        )


def written(resource: Resource, *, pretty: bool = False) -> bytes:
    """Write a resource."""
    return orjson.dumps(resource, option=orjson.OPT_INDENT_2 if pretty else 0)


def version_of(resource: Resource) -> str:
    """Return what tells the contents of a resource from those that it had before."""
    return hashlib.sha256(written(resource)).hexdigest()[:16]
