"""How a picture is to look, as the query parameters of rendered resources say it.

Ref: PS3.18 §8.3.5.
"""

import re
from typing import Final, get_args

from archimage.dicom.render.options import ANNOTATIONS, ICC_PROFILES, RenderOptions, Viewport, VoiFunction, Window
from archimage.errors import InvalidRequestError
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.resources import Parameter

THUMBNAIL: Final = Viewport(200, 200)
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_FUNCTIONS: Final = {name.lower().replace("_", "-"): name for name in get_args(VoiFunction)}

VIEWPORT: Final = Parameter(
    "viewport",
    "Width and height to fit the picture into, and the region of the image to show: `vw,vh` or `vw,vh,sx,sy,sw,sh`, "
    "pixels; a negative `sw` or `sh` flips.",
)
PARAMETERS: Final = (
    Parameter("quality", "Of JPEG, 1 to 100.", {"type": "integer", "minimum": 1, "maximum": 100}),
    VIEWPORT,
    Parameter("window", "Center, width and function: `40,400,linear`, or `linear-exact`, or `sigmoid`."),
    Parameter(
        "iccprofile",
        "Colour space of JPEG and PNG: `no` profile in the file, `yes` that of the object or sRGB, or colours turned "
        "into the space that is named.",
        {"type": "string", "enum": sorted(ICC_PROFILES)},
    ),
    Parameter("annotation", "What to write on the picture: `patient`, `technique`, or both with a comma."),
)


def picture_options(query: Parameters) -> RenderOptions:
    """Read the parameters of a rendered resource.

    Raises:
        InvalidRequestError: a value cannot be read, or is out of its range.
    """
    annotation = frozenset(query.split("annotation"))
    if not annotation <= ANNOTATIONS:
        raise InvalidRequestError(f"annotation is of {', '.join(sorted(ANNOTATIONS))}")
    return RenderOptions(
        window=_window(query.one("window")),
        viewport=_viewport(query.one("viewport")),
        quality=query.integer("quality", default=90, low=1, high=101),
        annotation=annotation,
        icc_profile=icc_profile(query),
    )


def icc_profile(query: Parameters) -> str | None:
    """Read the colour space that is asked for; InvalidRequestError when there is none of that name."""
    wanted = query.one("iccprofile")
    if wanted is not None and wanted not in ICC_PROFILES:
        raise InvalidRequestError(f"iccprofile = {wanted[:40]!r} is none of {', '.join(sorted(ICC_PROFILES))}")
    return wanted


def thumbnail_options(query: Parameters) -> RenderOptions:
    """Read the parameters of a thumbnail; raises what `picture_options` raises."""
    return RenderOptions(viewport=_viewport(query.one("viewport")) or THUMBNAIL)


def number(name: str, text: str) -> float:
    """Parse a number; InvalidRequestError when it is none."""
    if not _NUMBER.fullmatch(text):
        raise InvalidRequestError(f"{name} = {text[:40]!r} is not a number")
    return float(text)


def _window(text: str | None) -> Window | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in {2, 3} or (len(parts) == 3 and parts[2].lower() not in _FUNCTIONS):
        raise InvalidRequestError(
            f"window = {text[:60]!r} is not center,width,function; functions are {', '.join(sorted(_FUNCTIONS))}"
        )
    function: VoiFunction = _FUNCTIONS[parts[2].lower()] if len(parts) == 3 else "LINEAR"
    return number("window", parts[0]), number("window", parts[1]), function


def _viewport(text: str | None) -> Viewport | None:
    if text is None:
        return None
    parts = text.split(",")
    if not 2 <= len(parts) <= 6 or not (parts[0].isascii() and parts[0].isdigit()) or not parts[1].isdigit():
        raise InvalidRequestError(f"viewport = {text[:60]!r} is not vw,vh or vw,vh,sx,sy,sw,sh")
    sx, sy, sw, sh = ([number("viewport", part) if part else None for part in parts[2:]] + [None] * 4)[:4]
    return Viewport(_side(parts[0]), _side(parts[1]), sx or 0, sy or 0, sw, sh)


def _side(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InvalidRequestError(f"viewport: {text[:20]!r} is no number of pixels")
    return int(text)
