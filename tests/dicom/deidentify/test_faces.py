"""Of invented heads the face goes, however they are sliced, and the brain stays; what cannot be told is refused."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.coarse import coarsened, factors, volume_of
from archimage.dicom.deidentify.faces import BEHIND_MM, LEAST_MM, MOST_MM, shell_of
from archimage.dicom.deidentify.placement import Slice, check_volume
from archimage.dicom.deidentify.shell import Removal, Shell
from archimage.dicom.layout import PIXEL_DATA
from archimage.errors import NotAcceptableError
from tests.dicom.deidentify.heads import BRAIN, CT, EYE, LENGTH, MR, VERTEX, Array, Scan, front

PIXEL = (PIXEL_DATA, "OW")
CELL_MM = 3.0
"""Of the depth maps."""
FACE = (slice(10, 50), slice(9, 41))
"""Where the face is in a depth map: from the chin to the brows."""

SCANS = [
    ("axial", CT, 0.0),
    ("coronal", CT, 0.0),
    ("sagittal", CT, 0.0),
    ("axial", CT, 10.0),
    ("coronal", MR, 0.0),
    ("sagittal", MR, 0.0),
    ("axial", MR, 10.0),
    ("sagittal", MR, -10.0),
]


def found(slices: Sequence[Dataset]) -> Shell:
    """Find what has to be removed of a series."""
    known = [Slice.of(one, PIXEL) for one in slices]
    order = check_volume(known)
    by = factors(known[0].placement)
    slope, intercept = known[0].rescale
    stack = np.stack([coarsened(slices[number].pixel_array * slope + intercept, by) for number in order])
    volume = volume_of(stack, [known[number].placement for number in order], by)
    return shell_of(volume, known[0].body_part, ct=known[0].ct)


@cache
def cleaned(plane: str, sop_class: str, tilted: float, pitched: float = 0.0) -> tuple[Scan, Array, Array]:
    """A head, and its samples before and after."""
    scan = Scan(plane, sop_class, tilted, pitched=pitched)
    shell = found(scan.slices)
    before, after = (np.stack([one.pixel_array for one in scan.slices]) for _ in range(2))
    for one, pixels in zip(scan.slices, after, strict=True):
        known = Slice.of(one, PIXEL)
        Removal.from_json(Removal(shell, known.placement, known.air).to_json()).apply(pixels)
    return scan, before, after


def depths(scan: Scan, samples: Array) -> Array:
    """Look at a head from the front."""
    return front(samples, scan.points, 724 if scan.sop_class == CT else 50, CELL_MM)


def cells(points: Array) -> tuple[Array, Array]:
    """Return in which cells of a depth map some points are."""
    z, x = ((points[..., axis] + start) / CELL_MM for axis, start in ((2, 140), (0, 75)))
    return z.astype(int).clip(0, 79), x.astype(int).clip(0, 49)


def detail(depth: Array, half: int) -> Array:
    """What differs in a depth map from the means of its neighbourhoods, half cells to each side."""
    kernel = np.ones(2 * half + 1) / (2 * half + 1)
    smooth = np.pad(depth, half, mode="edge")
    for axis in (0, 1):
        smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel, "valid")
    return np.asarray((depth - smooth)[FACE])


@pytest.mark.parametrize(("plane", "sop_class", "tilted"), SCANS)
def test_seen_from_the_front_no_detail_of_the_face_is_left(plane: str, sop_class: str, tilted: float) -> None:
    scan, samples, without = cleaned(plane, sop_class, tilted)
    before, after = depths(scan, samples), depths(scan, without)
    for half in (3, 5):  # neighbourhoods of 21 and 33 mm: nose, lips, lids
        one, other = detail(before, half), detail(after, half)
        assert one.std() > 4
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.2
    inner = (slice(14, 50), slice(16, 34))
    assert (after[inner] - before[inner]).min() >= BEHIND_MM - CELL_MM
    assert np.median(after[inner] - before[inner]) > LEAST_MM - CELL_MM


@pytest.mark.parametrize(("plane", "sop_class", "tilted"), SCANS)
def test_what_lies_deeper_and_the_vertex_stay_bit_by_bit(plane: str, sop_class: str, tilted: float) -> None:
    scan, before, after = cleaned(plane, sop_class, tilted)
    changed, points = before != after, scan.points
    brain = scan.labels == BRAIN
    skin = depths(scan, before)[cells(points)]
    deep = brain & (points[..., 1] > skin + MOST_MM + CELL_MM)
    assert deep.sum() > brain.sum() / 2
    assert not changed[deep].any()
    assert (changed & brain).sum() < brain.sum() / 50
    assert not changed[points[..., 2] > VERTEX - LENGTH * 0.25].any()
    assert not changed[points[..., 1] > 5].any()
    assert changed.any()


@pytest.mark.parametrize("pitched", [-15.0, 0.0, 15.0, 20.0])
def test_eyes_go_too_where_the_chin_is_raised_or_lowered(pitched: float) -> None:
    scan, samples, without = cleaned("sagittal", MR, 0.0, pitched)
    before, after = depths(scan, samples), depths(scan, without)
    eyes = cells(scan.points[scan.labels == EYE])
    assert (after - before)[eyes].min() >= BEHIND_MM - CELL_MM


def test_air_is_put_there() -> None:
    for sop_class, air in ((CT, 24), (MR, 0)):
        _, before, after = cleaned("sagittal", sop_class, 0.0)
        assert set(np.unique(after[before != after])) == {air}


Change = Callable[[list[Dataset]], object]


def every(**values: object) -> Change:
    """Set attributes in all slices."""

    def change(slices: list[Dataset]) -> None:
        for one in slices:
            for keyword, value in values.items():
                setattr(one, keyword, value)

    return change


def moved(slices: list[Dataset]) -> None:
    """Move a slice by 1 mm."""
    x, y, z = slices[20].ImagePositionPatient
    slices[20].ImagePositionPatient = [x, y, float(z) + 1]


def turned(slices: list[Dataset]) -> None:
    """Turn a slice by 0.02 radians."""
    slices[20].ImageOrientationPatient = [1, 0, 0, 0, 0.9998, 0.02]


def twice(slices: list[Dataset]) -> None:
    """Have every slice twice, as of two echoes."""
    slices += slices[:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (every(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"), "neither"),
        (every(NumberOfFrames=2), "one frame"),
        (every(PhotometricInterpretation="MONOCHROME1"), "grey"),
        (every(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "grey"),
        (every(PatientPosition="HFP"), "on the back"),
        (every(PatientPosition=""), "on the back"),
        (every(ImagePositionPatient=None), "not told"),
        (every(PixelSpacing=[0, 2]), "not told"),
        (every(ImageOrientationPatient=[1, 0, 0, 0, 0, 0]), "not told"),
        (every(BitsAllocated=32), "8 or 16 bits"),
        (every(FrameOfReferenceUID=""), "frames of reference"),
        (every(BodyPartExamined="KNEE"), "another part of the body"),
        (every(BodyPartExamined="CHEST"), "another part of the body"),
        (lambda slices: setattr(slices[3], "FrameOfReferenceUID", "2.25.1"), "frames of reference"),
        (lambda slices: setattr(slices[3], "PixelSpacing", [1, 1]), "not parallel"),
        (lambda slices: slices.pop(40), "evenly"),
        (lambda slices: slices.__delitem__(slice(5, None)), "fewer than 8"),
        (lambda slices: slices.__delitem__(slice(70, None)), "top of the head"),
        (lambda slices: slices.__delitem__(slice(0, 70)), "less than 100 mm"),
        (moved, "evenly"),
        (turned, "not parallel"),
        (twice, "evenly"),
    ],
)
def test_what_cannot_be_told_is_refused(change: Change, reason: str) -> None:
    slices: list[Dataset] = list(Scan("axial", CT).slices)
    change(slices)
    with pytest.raises(NotAcceptableError, match=reason):
        found(slices)


def test_a_half_of_a_head_and_air_alone_are_refused() -> None:
    slices = Scan("sagittal", CT).slices
    with pytest.raises(NotAcceptableError, match="the size of a head"):
        found(slices[:40])
    with pytest.raises(NotAcceptableError, match="from the air"):
        found(slices[:9])


def test_of_a_trunk_nothing_is_removed() -> None:
    slices = Scan("axial", CT).slices
    r, c = np.indices((slices[0].Rows, slices[0].Columns)) * 2.5 - 135
    trunk = (c / 130) ** 2 + (r / 100) ** 2 < 1
    every(BodyPartExamined="ABDOMEN", PixelData=np.where(trunk, 1064, 24).astype("<u2").tobytes())(list(slices))
    assert found(slices) == Shell()
    every(BodyPartExamined="HEAD")(list(slices))
    with pytest.raises(NotAcceptableError, match="top of the head"):
        found(slices)
    between_arms = ((c / 70) ** 2 + (r / 95) ** 2 < 1) | (((np.abs(c) - 95) / 35) ** 2 + (r / 35) ** 2 < 1)
    every(BodyPartExamined="ABDOMEN", PixelData=np.where(between_arms, 1064, 24).astype("<u2").tobytes())(list(slices))
    with pytest.raises(NotAcceptableError, match="another part of the body"):
        found(slices)
