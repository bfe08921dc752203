"""Answers that carry bytes of stored objects: whole, in ranges, in parts, read ahead in threads while they are sent.

A small answer is read at once and sent as it is; a large one is read piece by piece, the next one while the one before
is on its way, so that a study of any size costs the memory of a few pieces.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.web import errors
from archimage.web.dicomweb.conditional import ByteRange, is_current, wanted_range
from archimage.web.dicomweb.resources import DicomWebRequest
from archimage.web.multipart import MultipartWriter
from archimage.web.responses import Pieces, StreamedResponse

Piece = bytes | memoryview

PIECE_BYTES: Final = 1 << 20
"""So much is read at once; what is no longer than that is sent whole."""
_CACHED: Final = {"Cache-Control": "private, no-cache"}
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

    def __init__(self, pieces: Sequence[Piece], headers: Mapping[str, str], status: int = HTTPStatus.OK) -> None:
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
class Part:
    """One part of an answer: how it is labelled, how long it is if that is known, and what gives its bytes."""

    content_type: str
    pieces: Callable[[], Iterator[Piece]]
    size_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def of_bytes(data: Piece, content_type: str, headers: Mapping[str, str] | None = None) -> Part:
    """Make a part of what is there."""
    return Part(content_type, lambda: iter((data,)), len(data), headers or {})


def of_file(open_file: Open, size_bytes: int, content_type: str, headers: Mapping[str, str] | None = None) -> Part:
    """Make a part of something that is opened when its turn has come."""
    return Part(content_type, lambda: read_pieces(open_file, ByteRange(0, size_bytes)), size_bytes, headers or {})


def read_pieces(open_file: Open, wanted: ByteRange) -> Generator[bytes, None, None]:
    """Yield bytes of something, which is open meanwhile."""
    with open_file() as file:
        for start in range(wanted.start, wanted.end, PIECE_BYTES):
            yield file.read(start, min(PIECE_BYTES, wanted.end - start))


def not_modified(request: DicomWebRequest, etag: str) -> ASGIApp | None:
    """Return the answer to a client that has what goes by an entity tag already, None where it has not."""
    if is_current(etag, request.header("if-none-match")):
        return WholeAnswer((), {"ETag": etag, **_CACHED}, HTTPStatus.NOT_MODIFIED)
    return None


def single(request: DicomWebRequest, open_file: Open, content_type: str, etag: str) -> ASGIApp:
    """Answer with one thing, or the range of it that is asked for; blocks."""
    headers = {"Content-Type": content_type, "ETag": etag, "Accept-Ranges": "bytes", **_CACHED}
    if content_type.partition(";")[0].lower() not in _SHOWN:
        headers |= _ATTACHED
    with open_file() as file:
        size = file.size_bytes
        part = wanted_range(request.header("range"), request.header("if-range"), etag, size)
        if part is not None and part.start >= part.end:
            return _no_such_range(size)
        wanted = ByteRange(0, size) if part is None else part
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
        status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        length = wanted.end - wanted.start
        if length <= PIECE_BYTES:
            return WholeAnswer((file.read(wanted.start, length),), headers, status)
    headers["Content-Length"] = str(length)
    return StreamedResponse(read_ahead(request, read_pieces(open_file, wanted)), headers, status)


def _no_such_range(size_bytes: int) -> ASGIApp:
    return errors.status_report(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        f"there are {size_bytes} bytes",
        "Ask for a range within them.",
        {"Content-Range": f"bytes */{size_bytes}"},
    )


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
    sizes = [(_labels(part), part.size_bytes) for part in parts] if isinstance(parts, Sequence) else [({}, None)]
    known = [(labels, size) for labels, size in sizes if size is not None]
    if len(known) < len(sizes):
        return StreamedResponse(read_ahead(request, _written(writer, parts)), about, status)
    length = writer.size(known)
    if length <= PIECE_BYTES:
        return WholeAnswer(tuple(_written(writer, parts)), about, status)
    about["Content-Length"] = str(length)
    return StreamedResponse(read_ahead(request, _written(writer, parts)), about, status)


def _labels(part: Part) -> dict[str, str]:
    return {"Content-Type": part.content_type, **part.headers}


def _written(writer: MultipartWriter, parts: Iterable[Part]) -> Generator[Piece, None, None]:
    for part in parts:
        yield writer.head(_labels(part))
        yield from part.pieces()
    yield writer.end()


async def read_ahead(request: DicomWebRequest, pieces: Generator[Piece, None, None]) -> Pieces:
    """Yield what a generator makes in worker threads; it goes on while the pieces before are on their way."""
    coming = asyncio.ensure_future(request.run(_batch, pieces))
    try:
        while batch := await asyncio.shield(coming):
            coming = asyncio.ensure_future(request.run(_batch, pieces))
            for piece in batch:
                yield piece
    finally:
        # Whatever ended this, the thread has to be out of the generator before it is closed.
        await asyncio.gather(coming, return_exceptions=True)
        await request.run(pieces.close)


def _batch(pieces: Iterator[Piece]) -> list[Piece]:
    """Take about PIECE_BYTES."""
    taken: list[Piece] = []
    size = 0
    while size < PIECE_BYTES and (piece := next(pieces, None)) is not None:
        size += len(piece)
        taken.append(piece)
    return taken
