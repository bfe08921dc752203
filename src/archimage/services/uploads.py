"""Files that somebody uploads: DICOM files go straight to the store, ZIP archives through a file of `incoming/`.

What a file is, its first bytes tell, never its name. An archive is unpacked member by member, never to a name of its
own; a large one by a task, so that whoever uploads need not wait.
"""

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

from archimage.errors import ArchimageError
from archimage.ports.pixels import JsonValue
from archimage.ports.storage import BlobWriter
from archimage.services.importing import Imported, ImportService
from archimage.services.sources import NOT_AN_OBJECT, ZipLimits, members
from archimage.services.store import StoreService
from archimage.services.stow_object import Answer, Failed, ObjectPart
from archimage.services.tasks import Progress, TaskService
from archimage.threads import ContextThreads

Fate = Literal["stored", "replaced", "duplicate", "refused", "ignored", "accepted"]

_LOOK_BYTES: Final = 132
_PREFIX: Final = slice(128, 132)
_ZIP_BEGINNINGS: Final = (b"PK\x03\x04", b"PK\x05\x06")
AT_ONCE_BYTES: Final = 16 << 20
UNANSWERED: Final = 16
"""Objects of one upload that are being made durable at once."""
THREADS: Final = 4
_TOLD_PROBLEMS: Final = 100
_NAME_LENGTH: Final = 1_024
MEMBERS_AT_ONCE: Final = 20_000
_READ_BYTES: Final = 256 << 10
_FATES: Final[Mapping[str, Fate]] = {
    "stored": "stored",
    "replaced": "replaced",
    "duplicate": "duplicate",
    "failed": "refused",
    "skipped": "ignored",
}
"""What an import calls the fates of files."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """What became of one file, and why where it is not kept; task is that which unpacks an archive."""

    name: str
    size_bytes: int
    fate: Fate
    reason: str = ""
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True)
class UploadSummary:
    """What became of all of them."""

    stored: int
    replaced: int
    duplicate: int
    refused: int
    ignored: int
    accepted: int
    size_bytes: int
    files: Sequence[UploadedFile]


class _Sink(Protocol):
    """Takes the bytes of one file."""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes, which are not referred to after the call."""

    def end(self) -> None:
        """Tell that they are all."""

    def discard(self) -> None:
        """Forget them."""


class UploadService:
    """Begins uploads. `close` it."""

    def __init__(self, store: StoreService, importing: ImportService, tasks: TaskService) -> None:
        self.store = store
        self.importing = importing
        self.tasks = tasks
        self.pool = ContextThreads(THREADS, "upload")

    def begin(self, *, at_once: bool = False) -> "Uploading":
        """Begin one upload; at_once has archives of any size unpacked before it is finished, by no task."""
        return Uploading(self, at_once=at_once)

    def close(self) -> None:
        """End the threads, once they have done what they do."""
        self.pool.shutdown()


class Uploading:
    """The files of one upload: `begin`, `write` and `end` each, then `finish`. All of it blocks, one call at a time."""

    def __init__(self, service: UploadService, *, at_once: bool = False) -> None:
        self.at_once = at_once
        self.error: ArchimageError | None = None
        """Why the first DICOM file was refused that was."""
        self._service = service
        self._files: list[UploadedFile] = []
        self._turns = threading.Semaphore(UNANSWERED)
        self._name = ""
        self._size_bytes = 0
        self._head = b""
        self._sink: _Sink | None = None

    def begin(self, name: str) -> None:
        """Begin a file, of a name that is only told back."""
        self._name = "".join(char if char.isprintable() else "?" for char in name[:_NAME_LENGTH]) or "unnamed"
        self._size_bytes, self._head, self._sink = 0, b"", None

    def write(self, piece: memoryview) -> None:
        """Take the next bytes of it, which are not referred to after the call."""
        self._size_bytes += len(piece)
        if self._sink is None:
            self._head += piece[: _LOOK_BYTES - len(self._head)]
            taken = len(self._head) - (self._size_bytes - len(piece))
            if len(self._head) < _LOOK_BYTES:
                return
            self._look()
            piece = piece[taken:]
        if self._sink is not None:
            self._sink.write(piece)

    def end(self) -> None:
        """Tell that it is whole."""
        if self._sink is None:
            self._look()
        if self._sink is not None:
            self._sink.end()
        self._sink = None

    def finish(self) -> UploadSummary:
        """Wait until all files have their fate, and sum up."""
        for _ in range(UNANSWERED):
            self._turns.acquire()
        files = tuple(self._files)
        counts = Counter(file.fate for file in files)
        return UploadSummary(
            stored=counts["stored"],
            replaced=counts["replaced"],
            duplicate=counts["duplicate"],
            refused=counts["refused"],
            ignored=counts["ignored"],
            accepted=counts["accepted"],
            size_bytes=sum(file.size_bytes for file in files),
            files=files,
        )

    def discard(self) -> None:
        """Forget the file that is not whole; those before it are kept."""
        if self._sink is not None:
            self._sink.discard()
            self._sink = None

    def _look(self) -> None:
        """Choose by its first bytes what takes a file, and give them to it."""
        if self._name.rpartition("/")[2].upper() == "DICOMDIR":
            self._sink = _Ignored(self, "a DICOMDIR: the files that it names are what counts")
        elif self._head[_PREFIX] == b"DICM":
            self._sink = _DicomFile(self)
        elif self._head.startswith(_ZIP_BEGINNINGS):
            self._sink = _ZipFile(self)
        else:
            self._sink = _Ignored(self, NOT_AN_OBJECT if self._head else "the file is empty")
        self._sink.write(memoryview(self._head))

    # What the sinks tell

    def expect(self, kept: Callable[[UploadedFile, Answer], UploadedFile]) -> Callable[[Answer], None]:
        """Return what takes the store's answer to the present file, from any thread; waits while many are missing."""
        self._turns.acquire()
        number = len(self._files)
        self.tell(self.present("refused", "the archive gave no answer"))

        def done(answer: Answer) -> None:
            if isinstance(answer, Failed):
                self.error = self.error or answer.error
            self._files[number] = kept(self._files[number], answer)
            self._turns.release()

        return done

    def present(self, fate: Fate, reason: str = "", task: str = "") -> UploadedFile:
        """Return the fate of the present file."""
        return UploadedFile(self._name, self._size_bytes, fate, reason, task=task)

    def tell(self, file: UploadedFile) -> None:
        """Note what became of a file."""
        self._files.append(file)

    @property
    def service(self) -> UploadService:
        """What the sinks need."""
        return self._service


