"""Who has something done, of what comes in by other ways than associations; bound to the context of the work.

Executors take the context of whoever submits (`threads`), so it is known wherever the work is done, and a background
task knows who began it.
"""

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Literal

Door = Literal["web", "upload", "command"]
"""By which way somebody comes: DICOMweb and the pages, what is uploaded as files, and the command line."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks for something.

    request tells one request from all others; user is empty where nobody has said who he is, address where there is
    no network between.
    """

    door: Door
    request: str
    user: str = ""
    address: str = ""


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current() -> Caller | None:
    """Return who has this done; None where nobody is known."""
    return _current.get()


class Within:
    """Has what its block does done for somebody. A generator would cost five times as much, and it is around all."""

    __slots__ = ("_before", "_caller")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        self._before: Token[Caller | None] = _current.set(self._caller)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._before)
