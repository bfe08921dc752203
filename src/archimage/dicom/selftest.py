"""Whether every family of codecs works here: an invented frame is encoded, decoded and compared."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.codecs.syntaxes import (
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    RLE,
)
from archimage.dicom.pixels import decode_frame, encode_frame

_SIZE: Final = 64
_LOSSLESS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "native": EXPLICIT_LITTLE_ENDIAN,
        "RLE": RLE,
        "JPEG": JPEG_LOSSLESS_SV1,
        "JPEG-LS": JPEG_LS,
        "JPEG 2000": JPEG_2000_LOSSLESS,
        "HTJ2K": HTJ2K_LOSSLESS,
        "JPEG XL": JPEG_XL_LOSSLESS,
    }
)


def selftest(_options: Mapping[str, Any], _data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Try every family; returns what is wrong with each by its name, empty where nothing is."""
    return {"codecs": {name: _fault(syntax) for name, syntax in _LOSSLESS.items()}}, b""


def _fault(transfer_syntax_uid: str) -> str:
    description = PixelDescription(
        rows=_SIZE,
        columns=_SIZE,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        pixel_representation=0,
        planar_configuration=0,
    )
    frame = (np.arange(_SIZE * _SIZE, dtype="u2").reshape(_SIZE, _SIZE) * 37) % 4096
    try:
        encoded = encode_frame(frame, transfer_syntax_uid, description)
        decoded, _ = decode_frame(encoded, transfer_syntax_uid, description)
    except Exception as error:  # whatever a library raises, it does not work here
        return f"{type(error).__name__}: {error}"
    return "" if np.array_equal(frame, decoded) else "it gives back other samples"
