"""Films as pictures: densities, lines, text, how images are made to fit, and PDF."""

import io
import json
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydicom.filereader import read_dataset

from archimage.dicom.film.description import MAX_DENSITY, BoxImage, Film, PresentationLut
from archimage.dicom.film.geometry import SIZES_MM, Sheet
from archimage.dicom.film.grey import Paper
from archimage.dicom.film.painting import paint
from archimage.dicom.film.work import bind_films, film_object, paint_film
from archimage.errors import InvalidPixelDataError
from tests.printing.films import pdf_pictures

_SHEET = Sheet("8INX10IN", "PORTRAIT", r"STANDARD\1,1", 50)


def _painted(film: Film, *pixels: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(paint(film, [memoryview(one) for one in pixels]))


def _flat(shade: int, **more: object) -> tuple[BoxImage, bytes]:
    image = BoxImage(1, 20, 20, 8, 400)
    return replace(image, **more), bytes([shade]) * 400  # type: ignore[arg-type]


@pytest.mark.parametrize("size", sorted(SIZES_MM))
@pytest.mark.parametrize("display_format", [r"STANDARD\3,4", r"ROW\1,3", r"COL\2,1", "SLIDE", "SUPERSLIDE"])
def test_boxes_lie_on_the_film_and_not_on_each_other(size: str, display_format: str) -> None:
    for orientation in ("PORTRAIT", "LANDSCAPE"):
        sheet = Sheet(size, orientation, display_format, 50, "TOPBOTTOM")
        used = np.zeros(sheet.size[::-1], np.uint8)
        for box in (*sheet.boxes(), *sheet.lines()):
            part = used[box.top : box.top + box.height, box.left : box.left + box.width]
            assert part.shape == (box.height, box.width)
            part += 1
        assert used.max() == 1


def test_with_the_whole_range_stored_values_are_shades() -> None:
    paper = Paper(Film(_SHEET))
    image, _ = _flat(0)
    assert np.array_equal(paper.table(image), np.arange(256))
    assert np.array_equal(paper.table(replace(image, inverted=True)), np.arange(256)[::-1])
    assert np.array_equal(paper.table(replace(image, lut=PresentationLut("INVERSE"))), np.arange(256)[::-1])


def test_densities_are_shades_that_grow_darker() -> None:
    paper = Paper(Film(_SHEET))
    shades = [paper.shade(str(density)) for density in range(0, MAX_DENSITY + 1, 20)]
    assert (shades[0], shades[-1]) == (255, 0)
    assert shades == sorted(shades, reverse=True)
    assert (paper.shade("WHITE"), paper.shade("BLACK")) == (255, 0)
    limited = Paper(Film(_SHEET, min_density=20, max_density=200))
    assert limited.shade("BLACK") == paper.shade("200") == limited.table(_flat(0)[0])[0]
    assert limited.shade("WHITE") == paper.shade("20") == limited.table(_flat(0)[0])[255]


def test_a_lut_that_is_linear_in_density_is_so() -> None:
    paper = Paper(Film(_SHEET, lut=PresentationLut("LIN OD")))
    table = paper.table(_flat(0)[0])
    assert (table[0], table[51], table[204], table[255]) == (0, paper.shade("256"), paper.shade("64"), 255)


def test_a_film_has_its_border_its_empty_boxes_and_its_lines() -> None:
    sheet = replace(_SHEET, display_format=r"STANDARD\2,1")
    image, pixels = _flat(100, magnification="REPLICATE")
    film = Film(sheet, border="WHITE", empty="BLACK", trim=True, images=(image,))
    picture = _painted(film, pixels)
    first, second = sheet.boxes()
    assert picture[0, 0] == 255
    assert picture[first.top + first.height // 2, first.left + first.width // 2] == 100
    assert picture[first.top, first.left + 1] == 255
    assert not picture[second.top : second.top + second.height, second.left : second.left + second.width].any()
    assert not picture[first.top - 1, first.left - 1 : first.left + first.width].any()


@pytest.mark.parametrize("magnification", ["REPLICATE", "BILINEAR", "CUBIC"])
def test_an_image_fills_its_box_by_its_aspect(magnification: str) -> None:
    image, pixels = _flat(255, magnification=magnification, aspect=0.5)
    rows, columns = np.nonzero(_painted(Film(_SHEET, images=(image,)), pixels))
    (box,) = _SHEET.boxes()
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert width == box.width
    assert abs(height - width / 2) <= 1


def test_an_image_of_a_requested_size_has_it_or_is_cut() -> None:
    image, pixels = _flat(255, requested_mm=50.8)
    rows, columns = np.nonzero(_painted(Film(_SHEET, images=(image,)), pixels))
    assert (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1) == (100, 100)
    cut = replace(image, requested_mm=10_000.0, behaviour="CROP")
    picture = _painted(Film(_SHEET, images=(cut,)), pixels)
    (box,) = _SHEET.boxes()
    assert np.count_nonzero(picture) == box.width * box.height


def test_pixels_that_are_missing_are_no_film() -> None:
    image, pixels = _flat(1)
    with pytest.raises(InvalidPixelDataError):
        _painted(Film(_SHEET, images=(image,)), pixels[:-1])


def test_a_film_goes_through_json_into_png_pdf_and_an_object() -> None:
    image, pixels = _flat(77, lut=PresentationLut("", tuple(range(256)), 8), magnification="NONE")
    film = Film(_SHEET, images=(image,), texts=("Demo",))
    plain = json.loads(json.dumps(film.to_json()))
    assert Film.from_json(plain) == film
    _, png = paint_film(plain, [memoryview(pixels)])
    shown = np.asarray(Image.open(io.BytesIO(png)))
    _, pdf = bind_films({"dpi": 50}, [memoryview(png), memoryview(png)])
    assert [np.array_equal(page, shown) for page in pdf_pictures(pdf)] == [True, True]
    assert pdf.count(b"/MediaBox") == 2
    assert b"576" in pdf
    identity = {"sop_instance_uid": "2.25.1", "study_instance_uid": "2.25.2", "series_instance_uid": "2.25.3"}
    more = {"number": 1, "date": "20260101", "time": "120000", "label": "Demo", "station": "PRINTER", "dpi": 50}
    _, data = film_object(identity | more, [memoryview(png)])
    ds = read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)
    assert (ds.Rows, ds.Columns, ds.SOPInstanceUID) == (*shown.shape, "2.25.1")
    assert ds.PixelData == shown.tobytes()
