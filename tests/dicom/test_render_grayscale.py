"""The grayscale pipeline agrees with pydicom's transforms, and with the formulas of the standard."""

import struct
from math import exp, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from archimage.dicom.encode import decode_identifier, encode_elements
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions
from archimage.errors import InvalidDatasetError, NotAcceptableError
from tests.dicom.pictures import Array, decoded, header_of, item, ramp, real_images, rendered

EXPLICIT = "1.2.840.10008.1.2.1"
FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"]
VALUES = np.arange(-2048, 2048, dtype="i2").reshape(64, 64)


def expected(header: Dataset, frame: Array) -> Array:
    """Return the picture by pydicom's transforms: its window fills the range that modality output has."""
    measured = apply_modality_lut(frame, header)
    voi = apply_voi_lut(measured, header)
    if voi is measured:
        low, high = measured.min(), measured.max()
    elif "VOILUTSequence" in header:
        low, high = 0, 2 ** header.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        low, high = window_range(header)
    picture: Array = (voi.astype("f8") - low) / (high - low) * 255
    return 255 - picture if header.PhotometricInterpretation == "MONOCHROME1" else picture


def window_range(header: Dataset) -> tuple[float, float]:
    """Return what pydicom's window goes from and to (pydicom.pixels.apply_windowing)."""
    bits = header.BitsStored
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if header.PixelRepresentation else (0, 2**bits - 1)
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


@pytest.mark.parametrize("name", [
    "CT_small.dcm", "MR_small.dcm", "693_UNCR.dcm", "RG1_UNCR.dcm", "RG3_UNCR.dcm", "MR2_UNCI.dcm", "mlut_18.dcm",
    "vlut_04.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small_bigendian.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm",
])  # fmt: skip
def test_real_images_look_as_by_pydicoms_transforms(name: str) -> None:
    path = next(path for path in real_images() if path.name == name)
    header, frame, photometric = decoded(path)
    for group in range(0x6000, 0x6020, 2):
        header.group_dataset(group).clear()
        for element in list(header.group_dataset(group)):
            del header[element.tag]
    picture = render_frame(header, frame, photometric, 1, RenderOptions())
    assert np.abs(picture - expected(header, frame)).max() <= 1


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")  # pydicom's
@settings(max_examples=150, deadline=None)
@given(
    center=st.floats(-3000, 3000), width=st.floats(1, 6000), function=st.sampled_from(FUNCTIONS),
    slope=st.floats(0.1, 10), intercept=st.floats(-2000, 2000),
)  # fmt: skip
def test_any_window_is_pydicoms(center: float, width: float, function: str, slope: float, intercept: float) -> None:
    center, width, slope, intercept = (float(f"{number:.6g}") for number in (center, width, slope, intercept))
    header = header_of(
        VALUES, RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=center, WindowWidth=width,
        VOILUTFunction=function, PhotometricInterpretation="MONOCHROME2", PixelRepresentation=1, BitsStored=16,
    )  # fmt: skip
    picture = render_frame(header, VALUES, "MONOCHROME2", 1, RenderOptions())
    assert np.abs(picture - expected(header, VALUES)).max() <= 1
    asked = RenderOptions(window=(center, width, function))  # type: ignore[arg-type]
    other = header_of(VALUES, RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=1, WindowWidth=2)
    assert np.array_equal(render_frame(other, VALUES, "MONOCHROME2", 1, asked), picture)


def test_a_linear_window_is_that_of_the_standards_formula() -> None:
    """PS3.3 §C.11.2.1.2.1: x <= c - 0.5 - (w-1)/2 is black, x > c - 0.5 + (w-1)/2 white."""
    frame = np.array([[0, 31, 32, 64, 127, 128]], "u2")
    picture = rendered(frame, WindowCenter=80, WindowWidth=97)
    assert picture.tolist() == [[0, 0, 1, round(((64 - 79.5) / 96 + 0.5) * 255), 254, 255]]


def test_a_window_of_width_1_is_a_threshold() -> None:
    assert rendered(np.array([[99, 100, 101]], "u2"), WindowCenter=100.5, WindowWidth=1).tolist() == [[0, 0, 255]]


def test_a_sigmoid_window_is_that_of_the_standards_formula() -> None:
    frame = np.array([[0, 50, 100, 150]], "u2")
    picture = rendered(frame, WindowCenter=100, WindowWidth=50, VOILUTFunction="SIGMOID")
    assert picture.tolist() == [[round(255 / (1 + exp(-4 * (int(x) - 100) / 50))) for x in frame[0]]]


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_without_width_is_left_out(width: float) -> None:
    frame = ramp(16, 16, "u2")
    assert np.array_equal(rendered(frame, WindowCenter=1, WindowWidth=width), ramp())


def test_the_first_of_several_windows_is_used() -> None:
    frame = ramp(16, 16, "u2")
    several = rendered(frame, WindowCenter=[100, 5], WindowWidth=[50, 5])
    assert np.array_equal(several, rendered(frame, WindowCenter=100, WindowWidth=50))


