"""Writing `multipart/related` bodies (RFC 2046 §5.1, RFC 2387).

--boundary CRLF
Content-Type: type/subtype CRLF
CRLF
bytes CRLF
--boundary-- CRLF
"""

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

_CRLF: Final = b"\r\n"
_BOUNDARY_BYTES: Final = 16
"""Of chance: no object holds the boundary of its own answer by accident, or by its sender's design."""


class MultipartWriter:
    """Makes the lines between the parts of one body.

    media_type is that of the parts, or of the first one where they differ. The bytes of a part are sent as they are,
    between `head` and the next `head` or the `end`.
    """

    __slots__ = ("_begun", "_boundary", "_media_type")

    def __init__(self, media_type: str, *, boundary: str | None = None) -> None:
        self._media_type = media_type
        self._boundary = (boundary or secrets.token_hex(_BOUNDARY_BYTES)).encode("ascii")
        self._begun = False

    @property
    def content_type(self) -> str:
        """The Content-Type of the whole body."""
        plain = self._media_type.partition(";")[0].strip()
        return f'multipart/related; type="{plain}"; boundary={self._boundary.decode("ascii")}'

    def head(self, headers: Mapping[str, str]) -> bytes:
        """Begin a part; Content-Type is that of the body unless headers have another."""
        lines = {"Content-Type": self._media_type, **headers}
        start = b"%b--%b\r\n" % (_CRLF if self._begun else b"", self._boundary)
        self._begun = True
        return start + b"".join([_line(name, value) for name, value in lines.items()]) + _CRLF

    def end(self) -> bytes:
        """End the body."""
        return b"%b--%b--\r\n" % (_CRLF if self._begun else b"", self._boundary)

    def size(self, parts: Iterable[tuple[Mapping[str, str], int]]) -> int:
        """Return the length, bytes, of a body of parts with these headers and lengths."""
        measured = MultipartWriter(self._media_type, boundary=self._boundary.decode("ascii"))
        return sum(len(measured.head(headers)) + length for headers, length in parts) + len(measured.end())


def _line(name: str, value: str) -> bytes:
    """Format a header; what would begin another line cannot stand in it."""
    if "\r" in value or "\n" in value:
        raise ValueError(f"{name} holds a line break")
    return f"{name}: {value}\r\n".encode("latin-1", "replace")
