"""Objects that are stored in another form: how the new file takes the place of the old one, and nothing is lost.

The new form is written and flushed beside the old one and handed to the intake, which puts it in its place in one
transaction of the index, unless the object was removed or replaced meanwhile. So at every instant one of the two is
there and named by the row.

The old file stays a while for those, in whichever process, who have found its row before it was replaced and are yet to
open it; it is due like that of a removed instance, and deleted by a thread of this module or, after a crash, by the
next start that has the archive for itself.
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

import xxhash

from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.scan import HeaderScanner
from archimage.dicom.transcode import Piece
from archimage.errors import (
    BlobNotFoundError,
    IntegrityError,
    OutOfResourcesError,
    StorageError,
    UnavailableError,
)
from archimage.model.records import InstanceRecord, Kept, Original
from archimage.model.tiers import hot_path
from archimage.ports.storage import BlobStore
from archimage.services.attributes import WANTED, frame_table, index_values
from archimage.services.content import StreamedContent
from archimage.services.frames import FrameService
from archimage.services.intake import Answer, Arrival, Intake
from archimage.services.layout import replacement_path
from archimage.services.removal import RemovalService

PIECE_BYTES: Final = 1 << 20
READERS_END_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another form of an object, in a file that has no place yet.

    changed_in  study and series of which something was made that does not hold any more; None where it all does
    """

    before: Kept
    record: InstanceRecord
    content: StreamedContent
    changed_in: tuple[str, str] | None = None


def read_original(frames: FrameService, kept: Kept) -> Original:
    """Read a whole object; return what it was when it came.

    Raises:
        IntegrityError: its file is not what was stored: what the disk has damaged is left to whoever mends it.
        NotFoundError, BlobNotFoundError: it was removed meanwhile.
    """
    stored, proof, digest = kept.stored, hashlib.sha256(), xxhash.xxh3_128()
    with closing(frames.open(stored)) as file:
        for offset in range(stored.data_set_offset, stored.size_bytes, PIECE_BYTES):
            piece = file.read(offset, PIECE_BYTES)
            proof.update(piece)
            digest.update(piece)
    if digest.digest() != stored.digest:
        raise IntegrityError("the file is not what was stored")
    size = stored.size_bytes - stored.data_set_offset
    return kept.original or Original(stored.transfer_syntax_uid, size, proof.digest())


@dataclass(frozen=True, slots=True)
class Form:
    """How an object is to be stored: its File Meta Information, what it was, what it waits to be compressed to."""

    meta: FileMeta
    original: Original
    compress_to: str = ""


def write_replacement(
    blobs: BlobStore,
    kept: Kept,
    form: Form,
    pieces: Iterable[Piece],
    *,
    flush: bool,
) -> Replacement:
    """Write another form of an object; with flush it is on the disk when this returns.

    Raises:
        DicomError: what is written is no data set.
        OutOfResourcesError, StorageError: the disk refuses.
    """
    stored, syntax, meta = kept.stored, form.meta.transfer_syntax_uid, encode_file_meta(form.meta)
    scanner, digest = HeaderScanner(syntax, WANTED), xxhash.xxh3_128()
    writer = blobs.create()
    content, size = StreamedContent(writer), len(meta)
    try:
        writer.write([meta])
        for piece in pieces:
            writer.write([piece])
            scanner.feed(piece)
            digest.update(piece)
            size += len(piece)
        header = scanner.finish()
        values = index_values(header)
    except BaseException:
        writer.discard()
        raise
    content.complete([], sync=flush)
    record = InstanceRecord(
        values=values,
        transfer_syntax_uid=syntax,
        path=replacement_path(hot_path(stored.path), digest.digest()),
        size_bytes=size,
        data_set_offset=len(meta),
        digest=digest.digest(),
        received_at=kept.received_at,
        source_ae_title=kept.source_ae_title,
        frames=None if syntax in DEFLATED_SYNTAXES else frame_table(header, len(meta)),
        original=form.original,
        compress_to=form.compress_to,
        called_ae_title=kept.called_ae_title,
    )
    return Replacement(kept, record, content)


class ReplacementService:
    """Puts other forms in place; safe to call from several threads. `close` it.

    readers_s is how long the files stay that were replaced, seconds.
    """

    def __init__(self, intake: Intake, removal: RemovalService, *, readers_s: float = READERS_END_WITHIN_S) -> None:
        self._intake = intake
        self._removal = removal
        self._readers_s = readers_s
        self._due: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def replace(self, replacements: Sequence[Replacement]) -> Sequence[Answer]:
        """Put each in the place of the object that it was made of; answer for each what became of it.

        NotFoundError is the answer where the object was removed or replaced meanwhile.
        """
        answers: list[SimpleQueue[Answer]] = [SimpleQueue() for _ in replacements]
        arrivals = [
            Arrival(one.record, one.content, queue.put, supersedes=one.before.stored, replaced_in=one.changed_in)
            for one, queue in zip(replacements, answers, strict=True)
        ]
        for arrival in arrivals:
            self._intake.submit(arrival)
        found = [queue.get() for queue in answers]
        self._note([arrival.removal for arrival in arrivals if arrival.removal])
        return found

    def close(self) -> None:
        """Stop deleting files; the next start goes on."""
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _note(self, numbers: Sequence[int]) -> None:
        """Have the files deleted that were replaced under these numbers, in a while."""
        with self._lock:
            self._due.extend((time.monotonic() + self._readers_s, number) for number in numbers)
            if self._thread is None and numbers and not self._ended.is_set():
                self._thread = threading.Thread(target=self._run, name="replacement")
                self._thread.start()
        self._woken.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            numbers, wait_s = self._taken()
            for first, last in _spans(numbers):
                self._removal.delete_replaced(first, last)
            self._woken.wait(wait_s)

    def _taken(self) -> tuple[list[int], float | None]:
        """Take the numbers whose files nobody reads any more; tell in how many seconds there will be more."""
        now, numbers = time.monotonic(), []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                numbers.append(self._due.popleft()[1])
            return numbers, self._due[0][0] - now if self._due else None


def is_passing(error: Exception) -> bool:
    """Tell whether the reason lies with the server, and not with the object."""
    passing = (UnavailableError, OutOfResourcesError, StorageError, CancelledError)
    return isinstance(error, passing) and not isinstance(error, BlobNotFoundError | IntegrityError)


def _spans(numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Yield what stands together of some numbers: between them others may have replaced what is still read."""
    first = last = 0
    for number in sorted(numbers):
        if last and number != last + 1:
            yield first, last
            first = number
        first, last = first or number, number
    if last:
        yield first, last
