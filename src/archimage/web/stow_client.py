"""Storing elsewhere by STOW-RS (PS3.18 §10.5): objects stream from their files into requests, none is held whole.

    --boundary CRLF  Content-Type: application/dicom CRLF  CRLF  {Part 10 file}  CRLF   ...   --boundary-- CRLF

As they are stored the length of a request is known and told; what is made on the way goes in chunks.
"""

import ssl
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import orjson

from archimage.errors import DicomError, NotAcceptableError, PeerFailedError, ServiceError
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader, BlobStore
from archimage.services.projects import ProjectService
from archimage.services.transcoding import TranscodingService
from archimage.web.known_archives import KnownArchives
from archimage.web.web_client import PACE, Pace, WebClient

MAX_INSTANCES: Final = 500
MAX_BYTES: Final = 1 << 30
"""What one request brings at most, but for a single object that is larger."""
MAX_ANSWER_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 1 << 20
_HEAD: Final = b"--%b\r\nContent-Type: application/dicom\r\n\r\n"
_ACCEPT: Final = "application/dicom+json"
_FAILED, _UID, _REASON = "00081198", "00081155", "00081197"
_SOME_STORED: Final = 202

Opened = tuple[BlobReader, str]
"""A Part 10 file, and the SOP Instance UID of what is in it."""


class StowClient:
    """Implements `ports.routing.Stow`; known tells what other archives there are, at the time."""

    def __init__(
        self,
        blobs: BlobStore,
        projects: ProjectService,
        transcoding: TranscodingService,
        context: Callable[[], ssl.SSLContext],
        known: Callable[[], KnownArchives],
        pace: Pace = PACE,
    ) -> None:
        self._blobs = blobs
        self._projects = projects
        self._transcoding = transcoding
        self._context = context
        self._known = known
        self._pace = pace

    def __call__(
        self,
        address: str,
        instances: Sequence[StoredInstance],
        purpose: Purpose | None,
        transfer_syntax_uid: str,
        sent: Callable[[int], None],
    ) -> Mapping[str, str]:
        """Send instances; return why some were not stored, by SOP Instance UID. sent hears how many are done."""
        known = self._known()
        address = known.address_of(address)
        problems: dict[str, str] = {}
        done = 0
        with WebClient(address, self._context, self._pace) as client:
            for batch in _batches(instances):
                sent(done)
                request = _Request(batch, lambda one: self._open(one, purpose, transfer_syntax_uid))
                as_stored = purpose is None and not transfer_syntax_uid
                problems |= _store(client, address, known, request, as_stored=as_stored)
                done += len(batch)
        sent(done)
        return problems

    def _open(self, instance: StoredInstance, purpose: Purpose | None, transfer_syntax_uid: str) -> Opened:
        """Open an object in the form in which it is to go."""
        if purpose is not None:
            projects = self._projects
            if transfer_syntax_uid:
                made = projects.given(instance, purpose, {transfer_syntax_uid})
            else:
                made = projects.deidentify(instance, purpose)
            return made.file, made.instance.sop_instance_uid
        if transfer_syntax_uid:
            try:
                other = self._transcoding.transcode(instance, transfer_syntax_uid)
            except (NotAcceptableError, DicomError):
                pass  # it goes as it is
            else:
                return other.file, other.sop_instance_uid
        return self._blobs.open(instance.path), instance.sop_instance_uid


def _store(
    client: WebClient, address: str, known: KnownArchives, request: "_Request", *, as_stored: bool
) -> Mapping[str, str]:
    import httpx

    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={request.boundary}',
        "Accept": _ACCEPT,
        "Accept-Encoding": "identity",
    }
    if as_stored:
        headers["Content-Length"] = str(request.size_bytes)
    if (authorization := known.authorization_for(address)) is not None:
        headers["Authorization"] = authorization
    try:
        with closing(request.pieces()) as pieces, client.asked("POST", address, headers, pieces) as answer:
            body = _read(answer.pieces(_PIECE_BYTES))
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as error:
        raise PeerFailedError(
            f"{known.named(address)} could not be sent to: {str(error) or type(error).__name__}",
            next_step="See whether the receiver is in order, and its address right.",
        ) from error
    return request.failures(known.named(address), answer.status, body)


class _Request:
    """The body of one request, and who is in it under which UID."""

    def __init__(self, instances: Sequence[StoredInstance], opened: Callable[[StoredInstance], Opened]) -> None:
        self.boundary = uuid.uuid4().hex
        self._instances = instances
        self._opened = opened
        self._unsent: dict[str, str] = {}
        self._uids: dict[str, str] = {}
        self._head = _HEAD % self.boundary.encode()
        self._tail = f"--{self.boundary}--\r\n".encode()

    @property
    def size_bytes(self) -> int:
        """Length of the body where all goes as it is stored."""
        each = len(self._head) + len(b"\r\n")
        return sum(one.size_bytes + each for one in self._instances) + len(self._tail)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the body; objects that cannot be given are left out."""
        for one in self._instances:
            try:
                file, uid = self._opened(one)
            except (ServiceError, DicomError) as error:
                self._unsent[one.sop_instance_uid] = str(error)
                continue
            self._uids[uid] = one.sop_instance_uid
            with file:
                yield self._head
                for offset in range(0, file.size_bytes, _PIECE_BYTES):
                    yield file.read(offset, _PIECE_BYTES)
                yield b"\r\n"
        yield self._tail

    def failures(self, receiver: str, status: int, body: bytes) -> Mapping[str, str]:
        """Return what was not stored, by the answer; PeerFailedError where that does not tell what became of it."""
        failed = _failed(body)
        told = {
            self._uids[uid]: f"the receiver answers reason {reason:#06x}"
            for uid, reason in (failed or {}).items()
            if uid in self._uids
        }
        is_clear = failed is not None and 200 <= status < 300 and (body or status != _SOME_STORED)
        if not is_clear and not told:
            raise PeerFailedError(
                f"{receiver} answers {status}{'' if failed is not None else ', and nothing of what it has stored'}",
                next_step="See in the receiver's log what it does not like.",
            )
        return self._unsent | told


def _read(pieces: Iterator[bytes]) -> bytes:
    """Return an answer, cut off where it is too long."""
    body = b""
    for piece in pieces:
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            break
    return body


def _failed(body: bytes) -> Mapping[str, int] | None:
    """Return the reasons of what was not stored, by SOP Instance UID; None where an answer is none of STOW-RS."""
    if not body:
        return {}
    try:
        answer: Any = orjson.loads(body)
        data_set = answer[0] if isinstance(answer, list) else answer
        items = data_set.get(_FAILED, {}).get("Value", [])
        return {str(item[_UID]["Value"][0]): int(item.get(_REASON, {}).get("Value", [0])[0]) for item in items}
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None


def _batches(instances: Sequence[StoredInstance]) -> Iterator[list[StoredInstance]]:
    batch: list[StoredInstance] = []
    size_bytes = 0
    for one in instances:
        if batch and (len(batch) == MAX_INSTANCES or size_bytes + one.size_bytes > MAX_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(one)
        size_bytes += one.size_bytes
    if batch:
        yield batch
