"""What worker processes do with films."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from archimage.dicom.film.description import Film
from archimage.dicom.film.objects import Identity, encode_object
from archimage.dicom.film.painting import paint
from archimage.dicom.film.pdf import encode_pdf

Image.MAX_IMAGE_PIXELS = None  # films are our own pictures, and bounded by their size and resolution


def paint_film(options: dict[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a film, as PNG; options are those of `Film.to_json`, data the pixels of its images."""
    film = Film.from_json(options)
    out = io.BytesIO()
    paint(film, data).save(out, "PNG", compress_level=2, dpi=(film.sheet.dpi, film.sheet.dpi))
    return {}, out.getvalue()


def bind_films(options: dict[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a PDF of films that `paint_film` has made; options: `dpi`."""
    return {}, encode_pdf([Image.open(io.BytesIO(film)) for film in data], options["dpi"])


def film_pixels(options: dict[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Return the pixels of a picture for an image box: a byte each or, with `colour`, three."""
    (png,) = data
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB" if options["colour"] else "L")
    return {"rows": picture.height, "columns": picture.width}, picture.tobytes()


def film_object(options: dict[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a DICOM object, without file meta information, of a film; options are those of `Identity` and `dpi`."""
    (film,) = data
    dpi = options.pop("dpi")
    return {}, encode_object(Image.open(io.BytesIO(film)), Identity(**options), dpi)
