"""Another archive that is reached over the web: searched by QIDO-RS, read by WADO-RS, given by STOW-RS.

Ref: PS3.18 §10.4 (retrieve), §10.5 (store), §10.6 (search), §F.2 (DICOM JSON model).
"""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from archimage.dicom.dictionary import tag_of_keyword
from archimage.errors import ExcessiveRequestError, InvalidRequestError, PeerFailedError
from archimage.model.peers import Matches, Transfer, Wanted
from archimage.model.records import StoredInstance
from archimage.ports.peer import Progress
from archimage.ports.routing import Stow
from archimage.services.store import StoreService
from archimage.services.stow_object import Answer, Failed, ObjectPart
from archimage.web.known_archives import KnownArchives
from archimage.web.multipart_parser import MultipartLimits, MultipartParser, PartBegin, PartData
from archimage.web.web_client import PACE, Pace, WebAnswer, WebClient

PER_PAGE: Final = 1_000
"""Matches that are asked for at once; a server may give fewer, and says so then."""
MAX_PAGE_BYTES: Final = 64 << 20
AT_ONCE: Final = 16
"""Objects on their way into this archive at once, so that they share its flushes."""
_PROBLEMS: Final = 100
_LIMITS: Final = MultipartLimits(max_parts=10_000_000)
_PIECE_BYTES: Final = 256 << 10
_UNIQUE: Final = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
_AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True, slots=True)
class Reach:
    """What archives are reached with, and where what they give is kept; known tells of them, at the time."""

    store: StoreService
    stow: Stow
    context: Callable[[], ssl.SSLContext]
    known: Callable[[], KnownArchives]
    pace: Pace = PACE


class WebArchive:
    """Implements `ports.peer.Elsewhere`; address is that of its DICOMweb service."""

    def __init__(self, name: str, address: str, reach: Reach) -> None:
        self._name = name
        self._address = address.rstrip("/")
        self._reach = reach

    @property
    def name(self) -> str:
        """What it goes by."""
        return self._name

    def find(self, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Search it, page by page, until it has no more or there are more than the limit."""
        values, unique = dict(keys), _UNIQUE[level]
        path = "/studies" + (f"/{_quoted(values.pop('StudyInstanceUID'))}/series" if level != "STUDY" else "")
        if level == "IMAGE":
            path += f"/{_quoted(values.pop('SeriesInstanceUID'))}/instances"
        query = [(name, value) if value else ("includefield", name) for name, value in values.items()]
        rows: dict[str, Mapping[str, object]] = {}
        offset = 0
        with self._client() as client:
            while len(rows) <= limit:
                paged = [*query, ("limit", str(PER_PAGE)), ("offset", str(offset))]
                page, may_be_more = self._page(client, f"{path}?{urlencode(paged)}", tuple(values))
                fresh = {uid: row for row in page if (uid := str(row.get(unique, ""))) not in rows}
                rows |= fresh
                offset += len(page)
                if not fresh or not may_be_more:  # some servers give the same page again
                    break
        return Matches(level, list(rows.values())[:limit], len(rows) <= limit)

    def send(self, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Store instances there, as they are kept."""
        problems = self._reach.stow(f"{self._address}/studies", instances, None, "", lambda _: progress.check())
        told = dict(list(problems.items())[:_PROBLEMS])
        return Transfer("STOW-RS", len(instances) - len(problems), 0, len(problems), "", told, tuple(problems))

    def retrieve(self, wanted: Wanted, progress: Progress) -> Transfer:
        """Read what is wanted, and keep it here."""
        path = f"/studies/{_quoted(wanted.study_instance_uid)}"
        if wanted.series_instance_uid:
            path += f"/series/{_quoted(wanted.series_instance_uid)}"
        paths = [f"{path}/instances/{_quoted(uid)}" for uid in wanted.sop_instance_uids] or [path]
        keeping = _Keeping(self._reach.store, wanted.study_instance_uid)
        with self._client() as client:
            try:
                for one in paths:
                    self._read(client, one, keeping, progress)
            finally:
                keeping.finish()
        return keeping.outcome()

    def _read(self, client: WebClient, path: str, keeping: "_Keeping", progress: Progress) -> None:
        with self._asked(client, path, _AS_STORED) as answer:
            boundary = _boundary(answer.headers.get("content-type", ""))
            try:
                parser = MultipartParser(boundary, _LIMITS)
                for piece in answer.pieces(_PIECE_BYTES):
                    progress.check()
                    for event in parser.feed(piece):
                        keeping.hear(event)
                parser.finish()
            except (InvalidRequestError, ExcessiveRequestError) as error:
                raise PeerFailedError(f"{self._address}{path} answers what cannot be read: {error}") from error
            progress.tell(keeping.kept)

    def _page(self, client: WebClient, path: str, wanted: tuple[str, ...]) -> tuple[list[dict[str, object]], bool]:
        """Return one page of matches, and whether there may be another."""
        body = bytearray()
        with self._asked(client, path, "application/dicom+json") as answer:
            for piece in answer.pieces(_PIECE_BYTES):
                body += piece
                if len(body) > MAX_PAGE_BYTES:
                    raise PeerFailedError(f"{self._address} answers a search with more than {MAX_PAGE_BYTES} bytes")
            warned = "299" in answer.headers.get("warning", "")
        try:
            page = [_row(item, wanted) for item in orjson.loads(body)] if body else []
        except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
            raise PeerFailedError(f"{self._address} answers a search with something else than matches") from error
        return page, bool(page) and (warned or len(page) >= PER_PAGE)

    def _client(self) -> WebClient:
        return WebClient(self._address, self._reach.context, self._reach.pace)

    @contextmanager
    def _asked(self, client: WebClient, path: str, accept: str) -> Iterator[WebAnswer]:
        """Ask; raises PeerFailedError where it does not answer, or with something else than what is asked for."""
        import httpx

        known, address = self._reach.known(), self._address + path
        headers = {"Accept": accept}
        if (authorization := known.authorization_for(address)) is not None:
            headers["Authorization"] = authorization
        try:
            with client.asked("GET", address, headers) as answer:
                if not 200 <= answer.status < 300:
                    raise PeerFailedError(
                        f"{known.named(address.partition('?')[0])} answers {answer.status}",
                        next_step="See in its log what it does not like.",
                    )
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, UnicodeError) as error:
            raise PeerFailedError(
                f"{known.named(self._address)} could not be asked: {str(error) or type(error).__name__}",
                next_step="See whether the archive is in order, and its address right.",
            ) from error


