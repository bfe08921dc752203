"""One frame on its way out: decoded, blanked where a rule says so, searched for text, encoded again without loss."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from archimage.dicom.codecs.syntaxes import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, NATIVE
from archimage.dicom.deidentify.glyphs import Picture, shows_text
from archimage.dicom.deidentify.regions import Blanking, Rectangle
from archimage.dicom.deidentify.shell import Removal
from archimage.dicom.frametranscoding import FrameTranscoding
from archimage.dicom.pixels import Array, decode_frame, encode_frame

_SMALLEST: Final = 16
"""Rows and columns of a picture that can hold a word."""


@dataclass(frozen=True, slots=True)
class FrameCleaning:
    """What is done with each frame of an object; a small value, so that other processes can do it.

    transcoding  from the syntax of the frames into that of the new object
    blanking     what is blanked; None leaves all as it is
    unused       whether bits beside the samples are cleared, in which overlays may lie
    removal      what is removed of a head; None leaves it as it is
    """

    transcoding: FrameTranscoding
    blanking: Blanking | None
    unused: bool = False
    removal: Removal | None = None

    @property
    def changes(self) -> bool:
        """Tell whether frames come out other than they went in."""
        return self.blanking is not None or self.unused or self.removal is not None

    def apply(self, frame: bytes | memoryview) -> tuple[bytes, bool]:
        """Return a frame, empty where it stays as it is, and whether text is in it.

        Raises:
            InvalidPixelDataError: it cannot be decoded.
        """
        source, description = self.transcoding.source, self.transcoding.description
        if source == EXPLICIT_BIG_ENDIAN and self.changes:
            frame, source = self.transcoding.apply(frame), EXPLICIT_LITTLE_ENDIAN
        array, photometric = decode_frame(frame, source, description)
        if not self.changes:
            return b"", _has_text(array, photometric)
        array = array.copy()
        if self.blanking is not None:
            _blank(array, self.blanking, photometric)
        if self.unused:
            array = _used(array, self.transcoding)
        if self.removal is not None:
            self.removal.apply(array)
        return self._encoded(array), _has_text(array, photometric)

    def _encoded(self, array: Array) -> bytes:
        """Encode a frame as the header of the new object will describe it."""
        target, description = self.transcoding.target, self.transcoding.description
        if target not in NATIVE:
            return encode_frame(array, target, self.transcoding.decoded, None)
        if description.planar_configuration and description.samples_per_pixel > 1:
            return np.ascontiguousarray(array.transpose(2, 0, 1)).tobytes()
        return encode_frame(array, EXPLICIT_LITTLE_ENDIAN, description, None)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "transcoding": self.transcoding.to_json(),
            "blanking": None if self.blanking is None else asdict(self.blanking),
            "unused": self.unused,
            "removal": None if self.removal is None else self.removal.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FrameCleaning":
        """Make one of what `to_json` returned."""
        kinds = values["blanking"]
        blanking = None if kinds is None else Blanking(*(_rectangles(kinds[kind]) for kind in ("blank", "keep")))
        removal = None if values["removal"] is None else Removal.from_json(values["removal"])
        return cls(FrameTranscoding.from_json(values["transcoding"]), blanking, values["unused"], removal)


def _rectangles(values: list[dict[str, int]]) -> tuple[Rectangle, ...]:
    return tuple(Rectangle(**value) for value in values)


def _blank(array: Array, blanking: Blanking, photometric: str) -> None:
    """Blank pixels: with the smallest sample, the colour of YBR with its middle."""
    gone = np.full(array.shape[:2], bool(blanking.keep))
    for kept in blanking.keep:
        gone[kept.top : kept.bottom, kept.left : kept.right] = False
    for blank in blanking.blank:
        gone[blank.top : blank.bottom, blank.left : blank.right] = True
    array[gone] = array.min()
    if photometric.startswith("YBR"):
        array[gone] = (0, 128, 128) if array.dtype.itemsize == 1 else (0, 1 << 15, 1 << 15)


def _used(array: Array, transcoding: FrameTranscoding) -> Array:
    """Clear the bits of each sample that are no part of it; those above get the sign."""
    description = transcoding.description
    above = description.bits_allocated - description.high_bit - 1
    below = description.high_bit + 1 - description.bits_stored
    return ((array << above) >> (above + below)) << below


def _has_text(array: Array, photometric: str) -> bool:
    return any(shows_text(picture) for picture in _pictures(array, photometric) if min(picture.shape) >= _SMALLEST)


def _pictures(array: Array, photometric: str) -> Iterator[Picture]:
    """Yield grey pictures of a frame: all of its range, and that of most of its pixels; of colour the extremes."""
    if array.ndim == 3:
        planes = [array[..., 0]] if photometric.startswith("YBR") else [array.max(axis=2), array.min(axis=2)]
    else:
        planes = [array]
    for plane in planes:
        yield _grey(plane, float(plane.min()), float(plane.max()))
        if plane.dtype.itemsize > 1:
            low, high = np.percentile(plane[::4, ::4], (1, 99))
            yield _grey(plane, float(low), float(high))


def _grey(plane: Array, low: float, high: float) -> Picture:
    scaled = (plane.astype(np.float32) - low) * (255 / max(high - low, 1.0))
    picture: Picture = np.clip(scaled, 0, 255).astype(np.uint8)
    return picture
