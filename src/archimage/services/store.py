"""Storing one object, whichever door it came through: streamed, scanned, checked, made durable (PS3.4 Annex B)."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import xxhash

from archimage.buffers import Allowance
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.scan import Header, HeaderScanner, ScanLimits
from archimage.errors import ArchimageError, IdentityMismatchError, NotAuthorisedError
from archimage.model import callers
from archimage.model.access import Within
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.model.ids import check_uid
from archimage.model.records import InstanceRecord
from archimage.ports.meter import Meter
from archimage.ports.storage import BlobStore, SentAhead
from archimage.protocol.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    NON_PATIENT_STORAGE_SOP_CLASSES,
)
from archimage.services.attributes import WANTED, frame_table, index_values
from archimage.services.compression_rules import CompressionRules
from archimage.services.content import HeldContent, StreamedContent
from archimage.services.intake import Arrival, Done, Intake, Outcome
from archimage.services.layout import Layout
from archimage.services.room import Room
from archimage.services.store_span import StoreSpan

HELD_AHEAD_BYTES: Final = 1 << 20
"""Objects up to this size are held in memory while they are sent to an object store: no file is needed for them."""
HELD_TOGETHER_BYTES: Final = 128 << 20
"""So much of these is held by a process; what comes beyond goes through files, however many peers send at once."""
_QUICK_BYTES: Final = 64 << 10
"""So many bytes of small elements are scanned within 3 ms; everybody else on the event loop waits for that."""
_SYNC_EVERY_BYTES: Final = 16 << 20
"""So that the last flush of a large object, for which a whole group waits, is a short one."""

Pieces = Sequence[bytes | memoryview]
Publish = Callable[[InstanceStored | InstanceRefused], None]
Bounds = Callable[[Within, Mapping[str, str]], None]
"""Raises NotAuthorisedError where an object of such values lies outside of one of these extents; may block."""


def _no_part(_within: Within, _values: Mapping[str, str]) -> None:
    """Take nothing from whoever may bring in a part only."""
    raise NotAuthorisedError("only who may store anything may store here")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sender says of an object before its data set comes; it may name the one study that it stores to.

    association_id is that of the association over which it comes, if it comes over one.
    """

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    source_ae_title: str = ""
    study_instance_uid: str = ""
    association_id: str = ""
    called_ae_title: str = ""


class Receiving(Protocol):
    """One object on its way in, as doors see it: see `Reception`."""

    @property
    def is_refused(self) -> bool:
        """Tell whether it has been found wrong, so that what still comes of it is not even looked at."""

    def is_quick(self, size_bytes: int) -> bool:
        """Tell whether `finish` with so many bytes may run on an event loop."""

    def write(self, pieces: Pieces) -> None:
        """Take the next bytes of the data set; they are not referred to after the call."""

    def finish(self, pieces: Pieces, done: Done) -> None:
        """Take the last bytes; done is called once the object is durable or refused."""

    def discard(self) -> None:
        """Forget the object: the association ended before its last byte."""


Begin = Callable[[Expected], Receiving]


@dataclass(frozen=True, slots=True)
class Durability:
    """What happens before an object is acknowledged.

    held_bytes: objects up to this size are held in memory until the intake writes them, larger ones are streamed.
    flush: held objects are flushed in the journal, streamed ones in their files.
    together: what may be held of objects that are too large to be scanned on an event loop.
    """

    held_bytes: int
    flush: bool
    together: Allowance = field(default_factory=lambda: Allowance(HELD_TOGETHER_BYTES))


@dataclass(frozen=True, slots=True)
class StoreService:
    """The one way into the archive: begins receptions."""

    blobs: BlobStore
    intake: Intake
    durability: Durability
    layout: Layout
    limits: ScanLimits
    publish: Publish
    room: Room
    compression: CompressionRules = field(default_factory=CompressionRules)
    meter: Meter = field(default_factory=Meter)
    permitted: Callable[[], None] = lambda: None
    """Raises UnavailableError where nothing is taken at the moment."""
    bounds: Bounds = _no_part
    without_patient: Begin | None = None
    """Takes objects that are about no patient; None where they are refused, for having no study."""

    def begin(self, expected: Expected) -> "Receiving":
        """Begin to receive one object.

        Raises:
            InvalidInstanceUIDError: the announced UIDs are not UIDs.
            UnsupportedTransferSyntaxError: its data set could not be scanned.
            OutOfResourcesError: less room is left than the reserve.
            UnavailableError: nothing is taken at the moment.
        """
        self.permitted()
        self.room.check()
        check_uid(expected.sop_class_uid)
        check_uid(expected.sop_instance_uid)
        if self.without_patient is not None and expected.sop_class_uid in NON_PATIENT_STORAGE_SOP_CLASSES:
            return self.without_patient(expected)
        return Reception(self, expected, HeaderScanner(expected.transfer_syntax_uid, WANTED, self.limits))

    def store(self, expected: Expected, pieces: Iterable[bytes | memoryview]) -> Outcome:
        """Store one object and wait until it is durable; blocks."""
        answered = threading.Event()
        answers: list[Outcome | ArchimageError] = []

        def done(answer: Outcome | ArchimageError) -> None:
            answers.append(answer)
            answered.set()

        reception = self.begin(expected)
        held: Pieces = []
        try:
            for piece in pieces:
                if held:
                    reception.write(held)
                held = [piece]
        except BaseException:
            reception.discard()
            raise
        reception.finish(held, done)
        answered.wait()
        (answer,) = answers
        if isinstance(answer, ArchimageError):
            raise answer
        return answer


