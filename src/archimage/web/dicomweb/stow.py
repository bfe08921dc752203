"""STOW-RS: store instances, and tell of each what became of it.

A large body is received, parsed and written by one worker thread; any other by one that takes it a batch at a time,
while the next batch comes. When both are full, the client's socket is not read. An object whose last byte has come is
made durable beside those that follow it.

Ref: PS3.18 §10.5, Annex I (the response).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.types import ASGIApp

from archimage.errors import (
    ArchimageError,
    ConnectionFailedError,
    ExcessiveRequestError,
    InvalidRequestError,
    SlowRequestError,
    UnsupportedMediaTypeError,
)
from archimage.logger import logger
from archimage.services.stow import DICOM, METADATA_TYPES, PartHead, Upload
from archimage.services.stow_object import Answer, Done, Submission, failure
from archimage.web.dicomweb.negotiation import MULTIPART, MediaRange, parse_accept
from archimage.web.dicomweb.resources import DicomWebRequest, Resource
from archimage.web.dicomweb.stow_response import JSON, OFFERS, XML, response
from archimage.web.multipart_parser import MultipartParser, PartBegin, PartData
from archimage.web.receiving import TimedDirectReceive

_log = logger("error")
_BATCH_BYTES: Final = 1 << 20
MAX_UNANSWERED: Final = 16
"""Objects of one request that are being made durable at once, before more of it is read."""

SUBMITTED_AT_ONCE: Final = 3
"""Of these, those that have a thread: others need threads too."""

_READ_OVER_BYTES: Final = 16 << 20
_READ_OVER_S: Final = 2.0
_PLAIN_CODINGS: Final = frozenset({"", "identity"})
_PLAIN_TRANSFERS: Final = frozenset({"", "binary", "7bit", "8bit"})


Chunk = tuple[bytes | bytearray, int]
"""A buffer, and how much of it has come."""


class _Receiver:
    """Takes the body, in a worker thread, and tells which objects are whole."""

    def __init__(self, upload: Upload, content_type: MediaRange) -> None:
        self.upload = upload
        self.parts = 0
        self._parser: MultipartParser | None = None
        if content_type.kind == MULTIPART:
            self._parser = MultipartParser(content_type.parameters["boundary"])
        else:
            self._begin(PartHead(content_type.kind, content_type.parameters.get("transfer-syntax", "")))

    @property
    def exhausted(self) -> bool:
        """Tell whether what still comes is of no use."""
        return self._parser is not None and self._parser.exhausted

    def feed(self, chunks: Iterable[Chunk]) -> Iterator[Submission]:
        """Take the next bytes and yield the objects that they make whole; a buffer is done with at the next step."""
        for buffer, size in chunks:
            if self._parser is None:
                self.upload.write(memoryview(buffer)[:size])
                continue
            for event in self._parser.feed(buffer, size):
                if isinstance(event, PartData):
                    self.upload.write(event.data)
                elif isinstance(event, PartBegin):
                    self._begin(_part_head(event.headers))
                elif (submission := self.upload.end()) is not None:
                    yield submission

    def finish(self) -> Iterator[Submission]:
        """Tell that the body is whole, and yield what its end makes whole."""
        if self._parser is not None:
            self._parser.finish()
            if not self.parts:
                raise InvalidRequestError("the body has no parts")
        elif (submission := self.upload.end()) is not None:
            yield submission

    def _begin(self, head: PartHead) -> None:
        self.parts += 1
        self.upload.begin(head)


class _Answers:
    """What became of each object, in the order of the request; used on the loop's thread, but for `expect`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._expected = 0
        self._found: dict[int, Answer] = {}

    @property
    def found(self) -> list[Answer]:
        """All answers so far."""
        return [self._found[number] for number in sorted(self._found)]

    def expect(self) -> Done:
        """Return what takes the next answer, from any thread."""
        number, self._expected = self._expected, self._expected + 1

        def done(answer: Answer) -> None:
            with suppress(RuntimeError):  # the loop has ended, and whoever waited with it
                self._loop.call_soon_threadsafe(self._take, number, answer)

        return done

    async def settle(self, at_most: int) -> None:
        """Wait until no more than so many answers are missing."""
        while self._expected - len(self._found) > at_most:
            self._changed.clear()
            await self._changed.wait()

    def _take(self, number: int, answer: Answer) -> None:
        self._found[number] = answer
        self._changed.set()


