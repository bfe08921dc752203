"""Which images each transfer syntax may hold, and how their colour is called inside and outside (PS3.5 §8.2).

The tables speak of what is encapsulated; these of what goes in: RGB goes into JPEG 2000 and is YBR_RCT there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.codecs.syntaxes import (
    DEFLATED_FRAMES,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000,
    JPEG_2000_FAMILY,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    LOSSY_JPEG,
    NATIVE,
    RLE,
)
from archimage.errors import NotAcceptableError

_TRANSFORMED: Final = LOSSY_JPEG | {JPEG_XL, JPEG_XL_RECOMPRESSION}
"""Codestreams whose colour is RGB outside, whatever it is inside."""
_TRANSFORMS: Final = frozenset({"YBR_ICT", "YBR_RCT"})
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True, slots=True)
class Profile:
    """Images that a transfer syntax may hold: photometric maps what goes in to what is said of it inside."""

    photometric: Mapping[str, str]
    allocated: frozenset[int] = frozenset({8, 16})
    stored: range = range(1, 17)
    signed: bool = False

    def holds(self, description: PixelDescription) -> bool:
        """Tell whether an image is one of these."""
        return (
            description.photometric_interpretation in self.photometric
            and description.bits_allocated in self.allocated
            and description.bits_stored in self.stored
            and (self.signed or not description.signed)
            and not description.floating
        )


def _profile(*photometric: str, signed: bool = False, allocated: int = 0, stored: range = range(1, 17)) -> Profile:
    """Make one of interpretations, of which `RGB>YBR_RCT` changes on the way in."""
    pairs = [name.partition(">") for name in photometric]
    names = MappingProxyType({given: inside or given for given, _, inside in pairs})
    return Profile(names, frozenset({allocated} if allocated else {8, 16}), stored, signed)


_BYTES: Final = range(1, 9)
_PALETTE: Final = _profile("PALETTE COLOR")
_LOSSLESS_JPEG: Final = (_profile(*_GREY, signed=True), _profile("PALETTE COLOR", "RGB", "YBR_FULL"))
_ANY_BUT_ONE: Final = range(2, 17)
_JPEG_LS: Final = (
    _profile(*_GREY, signed=True, stored=_ANY_BUT_ONE),
    _profile("RGB", stored=_ANY_BUT_ONE),
    _profile("YBR_FULL", allocated=8, stored=range(2, 9)),
)
_JPEG_2000: Final = (_profile(*_GREY, signed=True), _profile("RGB>YBR_RCT", "YBR_FULL"))
_WITH_PALETTE: Final = (*_JPEG_2000, _PALETTE)

_PROFILES: Final[Mapping[str, tuple[Profile, ...]]] = MappingProxyType(
    {
        RLE: (
            _profile(*_GREY, signed=True),
            _profile("PALETTE COLOR", "RGB"),
            _profile("YBR_FULL", allocated=8, stored=_BYTES),
        ),
        JPEG_BASELINE: (
            _profile(*_GREY, "RGB>YBR_FULL_422", "YBR_FULL>YBR_FULL_422", allocated=8, stored=range(8, 9)),
        ),
        JPEG_EXTENDED: (
            _profile(*_GREY, allocated=8, stored=range(8, 9)),
            _profile(*_GREY, allocated=16, stored=range(12, 13)),
        ),
        JPEG_LOSSLESS: _LOSSLESS_JPEG,
        JPEG_LOSSLESS_SV1: _LOSSLESS_JPEG,
        JPEG_LS: (*_JPEG_LS, _profile("PALETTE COLOR", stored=_ANY_BUT_ONE)),
        JPEG_LS_NEAR: _JPEG_LS,
        JPEG_2000_LOSSLESS: _WITH_PALETTE,
        JPEG_2000: _JPEG_2000,
        HTJ2K_LOSSLESS: _WITH_PALETTE,
        HTJ2K_LOSSLESS_RPCL: _WITH_PALETTE,
        HTJ2K: _JPEG_2000,
        JPEG_XL_LOSSLESS: (_profile(*_GREY, signed=True), _profile("PALETTE COLOR", "RGB")),
        JPEG_XL: (_profile(*_GREY), _profile("RGB")),
    }
)
_LOSSY_NAMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        JPEG_2000: MappingProxyType({"YBR_RCT": "YBR_ICT"}),
        HTJ2K: MappingProxyType({"YBR_RCT": "YBR_ICT"}),
        JPEG_XL: MappingProxyType({"RGB": "XYB"}),
    }
)
"""How colour is called where information was given up."""


def decoded_photometric(description: PixelDescription, transfer_syntax_uid: str) -> str:
    """Return the photometric interpretation of frames once they are decoded: transforms of codestreams are undone."""
    given = description.photometric_interpretation
    if description.samples_per_pixel != 3:
        return given
    if transfer_syntax_uid in _TRANSFORMED or (transfer_syntax_uid in JPEG_2000_FAMILY and given in _TRANSFORMS):
        return "RGB"
    return "YBR_FULL" if given == "YBR_FULL_422" else given


def encoded_photometric(description: PixelDescription, transfer_syntax_uid: str, *, lossy: bool) -> str:
    """Return the photometric interpretation of frames once they are encoded so.

    Raises:
        NotAcceptableError: the transfer syntax may not hold such images.
    """
    given = description.photometric_interpretation
    if transfer_syntax_uid in NATIVE or (transfer_syntax_uid in DEFLATED_FRAMES and not description.floating):
        return given
    for profile in _PROFILES.get(transfer_syntax_uid, ()):
        if profile.holds(description) and description.samples_per_pixel == _samples(given):
            inside = profile.photometric[given]
            return _LOSSY_NAMES.get(transfer_syntax_uid, {}).get(inside, inside) if lossy else inside
    raise NotAcceptableError(f"transfer syntax {transfer_syntax_uid} cannot hold {_image(description)}")


def _samples(photometric: str) -> int:
    return 1 if photometric in {*_GREY, "PALETTE COLOR"} else 3


def _image(description: PixelDescription) -> str:
    kind = "floating" if description.floating else "signed" if description.signed else "unsigned"
    bits = f"{description.bits_stored} of {description.bits_allocated} bits"
    return f"{description.photometric_interpretation} images of {bits}, {kind}"