class Reception:
    """One object on its way in. `write` blocks, so it belongs in a worker thread; one call at a time.

    An object that is small enough is held in memory: the journal makes it durable, or whatever it is sent ahead to.
    Any other is streamed to its file, which is then flushed by itself. A data set found wrong is read to its end and
    refused at `finish`, as the protocol wants (PS3.7 §9.3.1).
    """

    def __init__(self, service: StoreService, expected: Expected, scanner: HeaderScanner) -> None:
        self._began = time.monotonic()
        self._span = StoreSpan(expected.sop_class_uid)
        self._caller = callers.current()
        self._within = callers.granted().within
        self._service = service
        self._expected = expected
        self._scanner = scanner
        self._digest = xxhash.xxh3_128()
        self._meta = encode_file_meta(_file_meta(expected))
        self._size_bytes = 0
        self._unsynced_bytes = 0
        self._held: list[bytes] = []
        self._counted_bytes = 0
        self._streamed: StreamedContent | None = None
        self._error: ArchimageError | None = None

    @property
    def is_refused(self) -> bool:
        """Tell whether it has been found wrong, so that what still comes of it is not even looked at."""
        return self._error is not None

    def is_quick(self, size_bytes: int) -> bool:
        """Tell whether `finish` with so few bytes may run on an event loop: it neither writes, reads nor inflates."""
        if self._within or self._size_bytes + size_bytes > _QUICK_BYTES:
            return False
        return self._is_held(size_bytes) and self._expected.transfer_syntax_uid not in DEFLATED_SYNTAXES

    def write(self, pieces: Pieces) -> None:
        """Take the next bytes of the data set; they are not referred to after the call."""
        if self._error is None:
            try:
                with self._span.within():
                    self._write(self._scanned(pieces))
            except ArchimageError as error:
                self._fail(error)

    def finish(self, pieces: Pieces, done: Done) -> None:
        """Take the last bytes; done is called from another thread once the object is durable or refused.

        It blocks while they go to the object's file, unless the object is held.
        """
        answer = self._telling(done)
        if self._error is not None:
            answer(self._error)
            return
        held = self._may_hold(sum(map(len, pieces)))
        try:
            pieces = self._with_held(self._scanned(pieces))
            record = self._record(self._scanner.finish())
            content = self._held_content(pieces) if held else self._opened()
        except ArchimageError as error:
            self._fail(error)
            answer(error)
            return
        arrival = Arrival(record, content, answer)
        if self._service.blobs.sends_ahead:
            self._send_ahead(arrival, pieces)
            return
        self._service.intake.submit(arrival)
        if isinstance(content, StreamedContent):
            with self._span.within():
                content.complete(pieces, sync=self._service.durability.flush)

    def _send_ahead(self, arrival: Arrival, pieces: Pieces) -> None:
        """Have the object sent to where it is to be before it is acknowledged, and handed over then."""
        content, source = arrival.content, arrival.content.name or arrival.content.read(0, self._size_bytes)
        if isinstance(content, StreamedContent):
            with self._span.within():
                content.complete(pieces, sync=self._service.durability.flush)

        def submit(sent: SentAhead) -> None:
            arrival.sent = sent
            self._service.intake.submit(arrival)

        self._service.blobs.send_ahead(arrival.record.path, source, submit)

    def discard(self) -> None:
        """Forget the object: the association ended before its last byte."""
        self._span.discard()
        self._drop()

    def _write(self, pieces: Pieces) -> None:
        """Hold what may be the most of a small object, or write it with what was held."""
        if self._is_held(0):
            self._held.append(b"".join(pieces))
            return
        pieces = self._with_held(pieces)
        writer = self._opened().writer
        writer.write(pieces)
        self._unsynced_bytes += sum(map(len, pieces))
        if self._service.durability.flush and self._unsynced_bytes >= _SYNC_EVERY_BYTES:
            writer.sync()
            self._unsynced_bytes = 0

    def _scanned(self, pieces: Pieces) -> Pieces:
        """Scan pieces; return what goes to the file."""
        for piece in pieces:
            self._scanner.feed(piece)
            self._digest.update(piece)
        if self._size_bytes == 0:
            pieces = [self._meta, *pieces]
        self._size_bytes += sum(map(len, pieces))
        return pieces

    def _is_held(self, size_bytes: int) -> bool:
        """Tell whether an object that ends with so many more bytes is held in memory until it is placed."""
        limit = self._service.durability.held_bytes
        return self._streamed is None and len(self._meta) + self._size_bytes + size_bytes <= limit

    def _may_hold(self, size_bytes: int) -> bool:
        """Tell whether an object that ends with so many more bytes is held; much of it counts until it is answered."""
        total = self._size_bytes + size_bytes
        if total <= _QUICK_BYTES or not self._is_held(size_bytes):
            return self._is_held(size_bytes)
        if not self._service.durability.together.take(total):
            return False
        self._counted_bytes = total
        return True

    def _with_held(self, pieces: Pieces) -> Pieces:
        """Return pieces after those that were held, which are not any more."""
        if self._held:
            pieces = [b"".join(self._held), *pieces]
            self._held = []
        return pieces

    def _held_content(self, pieces: Pieces) -> HeldContent:
        return HeldContent(b"".join(pieces), journalled=self._service.durability.flush)

    def _opened(self) -> StreamedContent:
        if self._streamed is None:
            self._streamed = StreamedContent(self._service.blobs.create())
        return self._streamed

    def _fail(self, error: ArchimageError) -> None:
        self._error = error
        self._drop()

    def _drop(self) -> None:
        self._held = []
        if self._streamed is not None:
            self._streamed.writer.discard()

    def _record(self, header: Header) -> InstanceRecord:
        values = index_values(header)
        expected = self._expected
        for column, announced in (
            ("sop_class_uid", expected.sop_class_uid),
            ("sop_instance_uid", expected.sop_instance_uid),
            ("study_instance_uid", expected.study_instance_uid or values["study_instance_uid"]),
        ):
            if values[column] != announced:
                raise IdentityMismatchError(f"announced as {announced}, but the data set says {values[column]!r}")
        if self._within:
            self._service.bounds(self._within, values)
        received_at = time.time()
        frames = None if expected.transfer_syntax_uid in DEFLATED_SYNTAXES else frame_table(header, len(self._meta))
        return InstanceRecord(
            values=values,
            transfer_syntax_uid=expected.transfer_syntax_uid,
            path=self._service.layout.path(values, received_at),
            size_bytes=self._size_bytes,
            data_set_offset=len(self._meta),
            digest=self._digest.digest(),
            received_at=received_at,
            source_ae_title=expected.source_ae_title,
            frames=frames,
            compress_to=self._service.compression.target(header, values, expected.transfer_syntax_uid),
            called_ae_title=expected.called_ae_title,
        )

    def _telling(self, done: Done) -> Done:
        """Wrap done so that whoever subscribed hears of it too, after the sender."""

        def told(answer: Outcome | ArchimageError) -> None:
            self._service.durability.together.give(self._counted_bytes)
            done(answer)
            self._span.end(answer)
            service, expected = self._service, self._expected
            took_s = time.monotonic() - self._began
            if isinstance(answer, ArchimageError):
                service.meter.object_received(expected.sop_class_uid, "refused", 0, took_s)
                sender = expected.source_ae_title
                service.publish(
                    InstanceRefused(
                        expected.sop_instance_uid, sender, str(answer), expected.association_id, self._caller
                    )
                )
                return
            record = answer.record
            service.meter.object_received(expected.sop_class_uid, answer.kind, record.size_bytes, took_s)
            if answer.kind != "duplicate":
                replaced = answer.kind == "replaced"
                service.publish(InstanceStored(record, replaced, expected.association_id, self._caller))

        return told


def _file_meta(expected: Expected) -> FileMeta:
    return FileMeta(
        media_storage_sop_class_uid=expected.sop_class_uid,
        media_storage_sop_instance_uid=expected.sop_instance_uid,
        transfer_syntax_uid=expected.transfer_syntax_uid,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        source_ae_title=expected.source_ae_title,
    )
