"""Which objects are to be compressed when they have been stored, and to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from archimage.dicom.codecs.syntaxes import (
    DEFLATED_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    NATIVE,
    RLE,
)
from archimage.dicom.layout import PIXEL_DATA
from archimage.dicom.scan import Header

OTHERS: Final = "*"
"""Stands for every modality that has no rule of its own."""

TARGETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "htj2k-lossless": HTJ2K_LOSSLESS,
        "jpeg-ls-lossless": JPEG_LS,
        "jpeg-2000-lossless": JPEG_2000_LOSSLESS,
        "jpeg-lossless": JPEG_LOSSLESS_SV1,
        "rle-lossless": RLE,
        "jpeg-xl-lossless": JPEG_XL_LOSSLESS,
        "none": "",
    }
)
"""The names of the settings, and the transfer syntaxes that they stand for; in none of these is anything lost."""

LOSSLESS: Final = frozenset(TARGETS.values()) - {""}
"""The transfer syntaxes that these stand for."""
_SOURCES: Final = NATIVE - {DEFLATED_LITTLE_ENDIAN}


@dataclass(frozen=True, slots=True)
class CompressionRules:
    """Maps modalities to names of `TARGETS`."""

    by_modality: Mapping[str, str] = field(default_factory=dict)

    def target(self, header: Header, values: Mapping[str, str], transfer_syntax_uid: str) -> str:
        """Return the transfer syntax that an object is to be compressed to, empty where it is to stay as it is."""
        if not self.by_modality or transfer_syntax_uid not in _SOURCES:
            return ""
        if header.pixel is None or header.pixel.tag != PIXEL_DATA:
            return ""
        own = self.by_modality.get(values.get("modality", "").upper())
        return TARGETS[own or self.by_modality.get(OTHERS, "none")]
