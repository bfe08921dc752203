"""A presentation state decides all of how an image looks, and only for the images that it names."""

from math import nan

import numpy as np
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions, Viewport
from archimage.errors import ArchimageError, InvalidDatasetError, InvalidRequestError, NotAcceptableError
from tests.dicom.pictures import header_of, item, packed, palette, with_overlay, words
from tests.dicom.states import (
    COLOUR,
    EXPLICIT,
    FRAME,
    GRAYSCALE,
    PSEUDO_COLOUR,
    RED_LAB,
    area,
    image,
    layer,
    options_of,
    shown,
    state,
)  # fmt: skip


def test_the_images_own_lookups_and_shutters_are_not_used() -> None:
    picture = shown(
        state(), RescaleSlope=2, WindowCenter=1, WindowWidth=1, ShutterShape="CIRCULAR", CenterOfCircularShutter=[1, 1],
        RadiusOfCircularShutter=1, PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    assert np.array_equal(picture, FRAME)


def test_the_states_lookups_are_used() -> None:
    frame = np.array([[0, 50, 100, 150]], "u2")
    window = item(WindowCenter=100.5, WindowWidth=201)
    picture = shown(state(RescaleSlope=2, RescaleIntercept=0, SoftcopyVOILUTSequence=[window]), frame)
    assert picture.tolist() == [[0, 128, 255, 255]]
    assert shown(state(SoftcopyVOILUTSequence=[window], PresentationLUTShape="INVERSE"), frame).tolist() == [
        [255, 191, 128, 64]
    ]


def test_a_window_belongs_to_the_images_and_frames_that_it_names() -> None:
    frame = np.array([[0, 50, 100]], "u2")
    windows = [
        item(ReferencedImageSequence=[image(uid="1.7")], WindowCenter=1, WindowWidth=1),
        item(ReferencedImageSequence=[image(2)], WindowCenter=50.5, WindowWidth=1),
        item(ReferencedImageSequence=[image()], WindowCenter=1000, WindowWidth=1),
    ]
    made = state(SoftcopyVOILUTSequence=windows)
    assert [shown(made, frame, number).tolist() for number in (1, 2)] == [[[0, 0, 0]], [[0, 0, 255]]]


def test_a_window_that_is_asked_for_comes_before_the_states() -> None:
    frame = np.array([[0, 50, 100]], "u2")
    made = state(SoftcopyVOILUTSequence=[item(WindowCenter=1, WindowWidth=1)])
    options = options_of(made, window=(50, 100, "LINEAR_EXACT"))
    assert render_frame(header_of(frame), frame, "MONOCHROME2", 1, options).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("made", [
    state(images=[image(uid="1.7")]), state(images=[image(2, 3)]),
    state(sop_class="1.2.840.10008.5.1.4.1.1.2"), Dataset(),
    item(SOPClassUID=GRAYSCALE),
])  # fmt: skip
def test_what_is_no_state_for_the_image_is_not_acceptable(made: Dataset) -> None:
    with pytest.raises(NotAcceptableError, match="presentation state"):
        shown(made)


def test_a_state_that_cannot_be_decoded_is_invalid() -> None:
    options = RenderOptions(presentation=b"\x08\x00\x05\x00CS\xff\xff", presentation_syntax=EXPLICIT)
    with pytest.raises(InvalidDatasetError):
        render_frame(header_of(FRAME), FRAME, "MONOCHROME2", 1, options)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["N", "Y"])