def test_without_a_window_the_frames_range_is_shown() -> None:
    picture = rendered(np.array([[500, 1000, 1500]], "u2"))
    assert picture.tolist() == [[0, 128, 255]]


def test_without_a_window_8_bits_are_shown_as_they_are_so_that_a_loop_does_not_flicker() -> None:
    assert rendered(np.array([[50, 100]], "u1")).tolist() == [[50, 100]]
    assert rendered(np.array([[50, 100]], "u1"), RescaleSlope=3, RescaleIntercept=-7).tolist() == [[50, 100]]
    assert rendered(np.array([[-128, 0, 127]], "i1")).tolist() == [[0, 128, 255]]


def test_an_image_of_one_value_is_black() -> None:
    assert rendered(np.full((2, 2), 700, "u2")).tolist() == [[0, 0], [0, 0]]


def test_bits_of_a_segmentation_are_black_and_white() -> None:
    frame = np.array([[0, 1]], "u1")
    assert rendered(frame, BitsAllocated=1, BitsStored=1, HighBit=0).tolist() == [[0, 255]]


def test_a_fractional_segmentation_is_white_at_its_highest_value() -> None:
    frame = np.array([[0, 50, 100]], "u1")
    assert rendered(frame, SegmentationType="FRACTIONAL", MaximumFractionalValue=100).tolist() == [[0, 128, 255]]


def test_labels_of_a_segmentation_can_be_told_from_one_another() -> None:
    assert rendered(np.array([[0, 1, 2]], "u1"), SegmentationType="LABELMAP").tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_are_shown_from_their_lowest_to_their_highest_number(dtype: str) -> None:
    frame = np.array([[nan, -np.inf, -0.5, 0, 0.5, np.inf]], dtype)
    assert rendered(frame).tolist() == [[0, 0, 0, 128, 255, 255]]
    assert rendered(np.full((1, 2), nan, dtype)).tolist() == [[0, 0]]
    assert rendered(frame, WindowCenter=0, WindowWidth=4, VOILUTFunction="LINEAR_EXACT")[0, 2:5].tolist() == [
        96,
        128,
        159,
    ]


def test_32_bits_are_shown_from_their_lowest_to_their_highest_value() -> None:
    frame = np.array([[0, 2**31, 2**32 - 1]], "u4")
    assert rendered(frame).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(("shape", "photometric", "black_is_first"), [
    (None, "MONOCHROME2", True), (None, "MONOCHROME1", False), ("IDENTITY", "MONOCHROME2", True),
    ("INVERSE", "MONOCHROME1", False), ("INVERSE", "MONOCHROME2", False), ("IDENTITY", "MONOCHROME1", True),
])  # fmt: skip
def test_polarity_is_that_of_the_presentation_lut_shape_before_the_photometric_interpretation(
    shape: str | None, photometric: str, black_is_first: bool
) -> None:
    attributes: dict[str, Any] = {} if shape is None else {"PresentationLUTShape": shape}
    assert rendered(np.array([[0, 255]], "u1"), photometric, **attributes).tolist() == [
        [0, 255][:: 1 if black_is_first else -1]
    ]


def test_padding_neither_counts_for_the_range_nor_is_bright() -> None:
    frame = np.array([[-2000, 0, 1000, 3000]], "i2")
    attributes: dict[str, Any] = {"PixelPaddingValue": -2000}
    assert rendered(frame, **attributes).tolist() == [[0, 0, 85, 255]]
    limited = rendered(
        np.array([[0, 1000, 30_000, 32_000]], "i2"), PixelPaddingValue=30_000, PixelPaddingRangeLimit=32_000
    )
    assert limited.tolist() == [[0, 255, 0, 0]]


def test_padding_written_without_its_sign_is_recognised() -> None:
    assert rendered(np.array([[-2000, 0, 1000]], "i2"), PixelPaddingValue=65536 - 2000).tolist() == [[0, 0, 255]]


def test_the_ground_of_an_inverse_image_stays_as_its_pipeline_makes_it() -> None:
    frame = np.array([[0, 10, 20]], "u2")
    assert rendered(frame, "MONOCHROME1", PixelPaddingValue=0).tolist() == [[255, 255, 0]]


def test_bits_beside_the_pixel_are_not_shown() -> None:
    frame = np.array([[0xF000, 0x0FFF, 0x7800]], "u2")
    assert rendered(frame, BitsStored=12, HighBit=11).tolist() == [[0, 255, 128]]
    assert rendered(frame << 4 | 7, BitsStored=12, HighBit=15).tolist() == [[0, 255, 128]]


def test_the_sign_is_taken_from_the_highest_stored_bit() -> None:
    frame = np.array([[0x0800, 0x0000, 0x07FF]], "u2")
    attributes: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    assert rendered(frame, **attributes).tolist() == [[0, 128, 255]]
    assert rendered(frame.view("i2"), **attributes).tolist() == [[0, 128, 255]]


