"""Stored objects in other transfer syntaxes, made when they are asked for and kept for a while as files.

Only what differs in its VRs alone is put together on its way out (`services.respelling`).

Frames go through worker processes (`ports.PixelWork`), a few at a time and in their order, so that an object of any
size costs the memory of some frames. What is kept is found by the bytes that it was made of: an instance that has
changed is made again.

Ref: PS3.5 §8.2; PS3.18 §8.7.3.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from archimage.dicom.codecs.description import Quality
from archimage.dicom.codecs.syntaxes import (
    DECODABLE,
    DEFLATED_LITTLE_ENDIAN,
    ENCODABLE,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_BASELINE,
    JPEG_XL_RECOMPRESSION,
    LOSSY,
    LOSSY_JPEG,
    NATIVE,
)
from archimage.dicom.frametranscoding import FrameTranscoding, Way
from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.dicom.transcode import Piece, Transcoding
from archimage.errors import ExcessiveDatasetError, NotAcceptableError, UnavailableError
from archimage.model.records import StoredInstance
from archimage.ports.meter import Meter
from archimage.ports.pixels import PixelWork
from archimage.ports.storage import BlobReader, DerivedFiles, DerivedWriter
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from archimage.services.derived import object_name
from archimage.services.frames import FrameBytes, FrameService
from archimage.services.respelling import is_respelling, respelled
from archimage.services.single_flight import SingleFlight

_VERSION: Final = 1
"""Of what is kept: another one where objects are made differently."""
FRAMES_IN_FLIGHT: Final = 8
BYTES_IN_FLIGHT: Final = 16 << 20
_LARGE_BYTES: Final = 4 << 30
_MAX_RATIO: Final = 200
"""Pixels of more than _LARGE_BYTES are transcoded where they are compressed by no more than this: images are by less,
and what is made has to fit on a disk that others need."""
_META_BYTES: Final = 4 << 10
_ATTEMPTS: Final = 3
PLANS: Final = 256
_CHEAP: Final = frozenset({Way.KEPT, Way.TURNED})
"""What needs no codec, and so no worker."""

_UNCOMPRESSED: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)

Result = Future[tuple[dict[str, Any], bytes]]


@dataclass(frozen=True, slots=True)
class Transcoded:
    """An object in another transfer syntax, as a Part 10 file that is open until it is closed.

    sop_instance_uid is a new one where something was lost on the way.
    """

    file: BlobReader
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


def has_way(source: str, target: str) -> bool:
    """Tell whether images of one transfer syntax may be had in another; not each of them can be held by it."""
    if source == target:
        return True
    return (source in DECODABLE and target in ENCODABLE) or (source, target) == (JPEG_BASELINE, JPEG_XL_RECOMPRESSION)


def substitutes(stored: str, accepted: Iterable[str]) -> tuple[str, ...]:
    """Return those of the accepted transfer syntaxes in which nothing is lost, the ones that hold any object first."""
    known = frozenset(accepted)
    plain = [uid for uid in _UNCOMPRESSED if uid in known]
    others = sorted(known - NATIVE - LOSSY_JPEG)
    return tuple(uid for uid in (*plain, *others) if uid != stored and has_way(stored, uid))


class TranscodingService:
    """Makes objects and frames of other transfer syntaxes; all of it blocks."""

    def __init__(self, frames: FrameService, work: PixelWork, files: DerivedFiles, epoch: str = "") -> None:
        """Keep what is made in files; of what was kept under another epoch nothing is used.

        Files are not flushed: the epoch has to be another one once the machine has stopped.
        """
        self.meter = Meter()
        """Hears whether what is asked for is there."""
        self._frames = frames
        self._work = work
        self._files = files
        self._epoch = epoch
        self._flight: SingleFlight[None] = SingleFlight()
        self._plan = lru_cache(PLANS)(self._planned)

    def can(self, instance: StoredInstance, target: str) -> bool:
        """Tell whether to try; whether the target can hold this very image is known once its header is read."""
        return has_way(instance.transfer_syntax_uid, target)

    def check(self, instance: StoredInstance, target: str) -> None:
        """Raise what `transcode` raises before it looks at pixels: its header tells whether the target can hold it."""
        stored = instance.transfer_syntax_uid
        if target != stored and not is_respelling(stored, target):
            _check_size(instance, self._transcoding(instance, target, None))

    def transcode(self, instance: StoredInstance, target: str, quality: Quality | None = None) -> Transcoded:
        """Return an object in a transfer syntax: as it is kept, or made now. Its file has to be closed.

        Raises:
            NotFoundError: the instance was removed meanwhile.
            NotAcceptableError, UnsupportedTransferSyntaxError: there is no way to that transfer syntax.
            InvalidDatasetError, ExcessiveDatasetError: its header cannot be read.
            InvalidPixelDataError: its pixels cannot be decoded.
            UnavailableError: too many images wait to be processed.
            OutOfResourcesError: there is no room for it.
        """
        if target == instance.transfer_syntax_uid:
            file = self._frames.open(instance)
            return Transcoded(file, instance.sop_instance_uid, target, instance.data_set_offset)
        if is_respelling(instance.transfer_syntax_uid, target):
            meta = _meta(instance, instance.sop_instance_uid, target)
            spelled = respelled(self._frames, instance, target, meta)
            if spelled is not None:
                return Transcoded(spelled, instance.sop_instance_uid, target, len(meta))
        quality = quality if target in LOSSY else None
        name = self._name(instance, target, quality)
        for _ in range(_ATTEMPTS):
            if (kept := self._files.open(name)) is not None:
                self.meter.cache_asked("transcoded", hit=True)
                return _opened(kept)
            made: list[BlobReader] = []
            self._flight.run(name, lambda: made.append(self._make(name, instance, target, quality)))  # noqa: B023
            if made:  # it was done here
                self.meter.cache_asked("transcoded", hit=False)
                return _opened(made.pop())
        raise UnavailableError("there is too little room for transcoded objects; try again later")

    def frame(self, instance: StoredInstance, number: int, target: str, quality: Quality | None = None) -> bytes:
        """Return one frame, counted from 1, in a transfer syntax; raises what `transcode` raises."""
        if target == instance.transfer_syntax_uid:
            return self._frames.frame(instance, number).data
        plan = self._plan(instance, target, quality if target in LOSSY else None)
        (frame,) = self._turned(plan, [self._frames.frame(instance, number)])
        return bytes(frame)

    def _planned(self, instance: StoredInstance, target: str, quality: Quality | None) -> FrameTranscoding:
        plan = self._transcoding(instance, target, quality).frames
        if plan is None:
            raise NotAcceptableError("the object has no pixels")
        return plan

    def _transcoding(self, instance: StoredInstance, target: str, quality: Quality | None) -> Transcoding:
        pixel = self._frames.pixel(instance)
        element = None if pixel is None else (pixel.tag, pixel.vr)
        return Transcoding(
            self._frames.header(instance), instance.transfer_syntax_uid, target, quality=quality, pixel=element
        )

    def _name(self, instance: StoredInstance, target: str, quality: Quality | None) -> str:
        stored = [instance.path, instance.sop_instance_uid, instance.digest.hex(), instance.transfer_syntax_uid]
        wanted = [target, None if quality is None else quality.to_json(), _VERSION, self._epoch]
        return object_name(instance.sop_instance_uid, json.dumps([stored, wanted], sort_keys=True).encode())

    def _make(self, name: str, instance: StoredInstance, target: str, quality: Quality | None) -> BlobReader:
        """Make the file of an object, keep it, and return it open."""
        transcoding = self._transcoding(instance, target, quality)
        _check_size(instance, transcoding)
        uid = transcoding.sop_instance_uid or instance.sop_instance_uid
        file = self._files.create(name)
        try:
            file.write([_meta(instance, uid, target)])
            self._write(file, name, instance, transcoding)
            kept = file.keep()
        finally:
            file.discard()
        if not self._frames.is_current(instance):
            self._files.remove(name)  # of what was removed meanwhile nothing is to stay
        return kept

    def _write(self, file: DerivedWriter, name: str, instance: StoredInstance, transcoding: Transcoding) -> None:
        """Write the data set; the lengths of codestreams have to be known first, so these are put aside."""
        trailing = self._frames.trailer(instance)
        if transcoding.frames is None:
            _append(file, transcoding.pieces(trailing=trailing))
            return
        numbers = range(1, self._frames.frame_count(instance) + 1)
        turned = self._turned(transcoding.frames, self._frames.frames(instance, numbers))
        if transcoding.frames.target in NATIVE:
            _append(file, transcoding.pieces(turned, trailing=trailing))
            return
        aside = self._files.create(name)
        try:
            lengths = [_put(aside, frame) for frame in turned]
            _append(file, transcoding.pieces(_read_back(aside, lengths), lengths, trailing))
        finally:
            aside.discard()

    def _turned(self, plan: FrameTranscoding, frames: Iterable[FrameBytes]) -> Iterator[Piece]:
        """Yield frames as they are in the target, in their order."""
        if plan.way in _CHEAP:
            yield from (plan.apply(frame.data) for frame in frames)
            return
        options = plan.to_json()
        size = plan.description.frame_bytes
        room = max(1, min(FRAMES_IN_FLIGHT, BYTES_IN_FLIGHT // max(1, size)))
        waiting: deque[Result] = deque()
        try:
            for frame in frames:
                if len(waiting) == room:
                    yield _data(waiting.popleft())
                waiting.append(self._work.submit("transcode", options, [frame.data], native_bytes=size))
            while waiting:
                yield _data(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()


def _check_size(instance: StoredInstance, transcoding: Transcoding) -> None:
    size = 0 if transcoding.description is None else transcoding.description.total_bytes
    if size > max(_LARGE_BYTES, _MAX_RATIO * instance.size_bytes):
        raise ExcessiveDatasetError(f"{size >> 20} MiB of pixels are compressed into {instance.size_bytes} bytes")


def _meta(instance: StoredInstance, sop_instance_uid: str, target: str) -> bytes:
    return encode_file_meta(
        FileMeta(
            instance.sop_class_uid, sop_instance_uid, target, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
        )
    )


def _opened(file: BlobReader) -> Transcoded:
    meta, offset = decode_file_meta(file.read(0, _META_BYTES))
    return Transcoded(file, meta.media_storage_sop_instance_uid, meta.transfer_syntax_uid, offset)


def _data(future: Result) -> bytes:
    return future.result()[1]


def _append(file: DerivedWriter, pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        file.write([piece])


def _put(file: DerivedWriter, piece: Piece) -> int:
    file.write([piece])
    return len(piece)


def _read_back(file: DerivedWriter, lengths: Iterable[int]) -> Iterator[bytes]:
    offset = 0
    for length in lengths:
        yield file.read(offset, length)
        offset += length
