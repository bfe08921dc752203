"""One stored object with some of its values put right, in a new file beside it; its pixels are copied as they lie."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from archimage.dicom.correction import Edit, Modification, corrected
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.transcode import Piece, deflated
from archimage.errors import IntegrityError
from archimage.model.changes import CORRECTABLE, STAYING, Change, ChangeKind
from archimage.model.records import Kept
from archimage.ports.storage import BlobReader, BlobStore
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from archimage.services.anatomy import InflatingReader
from archimage.services.frames import FrameService
from archimage.services.original import private_information
from archimage.services.replacement import PIECE_BYTES, Form, Replacement, read_original, write_replacement

OF_ANOTHER: Final = (
    *(0x00100022, 0x00100024, 0x00100033, 0x00100034, 0x00100035, 0x00100050, 0x00101001, 0x00101002, 0x00101005),
    *(0x00101040, 0x00101060, 0x00101090, 0x00102150, 0x00102152, 0x00102154, 0x00102155, 0x00102297, 0x00102298),
    0x00102299,
)
"""What else tells of one patient and of no other: further IDs and names, birth dates in other calendars, addresses."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What objects are to get; dropped are tags that go, system names this archive."""

    edits: Sequence[Edit]
    dropped: Sequence[int]
    moment: str
    reason: str
    system: str

    @classmethod
    def of(cls, change: Change, system: str) -> "Wanted":
        """Return what a change asks for."""
        edits = [
            Edit(CORRECTABLE[keyword].tag, CORRECTABLE[keyword].vr, text, keyword in STAYING)
            for keyword, text in change.new_values.items()
        ]
        dropped = OF_ANOTHER if change.kind in {ChangeKind.MERGE, ChangeKind.MOVE} else ()
        moment = datetime.fromtimestamp(change.asked_at, UTC).strftime("%Y%m%d%H%M%S.%f+0000")
        return cls(edits, dropped, moment, change.code.value, system)


class Corrector:
    """Makes corrected forms; all of it blocks. With flush they are on the disk when it returns."""

    def __init__(self, frames: FrameService, blobs: BlobStore, *, flush: bool) -> None:
        self._frames = frames
        self._blobs = blobs
        self._flush = flush

    def correct(self, kept: Kept, wanted: Wanted) -> Replacement | None:
        """Put an object right; None where it has all that is wanted.

        Raises:
            DicomError: its data set cannot be read, or its text not be written in UTF-8 where that is needed.
            IntegrityError: its file is not what was stored.
            NotFoundError, BlobNotFoundError: it was removed meanwhile.
            OutOfResourcesError, StorageError: the disk refuses.
        """
        stored = kept.stored
        header = self._frames.header(stored)
        modification = Modification(wanted.moment, wanted.system, kept.source_ae_title, wanted.reason)
        head = corrected(header, stored.transfer_syntax_uid, wanted.edits, wanted.dropped, modification)
        if head is None:
            return None
        original = read_original(self._frames, kept)
        with closing(self._frames.open(stored)) as file:
            meta, _ = decode_file_meta(file.read(0, stored.data_set_offset))
            meta = replace(
                meta,
                implementation_class_uid=IMPLEMENTATION_CLASS_UID,
                implementation_version_name=IMPLEMENTATION_VERSION_NAME,
                private_creator_uid=IMPLEMENTATION_CLASS_UID,
                private_information=private_information(original),
            )
            pieces = _pieces(file, kept, head, len(header))
            form = Form(meta, original, kept.compress_to)
            made = write_replacement(self._blobs, kept, form, pieces, flush=self._flush)
        values = made.record.values
        if (values["sop_instance_uid"], values["sop_class_uid"]) != (stored.sop_instance_uid, stored.sop_class_uid):
            made.content.discard()
            raise IntegrityError("what was written does not name the object that it was made of")
        return replace(made, changed_in=(values["study_instance_uid"], values["series_instance_uid"]))


def _pieces(file: BlobReader, kept: Kept, head: bytes, header_bytes: int) -> Iterator[Piece]:
    """Yield the new data set: the new header, and what follows the old one."""
    stored = kept.stored
    start = stored.data_set_offset + header_bytes
    if stored.transfer_syntax_uid not in DEFLATED_SYNTAXES:
        yield head
        yield from _read(file.read, start)
        return
    inflating = InflatingReader(file, stored.data_set_offset, DEFAULT_LIMITS)
    yield from deflated(chain([head], _read(inflating.read, start)))


def _read(read: Callable[[int, int], bytes], offset: int) -> Iterator[bytes]:
    while piece := read(offset, PIECE_BYTES):
        yield piece
        offset += len(piece)
