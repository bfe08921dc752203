"""Overlays are drawn where they lie, shutters hide what they say; what is broken leaves the picture as it is."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.encode import decode_identifier, encode_dataset
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions
from tests.dicom.files import real_file
from tests.dicom.pictures import Array, decoded, header_of, item, packed, rendered, with_overlay
from tests.dicom.strategies import SYNTAXES

EXPLICIT, BIG = SYNTAXES[1:3]
BLACK = np.zeros((6, 8), "u1")
PLANE = np.array([[1, 0, 1], [0, 1, 0]], bool)


def shown(header: Dataset, frame: Array = BLACK, number: int = 1) -> Array:
    """Return what a frame looks like."""
    return render_frame(header, frame, "MONOCHROME2", number, RenderOptions())


def drawn(row: int, column: int, plane: Array = PLANE) -> Array:
    """Return the black image with a plane at a place."""
    picture = BLACK.copy()
    picture[row : row + plane.shape[0], column : column + plane.shape[1]] = plane * 255
    return picture


def test_the_overlay_of_a_real_image_is_where_pydicom_finds_it() -> None:
    header, frame, photometric = decoded(real_file("MR-SIEMENS-DICOM-WithOverlays.dcm"))
    plane = header.overlay_array(0x6000)
    picture = render_frame(header, frame, photometric, 1, RenderOptions())
    assert plane.any()
    assert np.all(picture[plane == 1] == 255)
    for element in list(header.group_dataset(0x6000)):
        del header[element.tag]
    without = render_frame(header, frame, photometric, 1, RenderOptions())
    assert np.array_equal(picture[plane == 0], without[plane == 0])


@pytest.mark.parametrize("origin", [[1, 1], [3, 2], [5, 6]])
def test_an_overlay_lies_at_its_origin(origin: list[int]) -> None:
    header = with_overlay(header_of(BLACK), packed(PLANE), x0050=origin)
    assert np.array_equal(shown(header), drawn(origin[0] - 1, origin[1] - 1))


def test_of_an_overlay_that_sticks_out_the_rest_is_drawn() -> None:
    assert np.array_equal(
        shown(with_overlay(header_of(BLACK), packed(PLANE), x0050=[0, 0])), drawn(0, 0, PLANE[1:, 1:])
    )
    assert np.array_equal(
        shown(with_overlay(header_of(BLACK), packed(PLANE), x0050=[6, 7])), drawn(5, 6, PLANE[:1, :2])
    )
    for origin in ([-30, 1], [1, 900], [32767, -32768]):
        assert not shown(with_overlay(header_of(BLACK), packed(PLANE), x0050=origin)).any()


def test_overlays_of_all_groups_are_drawn() -> None:
    header = with_overlay(header_of(BLACK), packed(PLANE))
    with_overlay(header, packed(PLANE), group=0x601E, x0050=[4, 4])
    assert np.array_equal(shown(header), drawn(0, 0) | drawn(3, 3))


@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_bits_are_counted_from_the_lowest_in_either_byte_order(vr: str) -> None:
    plane = np.random.default_rng(2).random((6, 8)) < 0.5
    data = np.frombuffer(packed(plane), "u1")
    header = with_overlay(header_of(BLACK), data.tobytes(), vr, x0010=6, x0011=8)
    assert np.array_equal(shown(decode_identifier(encode_dataset(header, EXPLICIT), EXPLICIT)), drawn(0, 0, plane))
    if vr == "OW":
        header = with_overlay(header_of(BLACK), data.reshape(-1, 2)[:, ::-1].tobytes(), vr, x0010=6, x0011=8)
        assert np.array_equal(shown(decode_identifier(encode_dataset(header, BIG), BIG)), drawn(0, 0, plane))


def test_each_frame_has_its_own_plane_also_where_bytes_are_shared() -> None:
    planes = np.stack([PLANE, ~PLANE, PLANE])
    header = with_overlay(header_of(BLACK), packed(planes), x0015=3, x0051=2)
    pictures = [shown(header, number=number) for number in range(1, 6)]
    assert [picture.any() for picture in pictures] == [False, True, True, True, False]
    assert np.array_equal(pictures[2], drawn(0, 0, ~PLANE))


def test_of_a_region_the_outline_is_drawn() -> None:
    plane = np.ones((4, 4), bool)
    picture = shown(with_overlay(header_of(BLACK), packed(plane), x0010=4, x0011=4, x0040="R"))
    assert picture[:4, :4].tolist() == [[255] * 4, [255, 0, 0, 255], [255, 0, 0, 255], [255] * 4]


@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_an_overlay_may_lie_in_bits_that_pixels_leave_free(dtype: str) -> None:
    values = np.array([[0, 100, 200, 300]], dtype)
    cells = values | np.array([[0, 1 << 12, 0, 1 << 15]], "u2").view(dtype)
    header = with_overlay(header_of(cells, BitsStored=12, HighBit=11), b"", x0010=1, x0011=4, x0100=16, x0102=12)
    assert shown(header, cells).tolist() == [[0, 255, 170, 255]]
    assert shown(with_overlay(header, b"", x0100=16, x0102=15), cells).tolist() == [[0, 85, 170, 255]]


@pytest.mark.parametrize("wrong", [
    {"x0010": 0}, {"x0011": 0}, {"x0010": 60_000, "x0011": 60_000}, {"x0010": None}, {"x0015": 0},
    {"x0015": 9, "x0051": 60_000},
])  # fmt: skip
def test_an_overlay_that_is_not_whole_is_left_out(wrong: dict[str, Any]) -> None:
    assert not shown(with_overlay(header_of(BLACK), packed(PLANE), **wrong)).any()


@pytest.mark.parametrize("wrong", [{"x0102": 5}, {"x0102": 99}, {"x0100": 1}, {"x0100": None}])
def test_an_overlay_without_data_that_lies_in_no_free_bit_is_left_out(wrong: dict[str, Any]) -> None:
    assert not shown(with_overlay(header_of(BLACK), b"", **{"x0100": 8, "x0102": 0, **wrong})).any()


def test_overlays_are_drawn_over_colours_too() -> None:
    frame = np.zeros((6, 8, 3), "u1")
    header = with_overlay(header_of(frame), packed(PLANE))
    picture = render_frame(header, frame, "RGB", 1, RenderOptions())
    assert np.array_equal(picture[..., 1], drawn(0, 0))
    assert not frame.any(), "the frame itself stays as it is"


WHITE = np.full((6, 8), 255, "u1")


def test_a_rectangular_shutter_shows_what_is_between_its_edges() -> None:
    picture = rendered(
        WHITE, ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=2, ShutterRightVerticalEdge=4,
        ShutterUpperHorizontalEdge=3, ShutterLowerHorizontalEdge=5, ShutterPresentationValue=0x4000,
    )  # fmt: skip
    expected = np.full((6, 8), 0x40, "u1")
    expected[2:5, 1:4] = 255
    assert np.array_equal(picture, expected)


def test_a_circular_shutter_shows_what_is_within_its_radius() -> None:
    picture = rendered(WHITE, ShutterShape="CIRCULAR", CenterOfCircularShutter=[3, 4], RadiusOfCircularShutter=2)
    rows, columns = np.nonzero(picture)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 4, 1, 5)
    assert ((rows - 2) ** 2 + (columns - 3) ** 2 <= 4).all()
    assert len(rows) == 13


def test_a_polygonal_shutter_shows_what_is_within_its_corners() -> None:
    picture = rendered(WHITE, ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[1, 1, 6, 1, 6, 8])
    assert picture[5].all()
    assert picture[:, 0].all()
    assert not picture[0, 4:].any()


def test_of_several_shutters_all_hide() -> None:
    picture = rendered(
        WHITE, ShutterShape=["RECTANGULAR", "CIRCULAR"], ShutterLeftVerticalEdge=1, ShutterRightVerticalEdge=4,
        ShutterUpperHorizontalEdge=1, ShutterLowerHorizontalEdge=6,
        CenterOfCircularShutter=[3, 4], RadiusOfCircularShutter=2,
    )  # fmt: skip
    assert np.nonzero(picture)[1].max() == 3
    assert np.count_nonzero(picture) == 9


def test_a_frames_own_shutter_comes_before_the_data_sets() -> None:
    own = item(ShutterShape="CIRCULAR", CenterOfCircularShutter=[1, 1], RadiusOfCircularShutter=0)
    groups = [item(FrameDisplayShutterSequence=[own])]
    assert np.count_nonzero(rendered(WHITE, PerFrameFunctionalGroupsSequence=groups)) == 1


@pytest.mark.parametrize("shape", ["RECTANGULAR", "CIRCULAR", "POLYGONAL", "BITMAP", "ROUND"])
def test_a_shutter_that_lacks_its_numbers_hides_nothing(shape: str) -> None:
    assert rendered(WHITE, ShutterShape=shape, VerticesOfThePolygonalShutter=[1, 1, 2, 2]).all()


def test_a_shutter_over_colours_may_have_a_colour() -> None:
    frame = np.zeros((6, 8, 3), "u1")
    hidden: dict[str, Any] = {
        "ShutterShape": "CIRCULAR",
        "CenterOfCircularShutter": [1, 1],
        "RadiusOfCircularShutter": 0,
    }
    red = rendered(frame, "RGB", ShutterPresentationColorCIELabValue=[35_579, 53_664, 50_858], **hidden)
    assert red[5, 5, 0] > 250
    assert red[5, 5, 1:].max() < 5
    assert rendered(frame, "RGB", ShutterPresentationValue=0xFFFF, **hidden)[5, 5].tolist() == [255, 255, 255]


def test_overlays_are_drawn_over_shutters() -> None:
    hidden: dict[str, Any] = {
        "ShutterShape": "CIRCULAR",
        "CenterOfCircularShutter": [6, 8],
        "RadiusOfCircularShutter": 0,
    }
    picture = shown(with_overlay(header_of(BLACK, **hidden), packed(PLANE)))
    assert np.array_equal(picture, drawn(0, 0))
