"""Making a backup of an archive that is in use.

First the index is dumped, in one state; then each object that a row of the dump names is copied, unless the target has
it from an earlier backup; then the other files. A row is committed only once its file is in its place, so every row of
the dump had its file. What is removed, compressed or corrected while the objects are copied may have lost that file
meanwhile: then the index is dumped again and what is new of it copied, which takes a moment. What is missing even
then, because it was removed within that moment, is noted, and a restoration removes its row.

Objects are compared with their rows while they are copied. One that is damaged is kept as it is, unless an earlier
backup has it undamaged; both is told.
"""

import heapq
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

from archimage import __version__
from archimage.errors import BlobNotFoundError
from archimage.model.backups import (
    KeptFile,
    KeptObject,
    ObjectRow,
    Summary,
    Totals,
    encode_file,
    encode_object,
    object_rows,
)
from archimage.model.dumps import read_header
from archimage.ports.backup import Belongings, Draft, Dumps, ListWriter
from archimage.ports.index import Index
from archimage.ports.storage import BlobStore
from archimage.services.integrity import Inspection, inspected, pieces_of

INDEX, OBJECTS, FILES = "index.gz", "objects.gz", "files.gz"
"""The lists of a backup."""
ROUNDS: Final = 4
_BATCH: Final = 256  # objects between two flushes
_BATCH_BYTES: Final = 256 << 20
_PROBLEMS: Final = 1000


class Known:
    """What the target has of objects already; asked in the order of rows, so that lists of any length are read once."""

    def __init__(self, lists: Iterable[Iterator[KeptObject]]) -> None:
        self._merged = heapq.merge(*lists, key=lambda kept: kept.row.pk)
        self._ahead = next(self._merged, None)

    def of(self, row: ObjectRow) -> list[KeptObject]:
        """Return what is known of the object of a row."""
        found: list[KeptObject] = []
        while self._ahead is not None and self._ahead.row.pk <= row.pk:
            if self._ahead.row == row:
                found.append(self._ahead)
            self._ahead = next(self._merged, None)
        return found


class BackupService:
    """Makes backups of one archive."""

    def __init__(self, dumps: Dumps, index: Index, blobs: BlobStore, belongings: Belongings) -> None:
        self._dumps = dumps
        self._index = index
        self._blobs = blobs
        self._belongings = belongings

    def run(self, draft: Draft) -> Iterator[Totals]:
        """Make a backup; yield the same Totals as they grow. draft is closed by the caller.

        Raises:
            OutOfResourcesError: there is no room for it; earlier backups stay as they are.
            IntegrityError: what was just written cannot be read again.
        """
        copied = copied_bytes = 0
        for number in range(ROUNDS):
            revision = self._dump(draft)
            work = _Objects(draft, self._index, self._blobs, is_last=number == ROUNDS - 1)
            work.totals.copied, work.totals.copied_bytes = copied, copied_bytes
            yield from work.run()
            copied, copied_bytes = work.totals.copied, work.totals.copied_bytes
            if not work.changed:
                break
        totals = work.totals
        yield from self._copy_files(draft, totals)
        parts = (draft.part(INDEX), draft.part(OBJECTS), draft.part(FILES))
        draft.finish(Summary(draft.id, draft.began_at, time.time(), __version__, revision, totals, *parts))

    def _dump(self, draft: Draft) -> str:
        """Dump the index; return the revision of its schema."""
        with draft.begin_list(INDEX) as lines:
            for line in self._dumps.dump():
                lines.add(line)
        return read_header(draft.lines(INDEX)).revision

    def _copy_files(self, draft: Draft, totals: Totals) -> Iterator[Totals]:
        """Copy what the archive keeps beside objects and index; what is deleted meanwhile is left out."""
        with draft.begin_list(FILES) as lines:
            for path, mode in self._belongings.files():
                try:
                    sha256, size = draft.keep(self._belongings.read(path))
                except BlobNotFoundError:
                    continue
                lines.add(encode_file(KeptFile(path, sha256, size, mode)))
                totals.files += 1
                totals.size_bytes += size
                yield totals
            draft.settle()


class _Objects:
    """Copies the objects of one dump. changed tells afterwards that the index is to be dumped again."""

    def __init__(self, draft: Draft, index: Index, blobs: BlobStore, *, is_last: bool) -> None:
        self.totals = Totals()
        self.changed = False
        self._draft = draft
        self._index = index
        self._blobs = blobs
        self._is_last = is_last
        self._batch: list[KeptObject] = []
        self._batch_bytes = 0

    def run(self) -> Iterator[Totals]:
        """Copy what the target does not have; yield the same Totals as they grow."""
        lines = self._draft.lines(INDEX)
        read_header(lines)
        with self._draft.begin_list(OBJECTS) as listed:
            known = Known(self._draft.known())
            for row in object_rows(lines):
                self._batch.append(self._keep(row, known.of(row)))
                if len(self._batch) >= _BATCH or self._batch_bytes >= _BATCH_BYTES:
                    self._settle(listed)
                    yield self.totals
            self._settle(listed)
        yield self.totals

    def _settle(self, listed: ListWriter) -> None:
        """Make objects safe, and only then list them."""
        self._draft.settle()
        for kept in self._batch:
            listed.add(encode_object(kept))
        listed.flush()
        self._batch.clear()
        self._batch_bytes = 0

    def _keep(self, row: ObjectRow, known: list[KeptObject]) -> KeptObject:
        """Return an object as it is kept; it is copied unless it was before."""
        there = [one for one in known if one.sha256 and not one.state and self._draft.has(one.sha256, one.size_bytes)]
        kept = there[0] if there else self._copy(row)
        totals = self.totals
        totals.objects += kept.state != "removed"
        totals.size_bytes += kept.size_bytes
        return kept

    def _copy(self, row: ObjectRow) -> KeptObject:
        stored, inspection = row.stored, Inspection(row.stored)
        try:
            with closing(self._blobs.open(stored.path)) as reader:
                sha256, size = self._draft.keep(inspected(pieces_of(reader), inspection))
        except BlobNotFoundError:
            return self._lacking(row)
        self._batch_bytes += size
        self.totals.copied += 1
        self.totals.copied_bytes += size
        if inspection.fault and self._is_current(row):
            self.totals.damaged += 1
            self._tell(row, inspection.fault)
            return KeptObject(row, sha256, size, "damaged")
        return self._lacking(row) if inspection.fault else KeptObject(row, sha256, size)

    def _lacking(self, row: ObjectRow) -> KeptObject:
        """Tell why there is no file of a row: it has changed since the dump, or has lost its file."""
        if self._is_current(row):
            self.totals.missing += 1
            self._tell(row, "it has no file")
            return KeptObject(row, "", 0, "missing")
        self.changed = True
        self.totals.removed += 1
        if self._is_last and self._index.lookup(row.stored.sop_instance_uid) is not None:
            self._tell(row, "it was changed again and again while the backup was made")
        return KeptObject(row, "", 0, "removed")

    def _is_current(self, row: ObjectRow) -> bool:
        """Tell whether a row is still what it was; a file is there shortly before its row, so wait for that."""
        uid = row.stored.sop_instance_uid
        with self._index.writing() as writer:
            return writer.lookup([uid]).get(uid) == row.stored

    def _tell(self, row: ObjectRow, fault: str) -> None:
        if len(self.totals.problems) < _PROBLEMS:
            self.totals.problems.append(f"{row.stored.path}: {fault}")
