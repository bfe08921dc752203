"""Display shutters: what of an image is not to be seen (PS3.3 §C.7.6.11, §C.7.6.15)."""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import integer_of, integers_of, number_of, numbers_of, values_of
from archimage.dicom.render.colour import from_cielab
from archimage.dicom.render.images import Picture
from archimage.dicom.render.overlays import Mask

Shape = tuple[int, int]
"""Rows and columns of the image."""

_EDGES: Final = (
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
)


def shuttered(picture: Picture, source: Dataset, bitmap: Mask | None = None) -> Picture:
    """Return a picture with all that a shutter of source, or the set bits of a bitmap shutter, hides in its value.

    A shutter whose numbers are missing hides nothing.

    Raises:
        InvalidDatasetError: its attributes cannot be read.
    """
    shape = (picture.shape[0], picture.shape[1])
    hidden = bitmap
    for name in values_of(source, "ShutterShape"):
        open_part = _SHAPES[str(name)](source, shape) if str(name) in _SHAPES else None
        if open_part is not None:
            hidden = ~open_part if hidden is None else hidden | ~open_part
    if hidden is None:
        return picture
    out = picture.copy()
    out[hidden] = _level(source, picture.ndim)
    return out


def _level(source: Dataset, axes: int) -> int | tuple[int, int, int]:
    colour = numbers_of(source, "ShutterPresentationColorCIELabValue")
    if axes == 3 and len(colour) == 3:
        return from_cielab(colour)
    return min(max(integer_of(source, "ShutterPresentationValue"), 0), 0xFFFF) >> 8


def _rectangle(source: Dataset, shape: Shape) -> Mask | None:
    edges = [edge for key in _EDGES for edge in integers_of(source, key)[:1]]
    if len(edges) != len(_EDGES):
        return None
    upper, lower, left, right = (max(0, edge) for edge in edges)
    mask = np.zeros(shape, np.bool_)
    mask[max(upper - 1, 0) : lower, max(left - 1, 0) : right] = True
    return mask


def _circle(source: Dataset, shape: Shape) -> Mask | None:
    center, radius = numbers_of(source, "CenterOfCircularShutter"), number_of(source, "RadiusOfCircularShutter")
    if len(center) != 2 or radius is None:
        return None
    rows, columns = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    mask: Mask = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2
    return mask


def _polygon(source: Dataset, shape: Shape) -> Mask | None:
    numbers = numbers_of(source, "VerticesOfThePolygonalShutter")
    corners = [(column - 1, row - 1) for row, column in zip(numbers[::2], numbers[1::2], strict=False)]
    if len(corners) < 3:
        return None
    image = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(image).polygon(corners, fill=1)
    return np.asarray(image)


_SHAPES: Final[dict[str, Callable[[Dataset, Shape], Mask | None]]] = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
}
