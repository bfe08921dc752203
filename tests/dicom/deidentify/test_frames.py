"""A frame is blanked where it has to be and nowhere else, in every transfer syntax that can be written."""

from dataclasses import replace

import numpy as np
import pytest

from archimage.dicom.codecs.syntaxes import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN
from archimage.dicom.deidentify.frames import FrameCleaning
from archimage.dicom.deidentify.regions import Blanking, Rectangle
from archimage.dicom.frametranscoding import FrameTranscoding
from archimage.dicom.pixels import Array, PixelDescription, decode_frame, encode_frame

GREY = PixelDescription(48, 64, 1, 16, 12, 11, 0, 0, "MONOCHROME2")
COLOUR = PixelDescription(48, 64, 3, 8, 8, 7, 0, 0, "RGB")
LOSSLESS = [
    f"1.2.840.10008.1.2{last}"
    for last in (
        "",
        ".1",
        ".1.98",
        ".1.99",
        ".4.57",
        ".4.70",
        ".4.80",
        ".4.90",
        ".4.110",
        ".4.201",
        ".4.202",
        ".5",
        ".8.1",
    )
]
TOP = Blanking(blank=(Rectangle(0, 0, 64, 10),))
INSIDE = Blanking(keep=(Rectangle(8, 12, 40, 40), Rectangle(30, 20, 60, 44)))


def noise(description: PixelDescription) -> Array:
    """A frame without any order."""
    values = np.random.default_rng(7).integers(1, 1 << description.bits_stored, description.shape)
    return values.astype(description.dtype)


def gone(blanking: Blanking, shape: tuple[int, ...]) -> np.ndarray:
    """Which pixels are to be blank, worked out pixel by pixel."""
    mask = np.zeros(shape[:2], bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            inside = [
                any(r.left <= column < r.right and r.top <= row < r.bottom for r in rectangles)
                for rectangles in (blanking.blank, blanking.keep)
            ]
            mask[row, column] = inside[0] or (bool(blanking.keep) and not inside[1])
    return mask


@pytest.mark.parametrize("blanking", [TOP, INSIDE], ids=["top", "outside"])
@pytest.mark.parametrize("description", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_pixels_of_the_regions_go_and_all_others_stay(
    syntax: str, description: PixelDescription, blanking: Blanking
) -> None:
    before = noise(description)
    cleaning = FrameCleaning(FrameTranscoding(syntax, syntax, description), blanking)
    data, _ = FrameCleaning.from_json(cleaning.to_json()).apply(encode_frame(before, syntax, description))
    after, _ = decode_frame(data, syntax, description)
    mask = gone(blanking, before.shape)
    assert (after[mask] == before.min()).all()
    assert np.array_equal(after[~mask], before[~mask])


def test_colour_by_plane_stays_by_plane() -> None:
    description = replace(COLOUR, planar_configuration=1)
    planes = noise(COLOUR)
    frame = np.ascontiguousarray(planes.transpose(2, 0, 1)).tobytes()
    transcoding = FrameTranscoding(EXPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, description)
    data, _ = FrameCleaning(transcoding, TOP).apply(frame)
    assert np.array_equal(np.frombuffer(data, np.uint8).reshape(3, 48, 64)[:, 10:], planes.transpose(2, 0, 1)[:, 10:])


def test_big_endian_becomes_little_endian() -> None:
    before = noise(GREY)
    transcoding = FrameTranscoding(EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, GREY)
    data, _ = FrameCleaning(transcoding, TOP).apply(before.astype(">u2").tobytes())
    assert np.array_equal(np.frombuffer(data, "<u2").reshape(48, 64)[10:], before[10:])


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_beside_the_samples_are_cleared_where_overlays_may_lie_in_them(signed: int) -> None:
    description = replace(GREY, pixel_representation=signed)
    values = noise(GREY).astype(np.int32) - (2048 if signed else 0)
    stored = ((values & 0x0FFF) | 0xA000).astype("<u2").tobytes()
    transcoding = FrameTranscoding(EXPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, description)
    data, _ = FrameCleaning(transcoding, None, unused=True).apply(stored)
    assert np.array_equal(np.frombuffer(data, description.dtype).reshape(48, 64), values)


def test_a_frame_of_which_nothing_changes_is_not_encoded_again() -> None:
    transcoding = FrameTranscoding(EXPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, GREY)
    smooth = np.arange(48 * 64).reshape(48, 64).astype("<u2").tobytes()  # noise may be taken for letters
    assert FrameCleaning(transcoding, None).apply(smooth) == (b"", False)
