"""In which transfer syntax frames are written anew that were changed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from archimage.dicom.codecs.syntaxes import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    LOSSY_JPEG,
)

LOSSLESS: Final[Mapping[str, str]] = MappingProxyType(
    {
        EXPLICIT_BIG_ENDIAN: EXPLICIT_LITTLE_ENDIAN,
        HTJ2K: HTJ2K_LOSSLESS,
        JPEG_2000: JPEG_2000_LOSSLESS,
        JPEG_LS_NEAR: JPEG_LS,
        JPEG_XL: JPEG_XL_LOSSLESS,
        JPEG_XL_RECOMPRESSION: JPEG_XL_LOSSLESS,
        **dict.fromkeys(LOSSY_JPEG, JPEG_2000_LOSSLESS),
    }
)
"""By the transfer syntax that they had; those of any other stay in theirs."""
