"""Picture files: JPEG, PNG, GIF, JPEG 2000, with the object's ICC profile where the format can hold one."""

from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from archimage.errors import NotAcceptableError

Picture = npt.NDArray[np.uint8]
"""(rows, columns) grey or (rows, columns, 3) red, green, blue."""

_FORMATS: Final[dict[str, str]] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/jp2": "JPEG2000",
}
_WITH_PROFILE: Final = frozenset({"image/jpeg", "image/png"})
MEDIA_TYPES: Final = frozenset(_FORMATS)
_MAX_JPEG_SIDE: Final = 65_500

Image.preinit()  # loads the usual formats, which the first picture of each worker would else wait for


def encode_image(picture: Picture, media_type: str, quality: int = 90, icc_profile: bytes | None = None) -> bytes:
    """Encode one picture; quality is that of JPEG, the other formats are lossless but for a GIF's 256 colours.

    Raises:
        NotAcceptableError: the media type is none of MEDIA_TYPES, or its format does not hold so large a picture.
    """
    if media_type not in _FORMATS:
        raise NotAcceptableError(f"pictures are written as {', '.join(sorted(_FORMATS))}, not as {media_type}")
    if media_type in {"image/jpeg", "image/gif"} and max(picture.shape[:2]) > _MAX_JPEG_SIDE:
        raise NotAcceptableError(f"{media_type} holds at most {_MAX_JPEG_SIDE} pixels a side: ask for image/png")
    out = BytesIO()
    Image.fromarray(picture).save(out, _FORMATS[media_type], **_settings(media_type, picture, quality, icc_profile))
    return out.getvalue()


def check_profile(media_type: str, wanted: str | None) -> None:
    """Refuse a profile that is asked for in a format that cannot hold one.

    Raises:
        NotAcceptableError: it is.
    """
    if wanted not in {None, "no"} and media_type not in _WITH_PROFILE:
        raise NotAcceptableError(
            f"{media_type} is written without an ICC profile: ask for {' or '.join(sorted(_WITH_PROFILE))}"
        )


def _settings(media_type: str, picture: Picture, quality: int, icc_profile: bytes | None) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if media_type == "image/jpeg":
        settings = {"quality": quality, "subsampling": 0}  # colours of small vessels and text stay sharp
    elif media_type == "image/png":
        settings = {"compress_level": 2}
    elif media_type == "image/jp2":
        settings = {"irreversible": False, "num_resolutions": _resolutions(picture)}
    if icc_profile and picture.ndim == 3 and media_type in _WITH_PROFILE:
        settings["icc_profile"] = icc_profile
    return settings


def _resolutions(picture: Picture) -> int:
    """Return how often a small picture can be halved; the encoder refuses more."""
    return min(6, int(min(picture.shape[:2])).bit_length())


def encode_gif(pictures: Iterable[Picture], frame_time_ms: float) -> bytes:
    """Encode pictures of one size as an endless loop, each shown for as long; at least one picture is given.

    Pictures that are equal one after the other become one that is shown longer. A GIF counts hundredths of a second,
    and viewers slow down what is faster than two of them.
    """
    images = (Image.fromarray(picture) for picture in pictures)
    first = next(images)
    duration_ms = max(20, round(frame_time_ms / 10) * 10)
    out = BytesIO()
    first.save(out, "GIF", save_all=True, append_images=images, duration=duration_ms, loop=0)
    return out.getvalue()
