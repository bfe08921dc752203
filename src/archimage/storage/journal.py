"""The ingest journal: what makes many objects durable with one flush.

`commit` writes a record for each object of a group and flushes once. A small object's bytes go into its record; a
large one's file is synced by itself, beside this flush. From then on the group survives a crash of the machine. A
checkpoint syncs the small objects' files, all names and the index, and gives the segment back: recovery looks at the
segments only, never at the archive.

A segment is pinned from a commit until its objects are placed and indexed (`applied`): a checkpoint waits for that.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage.errors import ArchimageError, OutOfResourcesError
from archimage.ports.journal import JournalEntry, Replay
from archimage.storage.files import storage_errors
from archimage.storage.segments import Segment, SegmentReader, encode_record, read_records, record_size, void

MAX_SEGMENTS: Final = 8


class Commit:
    """Where a group's records stand; implements `ports.JournalCommit`."""

    def __init__(self, journal: "Journal", segment: Segment, offset: int, length: int) -> None:
        self.segment = segment
        self.offset = offset
        self.length = length
        self._journal = journal

    def applied(self) -> None:
        """Tell that the group is placed and indexed, or was revoked."""
        self._journal.unpin(self.segment)

    def revoke(self) -> None:
        """Take the group's records back, because its objects could not be placed."""
        with storage_errors("take back a journal record"):
            self.segment.write([bytes(self.length)], self.offset)
            self.segment.flush()


