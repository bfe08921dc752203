"""What a caller may ask of a rendering: window, viewport, quality, annotation, presentation state (PS3.18 §8.3.5).

It crosses a process border as JSON, so that what comes out of `from_json` is checked like what a client sends.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal, Self, cast, get_args

from archimage.errors import InvalidRequestError

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
Window = tuple[float, float, VoiFunction]
"""Center, width, and the function of PS3.3 §C.11.2.1."""

ANNOTATIONS: Final = frozenset({"patient", "technique"})
ICC_PROFILES: Final = frozenset({"no", "yes", "srgb", "adobergb", "rommrgb", "displayp3"})
MAX_SIDE: Final = 16_384
"""Pixels; the longest side of a picture that is made larger or smaller than its frame."""
MAX_PIXELS: Final = 64 << 20

_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_FUNCTIONS: Final = frozenset(get_args(VoiFunction))


@dataclass(frozen=True, slots=True)
class Viewport:
    """The size to fit a picture into, and the region of the frame to show; pixels.

    sx, sy are the region's left and top edge, sw, sh its width and height, to the frame's edge when they are None.
    A negative width flips the region horizontally, a negative height vertically; of sx, sy the sign does not count.

    Ref: PS3.18 §8.3.5.1.3.
    """

    vw: int
    vh: int
    sx: float = 0
    sy: float = 0
    sw: float | None = None
    sh: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        if not (1 <= self.vw <= MAX_SIDE and 1 <= self.vh <= MAX_SIDE):
            raise InvalidRequestError(f"a viewport is 1 to {MAX_SIDE} pixels wide and high")
        if self.vw * self.vh > MAX_PIXELS:
            raise InvalidRequestError(f"a viewport has at most {MAX_PIXELS} pixels: {self.vw} x {self.vh} are more")
        sizes = [size for size in (self.sw, self.sh) if size is not None]
        if not all(isfinite(value) for value in (self.sx, self.sy, *sizes)) or 0 in sizes:
            raise InvalidRequestError("the region of a viewport is given by its corner and a size that is not 0")


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a frame is to be shown; the defaults show it as its own attributes say.

    quality is that of JPEG, 1 to 100. icc_profile is one of ICC_PROFILES; None puts that of the object into what can
    hold it. presentation is a presentation state data set, encoded under presentation_syntax.

    Raises:
        InvalidRequestError: a value is out of its range.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    annotation: frozenset[str] = frozenset()
    icc_profile: str | None = None
    presentation: bytes | None = None
    presentation_syntax: str = _EXPLICIT_LITTLE

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.window is not None:
            _check_window(self.window)
        if not 1 <= self.quality <= 100:
            raise InvalidRequestError("quality is a whole number from 1 to 100")
        if not self.annotation <= ANNOTATIONS:
            raise InvalidRequestError(f"annotation is of {', '.join(sorted(ANNOTATIONS))}")
        if self.icc_profile is not None and self.icc_profile not in ICC_PROFILES:
            raise InvalidRequestError(f"iccprofile is one of {', '.join(sorted(ICC_PROFILES))}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values, those that differ from the defaults."""
        view, presentation = self.viewport, self.presentation
        plain: dict[str, Any] = {"quality": self.quality, "presentation_syntax": self.presentation_syntax}
        if self.window is not None:
            plain["window"] = list(self.window)
        if view is not None:
            plain["viewport"] = [view.vw, view.vh, view.sx, view.sy, view.sw, view.sh]
        if self.annotation:
            plain["annotation"] = sorted(self.annotation)
        if self.icc_profile is not None:
            plain["icc_profile"] = self.icc_profile
        if presentation is not None:
            plain["presentation"] = b64encode(presentation).decode("ascii")
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the options of what to_json gave."""
        window, view, presentation = plain.get("window"), plain.get("viewport"), plain.get("presentation")
        return cls(
            window=None if window is None else cast("Window", tuple(window)),
            viewport=None if view is None else Viewport(*view),
            quality=plain.get("quality", 90),
            annotation=frozenset(plain.get("annotation", ())),
            icc_profile=plain.get("icc_profile"),
            presentation=None if presentation is None else b64decode(presentation),
            presentation_syntax=plain.get("presentation_syntax", _EXPLICIT_LITTLE),
        )


def _check_window(window: Window) -> None:
    center, width, function = window
    if function not in _FUNCTIONS:
        raise InvalidRequestError(f"the function of a window is one of {', '.join(sorted(_FUNCTIONS))}")
    if not (isfinite(center) and isfinite(width)) or width <= 0 or (function == "LINEAR" and width < 1):
        raise InvalidRequestError("the width of a window is above 0, of a linear one at least 1")
