"""Reading `multipart/related` bodies as their bytes come (RFC 2046 §5.1, RFC 2387).

preamble CRLF
--boundary padding CRLF
Name: value CRLF
CRLF
bytes CRLF
--boundary-- epilogue

No socket and no thread stand here: bytes go in, events come out. The bytes of a part are never gathered: their events
hold views of what was fed. A line that only begins like a delimiter is part of the bytes around it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from archimage.errors import ExcessiveRequestError, InvalidRequestError

MAX_BOUNDARY_BYTES: Final = 256
"""RFC 2046 allows 70."""
_CRLF: Final = b"\r\n"
_BLANKS: Final = b" \t"
_END_OF_HEADERS: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; headers by their names in lower case, the first where one is repeated."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of a part: a view of what was fed."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that was begun is whole."""


Event = PartBegin | PartData | PartEnd


@dataclass(frozen=True, slots=True)
class MultipartLimits:
    """Bounds of one body, bytes but for max_parts; what stands around the parts is read over up to max_around_bytes."""

    max_parts: int = 20_000
    max_header_bytes: int = 16 << 10
    max_around_bytes: int = 64 << 10
    max_padding_bytes: int = 256


DEFAULT_LIMITS: Final = MultipartLimits()
_PART_END: Final = PartEnd()


class _State(Enum):
    PREAMBLE = auto()
    DELIMITER = auto()
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartParser:
    """Parses one body.

    Raises, from `feed` and `finish`:
        InvalidRequestError: the body is malformed, or cut short.
        ExcessiveRequestError: a limit is passed.
    """

    def __init__(self, boundary: str, limits: MultipartLimits = DEFAULT_LIMITS) -> None:
        if not boundary.isascii() or not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
            raise InvalidRequestError(f"the boundary is not 1 to {MAX_BOUNDARY_BYTES} ASCII characters")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._limits = limits
        self._state = _State.PREAMBLE
        self._outer = _State.PREAMBLE
        self._rest = _CRLF  # so that a delimiter at the very beginning is one too
        self._data: bytes | bytearray = b""
        self._pos = 0
        self._end = 0
        self._around_bytes = 0
        self._parts = 0

    @property
    def ended(self) -> bool:
        """Tell whether the last delimiter has come."""
        return self._state is _State.EPILOGUE

    @property
    def exhausted(self) -> bool:
        """Tell whether more follows the last delimiter than anybody needs to read."""
        return self.ended and self._around_bytes > self._limits.max_around_bytes

    def feed(self, data: bytes | bytearray, size: int | None = None) -> Iterator[Event]:
        """Take the next bytes, the first size of data, and yield what they tell.

        It is to be iterated to its end before the next call, and until then data must stay as it is.
        """
        size = len(data) if size is None else size
        self._data = b"".join((self._rest, memoryview(data)[:size])) if self._rest else data
        self._end = len(self._rest) + size
        self._pos = 0
        while (events := self._step()) is not None:
            yield from events
        self._rest = bytes(self._data[self._pos : self._end])

    def finish(self) -> None:
        """Tell that no more bytes come."""
        if not self.ended:
            raise InvalidRequestError("the body ends before its last boundary")

    def _step(self) -> tuple[Event, ...] | None:
        """Go one step on; None when that takes more bytes."""
        match self._state:
            case _State.DELIMITER:
                return self._delimited()
            case _State.HEADERS:
                return self._headers()
            case _State.EPILOGUE:
                self._around_bytes += self._end - self._pos
                self._pos = self._end
                return None
            case _:
                return self._run()

    def _run(self) -> tuple[Event, ...] | None:
        """Go on to the next delimiter, or to what may be the beginning of one."""
        start = self._pos
        found = self._data.find(self._delimiter, start, self._end)
        stop = self._tail(start) if found < 0 else found
        self._pos = stop
        if found >= 0:
            self._outer, self._state = self._state, _State.DELIMITER
        elif stop == start:
            return None
        return self._passed(start, stop)

    def _tail(self, start: int) -> int:
        """Return where a delimiter may begin that is not whole yet; the end of the data if nowhere."""
        data, delimiter, end = self._data, self._delimiter, self._end
        at = data.find(b"\r", max(start, end - len(delimiter) + 1), end)
        while at >= 0 and not delimiter.startswith(bytes(data[at:end])):
            at = data.find(b"\r", at + 1, end)
        return end if at < 0 else at

    def _passed(self, start: int, stop: int) -> tuple[Event, ...]:
        """Give out bytes of a part; of the preamble only count them."""
        inside = self._outer if self._state is _State.DELIMITER else self._state
        if inside is _State.BODY:
            return (PartData(memoryview(self._data)[start:stop]),) if stop > start else ()
        self._around_bytes += stop - start
        if self._around_bytes > self._limits.max_around_bytes:
            raise ExcessiveRequestError(f"{self._around_bytes} bytes came and no boundary")
        return ()

    def _delimited(self) -> tuple[Event, ...] | None:
        """Look at what follows a delimiter: the end, a part, or something that makes it none."""
        data, end, after = self._data, self._end, self._pos + len(self._delimiter)
        if end < after + 2:
            return None
        ending = (_PART_END,) if self._outer is _State.BODY else ()
        if data[after : after + 2] == b"--":
            self._state, self._pos, self._around_bytes = _State.EPILOGUE, after + 2, 0
            return ending
        stop = after
        limit = min(end, after + self._limits.max_padding_bytes)
        while stop < limit and data[stop] in _BLANKS:
            stop += 1
        following = bytes(data[stop : min(stop + 2, end)])
        if following == _CRLF:
            self._state, self._pos = _State.HEADERS, stop
            return ending
        if len(following) < 2 and _CRLF.startswith(following) and stop < after + self._limits.max_padding_bytes:
            return None
        start = self._pos
        self._state, self._pos = self._outer, after
        return self._passed(start, after)

    def _headers(self) -> tuple[Event, ...] | None:
        """Read the headers of a part; its line's own line break stands before them."""
        data, start = self._data, self._pos
        end = data.find(_END_OF_HEADERS, start, self._end)
        if (self._end if end < 0 else end) - start > self._limits.max_header_bytes:
            raise ExcessiveRequestError(f"a part has more than {self._limits.max_header_bytes} bytes of headers")
        if end < 0:
            return None
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise ExcessiveRequestError(f"the body has more than {self._limits.max_parts} parts")
        self._state, self._pos = _State.BODY, end + len(_END_OF_HEADERS)
        return (PartBegin(_parse_headers(bytes(data[start + len(_CRLF) : end]))),)


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    lines = block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(_CRLF)
    for line in filter(None, lines):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if not colon or not name.strip():
            raise InvalidRequestError(f"a part has a malformed header: {line[:40]!r}")
        headers.setdefault(name.strip().lower(), value.strip())
    return headers
