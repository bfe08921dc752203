"""Lines, curves and letters of presentation states, and burned-in annotation, stand where they belong."""

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.render.annotation import _readable_name
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.lettering import drawable, font
from archimage.dicom.render.options import RenderOptions, Viewport
from tests.dicom.pictures import Array, header_of, item
from tests.dicom.states import GREY_LAB, RED_LAB, image, layer, options_of, shown, state

BLACK = np.zeros((60, 80), "u1")


def graphic(kind: str, *numbers: float, units: str = "PIXEL", filled: str = "N") -> Dataset:
    """Return a graphic object."""
    return item(
        GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(numbers) // 2,
        GraphicData=list(numbers), GraphicType=kind, GraphicFilled=filled,
    )  # fmt: skip


def text(value: str, **others: Any) -> Dataset:
    """Return a text object."""
    return item(UnformattedTextValue=value, **others)


def boxed(value: str, first: list[float], last: list[float], **others: Any) -> Dataset:
    """Return a text object in a box of the image."""
    return text(
        value, BoundingBoxAnnotationUnits="PIXEL", BoundingBoxTopLeftHandCorner=first,
        BoundingBoxBottomRightHandCorner=last, **others,
    )  # fmt: skip


def on_layer(*objects: Dataset, name: str = "ONE", **others: Any) -> Dataset:
    """Return an annotation with graphic and text objects."""
    texts = [made for made in objects if "UnformattedTextValue" in made]
    graphics = [made for made in objects if "UnformattedTextValue" not in made]
    return item(GraphicLayer=name, GraphicObjectSequence=graphics, TextObjectSequence=texts, **others)


def drawing(*objects: Dataset, frame: Array = BLACK, **others: Any) -> Array:
    """Return an image under a state with these objects on its one layer."""
    return shown(state(GraphicLayerSequence=[layer()], GraphicAnnotationSequence=[on_layer(*objects)], **others), frame)


def extent(picture: Array) -> tuple[int, int, int, int]:
    """Return the first and last column, then row, of what is not black."""
    rows, columns = np.nonzero(picture.reshape(*picture.shape[:2], -1).max(axis=-1))
    return int(columns.min()), int(columns.max()), int(rows.min()), int(rows.max())


def test_a_line_goes_from_point_to_point() -> None:
    picture = drawing(graphic("POLYLINE", 10, 20, 30, 20, 30, 40))
    assert picture[20, 10:31].all()
    assert picture[20:41, 30].all()
    assert np.count_nonzero(picture) == 41


def test_units_of_the_display_are_fractions_of_the_picture() -> None:
    assert extent(drawing(graphic("POLYLINE", 0.25, 0.5, 0.75, 0.5, units="DISPLAY"))) == (20, 60, 30, 30)


def test_a_closed_line_may_be_filled() -> None:
    square = (10, 10, 20, 10, 20, 20, 10, 20, 10, 10)
    assert np.count_nonzero(drawing(graphic("POLYLINE", *square, filled="Y"))) == 121
    assert np.count_nonzero(drawing(graphic("POLYLINE", *square))) == 40


def test_a_circle_is_around_its_first_point_through_its_second() -> None:
    picture = drawing(graphic("CIRCLE", 40, 30, 50, 30))
    rows, columns = np.nonzero(picture)
    assert np.abs(np.hypot(rows - 30, columns - 40) - 10).max() < 1.5
    assert extent(picture) == (30, 50, 20, 40)
    assert drawing(graphic("CIRCLE", 40, 30, 50, 30, filled="Y"))[30, 40]


def test_an_ellipse_has_the_ends_of_its_axes() -> None:
    picture = drawing(graphic("ELLIPSE", 20, 30, 60, 30, 40, 20, 40, 40))
    assert extent(picture) == (20, 60, 20, 40)
    assert picture[30, 20] and picture[30, 60] and picture[20, 40] and picture[40, 40]  # noqa: PT018
    assert not picture[30, 40]


def test_a_point_is_a_small_cross() -> None:
    assert extent(drawing(graphic("POINT", 40, 30))) == (37, 43, 27, 33)


@pytest.mark.parametrize("closed", [False, True])
def test_a_curve_goes_through_its_points(closed: bool) -> None:
    points = [10, 10, 30, 40, 50, 20, 70, 50] + ([10, 10] if closed else [])
    picture = drawing(graphic("INTERPOLATED", *points))
    assert all(picture[y, x] for x, y in zip(points[::2], points[1::2], strict=True))
    assert not np.array_equal(picture, drawing(graphic("POLYLINE", *points)))


