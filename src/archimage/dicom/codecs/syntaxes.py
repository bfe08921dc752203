"""Transfer syntaxes by what they do to pixels (PS3.5 §10, §A; PS3.6 Table A-1)."""

from typing import Final

_ROOT: Final = "1.2.840.10008.1.2"

IMPLICIT_LITTLE_ENDIAN: Final = _ROOT
EXPLICIT_LITTLE_ENDIAN: Final = f"{_ROOT}.1"
ENCAPSULATED_UNCOMPRESSED: Final = f"{_ROOT}.1.98"
DEFLATED_LITTLE_ENDIAN: Final = f"{_ROOT}.1.99"
EXPLICIT_BIG_ENDIAN: Final = f"{_ROOT}.2"
JPEG_BASELINE: Final = f"{_ROOT}.4.50"
JPEG_EXTENDED: Final = f"{_ROOT}.4.51"
JPEG_LOSSLESS: Final = f"{_ROOT}.4.57"
JPEG_LOSSLESS_SV1: Final = f"{_ROOT}.4.70"
JPEG_LS: Final = f"{_ROOT}.4.80"
JPEG_LS_NEAR: Final = f"{_ROOT}.4.81"
JPEG_2000_LOSSLESS: Final = f"{_ROOT}.4.90"
JPEG_2000: Final = f"{_ROOT}.4.91"
JPEG_XL_LOSSLESS: Final = f"{_ROOT}.4.110"
JPEG_XL_RECOMPRESSION: Final = f"{_ROOT}.4.111"
JPEG_XL: Final = f"{_ROOT}.4.112"
HTJ2K_LOSSLESS: Final = f"{_ROOT}.4.201"
HTJ2K_LOSSLESS_RPCL: Final = f"{_ROOT}.4.202"
HTJ2K: Final = f"{_ROOT}.4.203"
RLE: Final = f"{_ROOT}.5"
DEFLATED_FRAME: Final = f"{_ROOT}.8.1"

NATIVE: Final = frozenset(
    {IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN},
)
"""What keeps the pixels as one value; the rest encapsulates them in fragments."""

LOSSY_JPEG: Final = frozenset({JPEG_BASELINE, JPEG_EXTENDED})
JPEG_FAMILY: Final = LOSSY_JPEG | {JPEG_LOSSLESS, JPEG_LOSSLESS_SV1}
JPEG_LS_FAMILY: Final = frozenset({JPEG_LS, JPEG_LS_NEAR})
HTJ2K_FAMILY: Final = frozenset({HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K})
JPEG_2000_FAMILY: Final = HTJ2K_FAMILY | {JPEG_2000_LOSSLESS, JPEG_2000}
JPEG_XL_FAMILY: Final = frozenset({JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL})
DEFLATED_FRAMES: Final = frozenset({ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAME})
"""Native frames, each in its own fragment, deflated or not."""

LOSSY: Final = LOSSY_JPEG | {JPEG_LS_NEAR, JPEG_2000, HTJ2K, JPEG_XL_RECOMPRESSION, JPEG_XL}
"""What may hold less than went in; what lies in .91, .203 and .112 may be lossless nevertheless."""

VIDEO: Final = frozenset(
    {f"{_ROOT}.4.{number}{part}" for number in range(100, 107) for part in ("", ".1")}
    | {f"{_ROOT}.4.107", f"{_ROOT}.4.108"}
)
"""MPEG-2, MPEG-4 and HEVC: stored and handed through, never decoded."""

DECODABLE: Final = (
    NATIVE | DEFLATED_FRAMES | JPEG_FAMILY | JPEG_LS_FAMILY | JPEG_2000_FAMILY | JPEG_XL_FAMILY | frozenset({RLE})
)
ENCODABLE: Final = DECODABLE - {JPEG_XL_RECOMPRESSION}
"""JPEG XL JPEG Recompression is made of JPEG codestreams, not of samples (`jpegxl.recompress_jpeg`)."""
