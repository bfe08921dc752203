"""From the media type of compressed pixels to their transfer syntax (PS3.18 §8.7.3).

A media type stands for several syntaxes, and its default is often not what a client means: the codestream tells.
"""

from typing import Final

from archimage.dicom.codecs import codestream, syntaxes
from archimage.errors import InvalidPixelDataError

_FIXED: Final = {
    "image/dicom-rle": syntaxes.RLE,
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jxl": syntaxes.JPEG_XL,
    "video/h265": "1.2.840.10008.1.2.4.107",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mpeg2": "1.2.840.10008.1.2.4.100",
}
_DEFAULTS: Final = {
    "image/jpeg": syntaxes.JPEG_LOSSLESS_SV1,
    "image/jls": syntaxes.JPEG_LS,
    "image/jp2": syntaxes.JPEG_2000_LOSSLESS,
}
_BASELINE, _LOSSLESS = 0xC0, 0xC3


def pixel_syntax(media_type: str, head: bytes) -> str | None:
    """Return the syntax of pixels whose codestream begins with head; None when the media type is not one of pixels."""
    if media_type not in _DEFAULTS:
        return _FIXED.get(media_type)
    try:
        return _told_by(media_type, head)
    except InvalidPixelDataError:
        return _DEFAULTS[media_type]


def _told_by(media_type: str, head: bytes) -> str:
    if media_type == "image/jp2":
        reversible = codestream.parse_jpeg_2000(head).reversible
        return syntaxes.JPEG_2000_LOSSLESS if reversible else syntaxes.JPEG_2000
    if media_type == "image/jls":
        return syntaxes.JPEG_LS if codestream.parse_jpeg(head).reversible else syntaxes.JPEG_LS_NEAR
    process, predictor = codestream.jpeg_process(head)
    if process == _LOSSLESS:
        return syntaxes.JPEG_LOSSLESS_SV1 if predictor == 1 else syntaxes.JPEG_LOSSLESS
    return syntaxes.JPEG_BASELINE if process == _BASELINE else syntaxes.JPEG_EXTENDED