def test_graphics_turn_with_the_image_and_stay_sharp_when_it_is_enlarged() -> None:
    picture = drawing(graphic("POLYLINE", 10, 20, 30, 20), ImageRotation=90, ImageHorizontalFlip="N")
    assert picture.shape == (80, 60)
    assert extent(picture) == (40, 40, 10, 30)
    made = state(
        GraphicLayerSequence=[layer()], GraphicAnnotationSequence=[on_layer(graphic("POLYLINE", 10, 20, 30, 20))]
    )
    large = render_frame(header_of(BLACK), BLACK, "MONOCHROME2", 1, options_of(made, viewport=Viewport(640, 480)))
    assert extent(large) == (80, 240, 160, 160)


def test_layers_are_drawn_in_their_order_and_colour() -> None:
    line = graphic("POLYLINE", 10, 20, 30, 20)
    layers = [
        layer("TOP", 2, GraphicLayerRecommendedDisplayCIELabValue=RED_LAB),
        layer("BELOW", 1, GraphicLayerRecommendedDisplayCIELabValue=GREY_LAB),
    ]
    annotations = [
        on_layer(line, name="TOP"),
        on_layer(line, name="BELOW"),
        on_layer(graphic("POINT", 50, 50), name="NONE"),
    ]
    picture = shown(state(GraphicLayerSequence=layers, GraphicAnnotationSequence=annotations), BLACK)
    assert picture[20, 15, 0] > 250
    assert picture[20, 15, 1] < 5
    assert picture[50, 50].tolist() == [255, 255, 255]
    grey = shown(state(GraphicLayerSequence=layers[1:], GraphicAnnotationSequence=annotations[1:2]), BLACK)
    assert grey.ndim == 2
    assert 120 < grey[20, 15] < 135


def test_annotations_of_other_images_and_frames_are_not_drawn() -> None:
    line = graphic("POLYLINE", 10, 20, 30, 20)
    others = [
        on_layer(line, ReferencedImageSequence=[image(uid="1.7")]),
        on_layer(line, ReferencedImageSequence=[image(2)]),
    ]
    assert not shown(state(GraphicAnnotationSequence=others), BLACK).any()
    assert shown(state(GraphicAnnotationSequence=others), BLACK, 2).any()


def test_text_stands_in_its_box_at_the_side_that_it_asks_for() -> None:
    left, middle, right = (
        extent(drawing(boxed("Il", [20, 10], [70, 40], BoundingBoxTextHorizontalJustification=side)))
        for side in ("LEFT", "CENTER", "RIGHT")
    )
    assert left[0] < middle[0] < right[0]
    assert left[0] >= 20
    assert right[1] <= 70
    assert all(place[2] >= 10 and place[3] <= 40 for place in (left, middle, right))


def test_every_line_of_a_text_is_written_below_the_other() -> None:
    one, two = (extent(drawing(boxed(value, [5, 5], [75, 55]))) for value in ("I", "I\r\nI"))
    assert two[3] > one[3] + 4


def test_text_at_an_anchor_begins_there() -> None:
    made = text("I", AnchorPoint=[0.5, 0.5], AnchorPointAnnotationUnits="DISPLAY", AnchorPointVisibility="N")
    columns_rows = extent(drawing(made))
    assert columns_rows[0] >= 40
    assert columns_rows[2] >= 30


def test_a_visible_anchor_is_tied_to_its_box() -> None:
    anchor = {"AnchorPoint": [70, 50], "AnchorPointAnnotationUnits": "PIXEL"}
    assert not drawing(boxed("I", [5, 5], [15, 25], AnchorPointVisibility="N", **anchor))[50, 70]
    tied = drawing(boxed("I", [5, 5], [15, 25], AnchorPointVisibility="Y", **anchor))
    assert tied[50, 70]
    assert tied[25, 10]


