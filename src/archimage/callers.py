"""Who has something done, of what comes in by other ways than associations; bound to the context of the work.

Executors take the context of whoever submits (`threads`), so it is known wherever the work is done, and a background
task knows who began it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


@contextmanager
def within(caller: Caller) -> Iterator[None]:
    """Have what the block does done for somebody."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
