"""One stored object compressed: frame by frame into a new file, read back and compared with the original.

Frames go through worker processes (`ports.PixelWork`), one at a time, so that an object of any size costs the memory of
a frame and those who wait for an image share the workers with one task of ours at most.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.encode import decode_identifier
from archimage.dicom.layout import PIXEL_DATA
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.part10 import FileMeta
from archimage.dicom.transcode import Transcoding
from archimage.errors import InvalidPixelDataError, NotAcceptableError
from archimage.model.records import Kept, Original, StoredInstance
from archimage.ports.pixels import JsonValue, PixelWork
from archimage.ports.storage import BlobStore
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from archimage.services.compression_rules import LOSSLESS
from archimage.services.frames import FrameService, encapsulated_frame
from archimage.services.original import private_information
from archimage.services.replacement import Form, Replacement, read_original, write_replacement
from archimage.services.spool import Spool

_PADDING_TAG: Final = sorted(bytes.fromhex("fcfffcff"))
"""Data Set Trailing Padding, in any byte order."""


class Compressor:
    """Makes compressed forms; all of it blocks. With flush they are on the disk when it returns."""

    def __init__(self, frames: FrameService, blobs: BlobStore, work: PixelWork, *, flush: bool) -> None:
        self._frames = frames
        self._blobs = blobs
        self._work = work
        self._flush = flush

    def compress(self, wanted: Kept) -> Replacement:
        """Compress an object and compare the result with it, every sample of every frame.

        Raises:
            NotAcceptableError: it does not become smaller, or the target cannot hold it.
            InvalidPixelDataError: it cannot be decoded, or what was encoded decodes to something else.
            DicomError: its data set cannot be read.
            IntegrityError: its file is not what was stored.
            NotFoundError, BlobNotFoundError: it was removed meanwhile.
            OutOfResourcesError, StorageError: the disk refuses.
            UnavailableError: too many images wait to be processed.
        """
        stored = wanted.stored
        original = read_original(self._frames, wanted)
        transcoding = self._transcoding(stored, wanted.compress_to)
        spool = Spool(self._blobs)
        try:
            lengths = self._encode(stored, transcoding, spool)
            pieces = transcoding.pieces(_read(spool, lengths), lengths, self._trailer(stored))
            form = Form(_file_meta(wanted, original), original)
            compressed = write_replacement(self._blobs, wanted, form, pieces, flush=self._flush)
        finally:
            spool.discard()
        try:
            self._check(stored, transcoding, compressed)
        except BaseException:
            compressed.content.discard()
            raise
        return compressed

    def _transcoding(self, stored: StoredInstance, target: str) -> Transcoding:
        pixel = self._frames.pixel(stored)
        if pixel is None or pixel.tag != PIXEL_DATA:
            raise NotAcceptableError("it has no Pixel Data")
        if pixel.encapsulated and stored.transfer_syntax_uid not in LOSSLESS:
            raise NotAcceptableError("its Pixel Data is compressed in a way that may have lost something")
        element = (pixel.tag, pixel.vr)
        transcoding = Transcoding(self._frames.header(stored), stored.transfer_syntax_uid, target, None, element)
        if not pixel.encapsulated:
            self._check_length(stored, _description(transcoding).total_bytes)
        if transcoding.needs_new_uid:
            raise NotAcceptableError("something would be lost")
        return transcoding

    def _check_length(self, stored: StoredInstance, described: int) -> None:
        with closing(self._frames.bulk(stored, (PIXEL_DATA,))) as value:
            if value.size_bytes != described + described % 2:
                raise NotAcceptableError(f"Pixel Data has {value.size_bytes} bytes, {described} are described")

    def _trailer(self, stored: StoredInstance) -> bytes:
        trailer = self._frames.trailer(stored)
        if trailer and sorted(trailer[:4]) != _PADDING_TAG:
            raise NotAcceptableError("it is signed: what follows its pixels is more than padding")
        return trailer

    def _encode(self, stored: StoredInstance, transcoding: Transcoding, spool: Spool) -> list[int]:
        """Encode every frame into spool; return their lengths."""
        assert transcoding.frames is not None  # noqa: S101 - there is a description
        description = _description(transcoding)
        options = transcoding.frames.to_json()
        lengths = []
        for frame in self._frames.frames(stored, range(1, description.number_of_frames + 1)):
            _, data = self._work.submit(
                "transcode", options, [frame.data], native_bytes=description.frame_bytes
            ).result()
            lengths.append(len(data))
            spool.write(memoryview(data))
            if spool.error is not None:
                raise spool.error
            if spool.size_bytes >= description.total_bytes:
                raise NotAcceptableError("it does not become smaller")
        spool.finish()
        return lengths

    def _check(self, stored: StoredInstance, transcoding: Transcoding, compressed: Replacement) -> None:
        """Read what was written and compare it with the original."""
        record, content, description = compressed.record, compressed.content, _description(transcoding)
        if record.size_bytes >= stored.size_bytes:
            raise NotAcceptableError("it does not become smaller")
        table, count = record.frames, description.number_of_frames
        named = (record.sop_instance_uid, record.values["sop_class_uid"])
        if table is None or table.count != count or named != (stored.sop_instance_uid, stored.sop_class_uid):
            raise NotAcceptableError("its frames cannot be told apart any more")
        start = record.data_set_offset
        head = content.read(start, table.element_offset - start)
        header = decode_identifier(head, record.transfer_syntax_uid, DEFAULT_LIMITS)
        found = PixelDescription.of(header, "OB", PIXEL_DATA)
        options: dict[str, JsonValue] = {
            "syntaxes": [stored.transfer_syntax_uid, record.transfer_syntax_uid],
            "descriptions": [description.to_json(), found.to_json()],
        }
        for number, frame in enumerate(self._frames.frames(stored, range(1, count + 1))):
            encoded = encapsulated_frame(content, table, number)
            answer, _ = self._work.submit(
                "compare", options, [frame.data, encoded], native_bytes=description.frame_bytes
            ).result()
            if answer.get("same") is not True:
                raise InvalidPixelDataError(f"frame {number + 1} does not decode to the samples that it had")


def _description(transcoding: Transcoding) -> PixelDescription:
    assert transcoding.description is not None  # noqa: S101 - it was made of an object with pixels
    return transcoding.description


def _read(spool: Spool, lengths: Sequence[int]) -> Iterator[bytes]:
    offset = 0
    for length in lengths:
        yield b"".join(spool.pieces(offset, length))
        offset += length


def _file_meta(wanted: Kept, original: Original) -> FileMeta:
    return FileMeta(
        media_storage_sop_class_uid=wanted.stored.sop_class_uid,
        media_storage_sop_instance_uid=wanted.stored.sop_instance_uid,
        transfer_syntax_uid=wanted.compress_to,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        source_ae_title=wanted.source_ae_title,
        private_creator_uid=IMPLEMENTATION_CLASS_UID,
        private_information=private_information(original),
    )
