"""Small pictures that stand for what is no image: a video, a document, a model."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from archimage.dicom.render.images import Picture
from archimage.dicom.render.lettering import font

_GROUND, _SHAPE, _LINES = (24, 26, 30), (170, 178, 190), (90, 96, 106)
_VIDEO: Final = ((0.34, 0.18), (0.34, 0.66), (0.74, 0.42))
_SHEET: Final = ((0.3, 0.14), (0.58, 0.14), (0.7, 0.26), (0.7, 0.7), (0.3, 0.7))
_WRITING: Final = (0.34, 0.42, 0.5, 0.58)
_WORD_AT: Final = (0.5, 0.86)
_WORD_HEIGHT: Final = 0.16
_EDGE: Final = 256
"""Pixels; the symbol is drawn at this size and then fitted, so that its edges are smooth at any."""


def symbol(media_type: str, width: int, height: int) -> Picture:
    """Return a picture (rows, columns, 3), the largest square that fits into so many pixels."""
    image = Image.new("RGB", (_EDGE, _EDGE), _GROUND)
    draw = ImageDraw.Draw(image)
    draw.polygon(_scaled(_VIDEO if media_type.startswith("video/") else _SHEET), _SHAPE)
    if not media_type.startswith("video/"):
        for line in _WRITING:
            draw.line(_scaled(((0.37, line), (0.63, line))), _LINES, _EDGE // 48)
    word = media_type.partition("/")[2].upper()
    draw.text(_scaled((_WORD_AT,))[0], word, _SHAPE, font(int(_WORD_HEIGHT * _EDGE)), anchor="mm")
    side = min(width, height)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def _scaled(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    return [(x * _EDGE, y * _EDGE) for x, y in points]
