"""Viewports cut out, scale and flip; points of the image are found again in the picture."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.dicom.render.geometry import Layout
from archimage.dicom.render.options import RenderOptions, Viewport
from archimage.errors import InvalidRequestError, NotAcceptableError
from tests.dicom.pictures import Array, item, ramp, rendered

PICTURE = ramp(10, 20)
NEGATIVE_OR_NOT = st.booleans()


def viewed(picture: Array, *viewport: float | None) -> Array:
    """Return a picture in a viewport."""
    return Layout.whole(picture.shape[1], picture.shape[0]).viewed(Viewport(*viewport)).shown(picture)  # type: ignore[arg-type]


def test_a_layout_of_the_whole_image_changes_nothing() -> None:
    assert Layout.whole(20, 10).shown(PICTURE) is PICTURE


@pytest.mark.parametrize(("viewport", "size"), [
    ((40, 40), (40, 20)), ((5, 40), (5, 2)), ((100, 10), (20, 10)), ((1, 1), (1, 1)), ((3000, 5), (10, 5)),
])  # fmt: skip
def test_a_picture_fits_into_its_viewport_and_keeps_its_proportions(
    viewport: tuple[int, int], size: tuple[int, int]
) -> None:
    assert viewed(PICTURE, *viewport).shape[::-1] == size


def test_a_region_is_cut_out() -> None:
    assert np.array_equal(viewed(PICTURE, 4, 3, 2, 1, 4, 3), PICTURE[1:4, 2:6])
    assert np.array_equal(viewed(PICTURE, 18, 9, 2, 1), PICTURE[1:, 2:])
    assert np.array_equal(viewed(PICTURE, 2, 1, 18, 9, 500, 500), PICTURE[9:, 18:])
    assert np.array_equal(viewed(PICTURE, 4, 3, -2, -1, 4, 3), PICTURE[1:4, 2:6])


def test_negative_sizes_flip() -> None:
    assert np.array_equal(viewed(PICTURE, 4, 3, 2, 1, -4, 3), PICTURE[1:4, 2:6][:, ::-1])
    assert np.array_equal(viewed(PICTURE, 4, 3, 2, 1, 4, -3), PICTURE[1:4, 2:6][::-1])
    assert np.array_equal(viewed(PICTURE, 4, 3, 2, 1, -4, -3), PICTURE[1:4, 2:6][::-1, ::-1])


def test_colours_are_scaled_each_for_itself() -> None:
    picture = np.zeros((4, 4, 3), "u1")
    picture[..., 1] = 200
    assert viewed(picture, 2, 2).tolist() == [[[0, 200, 0]] * 2] * 2


def test_a_flat_picture_stays_flat_at_any_size() -> None:
    for size in (1, 7, 64):
        assert np.unique(viewed(np.full((13, 9), 77, "u1"), size, size)).tolist() == [77]


@pytest.mark.parametrize("region", [(20, 0), (0, 10), (0, 10.5, 1, 1), (1e300, 0)])
def test_a_region_outside_of_the_image_is_refused(region: tuple[float, ...]) -> None:
    with pytest.raises(InvalidRequestError, match="outside"):
        viewed(PICTURE, 5, 5, *region)


def test_a_picture_larger_than_pictures_may_be_is_not_made() -> None:
    with pytest.raises(NotAcceptableError, match="at most"):
        Layout.whole(20_000, 10).sized(1, 1)
    with pytest.raises(NotAcceptableError, match="at most"):
        Layout.whole(10, 10).sized(float("nan"), 1)


@pytest.mark.parametrize(("attributes", "size"), [
    ({"PixelAspectRatio": [2, 1]}, (10, 10)), ({"PixelSpacing": [0.5, 1]}, (20, 5)),
    ({"PixelSpacing": [3, 3]}, (20, 10)),
    ({"PixelSpacing": [0, 1]}, (20, 10)), ({"PixelSpacing": [1e9, 1]}, (20, 10)),
    ({"ImagerPixelSpacing": [2, 1]}, (10, 10)),
    ({"SharedFunctionalGroupsSequence": [item(PixelMeasuresSequence=[item(PixelSpacing=[2, 1])])]}, (10, 10)),
])  # fmt: skip
def test_pixels_that_are_not_square_are_shown_in_their_shape(attributes: dict[str, Any], size: tuple[int, int]) -> None:
    options = RenderOptions(viewport=Viewport(20, 10))
    assert rendered(PICTURE, options=options, **attributes).shape[::-1] == size
    assert rendered(PICTURE, **attributes).shape == PICTURE.shape


LAYOUTS = st.builds(
    lambda quarters, flip, mirrored: Layout(20, 10, (0, 0, *((10, 20) if quarters % 2 else (20, 10))),
                                            (10, 20) if quarters % 2 else (20, 10), quarters, flip, mirrored),
    st.integers(0, 3), NEGATIVE_OR_NOT, st.tuples(NEGATIVE_OR_NOT, NEGATIVE_OR_NOT),
)  # fmt: skip


@given(layout=LAYOUTS, row=st.integers(0, 9), column=st.integers(0, 19))
def test_a_pixel_lies_where_its_layout_places_it(layout: Layout, row: int, column: int) -> None:
    x, y = layout.place(column + 0.5, row + 0.5)
    assert layout.shown(PICTURE)[int(y), int(x)] == PICTURE[row, column]


@given(
    left=st.integers(-5, 15),
    top=st.integers(-5, 5),
    width=st.integers(1, 30),
    height=st.integers(1, 20),
    scale=st.integers(1, 3),
)
def test_what_lies_beyond_the_image_is_black(left: int, top: int, width: int, height: int, scale: int) -> None:
    layout = Layout(20, 10, (left, top, left + width, top + height), (width * scale, height * scale))
    picture = layout.shown(np.full((10, 20), 9, "u1"))
    assert picture.shape == (height * scale, width * scale)
    x, y = np.arange(width * scale) / scale + left, np.arange(height * scale) / scale + top
    inside = ((y >= 0) & (y < 10))[:, np.newaxis] & ((x >= 0) & (x < 20))
    assert np.array_equal(picture, inside * 9)
