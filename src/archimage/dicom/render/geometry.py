"""Region and size: what of a picture is shown, and how many pixels it becomes (PS3.18 §8.3.5.1.3)."""

import numpy as np
from PIL import Image

from archimage.dicom.render.images import Picture
from archimage.dicom.render.options import Viewport
from archimage.errors import InvalidRequestError


def fitted(picture: Picture, viewport: Viewport, pixel_aspect: float = 1.0) -> Picture:
    """Return the viewport's region, as large as fits into it with its proportions kept.

    pixel_aspect is a pixel's height divided by its width.

    Raises:
        InvalidRequestError: the region lies outside of the picture.
    """
    left, top, right, bottom = _region(picture, viewport)
    width, height = right - left, (bottom - top) * pixel_aspect
    scale = min(viewport.vw / width, viewport.vh / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(picture).resize(size, _filter(scale), (left, top, right, bottom), reducing_gap=3.0)
    shown = np.asarray(image)
    if (viewport.sw or 1) < 0:
        shown = shown[:, ::-1]
    return shown[::-1] if (viewport.sh or 1) < 0 else shown


def _filter(scale: float) -> Image.Resampling:
    return Image.Resampling.BILINEAR if scale > 1 else Image.Resampling.LANCZOS


def _region(picture: Picture, viewport: Viewport) -> tuple[float, float, float, float]:
    rows, columns = picture.shape[:2]
    left, top = abs(viewport.sx), abs(viewport.sy)
    right = columns if viewport.sw is None else min(columns, left + abs(viewport.sw))
    bottom = rows if viewport.sh is None else min(rows, top + abs(viewport.sh))
    if left >= right or top >= bottom:
        raise InvalidRequestError(f"the region lies outside of the image, which has {columns} x {rows} pixels")
    return left, top, right, bottom
