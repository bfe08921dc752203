"""Identifiers that come from peers, checked before anything is built from them."""

import re
import uuid
from typing import Final

from archimage.errors import InvalidInstanceUIDError

_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_AE_TITLE: Final = re.compile(r"[ -\[\]-~]{1,16}", re.ASCII)
UID_MAX_LENGTH: Final = 64


def is_uid(text: str) -> bool:
    """Tell whether text has the form of a UID: digits and single dots, at most 64 characters.

    Leading zeros, which PS3.5 §9.1 forbids and real modalities send, are let through.
    """
    return len(text) <= UID_MAX_LENGTH and _UID.fullmatch(text) is not None


def check_uid(text: str) -> str:
    """Return text, or raise InvalidInstanceUIDError when it is not a UID."""
    if not is_uid(text):
        raise InvalidInstanceUIDError(f"{text[:80]!r} is not a UID: digits and dots, at most {UID_MAX_LENGTH}")
    return text


def is_ae_title(text: str) -> bool:
    """Tell whether text may be an AE title: 1 to 16 printable ASCII, no backslash, not blank (PS3.5 §6.2)."""
    return _AE_TITLE.fullmatch(text) is not None and not text.isspace()


def new_uid() -> str:
    """Return a UID that nobody else has (PS3.5 §B.2)."""
    return f"2.25.{uuid.uuid4().int}"
