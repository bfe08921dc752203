"""Sizes of films, and where image and annotation boxes lie on them, in pixels from the upper left corner.

Ref: PS3.3 §C.13.3 (Image Display Format, Film Size ID, Film Orientation).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.errors import InvalidRequestError

INCH_MM: Final = 25.4
SIZES_MM: Final[Mapping[str, tuple[float, float]]] = {
    "8INX10IN": (8 * INCH_MM, 10 * INCH_MM),
    "8_5INX11IN": (8.5 * INCH_MM, 11 * INCH_MM),
    "10INX12IN": (10 * INCH_MM, 12 * INCH_MM),
    "10INX14IN": (10 * INCH_MM, 14 * INCH_MM),
    "11INX14IN": (11 * INCH_MM, 14 * INCH_MM),
    "11INX17IN": (11 * INCH_MM, 17 * INCH_MM),
    "14INX14IN": (14 * INCH_MM, 14 * INCH_MM),
    "14INX17IN": (14 * INCH_MM, 17 * INCH_MM),
    "24CMX24CM": (240, 240),
    "24CMX30CM": (240, 300),
    "A4": (210, 297),
    "A3": (297, 420),
}
"""Width and height of a film that stands upright."""
MAX_BOXES: Final = 100
"""Image boxes of one film."""
ANNOTATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "TOP": ("top",),
    "BOTTOM": ("bottom",),
    "TOPBOTTOM": ("top", "bottom"),
}
"""Where a film has lines of text, by Annotation Display Format ID; the first is position 1."""
_EDGE_MM: Final = 5.0
_GAP_MM: Final = 2.0
_LINE_MM: Final = 8.0
_MOUNT_MM: Final = 51.0
_SLIDES_MM: Final[Mapping[str, tuple[float, float]]] = {"SLIDE": (36, 24), "SUPERSLIDE": (40, 40)}
"""Width and height of the image on a slide, whose mount is a square."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of a film, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A film before anything is on it; dpi are pixels an inch.

    display_format is the Image Display Format as it came; annotation an Annotation Display Format ID, empty without.
    """

    film_size: str
    orientation: str
    display_format: str
    dpi: int
    annotation: str = ""

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        width, height = SIZES_MM[self.film_size]
        return (height, width) if self.orientation == "LANDSCAPE" else (width, height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.size_mm
        return self.pixels(width), self.pixels(height)

    def pixels(self, length_mm: float) -> int:
        """Return a length in pixels."""
        return round(length_mm / INCH_MM * self.dpi)

    def boxes(self) -> Sequence[Rectangle]:
        """Return where the image boxes lie; the first is position 1.

        Raises:
            InvalidRequestError: the display format is unknown, or has no or too many boxes.
        """
        return [self._rectangle(*box) for box in _boxes_mm(self.display_format, *self._area_mm())]

    def lines(self) -> Sequence[Rectangle]:
        """Return where the lines of text lie; the first is position 1."""
        width, height = self.size_mm
        tops = {"top": _EDGE_MM, "bottom": height - _EDGE_MM - _LINE_MM}
        return [
            self._rectangle(_EDGE_MM, tops[place], width - 2 * _EDGE_MM, _LINE_MM)
            for place in ANNOTATIONS.get(self.annotation, ())
        ]

    def _area_mm(self) -> tuple[float, float, float, float]:
        """Return left, top, width and height of what is left to the images."""
        width, height = self.size_mm
        places = ANNOTATIONS.get(self.annotation, ())
        top = _EDGE_MM + (_LINE_MM + _GAP_MM) * ("top" in places)
        bottom = _EDGE_MM + (_LINE_MM + _GAP_MM) * ("bottom" in places)
        return _EDGE_MM, top, width - 2 * _EDGE_MM, height - top - bottom

    def _rectangle(self, left: float, top: float, width: float, height: float) -> Rectangle:
        x, y = self.pixels(left), self.pixels(top)
        return Rectangle(x, y, max(1, self.pixels(left + width) - x), max(1, self.pixels(top + height) - y))


def _boxes_mm(
    display_format: str, left: float, top: float, width: float, height: float
) -> Iterator[tuple[float, float, float, float]]:
    kind, _, numbers = display_format.partition("\\")
    if kind in _SLIDES_MM and not numbers:
        return _slides(_SLIDES_MM[kind], left, top, width, height)
    counts = _counts(display_format, numbers)
    if kind == "STANDARD" and len(counts) == 2:
        rows = [counts[0]] * _bounded(counts[1] * counts[0], counts[1])
    elif kind in {"ROW", "COL"}:
        rows = counts
        _bounded(sum(counts), 0)
    else:
        raise InvalidRequestError(f"image display format {display_format[:64]!r} is not known here")
    if kind == "COL":
        turned = _rows(rows, top, left, height, width)
        return ((x, y, across, down) for y, x, down, across in turned)
    return _rows(rows, left, top, width, height)


def _counts(display_format: str, numbers: str) -> list[int]:
    parts = numbers.split(",")
    if not all(part.isascii() and part.isdigit() and int(part[:6]) > 0 for part in parts) or len(parts) > MAX_BOXES:
        raise InvalidRequestError(f"image display format {display_format[:64]!r} is not known here")
    return [int(part[:6]) for part in parts]


def _bounded(boxes: int, value: int) -> int:
    if boxes > MAX_BOXES:
        raise InvalidRequestError(f"{boxes} image boxes; a film has {MAX_BOXES} at most")
    return value


def _rows(
    rows: Sequence[int], left: float, top: float, width: float, height: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield boxes row by row; each row has so many of them."""
    tall = (height - _GAP_MM * (len(rows) - 1)) / len(rows)
    for row, columns in enumerate(rows):
        wide = (width - _GAP_MM * (columns - 1)) / columns
        for column in range(columns):
            yield left + column * (wide + _GAP_MM), top + row * (tall + _GAP_MM), wide, tall


def _slides(
    slide: tuple[float, float], left: float, top: float, width: float, height: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield as many slides as the area holds, each in the middle of its mount."""
    wide, tall = slide
    for row in range(int(height // _MOUNT_MM)):
        for column in range(int(width // _MOUNT_MM)):
            x, y = left + column * _MOUNT_MM, top + row * _MOUNT_MM
            yield x + (_MOUNT_MM - wide) / 2, y + (_MOUNT_MM - tall) / 2, wide, tall
