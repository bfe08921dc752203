"""Which VR an element has where its bytes do not say: implicit VR, UN, private blocks (PS3.5 §6.2.2, §7.8, §A.1)."""

from functools import lru_cache
from typing import Final

from archimage.dicom.dictionary import private_vrs, public_vrs

LUT_DATA: Final = "US or OW"
SIGNED_BY_PIXELS: Final = "US or SS"
_WORDS: Final = frozenset({"OB or OW", "OB_OW", "US or SS or OW"})


@lru_cache(maxsize=16384)
def implied_vr(tag: int, creator: str) -> str:
    """Return the VR of a dictionary, the private one of creator for a private element; UN where neither knows it.

    Of the dictionary's several VRs two stand for a choice that depends on other elements: LUT_DATA and
    SIGNED_BY_PIXELS. Words are OW: so they are under implicit VR, and under an explicit one they name their VR.
    """
    known = _private_vr(tag, creator) if tag >> 16 & 1 else _public_vr(tag)
    return "OW" if known in _WORDS else known


def _public_vr(tag: int) -> str:
    return "UL" if tag & 0xFFFF == 0 else public_vrs(tag)


def _private_vr(tag: int, creator: str) -> str:
    element = tag & 0xFFFF
    if 0x10 <= element <= 0xFF:
        return "LO"
    return private_vrs(tag, creator) if creator and element > 0xFF else "UN"


def choose_vr(vr: str, *, size_bytes: int, signed: bool | None) -> str:
    """Choose between the VRs that implied_vr leaves open.

    LUT Data of one entry is a number (PS3.3 §C.11.1.1.1); pixel values have the sign of Pixel Representation, and what
    it is for is left open while that is not known.
    """
    if vr == LUT_DATA:
        return "US" if size_bytes <= 2 else "OW"
    if vr == SIGNED_BY_PIXELS and signed is not None:
        return "SS" if signed else "US"
    return vr