def test_an_image_is_rotated_clockwise_and_then_flipped(degrees: int, flip: str) -> None:
    turned = np.rot90(FRAME, -degrees // 90)
    expected = turned[:, ::-1] if flip == "Y" else turned
    assert np.array_equal(shown(state(ImageRotation=degrees, ImageHorizontalFlip=flip)), expected)


def test_a_rotation_that_is_not_by_quarter_turns_is_invalid() -> None:
    with pytest.raises(InvalidDatasetError, match="quarter"):
        shown(state(ImageRotation=45))


def test_the_displayed_area_is_cut_out_of_the_image() -> None:
    made = state(DisplayedAreaSelectionSequence=[area([3, 2], [6, 5])])
    assert np.array_equal(shown(made), FRAME[1:5, 2:6])


def test_the_displayed_area_is_given_in_the_pixels_of_the_image_that_is_not_yet_turned() -> None:
    made = state(DisplayedAreaSelectionSequence=[area([3, 5], [6, 2])], ImageRotation=90, ImageHorizontalFlip="N")
    assert np.array_equal(shown(made), np.rot90(FRAME[1:5, 2:6], -1))


def test_a_displayed_area_larger_than_the_image_has_a_black_border() -> None:
    made = state(DisplayedAreaSelectionSequence=[area([-1, 0], [22, 11])])
    assert np.array_equal(shown(made), np.pad(FRAME, ((1, 1), (2, 2))))


def test_an_area_may_be_magnified_and_its_pixels_may_not_be_square() -> None:
    assert shown(state(DisplayedAreaSelectionSequence=[magnified(3)])).shape == (30, 60)
    plain = area([1, 1], [20, 10], PresentationPixelAspectRatio=[0, 0])
    assert shown(state(DisplayedAreaSelectionSequence=[plain])).shape == (10, 20)
    flat = area([1, 1], [20, 10], PresentationPixelAspectRatio=[1, 2])
    assert shown(state(DisplayedAreaSelectionSequence=[flat])).shape == (5, 20)
    spaced = area([1, 1], [20, 10], PresentationPixelSpacing=[2, 1])
    assert shown(state(DisplayedAreaSelectionSequence=[spaced])).shape == (20, 20)


def test_a_viewport_is_filled_with_the_displayed_area() -> None:
    frame = np.full((10, 20), 50, "u1")
    huge = area([-(2**31), -(2**31)], [2**31 - 1, 2**31 - 1])
    options = options_of(state(DisplayedAreaSelectionSequence=[huge]), viewport=Viewport(16, 16))
    assert render_frame(header_of(frame), frame, "MONOCHROME2", 1, options).shape == (16, 16)
    options = options_of(
        state(DisplayedAreaSelectionSequence=[area([3, 2], [6, 5])]), viewport=Viewport(2, 2, 1, 1, 2, -2)
    )
    picture = render_frame(header_of(FRAME), FRAME, "MONOCHROME2", 1, options)
    assert np.array_equal(picture, FRAME[1:5, 2:6][1:3, 1:3][::-1])


def magnified(ratio: float) -> Dataset:
    """Return a displayed area that is to be magnified."""
    return area([1, 1], [20, 10], PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=ratio)


@pytest.mark.parametrize(("wrong", "error"), [
    (area([1, 1], [1 << 20, 1 << 20]), NotAcceptableError), (item(), InvalidDatasetError),
    (magnified(1e9), InvalidDatasetError), (magnified(nan), InvalidDatasetError),
])  # fmt: skip
def test_an_area_that_no_picture_can_show_is_refused(wrong: Dataset, error: type[ArchimageError]) -> None:
    with pytest.raises(error):
        shown(state(DisplayedAreaSelectionSequence=[wrong]))


def test_a_region_outside_of_the_displayed_area_is_refused() -> None:
    options = options_of(state(DisplayedAreaSelectionSequence=[area([3, 2], [6, 5])]), viewport=Viewport(2, 2, 5, 0))
    with pytest.raises(InvalidRequestError, match="outside"):
        render_frame(header_of(FRAME), FRAME, "MONOCHROME2", 1, options)


PLANE = np.array([[1, 0, 1], [0, 1, 0]], bool)
BLACK = np.zeros((6, 8), "u1")


def test_only_the_overlays_that_the_state_puts_on_a_layer_are_drawn() -> None:
    header = with_overlay(with_overlay(header_of(BLACK), packed(PLANE)), packed(PLANE), group=0x6002, x0050=[4, 4])
    made = state(GraphicLayerSequence=[layer(GraphicLayerRecommendedDisplayGrayscaleValue=0x8000)])
    made.add_new(0x60021001, "CS", "ONE")
    made.add_new(0x60001001, "CS", "NO SUCH LAYER")
    picture = render_frame(header, BLACK, "MONOCHROME2", 1, options_of(made))
    expected = BLACK.copy()
    expected[3:5, 3:6] = PLANE * 0x80
    assert np.array_equal(picture, expected)


def test_the_states_own_overlay_comes_before_the_images_and_may_have_a_colour() -> None:
    header = with_overlay(header_of(BLACK), packed(PLANE))
    made = with_overlay(
        state(GraphicLayerSequence=[layer(GraphicLayerRecommendedDisplayCIELabValue=RED_LAB)]),
        packed(PLANE),
        x0050=[4, 4],
    )
    made.add_new(0x60001001, "CS", "ONE")
    picture = render_frame(header, BLACK, "MONOCHROME2", 1, options_of(made))
    assert np.array_equal(picture[3:5, 3:6, 0] > 250, PLANE)
    assert picture[..., 1:].max() < 5
    assert not picture[:3, :3].any()


def test_a_bitmap_shutter_hides_where_its_overlay_is_set() -> None:
    made = with_overlay(
        state(ShutterShape="BITMAP", ShutterOverlayGroup=0x6000, ShutterPresentationValue=0x2000), packed(PLANE)
    )
    expected = np.full((6, 8), 255, "u1")
    expected[:2, :3][PLANE] = 0x20
    assert np.array_equal(shown(made, np.full((6, 8), 255, "u1")), expected)
    made.ShutterOverlayGroup = 0x7FE0
    assert shown(made, np.full((6, 8), 255, "u1")).all()


def test_a_state_of_false_colours_colours_what_the_window_gives() -> None:
    table = words(*(value << 8 for value in range(256)))
    zeros = words(*[0] * 256)
    made = state(sop_class=PSEUDO_COLOUR, **palette([256, 0, 16], table, zeros, words(*[0x8000] * 256)))
    picture = shown(made)
    assert np.array_equal(picture[..., 0], FRAME)
    assert np.unique(picture[..., 1:].reshape(-1, 2), axis=0).tolist() == [[0, 0x80]]


def test_a_colour_state_turns_and_cuts_colour_images() -> None:
    frame = np.random.default_rng(3).integers(0, 256, (10, 20, 3), "u1")
    made = state(
        sop_class=COLOUR,
        ImageRotation=180,
        ImageHorizontalFlip="N",
        DisplayedAreaSelectionSequence=[area([6, 5], [3, 2])],
    )
    assert np.array_equal(shown(made, frame), frame[1:5, 2:6][::-1, ::-1])
