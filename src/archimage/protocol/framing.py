"""Cutting a byte stream into PDUs: 6-byte headers, and the bodies that somebody wants.

Ref: PS3.8 §9.3.1.
"""

from archimage.protocol.pdu import pdu_header
from archimage.protocol.wire import SplitHeader

Header = tuple[int, ...]
"""Type and length of a PDU."""


class PDUFramer:
    """Reads headers; after each, `collect` or `skip` says what becomes of the body, unless somebody else reads it."""

    __slots__ = ("_body", "_header", "_left", "_wanted")

    def __init__(self) -> None:
        self._header = SplitHeader(pdu_header)
        self._body = bytearray()
        self._left = 0
        self._wanted = False

    def collect(self, length: int) -> None:
        """Gather the next bytes, at least one, and return them as a body."""
        self._left = length
        self._wanted = True

    def skip(self, length: int) -> None:
        """Pass over what is left of a body, and over length more bytes."""
        self._left += length
        self._wanted = False
        self._body.clear()

    def read(self, data: memoryview, position: int, end: int) -> tuple[Header | bytes | None, int]:
        """Return the next header or body, or None as long as it is not all there, and the new position."""
        if not self._left:
            return self._header.read(data, position, end)
        stop = min(end, position + self._left)
        self._left -= stop - position
        if not self._wanted:
            return None, stop
        self._body += data[position:stop]
        if self._left:
            return None, stop
        body = bytes(self._body)
        self._body.clear()
        return body, stop
