"""Objects made free of identifiers: header, pixels and file meta information, each as a new file (PS3.15 Annex E).

Frames go through worker processes (`ports.PixelWork`), a few at a time and in their order. All of them are searched for
text before anything of the new object is written under its name; what is found in one refuses the object.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from archimage.dicom.deidentify.objects import Deidentification, Profile
from archimage.dicom.layout import SPECTROSCOPY_DATA, layout_of
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.reencode import element_head, plain_syntax
from archimage.dicom.transcode import Piece
from archimage.errors import (
    ArchimageError,
    ConflictError,
    IdentityMismatchError,
    InvalidPixelDataError,
    NotAcceptableError,
    NotFoundError,
    OutOfResourcesError,
    UnavailableError,
)
from archimage.model.records import StoredInstance
from archimage.ports.pixels import PixelWork
from archimage.ports.storage import BlobReader, DerivedFiles, DerivedWriter
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from archimage.services.derived import object_name
from archimage.services.frames import FrameService

_FRAMES_IN_FLIGHT: Final = 8
_BYTES_IN_FLIGHT: Final = 16 << 20

_REASONS: Final = (
    (ConflictError, "another object with its SOP Instance UID came before it"),
    (IdentityMismatchError, "it has no SOP Class UID or no SOP Instance UID"),
    (InvalidPixelDataError, "its pixels cannot be decoded"),
    (OutOfResourcesError, "there is no room for it"),
    (UnavailableError, "too many images wait to be processed"),
    (NotFoundError, "it was removed meanwhile"),
    (ArchimageError, "it cannot be read as an object of DICOM"),
)
"""What is said of errors, which may quote what stands in an object."""

Result = Future[tuple[dict[str, Any], bytes]]


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A new object as a Part 10 file, open until it is closed, and how many attributes were changed in which way.

    instance describes it, and stands in no index.
    """

    file: BlobReader
    instance: StoredInstance
    study_instance_uid: str
    counts: dict[str, int]
    frames: int

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID, a new one unless UIDs were to be kept."""
        return self.instance.sop_instance_uid


def reason_of(error: ArchimageError | OSError) -> str:
    """Say why an object was not de-identified, in words that quote nothing of it."""
    if isinstance(error, NotAcceptableError):
        return str(error)
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "the disk refuses it")


class DeidentificationService:
    """Makes de-identified copies of objects; all of it blocks, and may be called from several threads."""

    def __init__(self, frames: FrameService, work: PixelWork, files: DerivedFiles) -> None:
        self._frames = frames
        self._work = work
        self._files = files

    def deidentify(self, instance: StoredInstance, profile: Profile) -> Deidentified:
        """Return a copy of an object without its identifiers.

        Raises:
            NotAcceptableError: it cannot be made safe, or text was found in its pixels; the message says why.
            InvalidDatasetError, ExcessiveDatasetError: its header cannot be read.
            InvalidPixelDataError: its pixels cannot be decoded.
            UnsupportedTransferSyntaxError: its transfer syntax is not known.
            UnavailableError: too many images wait to be processed.
            OutOfResourcesError: there is no room for it.
        """
        pixel = self._frames.pixel(instance)
        spectra = pixel is not None and pixel.tag == SPECTROSCOPY_DATA
        element = None if pixel is None or spectra else (pixel.tag, pixel.vr)
        trailing = self._spectra(instance) if spectra else b""
        plan = Deidentification(self._frames.header(instance), instance.transfer_syntax_uid, element, profile)
        name = object_name(plan.sop_instance_uid, instance.path.encode())
        file, aside = self._files.create(name), self._files.create(name)
        try:
            lengths = self._cleaned(instance, plan, aside)
            frames = _read_back(aside, lengths) if lengths else self._stored(instance, plan)
            file.write([meta := _meta(plan)])
            for piece in plan.transcoding.pieces(frames, lengths, trailing):
                file.write([piece])
            made = file.keep()
            self._files.remove(name)  # whoever has it open reads it; nothing of it is to stay
            described = StoredInstance(
                plan.sop_instance_uid, plan.sop_class_uid, plan.target, name, made.size_bytes, len(meta), b""
            )
            count = self._frames.frame_count(instance)
            return Deidentified(made, described, plan.study_instance_uid, plan.counts, count)
        finally:
            file.discard()
            aside.discard()

    def _cleaned(self, instance: StoredInstance, plan: Deidentification, aside: DerivedWriter) -> list[int]:
        """Search every frame, and put those that change aside; return their lengths, none where they stay."""
        lengths = []
        for number, (answer, data) in enumerate(self._looked_at(instance, plan), 1):
            if answer["text"]:
                raise NotAcceptableError(
                    f"frame {number} looks as if text were burned into it",
                    next_step="Say in a rule for this device which regions to blank, or that it has none.",
                )
            if data:
                aside.write([data])
                lengths.append(len(data))
        return lengths

    def _looked_at(self, instance: StoredInstance, plan: Deidentification) -> Iterator[tuple[dict[str, Any], bytes]]:
        if plan.cleaning is None:
            return
        options, size = plan.cleaning.to_json(), plan.cleaning.transcoding.description.frame_bytes
        room = max(1, min(_FRAMES_IN_FLIGHT, _BYTES_IN_FLIGHT // max(1, size)))
        waiting: deque[Result] = deque()
        try:
            for frame in self._frames.frames(instance, range(1, self._frames.frame_count(instance) + 1)):
                if len(waiting) == room:
                    yield waiting.popleft().result()
                waiting.append(self._work.submit("deidentify", options, [frame.data], native_bytes=size))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _stored(self, instance: StoredInstance, plan: Deidentification) -> Iterator[Piece]:
        """Yield the frames as they are stored; none of an object without any."""
        if plan.transcoding.frames is not None:
            for frame in self._frames.frames(instance, range(1, self._frames.frame_count(instance) + 1)):
                yield plan.transcoding.transcode_frame(frame.data)

    def _spectra(self, instance: StoredInstance) -> bytes:
        """Return Spectroscopy Data as an element: it stands where pixels do, and is numbers alone."""
        layout = layout_of(plain_syntax(instance.transfer_syntax_uid))
        if not layout.little:
            raise NotAcceptableError("its spectra are written in big endian")
        with self._frames.bulk(instance, (SPECTROSCOPY_DATA,)) as value:
            return element_head(layout, SPECTROSCOPY_DATA, "OF", value.size_bytes) + value.read(0, value.size_bytes)


def _meta(plan: Deidentification) -> bytes:
    return encode_file_meta(
        FileMeta(
            plan.sop_class_uid,
            plan.sop_instance_uid,
            plan.target,
            IMPLEMENTATION_CLASS_UID,
            IMPLEMENTATION_VERSION_NAME,
        )
    )


def _read_back(file: DerivedWriter, lengths: list[int]) -> Iterator[bytes]:
    offset = 0
    for length in lengths:
        yield file.read(offset, length)
        offset += length
