"""Answers that carry bytes of stored objects: whole, in ranges, or in parts.

A small answer is read at once and sent as it is. A large one is sent piece by piece: what lies in files goes to the
socket from there, anything else is read while what comes before is on its way. So a study of any size costs the memory
of a few pieces.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from itertools import islice
from types import MappingProxyType
from typing import Final, Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.ports.storage import FileBacked, FileSpan
from archimage.web import errors
from archimage.web.dicomweb.conditional import ByteRange, is_current, wanted_range
from archimage.web.dicomweb.resources import DicomWebRequest
from archimage.web.direct import Piece, in_memory
from archimage.web.multipart import MultipartWriter
from archimage.web.responses import PIECE_BYTES, ThreadedResponse

_SPAN_BYTES: Final = 4 << 20
"""So much of a file is sent before the disk is asked for more of it."""

_LEAST_SPAN_BYTES: Final = 64 << 10
"""What is shorter is read: that costs less than a system call of its own."""

AHEAD: Final = 8
"""Files that are open, for the disk to fetch, before they are sent."""

_CACHED: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
_NO_MORE: Final[Mapping[str, str]] = MappingProxyType({})
_ATTACHED: Final = {"Content-Disposition": "attachment"}
_SHOWN: Final = frozenset(
    {"application/pdf", "image/gif", "image/jp2", "image/jpeg", "image/png", "video/h265", "video/mp4", "video/mpeg"}
)
"""What a browser may show by itself; anything else that came from a peer it is to save."""


class ReadableBytes(Protocol):
    """Something open whose bytes can be read at any offset; leaving its context closes it."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""


Open = Callable[[], AbstractContextManager[ReadableBytes]]


class WholeAnswer:
    """An answer that is there: pieces are sent one after the other, with their length."""

    __slots__ = ("_headers", "_pieces", "_status")

    def __init__(
        self, pieces: Sequence[bytes | memoryview], headers: Mapping[str, str], status: int = HTTPStatus.OK
    ) -> None:
        self._pieces = pieces
        self._status = status
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        if status != HTTPStatus.NOT_MODIFIED:
            self._headers.append((b"content-length", b"%d" % sum(map(len, pieces))))

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        if scope["method"] != "HEAD":
            for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class HeldBytes:
    """Bytes in memory, to be read like a file."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self.data[offset : offset + length]


def held(data: bytes) -> AbstractContextManager[ReadableBytes]:
    """Open what is there."""
    return nullcontext(HeldBytes(data))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer: how it is labelled, how long it is, what opens it, and where in that it begins."""

    content_type: str
    open: Open
    size_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    start: int = 0


