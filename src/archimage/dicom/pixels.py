"""Frames to arrays and back, in every transfer syntax that is known here (PS3.5 §8, §A).

One frame at a time: nothing here needs the rest of the object. The codecs run in C on what a peer sent, so a server
calls these functions in a worker process; sizes are checked against the description before a codec sees a codestream.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from archimage.dicom.codecs import jpeg, jpeg2000, jpegls, jpegxl, native, rle
from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.profiles import decoded_photometric, encoded_photometric
from archimage.dicom.codecs.samples import Array, stored_values
from archimage.dicom.codecs.syntaxes import (
    DECODABLE,
    DEFLATED_FRAMES,
    ENCODABLE,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    JPEG_LS_FAMILY,
    JPEG_XL_FAMILY,
    LOSSY,
    NATIVE,
    RLE,
    VIDEO,
)
from archimage.dicom.limits import MAX_FRAME_BYTES
from archimage.errors import DicomError, InvalidPixelDataError, UnsupportedTransferSyntaxError

__all__ = [
    "DECODABLE",
    "ENCODABLE",
    "LOSSY",
    "NATIVE",
    "VIDEO",
    "Array",
    "PixelDescription",
    "Quality",
    "decode_frame",
    "decoded_photometric",
    "encode_frame",
    "encoded_photometric",
    "stored_values",
]


_Decode = Callable[[bytes | memoryview, PixelDescription, str], Array]
_Encode = Callable[[Array, PixelDescription, str, Quality | None], bytes]


_FAMILIES: Final = (
    (NATIVE | DEFLATED_FRAMES, native.decode, native.encode),
    (frozenset({RLE}), rle.decode, rle.encode),
    (JPEG_FAMILY, jpeg.decode, jpeg.encode),
    (JPEG_LS_FAMILY, jpegls.decode, jpegls.encode),
    (JPEG_2000_FAMILY, jpeg2000.decode, jpeg2000.encode),
    (JPEG_XL_FAMILY, jpegxl.decode, jpegxl.encode),
)
_CODECS: Final[Mapping[str, tuple[_Decode, _Encode]]] = MappingProxyType(
    {uid: (decode, encode) for uids, decode, encode in _FAMILIES for uid in uids}
)


def decode_frame(
    data: bytes | memoryview, transfer_syntax_uid: str, description: PixelDescription
) -> tuple[Array, str]:
    """Decode one frame; return (rows, columns[, samples]) in the type described, and its photometric interpretation.

    What a codec has to transform comes out transformed: the colour of lossy JPEG and of JPEG 2000 as RGB, 4:2:2 as
    YBR_FULL. Bits above High Bit are left as they are (see `stored_values`). Of single bits the first has to be that of
    the frame.

    Raises:
        InvalidPixelDataError: it cannot be decoded, or is not of the size described.
        UnsupportedTransferSyntaxError: frames of this transfer syntax, videos among them, are not decoded here.
    """
    decode, _ = _codec(transfer_syntax_uid)
    if description.frame_bytes > MAX_FRAME_BYTES:
        raise InvalidPixelDataError(f"a frame of {description.frame_bytes} bytes is larger than {MAX_FRAME_BYTES}")
    try:
        array = decode(data, description, transfer_syntax_uid)
    except DicomError:
        raise
    except Exception as error:
        raise InvalidPixelDataError(f"a codestream cannot be decoded: {error}") from error
    if array.shape != description.shape or array.dtype != description.dtype:
        raise InvalidPixelDataError(f"a codestream holds {array.shape} {array.dtype}, described is {description.shape}")
    return array, decoded_photometric(description, transfer_syntax_uid)


def encode_frame(
    array: Array, transfer_syntax_uid: str, description: PixelDescription, quality: Quality | None = None
) -> bytes:
    """Encode one frame of samples as `decode_frame` returns them; description says what the array holds.

    Without a quality nothing is lost where the syntax has a lossless way: of .81, .91, .112 and .203. What comes out is
    called `encoded_photometric`; whether the syntax may hold such images at all is told there, too.

    Raises:
        InvalidPixelDataError: the array is not as described, or cannot be encoded so.
        UnsupportedTransferSyntaxError: frames are not encoded in this transfer syntax.
    """
    _, encode = _codec(transfer_syntax_uid)
    if transfer_syntax_uid not in ENCODABLE:
        raise UnsupportedTransferSyntaxError(f"no samples are encoded in transfer syntax {transfer_syntax_uid}")
    if array.shape != description.shape or array.dtype != description.dtype:
        raise InvalidPixelDataError(f"an array of {array.shape} {array.dtype} is not the frame described")
    try:
        return encode(array, description, transfer_syntax_uid, quality)
    except DicomError:
        raise
    except Exception as error:
        raise InvalidPixelDataError(f"a frame cannot be encoded: {error}") from error


def _codec(transfer_syntax_uid: str) -> tuple[_Decode, _Encode]:
    try:
        return _CODECS[transfer_syntax_uid]
    except KeyError:
        raise UnsupportedTransferSyntaxError(
            f"frames of transfer syntax {transfer_syntax_uid} are neither decoded nor encoded"
        ) from None