class _Keeping:
    """Keeps what comes, several objects at once, and counts what became of them."""

    def __init__(self, store: StoreService, study_instance_uid: str) -> None:
        self._store = store
        self._study_instance_uid = study_instance_uid
        self._part: ObjectPart | None = None
        self._room = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._failed = 0
        self._problems: dict[str, str] = {}
        self.kept = 0
        """How many are kept."""

    def hear(self, event: object) -> None:
        """Take the next of what a body tells."""
        match event:
            case PartBegin():
                self._part = ObjectPart(self._store, self._study_instance_uid)
            case PartData(data) if self._part is not None:
                self._part.write(data)
            case _ if self._part is not None:
                part, self._part = self._part, None
                part.end()
                self._room.acquire()
                part.submit(self._answered)

    def finish(self) -> None:
        """Wait for what is on its way, and let go of what has not come in full."""
        if self._part is not None:
            self._part.discard()
        for _ in range(AT_ONCE):
            self._room.acquire()

    def outcome(self) -> Transfer:
        """Return what became of all."""
        return Transfer("WADO-RS", self.kept, 0, self._failed, "", self._problems)

    def _answered(self, answer: Answer) -> None:
        with self._lock:
            if isinstance(answer, Failed):
                self._failed += 1
                if len(self._problems) < _PROBLEMS:
                    self._problems[answer.sop_instance_uid] = str(answer.error)
            else:
                self.kept += 1
        self._room.release()


def _row(item: Mapping[str, Any], wanted: tuple[str, ...]) -> dict[str, object]:
    """Return what is wanted of a match: keyword to text, or to a list of texts."""
    row: dict[str, object] = {}
    for keyword in wanted:
        tag = tag_of_keyword(keyword) or 0
        values = [str(value) for value in item.get(f"{tag:08X}", {}).get("Value", []) if value is not None]
        if values:
            row[keyword] = values[0] if len(values) == 1 else values
    return row


def _boundary(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/related":
        raise PeerFailedError(f"objects come as {content_type[:80]!r}, and not as multipart/related")
    return str(message.get_param("boundary", ""))


def _quoted(uid: str) -> str:
    return quote(uid, safe="")