def of_bytes(data: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Part:
    """Make a part of what is there."""
    return Part(content_type, partial(held, data), len(data), headers or {})


def of_file(open_file: Open, size_bytes: int, content_type: str, headers: Mapping[str, str] | None = None) -> Part:
    """Make a part of something that is opened when its turn has come."""
    return Part(content_type, open_file, size_bytes, headers or {})


def read_pieces(open_file: Open, wanted: ByteRange) -> Generator[Piece, None, None]:
    """Yield bytes of something, which is open meanwhile."""
    with open_file() as file:
        yield from pieces_of(file, wanted)


def pieces_of(file: ReadableBytes, wanted: ByteRange) -> Iterator[Piece]:
    """Yield bytes of what is open: as spans of its file, while the disk fetches the next, or read."""
    backed = _backed(file)
    step = PIECE_BYTES if backed is None else _SPAN_BYTES
    for start in range(wanted.start, wanted.end, step):
        length = min(step, wanted.end - start)
        spans = None
        if backed is not None and length >= _LEAST_SPAN_BYTES:
            spans = backed.spans(start, length)
            if left := wanted.end - start - length:
                backed.expect(start + length, min(step, left))
        yield from (file.read(start, length),) if spans is None else spans


def begun(request: DicomWebRequest, pieces: Generator[Piece, None, None], most: int) -> Generator[Piece, None, None]:
    """Make the first pieces now, up to a file, so that what cannot be read at all has a status that says so; blocks."""
    if request.method == "HEAD":
        return pieces
    first: list[Piece] = []
    for piece in islice(pieces, most):
        first.append(piece)
        if isinstance(piece, FileSpan):  # it is open until the next is asked for
            break
    return _joined(first, pieces)


def _joined(first: Iterable[Piece], rest: Generator[Piece, None, None]) -> Generator[Piece, None, None]:
    with closing(rest):
        yield from first
        yield from rest


def _backed(file: ReadableBytes) -> FileBacked | None:
    """Return what tells where a file's bytes lie; isinstance, of a protocol, would cost as much as opening it."""
    return cast("FileBacked", file) if hasattr(file, "spans") else None


def not_modified(request: DicomWebRequest, etag: str, more: Mapping[str, str] = _NO_MORE) -> ASGIApp | None:
    """Return the answer to a client that has what goes by an entity tag already, None where it has not."""
    if is_current(etag, request.header("if-none-match")):
        return WholeAnswer((), {"ETag": etag, **_CACHED, **more}, HTTPStatus.NOT_MODIFIED)
    return None


def single(
    request: DicomWebRequest, open_file: Open, content_type: str, etag: str, more: Mapping[str, str] = _NO_MORE
) -> ASGIApp:
    """Answer with one thing, or the range of it that is asked for; more are other headers; blocks."""
    headers = {"Content-Type": content_type, "ETag": etag, "Accept-Ranges": "bytes", **_CACHED, **more}
    if content_type.partition(";")[0].lower() not in _SHOWN:
        headers |= _ATTACHED
    with open_file() as file:
        size = file.size_bytes
        part = wanted_range(request.header("range"), request.header("if-range"), etag, size)
        if part is not None and part.start >= part.end:
            return _no_such_range(size)
        wanted = ByteRange(0, size) if part is None else part
        if part is not None:
            headers["Content-Range"] = _content_range(part, size)
        status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        length = wanted.end - wanted.start
        if length <= PIECE_BYTES:
            return WholeAnswer((file.read(wanted.start, length),), headers, status)
    headers["Content-Length"] = str(length)
    return ThreadedResponse(begun(request, read_pieces(open_file, wanted), 1), request.run, headers, status)


def _content_range(part: ByteRange, size_bytes: int) -> str:
    return f"bytes {part.start}-{part.end - 1}/{size_bytes}"


def _no_such_range(size_bytes: int) -> ASGIApp:
    return errors.status_report(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        f"there are {size_bytes} bytes",
        "Ask for a range within them.",
        {"Content-Range": f"bytes */{size_bytes}"},
    )


def only(request: DicomWebRequest, part: Part, etag: str) -> ASGIApp:
    """Answer with a `multipart/related` of one part, which holds the range that is asked for.

    Ref: PS3.18 §8.4.3 (Content-Range of a part).
    """
    media_type = part.content_type.partition(";")[0]
    size = part.size_bytes
    wanted = wanted_range(request.header("range"), request.header("if-range"), etag, size)
    if wanted is None:
        return several(request, media_type, [part], {"ETag": etag})
    if wanted.start >= wanted.end:
        return _no_such_range(size)
    headers = {**part.headers, "Content-Range": _content_range(wanted, size)}
    cut = replace(part, start=wanted.start, size_bytes=wanted.end - wanted.start, headers=headers)
    return several(request, media_type, [cut], {"ETag": etag}, HTTPStatus.PARTIAL_CONTENT)


def several(
    request: DicomWebRequest,
    media_type: str,
    parts: Iterable[Part],
    headers: Mapping[str, str],
    status: int = HTTPStatus.OK,
) -> ASGIApp:
    """Answer with a `multipart/related`; its length is told where parts are a sequence and all tell theirs."""
    writer = MultipartWriter(media_type)
    about = {"Content-Type": writer.content_type, **_CACHED, **headers}
    if isinstance(parts, Sequence) and len(parts) == 1 and parts[0].size_bytes <= PIECE_BYTES:
        return WholeAnswer(_alone(writer, parts[0]), about, status)
    answer = _written(writer, parts)
    if not isinstance(parts, Sequence):
        return ThreadedResponse(answer, request.run, about, status)
    length = writer.size((_labels(part), part.size_bytes) for part in parts)
    if length <= PIECE_BYTES:
        return WholeAnswer(tuple(in_memory(answer)), about, status)
    about["Content-Length"] = str(length)
    return ThreadedResponse(begun(request, answer, 2), request.run, about, status)


def _alone(writer: MultipartWriter, part: Part) -> Sequence[bytes]:
    """Write the only part, a frame most often, without what keeps others open and ahead."""
    with part.open() as file:
        return writer.head(_labels(part)), file.read(part.start, part.size_bytes), writer.end()


def _labels(part: Part) -> dict[str, str]:
    return {"Content-Type": part.content_type, **part.headers}


def _written(writer: MultipartWriter, parts: Iterable[Part]) -> Generator[Piece, None, None]:
    with closing(_opened(parts)) as files:
        for part, file in files:
            yield writer.head(_labels(part))
            yield from pieces_of(file, ByteRange(part.start, part.start + part.size_bytes))
    yield writer.end()


def _opened(parts: Iterable[Part]) -> Generator[tuple[Part, ReadableBytes], None, None]:
    """Yield parts, open until the next step; those of a sequence are opened while the disk still fetches others."""
    most = AHEAD if isinstance(parts, Sequence) else 1
    coming = iter(parts)
    ahead: deque[tuple[Part, ReadableBytes, ExitStack]] = deque()
    try:
        while True:
            for part in islice(coming, most - len(ahead)):
                ahead.append((part, *_expected(part)))
            if not ahead:
                return
            part, file, stack = ahead[0]
            with stack:
                yield part, file
            ahead.popleft()
    finally:
        for _, _, stack in ahead:
            stack.close()


def _expected(part: Part) -> tuple[ReadableBytes, ExitStack]:
    """Open a part, which the disk is to fetch; what is returned with it closes it."""
    with ExitStack() as stack:
        file = stack.enter_context(part.open())
        backed = _backed(file)
        if backed is not None:
            backed.expect(part.start, min(part.size_bytes, _SPAN_BYTES))
        return file, stack.pop_all()
