"""From the pixels of an image to those of the picture: turned, cut out, scaled.

Coordinates are those of edges: 0, 0 is the upper left corner of the image's first pixel, columns, rows the lower right
corner of its last.

Ref: PS3.3 §C.10.4, §C.10.6, PS3.18 §8.3.5.1.3.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from PIL import Image

from archimage.dicom.render.images import Picture
from archimage.dicom.render.options import MAX_PIXELS, MAX_SIDE, Viewport
from archimage.errors import InvalidRequestError, NotAcceptableError

Region = tuple[float, float, float, float]
"""Left, top, right, bottom; it may reach beyond the image."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What of an image is shown, and how large.

    An image of columns x rows is rotated clockwise by quarter turns, then flipped horizontally when flip is set. Of
    what results, region is cut out, scaled to size (width, height), and mirrored.
    """

    columns: int
    rows: int
    region: Region
    size: tuple[int, int]
    quarters: int = 0
    flip: bool = False
    mirrored: tuple[bool, bool] = (False, False)
    """Horizontally and vertically, after all."""

    @classmethod
    def whole(cls, columns: int, rows: int) -> Self:
        """Return the layout that shows an image as it is."""
        return cls(columns, rows, (0, 0, columns, rows), (columns, rows))

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the image lies after rotation and flip."""
        columns, rows = self.columns, self.rows
        for _ in range(self.quarters):
            x, y = rows - y, x
            columns, rows = rows, columns
        return (columns - x if self.flip else x), y

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the image lies in the picture."""
        left, top, right, bottom = self.region
        width, height = self.size
        x, y = self.turned(x, y)
        x, y = (x - left) * width / (right - left), (y - top) * height / (bottom - top)
        across, down = self.mirrored
        return (width - x if across else x), (height - y if down else y)

    def sized(self, scale_x: float, scale_y: float) -> Self:
        """Return the layout with its region enlarged or reduced.

        Raises:
            NotAcceptableError: the picture would be larger than pictures may be.
        """
        left, top, right, bottom = self.region
        width, height = (right - left) * scale_x, (bottom - top) * scale_y
        if not (width <= MAX_SIDE and height <= MAX_SIDE and width * height <= MAX_PIXELS):
            raise NotAcceptableError(f"a picture has at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all")
        return replace(self, size=(max(1, round(width)), max(1, round(height))))

    def viewed(self, viewport: Viewport, aspect: float = 1.0) -> Self:
        """Return the layout for a viewport, its region counted from the left and top of what is shown now.

        aspect is a pixel's height divided by its width.

        Raises:
            InvalidRequestError: the region lies outside.
        """
        left, top, right, bottom = self.region
        x, y = left + abs(viewport.sx), top + abs(viewport.sy)
        right = right if viewport.sw is None else min(right, x + abs(viewport.sw))
        bottom = bottom if viewport.sh is None else min(bottom, y + abs(viewport.sh))
        if x >= right or y >= bottom:
            raise InvalidRequestError("the region of the viewport lies outside of the image")
        scale = min(viewport.vw / (right - x), viewport.vh / ((bottom - y) * aspect))
        mirrored = (viewport.sw or 1) < 0, (viewport.sh or 1) < 0
        return replace(self, region=(x, y, right, bottom), mirrored=mirrored).sized(scale, scale * aspect)

    def shown(self, picture: Picture) -> Picture:
        """Return the picture of an image of columns x rows; what lies beyond the image is black."""
        turned = np.rot90(picture, -self.quarters) if self.quarters else picture
        turned = turned[:, ::-1] if self.flip else turned
        if self.region != (0, 0, turned.shape[1], turned.shape[0]) or self.size != (turned.shape[1], turned.shape[0]):
            turned = self._scaled(turned)
        turned = turned[:, ::-1] if self.mirrored[0] else turned
        return turned[::-1] if self.mirrored[1] else turned

    def _scaled(self, turned: Picture) -> Picture:
        """Return the region in its size; only what of it lies in the image is scaled."""
        left, top, right, bottom = self.region
        inside = max(left, 0), max(top, 0), min(right, turned.shape[1]), min(bottom, turned.shape[0])
        width, height = self.size
        canvas = np.zeros((height, width, *turned.shape[2:]), np.uint8)
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            return canvas
        scale_x, scale_y = width / (right - left), height / (bottom - top)
        x, y = round((inside[0] - left) * scale_x), round((inside[1] - top) * scale_y)
        end_x, end_y = round((inside[2] - left) * scale_x), round((inside[3] - top) * scale_y)
        size = min(max(1, end_x - x), width), min(max(1, end_y - y), height)
        x, y = min(x, width - size[0]), min(y, height - size[1])
        reduced = min(scale_x, scale_y) < 1
        kind = Image.Resampling.LANCZOS if reduced else Image.Resampling.BILINEAR
        image = Image.fromarray(turned).resize(size, kind, inside, reducing_gap=3.0 if reduced else None)
        canvas[y : y + size[1], x : x + size[0]] = np.asarray(image)
        return canvas