def test_a_modality_table_comes_before_the_window() -> None:
    table = item(LUTDescriptor=[3, 10, 16], LUTData=[100, 300, 200], ModalityLUTType="US")
    picture = rendered(
        np.array([[0, 10, 11, 12, 99]], "u2"),
        ModalityLUTSequence=[table],
        RescaleSlope=5,
        WindowCenter=200.5,
        WindowWidth=201,
    )
    assert picture.tolist() == [[0, 0, 255, 128, 128]]


def test_a_voi_table_comes_before_a_window_and_may_begin_below_zero() -> None:
    table = item(LUTDescriptor=[4, -1, 8], LUTData=bytes([10, 20, 30, 40]))
    picture = rendered(np.array([[-5, -1, 0, 1, 9]], "i2"), VOILUTSequence=[table], WindowCenter=0, WindowWidth=1)
    assert picture.tolist() == [[10, 10, 20, 30, 40]]


def test_a_voi_table_for_rescaled_values_may_begin_below_zero_though_its_vr_cannot_say_so() -> None:
    table = item(LUTDescriptor=[3, 0x10000 - 1024, 8], LUTData=bytes([10, 20, 30, 0]))
    frame = np.array([[0, 1, 2, 3]], "u2")
    assert rendered(frame, RescaleIntercept=-1024, VOILUTSequence=[table]).tolist() == [[10, 20, 30, 30]]


def test_a_table_says_how_many_bits_it_has_and_is_believed_as_far_as_it_fits() -> None:
    described = item(LUTDescriptor=[2, 0, 10], LUTData=[0, 1023])
    wider = item(LUTDescriptor=[2, 0, 10], LUTData=[0, 4095])
    bytes_only = item(LUTDescriptor=[2, 0, 16], LUTData=[0, 255])
    for table in (described, wider, bytes_only):
        assert rendered(np.array([[0, 1]], "u1"), VOILUTSequence=[table]).tolist() == [[0, 255]]


def test_a_presentation_table_comes_last() -> None:
    table = item(LUTDescriptor=[256, 0, 8], LUTData=bytes(range(255, -1, -1)))
    assert rendered(ramp(), PresentationLUTSequence=[table]).tolist() == (255 - ramp()).tolist()


def texts_as_table() -> Dataset:
    """Return a table whose entries are no numbers."""
    table = item(LUTDescriptor=[2, 0, 16])
    table.add_new("LUTData", "LO", ["a", "b"])
    return table


@pytest.mark.parametrize("table", [
    item(), item(LUTDescriptor=[1, 0], LUTData=[1]), item(LUTDescriptor=[1, 0, 17], LUTData=[1]),
    item(LUTDescriptor=[4, 0, 16]), texts_as_table(), item(LUTDescriptor=[4, 0, 0], LUTData=[1]),
])  # fmt: skip
def test_a_table_that_cannot_be_read_is_invalid(table: Dataset) -> None:
    with pytest.raises(InvalidDatasetError, match="lookup table"):
        rendered(ramp(), VOILUTSequence=[table])


def test_a_frames_own_groups_come_before_shared_ones_and_the_data_sets_attributes() -> None:
    frame = np.array([[0, 100, 200]], "u2")
    shared = item(
        FrameVOILUTSequence=[item(WindowCenter=50.5, WindowWidth=101)],
        PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-100)],
    )
    own = item(FrameVOILUTSequence=[item(WindowCenter=0.5, WindowWidth=201)])
    header = header_of(
        frame, WindowCenter=1, WindowWidth=1,
        SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=[item(), own],
    )  # fmt: skip
    pictures = [render_frame(header, frame, "MONOCHROME2", number, RenderOptions()).tolist() for number in (1, 2, 3)]
    assert pictures == [[[0, 0, 255]], [[0, 128, 255]], [[0, 0, 255]]]


def test_what_cannot_be_shown_says_so() -> None:
    with pytest.raises(NotAcceptableError, match="CMYK"):
        rendered(np.zeros((2, 2, 4), "u1"), "CMYK")
    with pytest.raises(InvalidDatasetError, match="one sample"):
        rendered(np.zeros((2, 2, 3), "u1"), "MONOCHROME2")
    with pytest.raises(InvalidDatasetError, match="no pixels"):
        rendered(np.zeros((0, 2), "u1"))


@pytest.mark.parametrize(("keyword", "vr", "value", "said"), [
    ("WindowCenter", "DS", b"wide", "WindowCenter is no number"),
    ("WindowCenter", "FD", b"wide", "WindowCenter cannot be read"),
    ("BitsStored", "FD", struct.pack("<d", nan), "BitsStored is no whole number"),
    ("BitsStored", "US", b"\0\0", "0 bits"),
])  # fmt: skip
def test_an_attribute_that_cannot_be_read_is_named(keyword: str, vr: str, value: bytes, said: str) -> None:
    data = encode_elements([(tag_for_keyword(keyword) or 0, vr, value), (0x00281051, "DS", b"1")], EXPLICIT)
    header = decode_identifier(data, EXPLICIT)
    with pytest.raises(InvalidDatasetError, match=said):
        render_frame(header, ramp(), "MONOCHROME2", 1, RenderOptions())