class _Ignored:
    """A file of no use here."""

    def __init__(self, upload: Uploading, reason: str) -> None:
        self._upload = upload
        self._reason = reason

    def write(self, piece: memoryview) -> None:
        """Drop them."""

    def end(self) -> None:
        """Tell why."""
        self._upload.tell(self._upload.present("ignored", self._reason))

    def discard(self) -> None:
        """Nothing is kept."""


class _DicomFile:
    """A Part 10 file on its way to the store."""

    def __init__(self, upload: Uploading) -> None:
        self._upload = upload
        self._part = ObjectPart(upload.service.store)

    def write(self, piece: memoryview) -> None:
        """Hand them on."""
        self._part.write(piece)

    def end(self) -> None:
        """Have it stored; what has to be written or flushed for that is done by other threads."""
        self._part.end()
        done = self._upload.expect(_answered)
        if self._part.is_quick:
            self._part.submit(done)
        else:
            self._upload.service.pool.submit(self._part.submit, done)

    def discard(self) -> None:
        """Forget it."""
        self._part.discard()


class _ZipFile:
    """A ZIP archive, which can only be read once all of it is there."""

    def __init__(self, upload: Uploading) -> None:
        self._upload = upload
        self._service = upload.service
        self._writer: BlobWriter | None = None
        self._size_bytes = 0
        self._error: ArchimageError | None = None

    def write(self, piece: memoryview) -> None:
        """Write them to the file."""
        if self._error is None:
            try:
                self._writer = self._writer or self._service.store.blobs.create()
                self._writer.write([piece])
                self._size_bytes += len(piece)
            except ArchimageError as error:
                self._error = error
                self.discard()

    def end(self) -> None:
        """Unpack it, or have that done."""
        if self._error is not None or self._writer is None:
            self._upload.tell(self._upload.present("refused", str(self._error)))
            return
        try:
            self._writer.finish()
            self._unpack(self._writer)
        except ArchimageError as error:
            self.discard()
            self._upload.tell(self._upload.present("refused", str(error)))

    def discard(self) -> None:
        """Forget it."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _unpack(self, writer: BlobWriter) -> None:
        name = self._upload.present("accepted").name
        unpacking = _Unpacking(self._service.importing, writer, name, self._size_bytes)
        if self._size_bytes > AT_ONCE_BYTES and not self._upload.at_once:
            title = f"Unpacking {name}"
            task = self._service.tasks.start("import", title, unpacking.as_task, release=unpacking.release)
            self._upload.tell(self._upload.present("accepted", task=task.id))
            return
        for file in unpacking.at_once():
            self._upload.tell(file)


class _Unpacking:
    """An archive whose members are imported; writer holds its bytes, until `release`."""

    def __init__(self, importing: ImportService, writer: BlobWriter, name: str, size_bytes: int) -> None:
        self._importing = importing
        self._writer = writer
        self._name = name
        self._size_bytes = size_bytes

    def at_once(self) -> Iterator[UploadedFile]:
        """Import it, and yield what became of each member."""
        try:
            for imported in self._run(ZipLimits(members=MEMBERS_AT_ONCE)):
                fate, uid = _FATES[imported.fate], imported.sop_instance_uid
                yield UploadedFile(imported.name, imported.size_bytes, fate, imported.reason, sop_instance_uid=uid)
        finally:
            self.release()

    def as_task(self, progress: Progress) -> JsonValue:
        """Import it as a task."""
        counts: Counter[str] = Counter()
        problems: list[JsonValue] = []
        for imported in self._run(ZipLimits()):
            counts[_FATES[imported.fate]] += 1
            if imported.fate == "failed" and len(problems) < _TOLD_PROBLEMS:
                problems.append({"name": imported.name, "reason": imported.reason})
            progress.tell(counts.total(), message=imported.name[-_TOLD_PROBLEMS:])
        return {**dict(counts), "problems": problems}

    def release(self) -> None:
        """Drop the bytes."""
        self._writer.discard()

    def _run(self, limits: ZipLimits) -> Iterator[Imported]:
        file = io.BufferedReader(_Readable(self._writer, self._size_bytes), _READ_BYTES)
        return self._importing.run(members(file, self._name, self._size_bytes, limits))


class _Readable(io.RawIOBase):
    """What was written, as a file that can be read."""

    def __init__(self, writer: BlobWriter, size_bytes: int) -> None:
        self._writer = writer
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        data = self._writer.read(self._at, min(len(buffer), max(0, self._size_bytes - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _answered(file: UploadedFile, answer: Answer) -> UploadedFile:
    """Return the fate of a file that the store has answered."""
    if isinstance(answer, Failed):
        message = str(answer.error)
        return replace(file, fate="refused", reason=message, sop_instance_uid=answer.sop_instance_uid)
    study, uid = answer.study_instance_uid, answer.sop_instance_uid
    return replace(file, fate=answer.kind, reason="", study_instance_uid=study, sop_instance_uid=uid)
