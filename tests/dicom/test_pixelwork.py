"""The time that each frame of a loop is shown, and which frames are the same."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.codecs.syntaxes import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN
from archimage.dicom.pixels import PixelDescription
from archimage.dicom.pixelwork import TASKS, compare, frame_time_ms
from archimage.errors import InvalidDatasetError


def timed(**values: object) -> Dataset:
    """Return a header of these keywords."""
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return header


@pytest.mark.parametrize(
    ("header", "shown_ms"),
    [
        (timed(RecommendedDisplayFrameRate=25, FrameTime=100, CineRate=10), 40.0),
        (timed(FrameTime="66.7", CineRate=10), 66.7),
        (timed(CineRate=10), 100.0),
        (timed(FrameTime="0", CineRate=0), 40.0),
        (timed(), 40.0),
    ],
)
def test_the_recommended_rate_comes_first_then_the_time_then_the_rate_of_acquisition(
    header: Dataset, shown_ms: float
) -> None:
    assert frame_time_ms(header) == pytest.approx(shown_ms)


def test_a_rate_that_is_no_number_is_told() -> None:
    with pytest.raises(InvalidDatasetError, match="FrameTime"):
        frame_time_ms(timed(FrameTime=["1", "2"]))


def test_every_task_can_be_asked_for_by_name() -> None:
    assert set(TASKS) >= {"transcode", "compare", "render", "animate"}


@pytest.mark.parametrize(
    ("second", "same"), [(b"\1\2\3\4", True), (b"\1\2\3\5", False)], ids=["the same samples", "one bit differs"]
)
def test_frames_are_the_same_whose_samples_are(second: bytes, same: bool) -> None:
    description = PixelDescription(1, 2, 1, 16, 16, 15, 0, 0, "MONOCHROME2").to_json()
    inverted = PixelDescription(1, 2, 1, 16, 16, 15, 0, 0, "MONOCHROME1").to_json()
    frames = [memoryview(b"\2\1\4\3"), memoryview(second)]
    syntaxes = [EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN]
    options = {"syntaxes": syntaxes, "descriptions": [description, description]}
    assert compare(options, frames) == ({"same": same}, b"")
    assert compare(options | {"descriptions": [description, inverted]}, frames) == ({"same": False}, b"")
