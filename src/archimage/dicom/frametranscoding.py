"""What turns one frame from a transfer syntax into another: a small value, so that other processes can do it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.profiles import decoded_photometric, encoded_photometric
from archimage.dicom.codecs.syntaxes import (
    DECODABLE,
    ENCODABLE,
    EXPLICIT_BIG_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    LOSSY,
    LOSSY_JPEG,
    NATIVE,
)
from archimage.dicom.swapping import swapped
from archimage.errors import InvalidPixelDataError, NotAcceptableError, UnsupportedTransferSyntaxError

_RECOMPRESSION: Final = (JPEG_BASELINE, JPEG_XL_RECOMPRESSION)
_RESTORATION: Final = (JPEG_XL_RECOMPRESSION, JPEG_BASELINE)
_RELABELLED: Final = frozenset(
    {
        (JPEG_LOSSLESS_SV1, JPEG_LOSSLESS),
        (JPEG_LS, JPEG_LS_NEAR),
        (JPEG_2000_LOSSLESS, JPEG_2000),
        (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS),
        (HTJ2K_LOSSLESS_RPCL, HTJ2K),
        (HTJ2K_LOSSLESS, HTJ2K),
        (JPEG_XL_LOSSLESS, JPEG_XL),
        (JPEG_XL_RECOMPRESSION, JPEG_XL),
    }
)
"""Codestreams of the first syntax that are as good under the second."""


class Way(Enum):
    """How a frame gets from one syntax to another."""

    KEPT = "its bytes are as good there"
    TURNED = "the bytes of its samples are turned"
    RECOMPRESSED = "its JPEG becomes a JPEG XL that can be turned back"
    RESTORED = "its JPEG XL is turned back into the JPEG it was"
    CODED = "its samples are decoded and encoded"


@dataclass(frozen=True, slots=True)
class FrameTranscoding:
    """Turns frames of one object; description is that of the stored frames.

    Raises:
        NotAcceptableError: the target may not hold such images, or there is no way from the source.
        UnsupportedTransferSyntaxError: frames of a transfer syntax, videos among them, are not known here.
    """

    source: str
    target: str
    description: PixelDescription
    quality: Quality | None = None

    def __post_init__(self) -> None:
        if self.source == self.target:
            return
        if self.source not in DECODABLE or self.target not in DECODABLE:
            raise UnsupportedTransferSyntaxError(f"there is no way from {self.source} to {self.target}")
        if self.way is Way.CODED and self.target not in ENCODABLE:
            raise NotAcceptableError(f"frames of {self.source} cannot be encoded in {self.target}")
        _ = self.photometric  # the target may refuse such images

    @property
    def way(self) -> Way:
        """How the frames get there."""
        pair = (self.source, self.target)
        if self.source == self.target or (pair in _RELABELLED and not self.loses):
            return Way.KEPT
        if self.source in NATIVE and self.target in NATIVE:
            return Way.TURNED if self.turned_bytes > 1 else Way.KEPT
        if pair == _RECOMPRESSION:
            return Way.RECOMPRESSED
        return Way.RESTORED if pair == _RESTORATION else Way.CODED

    @property
    def loses(self) -> bool:
        """Tell whether samples change: always in JPEG, elsewhere where a quality is given."""
        pair = (self.source, self.target)
        if self.source == self.target or pair in {_RECOMPRESSION, _RESTORATION}:
            return False
        return self.target in LOSSY_JPEG or (self.target in LOSSY and self.quality is not None)

    @property
    def turned_bytes(self) -> int:
        """Bytes of the words that differ in byte order between two native syntaxes; 1 if none do."""
        if (self.source == EXPLICIT_BIG_ENDIAN) == (self.target == EXPLICIT_BIG_ENDIAN):
            return 1
        if self.source == EXPLICIT_BIG_ENDIAN and self.description.words:
            return 2
        return max(1, self.description.bits_allocated // 8)

    @property
    def photometric(self) -> str:
        """Photometric Interpretation of the new frames."""
        if self.way is not Way.CODED:
            return self.description.photometric_interpretation
        return encoded_photometric(self.decoded, self.target, lossy=self.loses)

    @property
    def decoded(self) -> PixelDescription:
        """What the frames are between decoding and encoding; of native ones that stay native, what they are."""
        if self.way is not Way.CODED:
            return self.description
        photometric = decoded_photometric(self.description, self.source)
        return replace(self.description, photometric_interpretation=photometric, planar_configuration=0)

    def apply(self, frame: bytes | memoryview) -> bytes | memoryview:
        """Turn one frame; of native ones that stay native also any part of them whose length is a multiple of 8 bytes.

        Raises:
            InvalidPixelDataError: it cannot be decoded.
        """
        match self.way:
            case Way.KEPT:
                return frame
            case Way.TURNED:
                return _turned(frame, self.turned_bytes)
            case Way.CODED:
                return self._coded(frame)
            case way:
                return _jpeg_and_back(frame, way)

    def _coded(self, frame: bytes | memoryview) -> bytes:
        from archimage.dicom import pixels  # the codecs: only worker processes come here

        array, _ = pixels.decode_frame(frame, self.source, self.description)
        return pixels.encode_frame(array, self.target, self.decoded, self.quality)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        quality = None if self.quality is None else self.quality.to_json()
        return {
            "source": self.source,
            "target": self.target,
            "description": self.description.to_json(),
            "quality": quality,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FrameTranscoding":
        """Make one of what `to_json` returned."""
        quality = None if values["quality"] is None else Quality.from_json(values["quality"])
        return cls(values["source"], values["target"], PixelDescription.from_json(values["description"]), quality)


def _turned(frame: bytes | memoryview, width: int) -> bytes:
    if len(frame) % width:
        raise InvalidPixelDataError(f"a frame of {len(frame)} bytes cannot be turned by {width}")
    return swapped(frame, width)


def _jpeg_and_back(frame: bytes | memoryview, way: Way) -> bytes:
    from archimage.dicom.codecs import jpegxl

    try:
        return jpegxl.recompress_jpeg(frame) if way is Way.RECOMPRESSED else jpegxl.restore_jpeg(frame)
    except Exception as error:
        raise InvalidPixelDataError(f"a codestream cannot be recompressed: {error}") from error