class _Storing:
    """One request on its way into the archive."""

    def __init__(self, request: DicomWebRequest, receiver: _Receiver) -> None:
        self.answers = _Answers()
        self._chunks = request.chunks()
        self._direct = request.direct_body()
        self._request = request
        self._receiver = receiver
        self._ended = False
        """Nothing more has to be received."""
        self._working: asyncio.Future[None] | None = None
        self._ready: list[Callable[[], None]] = []
        self._submitting: set[asyncio.Future[None]] = set()
        self._turns = asyncio.Semaphore(SUBMITTED_AT_ONCE)

    async def run(self) -> None:
        """Take the whole body; every object is answered when it returns or raises."""
        try:
            await (self._read() if self._direct is None else self._receive(self._direct))
            await self.answers.settle(0)
            if self._receiver.upload.is_described:
                await self._submit_described()
        except (InvalidRequestError, ExcessiveRequestError):
            await _read_over(_received(self._request, self._direct) if self._direct else _sizes(self._chunks))
            raise
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end()))

    async def _receive(self, body: TimedDirectReceive) -> None:
        """Have the thread that parses receive too."""
        while not self._ended:
            await self._take(self._arriving(body))
            if not self._ended:
                await body.wait()

    def _arriving(self, body: TimedDirectReceive) -> Iterator[Submission]:
        """Take what has come, and the end if that has; runs in a thread."""
        for submission in self._receiver.feed(body.chunks()):
            self._ended = body.finished
            yield submission
        self._ended = body.finished or self._receiver.exhausted
        if self._ended:
            yield from self._receiver.finish()

    async def _read(self) -> None:
        chunks: list[Chunk] = []
        size = 0
        async for chunk in self._chunks:
            chunks.append((chunk, len(chunk)))
            size += len(chunk)
            if self._working is None or self._working.done() or size >= _BATCH_BYTES:
                await self._take_turns(self._feed(chunks))
                chunks, size = [], 0
            if self._receiver.exhausted:
                break
        await self._take_turns(self._feed(chunks))
        await self._take_turns(None)
        self._ended = True
        await self._take(self._receiver.finish())

    async def _take_turns(self, work: Coroutine[Any, Any, None] | None) -> None:
        """Wait for what is being done, and begin what is to be done next."""
        working, self._working = self._working, None
        try:
            if working is not None:
                await working
        except BaseException:
            if work is not None:
                work.close()
            raise
        if work is not None:
            self._working = asyncio.ensure_future(work)

    async def _feed(self, chunks: list[Chunk]) -> None:
        await self._take(self._receiver.feed(chunks))

    async def _take(self, submissions: Iterator[Submission]) -> None:
        """Have a thread make objects whole; those that take long are then submitted by others, a few at a time."""
        more = True
        while more:
            await self.answers.settle(MAX_UNANSWERED)
            try:
                more = await self._request.run(self._submit_quick, submissions)
            finally:
                ready, self._ready = self._ready, []
                for submit in ready:
                    submitting = asyncio.ensure_future(self._submit_slow(submit))
                    self._submitting.add(submitting)
                    submitting.add_done_callback(self._submitting.discard)

    def _submit_quick(self, submissions: Iterator[Submission]) -> bool:
        """Submit what is quick, or the last, up to what is not; tell whether more may follow."""
        for submission in submissions:
            submit = partial(_submit, submission, self.answers.expect())
            if not submission.is_quick and not self._ended:  # of what comes last no other thread makes more haste
                self._ready.append(submit)
                return True
            submit()
        return False

    async def _submit_slow(self, submit: Callable[[], None]) -> None:
        async with self._turns:
            await self._request.run(submit)

    async def _submit_described(self) -> None:
        """Store what metadata describes, one object after the other."""
        described = await self._request.run(self._receiver.upload.finish)
        while (submission := await self._request.run(next, described, None)) is not None:
            await self._request.run(_submit, submission, self.answers.expect())
            await self.answers.settle(MAX_UNANSWERED)
        await self.answers.settle(0)

    async def _end(self) -> None:
        """Wait until no thread works for the request, and forget what is not whole."""
        if self._working is not None:
            await asyncio.gather(self._working, return_exceptions=True)
        await asyncio.gather(*self._submitting, return_exceptions=True)
        await self.answers.settle(0)
        if not self._receiver.upload.is_settled:
            await self._request.run(self._receiver.upload.discard)
        if self._direct is not None:
            self._direct.close()


