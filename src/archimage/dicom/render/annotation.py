"""Who and how, burned into a picture on request (PS3.18 §8.3.5.1.1)."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from archimage.dicom.render.attributes import FrameAttributes, number_of, text_of
from archimage.dicom.render.images import Picture
from archimage.dicom.render.lettering import drawable, font

_MOST_CHARACTERS: Final = 64
_PATIENT: Final = ("PatientID", "PatientBirthDate", "PatientSex", "PatientAge")
_NUMBERS: Final = (
    ("SeriesNumber", "Se {:g}"),
    ("InstanceNumber", "Im {:g}"),
    ("KVP", "{:g} kV"),
    ("XRayTubeCurrent", "{:g} mA"),
    ("Exposure", "{:g} mAs"),
    ("RepetitionTime", "TR {:g} ms"),
    ("EchoTime", "TE {:g} ms"),
    ("SliceThickness", "ST {:g} mm"),
    ("SliceLocation", "SL {:g} mm"),
)
_TEXTS: Final = ("Modality", "StudyDate", "StudyDescription", "SeriesDescription", "Laterality", "ViewPosition")


def burned_in(picture: Picture, attributes: FrameAttributes, wanted: frozenset[str]) -> Picture:
    """Return a picture with the patient at its upper left and the technique at its lower left, as far as there is room.

    Raises:
        InvalidDatasetError: an attribute cannot be read.
    """
    if not wanted:
        return picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    size = min(max(image.height // 36, 9), 48)
    room = max(1, image.height // size // 3)
    if "patient" in wanted:
        _write(draw, _patient(attributes)[:room], size, size // 2)
    if "technique" in wanted:
        lines = _technique(attributes)[:room]
        _write(draw, lines, size, image.height - size // 2 - len(lines) * _pitch(size))
    return np.asarray(image)


def _pitch(size: int) -> int:
    return size + size // 4


def _write(draw: ImageDraw.ImageDraw, lines: list[str], size: int, top: int) -> None:
    """Write white letters with a black edge, so that they can be read on any ground."""
    black, white = ((0, 0, 0), (255, 255, 255)) if draw.mode == "RGB" else (0, 255)
    for index, line in enumerate(lines):
        place = size // 2, top + index * _pitch(size)
        draw.text(place, line, white, font(size), stroke_width=max(1, size // 16), stroke_fill=black)


def _patient(attributes: FrameAttributes) -> list[str]:
    texts = [text_of(attributes.header, key) for key in _PATIENT]
    return _lines([_readable_name(text_of(attributes.header, "PatientName")), " ".join(text for text in texts if text)])


def _readable_name(name: str) -> str:
    """Return the first representation of a person's name that is not empty, family name first."""
    group = next((group for group in name.split("=") if group.strip("^ ")), "")
    family, _, others = group.partition("^")
    return f"{family}, {' '.join(others.split('^')).strip()}" if others.strip("^ ") else family


def _technique(attributes: FrameAttributes) -> list[str]:
    header = attributes.header
    texts = [text_of(header, key) for key in _TEXTS]
    numbers = [(number_of(header, key), form) for key, form in _NUMBERS]
    written = [form.format(number) for number, form in numbers if number is not None]
    if (number_of(header, "NumberOfFrames") or 1) > 1:
        written.insert(2, f"Fr {attributes.number}")
    return _lines([" ".join(text for text in texts if text), "  ".join(written[:5]), "  ".join(written[5:])])


def _lines(lines: list[str]) -> list[str]:
    return [drawable(line, _MOST_CHARACTERS) for line in lines if line.strip()]