@pytest.mark.parametrize("wrong", [
    graphic("POLYLINE"), graphic("POLYLINE", 1), graphic("POLYLINE", 1, 1), graphic("CIRCLE", 1, 1),
    graphic("ELLIPSE", 1, 1, 2, 2),
    graphic("POLYLINE", nan, 1, 1, 1), graphic("CIRCLE", 1, 1, inf, 1), graphic("SPLINE"),
    text("lost"),
    graphic("INTERPOLATED", 1, 1), boxed("", [1, 1], [9, 9]), boxed("box", [1], [9]), graphic("POINT"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(wrong: Dataset) -> None:
    assert not drawing(wrong).any()


def test_lines_to_far_away_are_drawn_in_bounded_time() -> None:
    assert drawing(graphic("POLYLINE", 0, 30, 3e38, 30))[30].all()
    assert drawing(boxed("far", [-3e38, -3e38], [3e38, 3e38])).shape == BLACK.shape


PATIENT = {
    "PatientName": "Müller^Anna^^Dr.", "PatientID": "4711", "PatientSex": "F", "Modality": "CT", "KVP": 120,
    "SliceThickness": 5, "InstanceNumber": 3, "StudyDate": "20260102", "NumberOfFrames": 7,
}  # fmt: skip


def annotated(*wanted: str, frame: Array | None = None, **attributes: Any) -> Array:
    """Return a black picture with annotation."""
    frame = np.zeros((300, 400), "u1") if frame is None else frame
    photometric = "MONOCHROME2" if frame.ndim == 2 else "RGB"
    options = RenderOptions(annotation=frozenset(wanted))
    return render_frame(header_of(frame, **{**PATIENT, **attributes}), frame, photometric, 2, options)


def test_nothing_is_burned_in_that_is_not_asked_for() -> None:
    assert not annotated().any()


def test_the_patient_stands_above_the_technique_below() -> None:
    patient, technique = annotated("patient"), annotated("technique")
    assert patient[:100].any()
    assert not patient[150:].any()
    assert technique[200:].any()
    assert not technique[:150].any()
    assert np.array_equal(annotated("patient", "technique"), patient | technique)


@pytest.mark.parametrize(("wanted", "attributes"), [
    ("patient", {"PatientName": "Meier^Anna"}), ("patient", {"PatientID": "4712"}), ("technique", {"KVP": 80}),
    ("technique", {"Modality": "MR"}), ("technique", {"NumberOfFrames": 1}), ("technique", {"RepetitionTime": 500}),
])  # fmt: skip
def test_what_is_burned_in_is_what_the_attributes_say(wanted: str, attributes: dict[str, Any]) -> None:
    assert not np.array_equal(annotated(wanted, **attributes), annotated(wanted))


def test_annotation_can_be_read_on_white_and_on_colours() -> None:
    white = annotated("patient", frame=np.full((300, 400), 255, "u1"))
    assert (white < 50).any()
    assert annotated("patient", frame=np.zeros((300, 400, 3), "u1"))[..., 2].any()


def test_annotation_fits_the_smallest_picture() -> None:
    assert annotated("patient", "technique", frame=np.zeros((1, 1), "u1")).shape == (1, 1)
    assert annotated("patient", frame=np.zeros((16, 16), "u1")).any()


@pytest.mark.parametrize(("name", "readable"), [
    ("Doe^John", "Doe, John"), ("Doe", "Doe"), ("Doe^^^", "Doe"), ("A^B^C^D^E", "A, B C D E"), ("", ""),
    ("^^=山田^太郎=", "山田, 太郎"),
])  # fmt: skip
def test_names_are_written_family_name_first(name: str, readable: str) -> None:
    assert _readable_name(name) == readable


@pytest.mark.parametrize(("value", "drawn"), [
    ("a\x1b[31m\r\nb", "a [31m  b"), ("x" * 99, "x" * 64), ("\u202etxt", "txt"), ("山", "Shan"), ("\uffff", ""),
])  # fmt: skip
def test_text_is_made_fit_to_be_drawn(value: str, drawn: str) -> None:
    assert drawable(value, 64) == drawn


def test_a_system_without_fonts_has_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_DIRS", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, "/nowhere")
    assert font.__wrapped__(12).getlength("text") > 12


@pytest.mark.parametrize(("name", "transcribed"), [("Größe", "Grosse"), ("Åsa", "Asa"), ("Яков", "Yakov")])
def test_letters_stay_when_the_font_has_them_and_are_transcribed_when_not(name: str, transcribed: str) -> None:
    drawn = drawable(name, 64)
    assert drawn in {name, transcribed}
    blank = bytes(font(16).getmask("\uffff"))
    assert all(bytes(font(16).getmask(character)) != blank for character in drawn)
