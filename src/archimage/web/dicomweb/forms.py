"""In which form an object or its frames go out: media type and transfer syntax, by what the client takes.

- An object is asked for in a transfer syntax, in any (`*`), or without a word: then it is given in explicit VR little
  endian, and only what has no way there, videos for instance, as it is stored.
- Frames are asked for as bytes (`application/octet-stream`: native, unless a transfer syntax is named) or as a picture
  format that DICOM knows, which stands for several transfer syntaxes. Any media type, `*/*`, gets the codestream that
  is stored, and of native frames little endian bytes.
- Of what the client likes equally, what is stored comes first: nothing has to be done, and nothing is lost.

Ref: PS3.18 §8.7.3.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from archimage.dicom.codecs.syntaxes import (
    DECODABLE,
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000,
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
    RLE,
    VIDEO,
)
from archimage.errors import NotAcceptableError
from archimage.web.dicomweb.negotiation import ANY_SYNTAX, Choice, Offer, rank
from archimage.web.dicomweb.resources import DicomWebRequest

DICOM: Final = "application/dicom"
ZIP: Final = "application/zip"
BYTES: Final = "application/octet-stream"
_MPEG_2: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in ("100", "100.1", "101", "101.1"))
_HEVC: Final = frozenset({"1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"})

SYNTAXES: Final = (EXPLICIT_LITTLE_ENDIAN, *sorted((DECODABLE | VIDEO) - {EXPLICIT_LITTLE_ENDIAN}))
"""What can be asked for by name; what is stored in another syntax can be had with `*`."""

PICTURES: Final[dict[str, tuple[str, ...]]] = {
    "image/jpeg": (JPEG_LOSSLESS_SV1, JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS),
    "image/jls": (JPEG_LS, JPEG_LS_NEAR),
    "image/jp2": (JPEG_2000_LOSSLESS, JPEG_2000),
    "image/jphc": (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K),
    "image/jxl": (JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL),
    "image/dicom-rle": (RLE,),
    "image/jpx": ("1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"),
    "image/x-jls": (JPEG_LS, JPEG_LS_NEAR),
    "image/x-dicom-rle": (RLE,),
}
"""Formats of frames, and the transfer syntaxes that each stands for, the default first; `x-` names are older ones."""

_PICTURE_OF: Final = {uid: kind for kind, uids in reversed(PICTURES.items()) for uid in uids}
_LITTLE: Final = frozenset({IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN})

Can = Callable[[str, str], bool]
"""Tells whether there is a way from one transfer syntax to another."""


def object_offers(count: int) -> tuple[Offer, ...]:
    """Return the forms in which so many objects can be given."""
    return _OBJECTS if count == 1 else (_OBJECTS[0], _OBJECTS[2])


_OBJECTS: Final = (Offer(DICOM, True, SYNTAXES), Offer(DICOM, False, SYNTAXES), Offer(ZIP, False, SYNTAXES))


def video_type(transfer_syntax_uid: str) -> str | None:
    """Return the media type of a video's stream, None if frames of the syntax stand alone."""
    if transfer_syntax_uid not in VIDEO:
        return None
    if transfer_syntax_uid in _MPEG_2:
        return "video/mpeg"
    return "video/h265" if transfer_syntax_uid in _HEVC else "video/mp4"


def frame_syntax(transfer_syntax_uid: str) -> str:
    """Return the syntax that stored frames are said to be in: the bytes of little endian ones are the same in all."""
    return EXPLICIT_LITTLE_ENDIAN if transfer_syntax_uid in _LITTLE else transfer_syntax_uid


@lru_cache(maxsize=64)
def frame_offers(transfer_syntax_uid: str, *, alone: bool) -> tuple[Offer, ...]:
    """Return the forms of frames, that in which they are stored first; alone: one may go without a multipart."""
    own = video_type(transfer_syntax_uid) or _PICTURE_OF.get(transfer_syntax_uid, BYTES)
    kinds = [BYTES, *PICTURES] if video_type(transfer_syntax_uid) is None else [BYTES]
    kinds = [own, *(kind for kind in kinds if kind != own)]
    stored = frame_syntax(transfer_syntax_uid)
    every = (*SYNTAXES, *(() if stored in SYNTAXES else (stored,)))
    syntaxes = {BYTES: every, own: every} | PICTURES
    return tuple(
        Offer(kind, multipart, syntaxes[kind]) for multipart in ((True, False) if alone else (True,)) for kind in kinds
    )


def choices(request: DicomWebRequest, offers: tuple[Offer, ...]) -> tuple[Choice, ...]:
    """Return everything that the client takes, the best first; NotAcceptableError when it takes nothing.

    Where a range is asked for, what can go alone goes alone if the client takes it so.
    """
    request.choose(offers)
    accepted = request.header("accept"), request.query.joined("accept")
    if request.header("range") is not None:
        in_parts = {offer.media_type for offer in offers if offer.multipart}
        alone = tuple(offer for offer in offers if not offer.multipart and offer.media_type in in_parts)
        if ranked := rank(*accepted, alone):
            return ranked
    return rank(*accepted, offers)


def object_syntax(stored: str, ranked: Sequence[Choice], can: Can) -> str | None:
    """Return the transfer syntax to give an object in; None where the client takes it in none that can be had."""
    for like in _levels(ranked):
        wanted = [choice.transfer_syntax for choice in like]
        if ANY_SYNTAX in wanted or stored in wanted:
            return stored
        for syntax in wanted:
            target = syntax or EXPLICIT_LITTLE_ENDIAN
            if target == stored or can(stored, target):
                return target
    return stored if any(not choice.transfer_syntax for choice in ranked) else None


def frame_form(stored: str, ranked: Sequence[Choice], can: Can) -> tuple[Offer, str]:
    """Return the form and the transfer syntax to give frames in.

    Raises:
        NotAcceptableError: there is no way to what the client takes.
    """
    own = frame_syntax(stored)
    for like in _levels(ranked):
        wanted = [(choice.offer, _meant(choice, own)) for choice in like]
        for offer, target in wanted:
            if target == own:
                return offer, own
        for offer, target in wanted:
            if can(stored, target):
                return offer, target
    raise NotAcceptableError(f"frames stored in transfer syntax {stored} cannot be given as {_named(ranked)}")


def _meant(choice: Choice, own: str) -> str:
    """Return the syntax that a choice stands for where frames are stored in their own."""
    syntaxes = choice.offer.transfer_syntaxes
    if choice.transfer_syntax not in {"", ANY_SYNTAX}:
        return choice.transfer_syntax
    if choice.transfer_syntax == ANY_SYNTAX or choice.offer.media_type != BYTES:
        return own if own in syntaxes else syntaxes[0]
    return syntaxes[0]


def _levels(ranked: Sequence[Choice]) -> Iterator[list[Choice]]:
    """Yield choices that are liked equally together."""
    return (list(like) for _, like in groupby(ranked, key=_liking))


def _liking(choice: Choice) -> float:
    return choice.quality


def _named(ranked: Sequence[Choice]) -> str:
    names = (f"{choice.offer.media_type} {choice.transfer_syntax}".strip() for choice in ranked)
    return ", ".join(dict.fromkeys(names))[:300]
