"""Objects from one transfer syntax into another: which attributes change, and the frames one by one (PS3.5 §8.2).

A `Transcoding` is made of the bytes before the pixel element. It gives the new bytes before the pixels, turns each
frame on its own, so that an object of any size costs the memory of a frame, and puts the stream together again.

- The colour of the frames and their order of samples are said anew: Photometric Interpretation, Planar Configuration.
- Only where a quality is asked for and the target allows it is anything lost (in JPEG .50 and .51 always). Then the
  object is another one: it has a new SOP Instance UID, the same each time; Lossy Image Compression, Ratio and Method,
  Derivation Description and Code, its source and, outside functional groups, Image Type DERIVED say so.
- What is known to have lost something before and did not say so, does now.
- A lossy ratio is that of all frames, so the lengths of the frames have to be known before the head is written.

Ref: PS3.3 §C.7.6.1.1.5, §C.7.6.3, §C.12.4; PS3.5 §8.2, §A.4.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.syntaxes import DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, NATIVE
from archimage.dicom.derivation import Changes, admit_earlier_loss, derived_uid, describe_colour, describe_loss
from archimage.dicom.encode import decode_identifier
from archimage.dicom.fragments import basic_offset_table, encapsulate, extended_offset_table, needs_extended
from archimage.dicom.frametranscoding import FrameTranscoding, Way
from archimage.dicom.layout import PIXEL_DATA, UNDEFINED_LENGTH, layout_of
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import element_head, plain_syntax, reencode
from archimage.dicom.wanted import EXTENDED_LENGTHS, EXTENDED_OFFSETS
from archimage.errors import InvalidPixelDataError, NotAcceptableError

_LONGEST_VALUE: Final = 0xFFFFFFFE
_PIXEL_VRS: Final = frozenset({"OB", "OW"})
_FLOATING_VRS: Final = {0x7FE00008: "OF", 0x7FE00009: "OD"}

Piece = bytes | memoryview


class Transcoding:
    """One object on its way from a transfer syntax to another.

    description      of the stored frames, None if the object has no pixels
    frames           what turns a frame, a small value that may go to another process; None without pixels
    needs_new_uid    whether something is lost on the way
    sop_instance_uid that of the new object, empty where the header names none
    """

    def __init__(
        self,
        header: Piece,
        source: str,
        target: str,
        quality: Quality | None = None,
        pixel: tuple[int, str] | None = (PIXEL_DATA, ""),
    ) -> None:
        """Work out what has to change; an object that is in its target already is better left as it is.

        header holds the data set's bytes before its pixel element, inflated if they came deflated; pixel is that
        element's tag and VR (empty if not known), None where there is none: header is then the whole data set.
        Spectroscopy Data is no image: it counts as none, and is given with what follows it as trailing.

        Raises:
            InvalidDatasetError: the header cannot be parsed.
            NotAcceptableError: the target may not hold such images, or there is no way from the source.
            UnsupportedTransferSyntaxError: a transfer syntax is not known.
        """
        self._header = header
        self._source = plain_syntax(source)
        self._target = target
        self._pixel = pixel
        self._dataset = decode_identifier(header, self._source, DEFAULT_LIMITS)
        self.description: PixelDescription | None = None
        self.frames: FrameTranscoding | None = None
        if pixel is not None:
            self.description = PixelDescription.of(self._dataset, pixel[1], pixel[0])
            self.frames = FrameTranscoding(source, target, self.description, quality)
        elif target not in NATIVE:
            raise NotAcceptableError("an object without pixels has no use for an encapsulated transfer syntax")
        self.needs_new_uid = self.frames is not None and self.frames.loses
        self.sop_instance_uid = self._sop_instance_uid(quality)

    def _sop_instance_uid(self, quality: Quality | None) -> str:
        uid = str(self._dataset.get("SOPInstanceUID") or "")
        return derived_uid(uid, self._target, quality or Quality()) if self.needs_new_uid else uid

    @property
    def same(self) -> bool:
        """Tell whether the frames stay as they are: only the data set around them is encoded anew."""
        return self.frames is None or self.frames.way is Way.KEPT

    def transcode_frame(self, frame: Piece) -> Piece:
        """Turn one frame.

        Raises:
            InvalidPixelDataError: it cannot be decoded.
        """
        return frame if self.frames is None else self.frames.apply(frame)

    def pieces(
        self, frames: Iterable[Piece] = (), frame_lengths: Sequence[int] | None = None, trailing: Piece = b""
    ) -> Iterator[Piece]:
        """Yield the new data set of frames that were turned already; trailing is what followed the pixel element.

        frame_lengths, in bytes, if they are known: offset tables are written then, and they have to be known where
        something is lost.

        Raises:
            InvalidDatasetError: trailing cannot be parsed.
            InvalidPixelDataError: the frames are not as many, or as long, as they should be.
        """
        stream = self._plain_pieces(frames, frame_lengths, trailing)
        return deflated(stream) if self._target == DEFLATED_LITTLE_ENDIAN else stream

    def _plain_pieces(
        self, frames: Iterable[Piece], frame_lengths: Sequence[int] | None, trailing: Piece
    ) -> Iterator[Piece]:
        yield self.head(frame_lengths)
        if self.frames is not None:
            counted = _counted(frames, self.frames.description.number_of_frames)
            yield from _joined(counted, self.frames.decoded) if self._target in NATIVE else encapsulate(counted)
        if trailing:
            yield reencode(trailing, self._source, plain_syntax(self._target))

    def head(self, frame_lengths: Sequence[int] | None = None) -> bytes:
        """Return the new data set up to the first frame, not deflated: of encapsulated ones the offset table included.

        Raises:
            NotAcceptableError: native pixels would be longer than an element can be.
            ValueError: something is lost, and the frames' lengths are not given.
        """
        target = plain_syntax(self._target)
        changes = Changes(target)
        start = self._pixel_head(changes, frame_lengths)
        edited = reencode(self._header, self._source, target, replaced=changes.replaced, appended=changes.appended)
        return edited + start

    def _pixel_head(self, changes: Changes, frame_lengths: Sequence[int] | None) -> bytes:
        """Note what changes, and return the beginning of the pixel element."""
        if self.description is None or self.frames is None or self._pixel is None:
            return b""
        if self.frames.way is Way.CODED:
            describe_colour(changes, self.description, self.frames.photometric)
        changes.drop(EXTENDED_OFFSETS)
        changes.drop(EXTENDED_LENGTHS)
        if self.needs_new_uid:
            self._describe_loss(changes, self.frames.decoded, frame_lengths)
        else:
            admit_earlier_loss(changes, self._dataset, self._source)
        if self._target in NATIVE:
            return self._native_head(self.frames.decoded, *self._pixel)
        return self._encapsulated_head(changes, frame_lengths or ())

    def _describe_loss(
        self, changes: Changes, description: PixelDescription, frame_lengths: Sequence[int] | None
    ) -> None:
        if not frame_lengths:
            raise ValueError("a lossy ratio is known only once all frames are encoded")
        ratio = description.total_bytes / max(1, sum(frame_lengths))
        describe_loss(changes, self._dataset, self._target, ratio, self.sop_instance_uid)

    def _native_head(self, description: PixelDescription, tag: int, vr: str) -> bytes:
        length = description.total_bytes + description.total_bytes % 2
        if length > _LONGEST_VALUE:
            raise NotAcceptableError(f"native pixels of {length} bytes are longer than an element can be")
        if description.floating:
            vr = _FLOATING_VRS.get(tag, "OF")
        elif description.bits_allocated > 8:
            vr = "OW"
        elif vr not in _PIXEL_VRS or (self._target == EXPLICIT_BIG_ENDIAN and self._source != self._target):
            vr = "OB"
        return element_head(layout_of(self._target), tag, vr, length)

    def _encapsulated_head(self, changes: Changes, frame_lengths: Sequence[int]) -> bytes:
        start = element_head(layout_of(self._target), PIXEL_DATA, "OB", UNDEFINED_LENGTH)
        if not needs_extended(frame_lengths):
            return start + basic_offset_table(frame_lengths)
        offsets, lengths = extended_offset_table(frame_lengths)
        changes.put(EXTENDED_OFFSETS, "OV", offsets)
        changes.put(EXTENDED_LENGTHS, "OV", lengths)
        return start + basic_offset_table(())


def _counted(frames: Iterable[Piece], number_of_frames: int) -> Iterator[Piece]:
    """Pass frames on, and make sure that they are as many as described."""
    count = 0
    for count, frame in enumerate(frames, 1):  # noqa: B007
        yield frame
    if count != number_of_frames:
        raise InvalidPixelDataError(f"{count} frames have come, {number_of_frames} are described")


def _joined(frames: Iterable[Piece], description: PixelDescription) -> Iterator[Piece]:
    """Yield native frames as one value of even length; single bits follow each other without padding."""
    whole = _whole(frames, description.frame_bytes)
    yield from _packed(whole, description) if description.frame_bits % 8 else whole
    if description.total_bytes % 2:
        yield b"\0"


def _whole(frames: Iterable[Piece], size: int) -> Iterator[Piece]:
    """Pass native frames on without padding."""
    for frame in frames:
        if len(frame) < size:
            raise InvalidPixelDataError(f"a frame has {len(frame)} bytes, {size} are described")
        yield frame if len(frame) == size else memoryview(frame)[:size]


def _packed(frames: Iterable[Piece], description: PixelDescription) -> Iterator[bytes]:
    """Join frames whose bits do not fill their last byte; each comes with its first bit at the beginning of a byte."""
    count = description.frame_bits
    rest = spare = 0  # the bits that fill no byte yet, and how many they are
    for frame in frames:
        bits = (int.from_bytes(frame, "little") & (1 << count) - 1) << spare | rest
        whole, spare = divmod(spare + count, 8)
        rest = bits >> 8 * whole
        yield (bits & (1 << 8 * whole) - 1).to_bytes(whole, "little")
    yield rest.to_bytes((spare + 7) // 8, "little")


def deflated(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Deflate a stream, padded to even length (PS3.5 §A.5)."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for piece in pieces:
        packed = stream.compress(piece)
        size += len(packed)
        if packed:
            yield packed
    end = stream.flush()
    yield end + b"\0" * ((size + len(end)) % 2)
