"""A film as a picture: its border, the images in their boxes, lines around them, and text."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from archimage.dicom.film.description import BoxImage, Film
from archimage.dicom.film.geometry import Rectangle
from archimage.dicom.film.grey import Paper
from archimage.dicom.film.placing import place
from archimage.dicom.render.lettering import drawable, font
from archimage.errors import InvalidPixelDataError

MAX_LETTERS: Final = 64
"""Characters of a line of text (PS3.3 §C.13.7)."""
_FILTERS: Final = {
    "REPLICATE": Image.Resampling.BOX,
    "BILINEAR": Image.Resampling.BILINEAR,
    "CUBIC": Image.Resampling.BICUBIC,
    "NONE": Image.Resampling.BICUBIC,
}
_MIDDLE: Final = 128


def paint(film: Film, pixels: Sequence[memoryview]) -> Image.Image:
    """Return the picture of a film; pixels are those of its images.

    Raises:
        InvalidPixelDataError: they are not as many as their image needs.
    """
    paper = Paper(film)
    border = paper.shade(film.border)
    mode = "RGB" if film.colour else "L"
    picture = Image.new(mode, film.sheet.size, _colour(border, mode))
    boxes = film.sheet.boxes()
    images = {image.position: (image, data) for image, data in zip(film.images, pixels, strict=True)}
    for position, box in enumerate(boxes, 1):
        if position in images:
            _put(picture, box, film, _image(*images[position], paper), images[position][0])
        else:
            picture.paste(_colour(paper.shade(film.empty), mode), _corners(box))
    draw = ImageDraw.Draw(picture)
    ink = _colour(0 if border >= _MIDDLE else 255, mode)
    if film.trim:
        for box in boxes:
            left, top, right, bottom = _corners(box)
            draw.rectangle((left - 1, top - 1, right, bottom), outline=ink)
    for line, text in zip(film.sheet.lines(), film.texts, strict=False):
        draw.text((line.left, line.top), drawable(text, MAX_LETTERS), fill=ink, font=font(line.height * 3 // 4))
    return picture


def _put(picture: Image.Image, box: Rectangle, film: Film, image: Image.Image, about: BoxImage) -> None:
    """Bring an image into the middle of its box."""
    size = place(about, box, film.sheet)
    if image.size != (size.width, size.height):
        image = image.resize((size.width, size.height), _FILTERS[about.magnification])
    left, top = (size.width - box.width) // 2, (size.height - box.height) // 2
    if left > 0 or top > 0:
        cut = (max(left, 0), max(top, 0))
        image = image.crop((*cut, cut[0] + min(size.width, box.width), cut[1] + min(size.height, box.height)))
    picture.paste(image, (box.left + max(-left, 0), box.top + max(-top, 0)))


def _image(about: BoxImage, data: memoryview, paper: Paper) -> Image.Image:
    """Return an image in shades, or in colours."""
    count = about.rows * about.columns * about.samples
    dtype: np.dtype[np.unsignedinteger[Any]] = np.dtype(np.uint8 if about.bits <= 8 else "<u2")
    if len(data) < count * dtype.itemsize:
        raise InvalidPixelDataError(f"{len(data)} bytes of pixels, where {count * dtype.itemsize} are needed")
    stored = np.frombuffer(data, dtype, count)
    if about.samples == 1:
        shades = paper.table(about)[stored & ((1 << about.bits) - 1)]
        return Image.fromarray(shades.reshape(about.rows, about.columns))
    if about.planar:
        stored = stored.reshape(3, -1).T
    colours = np.ascontiguousarray(stored).reshape(about.rows, about.columns, 3)
    return Image.fromarray(255 - colours if about.inverted else colours)


def _colour(shade: int, mode: str) -> int | tuple[int, int, int]:
    return (shade, shade, shade) if mode == "RGB" else shade


def _corners(box: Rectangle) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width, box.top + box.height