class Checkpoint:
    """Sealed segments whose commits are all applied; implements `ports.JournalCheckpoint`."""

    def __init__(self, journal: "Journal", sealed: Sequence[Segment]) -> None:
        self._journal = journal
        self._sealed = sealed

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to make durable."""
        return not self._sealed

    def replay(self) -> Replay:
        """Read back the commits of these segments."""
        for segment in self._sealed:
            yield from read_records(segment.path)

    def recycle(self) -> None:
        """Give the segments back: everything in them is durable elsewhere."""
        for segment in self._sealed:
            self._journal.recycle(segment)

    def give_up(self) -> None:
        """Refuse whoever waits for room: it could not be made."""
        self._journal.refuse_waiting()


class Journal:
    """Segments under one directory, written by one process; what an earlier one left there was replayed and retired.

    durable False never flushes: what is committed then survives a crash of the process, not of the machine.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = 64 << 20, durable: bool = True) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.on_sealed: Callable[[], None] = lambda: None
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._durable = durable
        self._lock = threading.Condition()
        self._free: list[Segment] = []
        self._sealed: list[Segment] = []
        self._made = 0
        self._epoch = 0
        self._failures = 0
        with storage_errors("make the ingest journal"):
            self._adopt()
            self._active = self._free.pop() if self._free else self._make()

    @property
    def group_bytes(self) -> int:
        """How much data one commit may hold; the rest of a segment is for payloads."""
        return self._segment_bytes // 2

    @property
    def used(self) -> int:
        """How many segments hold what is not yet durable in its own place, that which is written to among them."""
        return len(self._sealed) + 1

    def commit(self, entries: Sequence[JournalEntry]) -> Commit:
        """Make entries durable as a group; OutOfResourcesError when the disk refuses.

        The caller ends every commit with `Commit.applied`. A failed flush is never retried on the same file: the
        segment is sealed and none of the group counts.
        """
        commit = self._reserve(sum(map(record_size, entries)))
        segment = commit.segment
        try:
            with storage_errors("flush the ingest journal"):
                pieces = (piece for entry in entries for piece in encode_record(segment.nonce, entry))
                segment.write(list(pieces), commit.offset)
                if self._durable:
                    segment.flush()
        except BaseException:
            self._abandon(commit)
            raise
        return commit

    def prepare(self) -> None:
        """Have a segment at hand before it is needed: to write one full of zeros holds up whoever waits for it."""
        with self._lock:
            if self._free or self._made >= MAX_SEGMENTS:
                return
            self._made += 1
        try:
            with storage_errors("extend the ingest journal"):
                segment = self._create()
        except ArchimageError:
            self._forget_one()
            raise
        with self._lock:
            self._free.append(segment)
            self._lock.notify_all()

    def seal(self) -> Checkpoint:
        """Begin a checkpoint: end the active segment; return the sealed ones once all their commits are applied."""
        with self._lock:
            if self._active.used and self._has_room():
                self._rotate()
            sealed = list(self._sealed)
            self._lock.wait_for(lambda: not any(segment.pins for segment in sealed))
        return Checkpoint(self, sealed)

    def recycle(self, segment: Segment) -> None:
        """Make a sealed segment free again; one whose flush has failed is removed."""
        fresh = self._recycled(segment)
        with self._lock:
            self._sealed.remove(segment)
            if fresh is None:
                self._made -= 1
            else:
                self._free.append(fresh)
            self._lock.notify_all()

    def refuse_waiting(self) -> None:
        """Let those who wait for room fail with OutOfResourcesError: a checkpoint has failed."""
        with self._lock:
            self._failures += 1
            self._lock.notify_all()

    def unpin(self, segment: Segment) -> None:
        """Let a checkpoint of the segment go on."""
        with self._lock:
            segment.pins -= 1
            self._lock.notify_all()

    def close(self) -> None:
        """Close the files; what is not checkpointed is replayed at the next start."""
        with self._lock:
            for segment in (*self._free, *self._sealed, self._active):
                segment.close()

    def _reserve(self, size: int) -> Commit:
        """Find room for the records of a group; pins its segment."""
        with self._lock:
            if self._active.failed or not self._active.fits(size):
                self._overflow()
            segment = self._active
            offset = segment.reserve(size)
            if offset is None:
                raise OutOfResourcesError(f"{size} bytes of records do not fit a journal segment")
            segment.pins += 1
            return Commit(self, segment, offset, size)

    def _abandon(self, commit: Commit) -> None:
        segment = commit.segment
        segment.failed = True
        with suppress(OSError):  # a restart before the file's removal would complete the group, which loses nothing
            segment.write([bytes(commit.length)], commit.offset)
        self.unpin(segment)
        with self._lock:
            if segment is self._active:
                self._overflow()

    def _overflow(self) -> None:
        """Make another segment active and ask for a checkpoint of this one; the lock is held."""
        self.on_sealed()
        self._rotate()

    def _rotate(self) -> None:
        """Make another segment active; the lock is held. Waits when checkpoints are far behind: back-pressure."""
        before, failures = self._active, self._failures
        self._lock.wait_for(lambda: self._active is not before or self._has_room() or self._failures > failures)
        if self._active is not before:
            return
        if not self._has_room():
            raise OutOfResourcesError("the ingest journal is full, and what it holds cannot be made durable elsewhere")
        following = self._free.pop(0) if self._free else None
        if following is None:
            with storage_errors("extend the ingest journal"):
                following = self._make()
        self._sealed.append(before)
        self._active = following

    def _has_room(self) -> bool:
        return bool(self._free) or self._made < MAX_SEGMENTS

    def _recycled(self, segment: Segment) -> Segment | None:
        with self._lock:
            self._epoch += 1
            epoch = self._epoch
        if not segment.failed:
            with suppress(OSError):
                return segment.recycled(epoch)
        with storage_errors("remove a journal segment"):
            segment.path.unlink(missing_ok=True)
        segment.close()
        return None

    def _adopt(self) -> None:
        for path in segments(self._directory):
            if path.stat().st_size != self._segment_bytes:
                path.unlink()
                continue
            self._epoch += 1
            self._free.append(Segment.adopt(path, self._epoch))
            self._made += 1

    def _make(self) -> Segment:
        segment = self._create()
        self._made += 1
        return segment

    def _create(self) -> Segment:
        with self._lock:
            self._epoch += 1
            epoch = self._epoch
        return Segment.create(self._directory / f"{secrets.token_hex(8)}.journal", self._segment_bytes, epoch)

    def _forget_one(self) -> None:
        with self._lock:
            self._made -= 1
            self._lock.notify_all()


def replay(directory: Path) -> Replay:
    """Read what an earlier process committed and did not checkpoint."""
    for path in segments(directory):
        yield from read_records(path)


def committed(directory: Path) -> Iterator[bytes]:
    """Read the payloads of all lanes of an archive; what their processes write or recycle meanwhile may be left out."""
    with storage_errors("read the ingest journals"):
        for lane in (directory / "journal").iterdir():
            yield from (payload for payload, _ in replay(lane))


def retire(directory: Path) -> None:
    """Declare what was replayed void, before anybody relies on its absence; the files wait for their next use."""
    for path in segments(directory):
        void(path)


def segments(directory: Path) -> list[Path]:
    """List the segments in the order of their last use."""
    found = []
    for path in directory.glob("*.journal"):
        with SegmentReader(path) as reader:
            found.append((reader.epoch(), path))
    return [path for _, path in sorted(found)]
