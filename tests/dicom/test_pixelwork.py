"""The time that each frame of a loop is shown, and what tasks make of options that cannot be."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.pixelwork import TASKS, frame_time_ms
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
    assert set(TASKS) >= {"transcode", "render", "animate"}
