"""Receiving files, folders and ZIP archives: as a form of a page, or as the body of a program.

The body is parsed as it comes; what blocks is done in a worker thread, a batch at a time.
Ref: RFC 7578 (multipart/form-data).
"""

from collections.abc import Collection, Iterator
from email.message import Message
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from archimage.errors import InvalidRequestError, UnsupportedMediaTypeError
from archimage.services.uploads import Uploading, UploadSummary
from archimage.web.multipart_parser import MultipartLimits, MultipartParser, PartBegin, PartData

FORM: Final = "multipart/form-data"
WHOLE: Final = ("application/dicom", "application/zip", "application/octet-stream")
"""Media types of a body that is one file."""
_BATCH_BYTES: Final = 1 << 20
_LIMITS: Final = MultipartLimits(max_parts=50_000)


async def receive_upload(
    request: Request, upload: Uploading, name: str, whole: Collection[str] | None = WHOLE
) -> UploadSummary:
    """Take the files of a form, or the one that is the body where that is of one of the media types whole, or any."""
    try:
        taker = _taker(request.headers.get("content-type", ""), upload, name, whole)
        batch: list[bytes] = []
        async for chunk in request.stream():
            batch.append(chunk)
            if sum(map(len, batch)) >= _BATCH_BYTES:
                await run_in_threadpool(taker.feed, b"".join(batch))
                batch = []
        await run_in_threadpool(taker.feed, b"".join(batch))
        return await run_in_threadpool(taker.finish)
    finally:
        await run_in_threadpool(upload.discard)


class _Form:
    """The files of a form; its other fields are passed over."""

    def __init__(self, upload: Uploading, boundary: str) -> None:
        self._upload = upload
        self._parser = MultipartParser(boundary, _LIMITS)
        self._in_file = False
        self._files = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for event in self._parser.feed(data):
            if isinstance(event, PartBegin):
                name = _file_name(event.headers.get("content-disposition", ""))
                self._in_file = name is not None
                if name is not None:
                    self._files += 1
                    self._upload.begin(name)
            elif not self._in_file:
                continue
            elif isinstance(event, PartData):
                self._upload.write(event.data)
            else:
                self._upload.end()

    def finish(self) -> UploadSummary:
        """Tell that no more come."""
        self._parser.finish()
        if not self._files:
            raise InvalidRequestError("the form has no files")
        return self._upload.finish()


class _Whole:
    """A body that is one file."""

    def __init__(self, upload: Uploading, name: str) -> None:
        self._upload = upload
        upload.begin(name)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._upload.write(memoryview(data))

    def finish(self) -> UploadSummary:
        """Tell that no more come."""
        self._upload.end()
        return self._upload.finish()


def _taker(content_type: str, upload: Uploading, name: str, whole: Collection[str] | None) -> _Form | _Whole:
    header = Message()
    header["Content-Type"] = "".join(char for char in content_type if char.isprintable())
    kind = header.get_content_type() if content_type else ""
    if kind == FORM:
        return _Form(upload, str(header.get_param("boundary") or ""))
    if whole is None or kind in whole:
        return _Whole(upload, name)
    raise UnsupportedMediaTypeError(f"send {FORM}, or one of {', '.join(whole)}")


def _file_name(disposition: str) -> str | None:
    """Return the name of the file that a part holds, None where it is a field."""
    found = next((value for key, value in _parameters(disposition) if key == "filename"), None)
    if found is None:
        return None
    return found.replace("%22", '"').replace("%0D", "").replace("%0A", "")


def _parameters(disposition: str) -> Iterator[tuple[str, str]]:
    """Split the parameters of a Content-Disposition; browsers write `"` in names as `%22` (RFC 7578 §4.2, HTML)."""
    _, _, rest = disposition.partition(";")
    while rest:
        key, _, rest = rest.strip().partition("=")
        if rest.startswith('"'):
            value, _, rest = rest[1:].partition('"')
            rest = rest.partition(";")[2]
        else:
            value, _, rest = rest.partition(";")
        yield key.strip().lower(), value.strip()
