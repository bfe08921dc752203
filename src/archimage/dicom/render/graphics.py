"""Graphic annotations of a presentation state: lines, curves, circles and text on layers (PS3.3 §C.10.5, §C.10.7).

Coordinates are those of the image (PIXEL) or fractions of what is shown (DISPLAY). They are drawn in the picture's own
resolution, so that lines and letters are sharp however small the image is. What is broken is left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import cos, isfinite, pi, sin
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import integer_of, items_of, numbers_of, text_of
from archimage.dicom.render.colour import from_cielab
from archimage.dicom.render.geometry import Layout
from archimage.dicom.render.images import Picture
from archimage.dicom.render.lettering import drawable, font
from archimage.dicom.render.presentation import PresentationState

Point = tuple[float, float]
Placing = Callable[[float, float], Point]
Ink = tuple[int, int, int]
Numbers = npt.NDArray[np.float64]

WHITE: Final[Ink] = (255, 255, 255)
_FARTHEST: Final = 100_000.0
"""Pixels; a point beyond is drawn there, for lines are walked pixel by pixel."""
_MOST_POINTS: Final = 10_000
_MOST_LINES, _MOST_CHARACTERS = 100, 200
_CIRCLE_POINTS: Final = 96
_CURVE_POINTS: Final = 8


@dataclass(frozen=True, slots=True, order=True)
class Layer:
    """A graphic layer: its place among the others, and what it is drawn with."""

    order: int
    ink: Ink


def layers_of(state: PresentationState) -> dict[str, Layer]:
    """Return the layers of a state by their names."""
    layers = {}
    for item in items_of(state.dataset, "GraphicLayerSequence"):
        layers[text_of(item, "GraphicLayer")] = Layer(integer_of(item, "GraphicLayerOrder"), _ink(item))
    return layers


def _ink(layer: Dataset) -> Ink:
    colour = numbers_of(layer, "GraphicLayerRecommendedDisplayCIELabValue")
    if len(colour) == 3:
        return from_cielab(colour)
    grey = integer_of(layer, "GraphicLayerRecommendedDisplayGrayscaleValue", 0xFFFF) >> 8 & 0xFF
    return grey, grey, grey


def in_ink(picture: Picture, inks: Sequence[Ink]) -> Picture:
    """Return the picture with colours, when one of the inks is not grey."""
    if picture.ndim == 2 and any(len(set(ink)) > 1 for ink in inks):
        return np.repeat(picture[..., np.newaxis], 3, axis=-1)
    return picture


def level(picture: Picture, ink: Ink) -> int | Ink:
    """Return an ink as a picture's pixels hold it."""
    return ink if picture.ndim == 3 else ink[0]


def annotated(picture: Picture, state: PresentationState, layout: Layout) -> Picture:
    """Return a picture with the state's graphic and text objects, drawn in the order of their layers.

    Raises:
        InvalidDatasetError: the attributes of one cannot be read.
    """
    layers = layers_of(state)
    nowhere = Layer(0, WHITE)
    drawings = [(layers.get(text_of(item, "GraphicLayer"), nowhere), item) for item in _annotations(state)]
    if not drawings:
        return picture
    picture = in_ink(picture, [layer.ink for layer, _ in drawings])
    image = Image.fromarray(picture)
    for layer, item in sorted(drawings, key=lambda drawing: drawing[0].order):
        pen = _Pen(ImageDraw.Draw(image), layout, level(picture, layer.ink))
        for graphic in items_of(item, "GraphicObjectSequence"):
            pen.graphic(graphic)
        for text in items_of(item, "TextObjectSequence"):
            pen.text(text)
    return np.asarray(image)


def _annotations(state: PresentationState) -> Iterator[Dataset]:
    return state.selected("GraphicAnnotationSequence")


