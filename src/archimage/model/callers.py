"""Who has something done, and as far as what he was granted; bound to the context of the work.

Executors take the context of whoever submits (`threads`), so both are known wherever the work is done, and a background
task knows who began it. What the archive does by itself has no caller, and no limits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Literal

from archimage.model.access import NOBODY, UNLIMITED, Grant, Principal

Door = Literal["association", "web", "upload", "command", "hl7"]
"""By which way somebody comes: DICOM, DICOMweb and the pages, uploaded files, the command line, and messages."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks for something; request tells one request, or association, from all others."""

    door: Door
    request: str
    principal: Principal = NOBODY

    @property
    def user(self) -> str:
        """The user that he has proved to be, empty where he has not."""
        return self.principal.user

    @property
    def address(self) -> str:
        """Where he is, empty where there is no network between."""
        return self.principal.address


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)
_granted: ContextVar[Grant] = ContextVar("grant", default=UNLIMITED)


def current() -> Caller | None:
    """Return who has this done; None where nobody is known."""
    return _current.get()


def granted() -> Grant:
    """Return what he was granted for it."""
    return _granted.get()


class DoneFor:
    """Has what its block does done for somebody. A generator would cost five times as much, and it is around all."""

    __slots__ = ("_before", "_caller")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        self._before: Token[Caller | None] = _current.set(self._caller)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._before)


def become(caller: Caller) -> None:
    """Have done for somebody what is done in this context from here on: that of a task."""
    _current.set(caller)


@contextmanager
def under(grant: Grant) -> Iterator[None]:
    """Have what the block does kept to what was granted."""
    token = _granted.set(grant)
    try:
        yield
    finally:
        _granted.reset(token)


def limit(grant: Grant) -> None:
    """Keep to what was granted in this context from here on: that of a task."""
    _granted.set(grant)
