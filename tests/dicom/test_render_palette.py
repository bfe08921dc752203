"""Palettes and true colour agree with pydicom's; broken tables are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.processing import _expand_segmented_lut, apply_color_lut, convert_color_space

from archimage.dicom.encode import decode_identifier, encode_dataset
from archimage.dicom.render.colour import from_cielab
from archimage.dicom.render.frames import icc_profile_of, render_frame
from archimage.dicom.render.options import RenderOptions
from archimage.dicom.render.palette import expanded
from archimage.errors import InvalidDatasetError
from tests.dicom.files import real_file
from tests.dicom.pictures import CHANNELS, Array, decoded, header_of, item, palette, ramp, rendered, words
from tests.dicom.strategies import SYNTAXES

EXPLICIT, BIG = SYNTAXES[1:3]


@pytest.mark.parametrize(
    "name",
    ["OBXXXX1A.dcm", "examples_palette.dcm", "gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm", "OBXXXX1A_rle.dcm"],
)
def test_real_palettes_give_the_colours_that_pydicom_gives(name: str) -> None:
    header, frame, photometric = decoded(real_file(name))
    colours = apply_color_lut(frame, header)
    assert np.array_equal(
        render_frame(header, frame, photometric, 1, RenderOptions()),
        colours >> 8 if colours.dtype.itemsize == 2 else colours,
    )


def test_upper_values_of_a_real_grayscale_image_are_coloured_by_its_supplemental_palette() -> None:
    header, frame, photometric = decoded(real_file("eCT_Supplemental.dcm"))
    first = header.RedPaletteColorLookupTableDescriptor[1]
    picture = render_frame(header, frame, photometric, 1, RenderOptions())
    coloured = frame >= first
    assert 0 < coloured.mean() < 1
    for index, name in enumerate(CHANNELS):
        table = np.frombuffer(header[f"{name}PaletteColorLookupTableData"].value, "<u2") >> 8
        assert np.array_equal(picture[coloured][:, index], table[np.minimum(frame[coloured] - first, len(table) - 1)])
    assert np.all(picture[~coloured] == picture[~coloured][:, :1])


def test_a_frame_without_colour_in_an_image_with_some_is_a_colour_picture_too() -> None:
    assert rendered(ramp(), PixelPresentation="COLOR", **palette([4, 999, 8], bytes(4))).shape == (16, 16, 3)


def test_a_palette_that_is_not_asked_for_leaves_grey_grey() -> None:
    assert rendered(ramp(), **palette([4, 0, 8], bytes(4))).ndim == 2


def test_values_outside_of_a_palette_get_its_ends() -> None:
    picture = rendered(
        np.array([[0, 5, 6, 7, 200]], "u1"), "PALETTE COLOR", **palette([3, 5, 8], bytes([10, 20, 30, 0]))
    )
    assert picture[0, :, 0].tolist() == [10, 10, 20, 30, 30]


def test_a_palette_of_signed_values_may_begin_below_zero() -> None:
    frame = np.array([[-2, -1, 0]], "i1")
    picture = rendered(frame, "PALETTE COLOR", **palette([3, 0xFFFE, 16], words(0x1000, 0x2000, 0x3000)))
    assert picture[0, :, 0].tolist() == [0x10, 0x20, 0x30]


def test_channels_are_told_apart() -> None:
    tables = words(0, 0x100), words(0x200, 0x300), words(0x400, 0x500)
    picture = rendered(np.array([[0, 1]], "u1"), "PALETTE COLOR", **palette([2, 0, 16], *tables))
    assert picture.tolist() == [[[0, 2, 4], [1, 3, 5]]]


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_tables_are_read_in_the_byte_order_that_they_came_in(syntax: str) -> None:
    header = header_of(ramp())
    for name in CHANNELS:
        header.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        table = (np.arange(256) << 8).astype(">u2" if syntax == BIG else "<u2").tobytes()
        header.add_new(f"{name}PaletteColorLookupTableData", "OW", table)
    read = decode_identifier(encode_dataset(header, syntax), syntax)
    picture = render_frame(read, ramp(), "PALETTE COLOR", 1, RenderOptions())
    assert np.array_equal(picture[..., 1], ramp())


def test_segments_are_expanded_as_the_standard_says() -> None:
    """PS3.3 §C.7.9.2: values as they are, a line to an end value, and a copy of segments named by their byte offset."""
    units = np.array([0, 2, 7, 9, 1, 3, 15, 2, 2, 0, 0, 0, 1, 1], "u2")
    assert expanded(units, 11, 16).tolist() == [7, 9, 11, 13, 15, 7, 9, 11, 13, 15, 1]
    assert expanded(units, 4, 16).tolist() == [7, 9, 11, 13]
    eight = np.array([0, 1, 9, 0, 2, 1, 2, 2, 1, 3, 0, 0, 0], "u2")
    assert expanded(eight, 9, 8).tolist() == [9, 1, 2, 1, 2]


SEGMENTS = st.one_of(
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=5).map(lambda data: [0, len(data), *data]),
    st.tuples(st.integers(1, 50), st.integers(0, 0xFFFF)).map(lambda line: [1, *line]),
)


@given(first=st.integers(0, 0xFFFF), others=st.lists(SEGMENTS, max_size=20))
def test_segments_are_expanded_as_pydicom_expands_them(first: int, others: list[list[int]]) -> None:
    units = [0, 1, first, *(unit for segment in others for unit in segment)]
    known = _expand_segmented_lut(tuple(units), "<H")
    ours = expanded(np.array(units, "u2"), 0xFFFF, 16)
    assert len(ours) == len(known)
    assert np.abs(ours.astype(int) - known).max() <= 1  # halves are rounded either way


def test_a_segmented_palette_colours_an_image() -> None:
    picture = rendered(
        np.array([[0, 1, 2, 3]], "u1"),
        "PALETTE COLOR",
        **palette([4, 0, 16], words(0, 1, 0, 1, 3, 0x300), segmented=True),
    )
    assert picture[0, :, 2].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("units", [
    [], [1, 5, 7], [0, 9, 1], [0, 0], [3, 1, 1],
    [0, 1, 5, 2, 1], [0, 1, 5, 2, 1, 0xFFFF, 0xFFFF], [0, 1, 5, 2, 1, 6, 0, 0],
])  # fmt: skip
def test_broken_segments_are_invalid(units: list[int]) -> None:
    with pytest.raises(InvalidDatasetError, match="palette"):
        expanded(np.array(units, "u2"), 100, 16)


def test_a_palette_that_is_missing_is_invalid() -> None:
    with pytest.raises(InvalidDatasetError, match="lookup table"):
        rendered(ramp(), "PALETTE COLOR")


def colours(dtype: str = "u1") -> Array:
    """Return an image in which every channel takes many values."""
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (40, 30, 3), dtype, endpoint=True)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_full_range_ybr_is_converted_as_by_pydicom(photometric: str) -> None:
    picture = rendered(colours(), photometric)
    assert np.abs(picture.astype(int) - convert_color_space(colours(), "YBR_FULL", "RGB")).max() <= 1


def test_partial_range_ybr_has_its_black_at_16_and_its_white_at_235() -> None:
    frame = np.array([[[16, 128, 128], [235, 128, 128], [81, 90, 240]]], "u1")
    assert rendered(frame, "YBR_PARTIAL_420").tolist() == [[[0, 0, 0], [255, 255, 255], [254, 0, 0]]]


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "YBR_ICT"])
def test_decoded_colours_stay_as_they_are(photometric: str) -> None:
    assert np.array_equal(rendered(colours(), photometric), colours())


def test_the_sign_that_some_headers_give_to_colours_does_not_count() -> None:
    assert np.array_equal(rendered(colours().view("i1"), "RGB"), colours())


@pytest.mark.parametrize(("dtype", "bits"), [("u2", 16), ("u4", 32)])
def test_deeper_colours_keep_their_upper_8_bits(dtype: str, bits: int) -> None:
    assert np.array_equal(rendered(colours(dtype), "RGB"), colours(dtype) >> (bits - 8))


def test_shallow_colours_fill_8_bits() -> None:
    assert rendered(np.array([[[0, 15, 31]]], "u1"), "RGB", BitsStored=5).tolist() == [[[0, 123, 255]]]


def test_colour_of_another_number_of_samples_is_invalid() -> None:
    with pytest.raises(InvalidDatasetError, match="three whole numbers"):
        rendered(ramp(), "RGB")
    with pytest.raises(InvalidDatasetError, match="three whole numbers"):
        rendered(colours().astype("f4"), "RGB")


@pytest.mark.parametrize(("encoded", "known"), [
    ((0, 0x8080, 0x8080), (0, 0, 0)), ((0xFFFF, 0x8080, 0x8080), (255, 255, 255)),
    ((35_579, 53_664, 50_858), (255, 0, 0)), ((57_553, 12_524, 53_710), (0, 255, 0)),
])  # fmt: skip
def test_cielab_colours_are_those_of_srgb(encoded: list[int], known: list[int]) -> None:
    assert np.abs(np.array(from_cielab(encoded)) - known).max() <= 2


def test_the_colour_profile_is_that_of_the_image_or_of_its_optical_path() -> None:
    path = item(ICCProfile=b"path")
    assert icc_profile_of(item(ICCProfile=b"own!", OpticalPathSequence=[path])) == b"own!"
    assert icc_profile_of(item(OpticalPathSequence=[path])) == b"path"
    assert icc_profile_of(Dataset()) is None
    assert icc_profile_of(item(ICCProfile=bytes((4 << 20) + 2))) is None