class _Pen:
    """Draws the objects of one layer."""

    def __init__(self, draw: ImageDraw.ImageDraw, layout: Layout, colour: int | Ink) -> None:
        self._draw = draw
        self._layout = layout
        self._colour = colour
        self._width = max(1, round(max(layout.size) / 800))

    def _placing(self, units: str) -> Placing:
        if units == "DISPLAY":
            width, height = self._layout.size
            return lambda x, y: (x * width, y * height)
        return self._layout.place

    def _points(self, numbers: Sequence[float], units: str) -> list[Point]:
        """Return points in the picture, none when a number is no place."""
        numbers = numbers[: 2 * _MOST_POINTS]
        if not all(isfinite(number) for number in numbers):
            return []
        place = self._placing(units)
        placed = (place(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=False))
        return [(_near(x), _near(y)) for x, y in placed]

    def graphic(self, item: Dataset) -> None:
        kind, numbers = text_of(item, "GraphicType"), numbers_of(item, "GraphicData")
        outline = _OUTLINES.get(kind, list)
        units = text_of(item, "GraphicAnnotationUnits")
        given = list(zip(numbers[: 2 * _MOST_POINTS : 2], numbers[1::2], strict=False))
        points = self._points([value for point in outline(given) for value in point], units)
        if kind == "POINT" and points:
            self._cross(points[0])
        elif len(points) > 1:
            closed = kind in {"CIRCLE", "ELLIPSE"} or points[0] == points[-1]
            if closed and text_of(item, "GraphicFilled") == "Y" and len(points) > 2:
                self._draw.polygon(points, fill=self._colour)
            self._draw.line(points, fill=self._colour, width=self._width)

    def _cross(self, point: Point) -> None:
        x, y = point
        arm = 3 * self._width
        self._draw.line([(x - arm, y), (x + arm, y)], fill=self._colour, width=self._width)
        self._draw.line([(x, y - arm), (x, y + arm)], fill=self._colour, width=self._width)

    def text(self, item: Dataset) -> None:
        lines = [drawable(line, _MOST_CHARACTERS) for line in text_of(item, "UnformattedTextValue").splitlines()]
        corners = [
            *numbers_of(item, "BoundingBoxTopLeftHandCorner"),
            *numbers_of(item, "BoundingBoxBottomRightHandCorner"),
        ]
        box = self._points(corners, text_of(item, "BoundingBoxAnnotationUnits"))
        anchor = self._points(numbers_of(item, "AnchorPoint"), text_of(item, "AnchorPointAnnotationUnits"))
        if len(box) == 2:
            self._boxed(lines[:_MOST_LINES], box, text_of(item, "BoundingBoxTextHorizontalJustification"))
            if anchor and text_of(item, "AnchorPointVisibility") == "Y":
                self._draw.line([_nearest(box, anchor[0]), anchor[0]], fill=self._colour, width=self._width)
        elif anchor:
            size = max(self._layout.size) // 40
            self._draw.multiline_text(anchor[0], "\n".join(lines[:_MOST_LINES]), fill=self._colour, font=font(size))

    def _boxed(self, lines: list[str], box: list[Point], justification: str) -> None:
        (left, right), (top, bottom) = (sorted((box[0][axis], box[1][axis])) for axis in (0, 1))
        size = min((bottom - top) / max(1, len(lines)) / _PITCH, max(self._layout.size) / 20)
        widest = max((self._draw.textlength(line, font(int(size))) for line in lines), default=0)
        size *= min(1.0, (right - left) / max(widest, 1))
        letters = font(int(size))
        for index, line in enumerate(lines):
            spare = right - left - self._draw.textlength(line, letters)
            x = left + spare * _SHARES.get(justification, 0.0)
            self._draw.text((x, top + index * size * _PITCH), line, fill=self._colour, font=letters)


_PITCH: Final = 1.25
"""From one line to the next, in sizes of the letters."""
_SHARES: Final = {"CENTER": 0.5, "RIGHT": 1.0}
"""How much of the spare width stands before a line."""


def _near(value: float) -> float:
    return min(max(value, -_FARTHEST), _FARTHEST)


def _nearest(box: list[Point], anchor: Point) -> Point:
    """Return the middle of the box's edge that is nearest to its anchor."""
    (left, right), (top, bottom) = (sorted((box[0][axis], box[1][axis])) for axis in (0, 1))
    x, y = (left + right) / 2, (top + bottom) / 2
    edges = [(left, y), (right, y), (x, top), (x, bottom)]
    return min(edges, key=lambda edge: (edge[0] - anchor[0]) ** 2 + (edge[1] - anchor[1]) ** 2)


def _ring(center: Point, first: Point, second: Point) -> list[Point]:
    """Return the ellipse of two half axes."""
    turns = [2 * pi * index / _CIRCLE_POINTS for index in range(_CIRCLE_POINTS + 1)]
    (x, y), (ax, ay), (bx, by) = center, first, second
    return [(x + ax * cos(turn) + bx * sin(turn), y + ay * cos(turn) + by * sin(turn)) for turn in turns]


def _circle(points: list[Point]) -> list[Point]:
    """Return the circle around the first point through the second."""
    if len(points) != 2:
        return []
    dx, dy = points[1][0] - points[0][0], points[1][1] - points[0][1]
    return _ring(points[0], (dx, dy), (-dy, dx))


def _ellipse(points: list[Point]) -> list[Point]:
    """Return the ellipse of the ends of its major axis, then of its minor one."""
    if len(points) != 4:
        return []
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    center = (ax + bx) / 2, (ay + by) / 2
    return _ring(center, ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))


def _curve(points: list[Point]) -> list[Point]:
    """Return a smooth curve through all points (Catmull-Rom; the standard leaves the interpolation open)."""
    points = points[: _MOST_POINTS // _CURVE_POINTS]
    if len(points) < 3:
        return points
    closed = points[0] == points[-1]
    before, after = (points[-2], points[1]) if closed else (points[0], points[-1])
    known = np.array([before, *points, after], np.float64)
    at = np.linspace(0, 1, _CURVE_POINTS, endpoint=False)[:, np.newaxis]
    pieces = [_piece(known[index : index + 4], at) for index in range(len(points) - 1)]
    return [(float(x), float(y)) for x, y in np.concatenate([*pieces, known[-2:-1]])]


def _piece(four: Numbers, at: Numbers) -> Numbers:
    p0, p1, p2, p3 = four
    bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * at**2 + (3 * p1 - p0 - 3 * p2 + p3) * at**3
    piece: Numbers = 0.5 * (2 * p1 + (p2 - p0) * at + bend)
    return piece


_OUTLINES: Final[dict[str, Callable[[list[Point]], list[Point]]]] = {
    "POINT": lambda points: points[:1],
    "POLYLINE": list,
    "INTERPOLATED": _curve,
    "CIRCLE": _circle,
    "ELLIPSE": _ellipse,
}