async def _sizes(chunks: AsyncIterator[bytes]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield len(chunk)


async def _received(request: DicomWebRequest, body: TimedDirectReceive) -> AsyncIterator[int]:
    """Tell how much has come, and drop it."""
    while not body.finished:
        yield await request.run(lambda: sum(size for _, size in body.chunks()))
        if not body.finished:
            await body.wait()


async def _read_over(sizes: AsyncIterator[int]) -> None:
    """Drop some of what a client still sends: many look for the answer only when they have sent all."""
    size = 0
    with suppress(ArchimageError, TimeoutError):
        async with asyncio.timeout(_READ_OVER_S):
            async for came in sizes:
                size += came
                if size > _READ_OVER_BYTES:
                    return


def _submit(submission: Submission, done: Done) -> None:
    """Submit; whatever happens, there is an answer."""
    try:
        submission.submit(done)
    except Exception as error:  # a fault of ours must not leave the request waiting
        _log.exception("an object of a web request met a bug")
        done(failure(ArchimageError(f"it could not be stored: {error!r}")))


async def _store(request: DicomWebRequest) -> ASGIApp:
    try:
        form = request.choose(OFFERS).offer
        content_type = _content_type(request)
    except ArchimageError:
        if request.header("expect") is None:
            await _read_over(_sizes(request.chunks()))
        raise
    study = request.variables.get("study", "")
    root_type = content_type.parameters.get("type", "").lower() if content_type.kind == MULTIPART else content_type.kind
    receiver = _Receiver(Upload(request.services.store, root_type, study), content_type)
    storing = _Storing(request, receiver)
    broken: ArchimageError | None = None
    try:
        await storing.run()
    except (SlowRequestError, ConnectionFailedError):
        raise
    except ArchimageError as error:
        broken = error
    answers = storing.answers.found
    if not answers:
        raise broken or InvalidRequestError("the request describes no instance")
    return response(request, form, answers, broken)


def _content_type(request: DicomWebRequest) -> MediaRange:
    """Read what the body is, and refuse what is not taken before any of it is read."""
    coding = (request.header("content-encoding") or "").lower()
    if coding not in _PLAIN_CODINGS:
        raise UnsupportedMediaTypeError(f"Content-Encoding {coding[:40]!r} is not taken; send the body as it is")
    content_type = _media(request.header("content-type") or "")
    kinds = METADATA_TYPES | {DICOM, ""}
    if content_type.kind == MULTIPART:
        if not content_type.parameters.get("boundary"):
            raise InvalidRequestError("Content-Type has no boundary")
        kind = content_type.parameters.get("type", "").lower()
    else:
        kind = content_type.kind or "nothing"
    if kind not in kinds:
        raise UnsupportedMediaTypeError(f"{kind[:80]!r} is not stored; send one of {', '.join(sorted(kinds - {''}))}")
    return content_type


def _media(text: str) -> MediaRange:
    """Read a Content-Type; its syntax is that of one entry of Accept."""
    try:
        ranges = parse_accept(text)
    except ArchimageError:
        raise InvalidRequestError(f"Content-Type {text[:80]!r} cannot be read") from None
    return ranges[0] if len(ranges) == 1 else MediaRange("")


def _part_head(headers: Mapping[str, str]) -> PartHead:
    transfer = headers.get("content-transfer-encoding", "").lower()
    if transfer not in _PLAIN_TRANSFERS or headers.get("content-encoding", "").lower() not in _PLAIN_CODINGS:
        return PartHead("encoded otherwise than binary")
    media = _media(headers.get("content-type", ""))
    names = [headers[name] for name in ("content-location", "location") if headers.get(name)]
    if content_id := headers.get("content-id", "").strip("<>"):
        names.append(f"cid:{content_id}")
    return PartHead(media.kind, media.parameters.get("transfer-syntax", ""), tuple(names))


_CONSUMES: Final = (
    *(f'{MULTIPART}; type="{kind}"' for kind in (DICOM, JSON.media_type, XML.media_type)),
    DICOM,
    JSON.media_type,
    XML.media_type,
)
_ADDRESSES: Final = (
    ("StoreInstances", "/studies", "Store instances"),
    ("StoreInstancesOfStudy", "/studies/{study}", "Store instances of one study"),
)

RESOURCES: Final = tuple(
    Resource(
        name,
        "POST",
        path,
        _store,
        summary,
        produces=tuple(offer.media_type for offer in OFFERS),
        consumes=_CONSUMES,
        statuses=(200, 202, 400, 406, 408, 409, 413, 415, 503, 507),
        reports_failures=True,
        max_body_bytes=None,
    )
    for name, path, summary in _ADDRESSES
)
