"""The frames of MLLP, without a socket: bytes in, messages out, and no more than a limit held.

    0x0B | message | 0x1C 0x0D

Between frames line ends are let through. Ref: HL7 "Transport Specification: MLLP, Release 1", §2.2.
"""

from dataclasses import dataclass
from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\x0d"
HEAD_BYTES: Final = 4_096
"""So much of a message that is too long is kept, for its answer."""
MAX_SKIPPED: Final = 64
"""A message that is so many times as long as any may be is not waited for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message that came whole."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TooLong:
    """A message longer than the limit, of which the head was kept; the next one is read all the same."""

    head: bytes


@dataclass(frozen=True, slots=True)
class Misframed:
    """Bytes that are no frame; nothing after them can be read, so the connection ends. head is what came of it."""

    reason: str
    head: bytes


Event = Frame | TooLong | Misframed


class Reader:
    """Reads the frames of one connection; after Misframed it reads no more."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._inside = False
        self._looked_at = 0
        self._skipped = 0
        self._head = b""
        self._broken = False

    @property
    def is_inside(self) -> bool:
        """Tell whether a frame has begun, and not ended."""
        return self._inside

    @property
    def head(self) -> bytes:
        """The begin of the message that has not ended."""
        return self._head or bytes(self._held[:HEAD_BYTES])

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes; return what ended with them."""
        if self._broken:
            return []
        self._held += data
        events: list[Event] = []
        while (event := self._next()) is not None:
            events.append(event)
            if isinstance(event, Misframed):
                self._broken = True
                self._held.clear()
                break
        return events

    def _next(self) -> Event | None:
        if not self._inside:
            start = len(self._held) - len(self._held.lstrip(b"\r\n"))
            del self._held[:start]
            if not self._held:
                return None
            if not self._held.startswith(START):
                return Misframed("it does not begin with 0x0B", bytes(self._held[:HEAD_BYTES]))
            del self._held[:1]
            self._inside, self._looked_at = True, 0
        return self._ended()

    def _ended(self) -> Event | None:
        """Look for the end of the frame in what has come since."""
        found = self._held.find(END[:1], self._looked_at)
        again = self._held.find(START, self._looked_at, None if found < 0 else found)
        if again >= 0:
            return Misframed("it has a 0x0B within a message", self.head)
        if found < 0:
            self._looked_at = len(self._held)
            return self._unended()
        if found + 1 == len(self._held):
            self._looked_at = found
            return None
        if self._held[found + 1] != END[1]:
            return Misframed("its 0x1C is not followed by 0x0D", self.head)
        data = bytes(self._held[:found])
        del self._held[: found + 2]
        head, self._head, self._inside, self._skipped = self._head, b"", False, 0
        if head or len(data) > self._max_bytes:
            return TooLong(head or data[:HEAD_BYTES])
        return Frame(data)

    def _unended(self) -> Event | None:
        """Drop what is too long to be held, up to a limit of that too."""
        if len(self._held) <= self._max_bytes:
            return None
        self._head = self._head or bytes(self._held[:HEAD_BYTES])
        self._skipped += len(self._held)
        self._held.clear()
        self._looked_at = 0
        if self._skipped > MAX_SKIPPED * self._max_bytes:
            return Misframed("it does not end", self._head)
        return None
