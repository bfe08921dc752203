"""Rows of letters are found in real images, whatever is around them, and anatomy is not taken for them."""

from functools import lru_cache

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont

from archimage.dicom.deidentify.glyphs import Picture, has_text, shows_text
from tests.dicom.files import real_file

WITHOUT = ["693_J2KI.dcm", "MR2_J2KI.dcm", "CT_small.dcm", "MR_small.dcm", "emri_small.dcm", "JPEG-LL.dcm", "liver.dcm"]
"""CT, MR, NM and a segmentation, in which nothing is written."""
WITH = ["US1_UNCI.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "OBXXXX1A.dcm", "examples_rgb_color.dcm", "mlut_18.dcm"]
"""Ultrasound with names of hospitals and settings burned in, and a test pattern."""


@lru_cache
def grey(name: str) -> Picture:
    """The first frame of a real file, grey."""
    dataset = pydicom.dcmread(real_file(name))
    pixels = dataset.pixel_array
    pixels = pixels[0] if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels
    plane = (pixels.max(axis=2) if pixels.ndim == 3 else pixels).astype(np.float64)
    return np.asarray((plane - plane.min()) * 255 / max(plane.max() - plane.min(), 1), np.uint8)


def lettered(picture: Picture, text: str, size: int, fill: int) -> Picture:
    """A picture with text in its lower left corner."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((2, image.height - size - 6), text, fill=fill, font=ImageFont.load_default(size))
    return np.asarray(image)


@pytest.mark.parametrize("name", WITHOUT)
def test_nothing_is_found_where_nothing_is_written(name: str) -> None:
    assert not shows_text(grey(name))


@pytest.mark.parametrize("name", WITH)
def test_what_devices_have_burned_in_is_found(name: str) -> None:
    assert shows_text(grey(name))


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("size", [10, 12, 16, 24])
@pytest.mark.parametrize("text", ["SMITHSON JANE", "Mueller, Otto", "ID 4711-0815"])
def test_a_name_in_white_is_found_at_every_size(name: str, size: int, text: str) -> None:
    assert shows_text(lettered(grey(name), text, size, 255))


@pytest.mark.parametrize("size", [12, 16, 24])
def test_a_name_in_black_on_white_is_found(size: int) -> None:
    assert shows_text(lettered(np.full((300, 400), 255, np.uint8), "SMITHSON JANE", size, 0))


def test_a_row_of_equal_marks_is_a_ruler_and_no_word() -> None:
    mask = np.zeros((60, 200), bool)
    for left in range(10, 180, 8):
        mask[20:30, left : left + 2] = True
    assert not has_text(mask)


@pytest.mark.parametrize("mask", [np.zeros((20, 20), bool), np.ones((20, 20), bool), np.eye(20, dtype=bool)])
def test_blank_and_full_masks_and_lines_hold_no_text(mask: np.ndarray) -> None:
    assert not has_text(mask)
