"""Where the slices of a series stand in the patient, and whether together they make one volume (PS3.3 §C.7.6.2).

Lengths are in mm, in the patient's axes: x to the left, y to the back, z to the top of the head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.layout import PIXEL_DATA
from archimage.errors import NotAcceptableError

Vector = tuple[float, float, float]
Floats = npt.NDArray[np.float64]

_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
_MR: Final = "1.2.840.10008.5.1.4.1.1.4"
_ON_THE_BACK: Final = frozenset({"HFS", "FFS"})
_AIR_HU: Final = -1000.0
_STRAIGHT: Final = 1e-3
_UNEVEN_MM: Final = 0.2
_FEWEST: Final = 8
"""Slices of which a volume can be made."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the pixels of a slice stand: the middle of the first, and the steps to the next column and row."""

    position: Vector
    next_column: Vector
    next_row: Vector

    def coordinates(self, rows: int, columns: int) -> Floats:
        """Return where the middle of each pixel is, (3, rows, columns)."""
        position, right, down = (np.array(vector)[:, None, None] for vector in self._vectors())
        points: Floats = position + right * np.arange(columns)[None, None, :] + down * np.arange(rows)[None, :, None]
        return points

    def _vectors(self) -> tuple[Vector, Vector, Vector]:
        return self.position, self.next_column, self.next_row

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Placement":
        """Make one of what `to_json` returned."""
        position, right, down = (tuple(values[name]) for name in ("position", "next_column", "next_row"))
        return cls(position, right, down)


@dataclass(frozen=True, slots=True)
class Slice:
    """What a header tells of one image of a series; ct tells CT from MR, rescale has slope and intercept."""

    series_instance_uid: str
    frame_of_reference_uid: str
    ct: bool
    body_part: str
    placement: Placement
    description: PixelDescription
    rescale: tuple[float, float]

    @property
    def air(self) -> int | None:
        """The sample that stands for air in a CT; of MR it is not known."""
        slope, intercept = self.rescale
        if not self.ct:
            return None
        limits = np.iinfo(self.description.dtype)
        return int(np.clip(round((_AIR_HU - intercept) / slope), limits.min, limits.max))

    @classmethod
    def of(cls, header: Dataset, pixel: tuple[int, str] | None) -> "Slice":
        """Read it; pixel is tag and VR of the pixel element.

        Raises:
            NotAcceptableError: it is no slice of which it is known how to make a volume.
            InvalidDatasetError: its pixels are not described.
        """
        if str(header.get("SOPClassUID")) not in {_CT, _MR}:
            raise NotAcceptableError("faces are removed from plain CT and MR images alone, and it is neither")
        if pixel is None or pixel[0] != PIXEL_DATA:
            raise NotAcceptableError("it has no pixels of integers, of which alone a face is removed")
        description = PixelDescription.of(header, pixel[1], pixel[0])
        if description.bits_allocated not in {8, 16}:
            raise NotAcceptableError("a face is removed from samples of 8 or 16 bits alone")
        if description.samples_per_pixel != 1 or description.photometric_interpretation != "MONOCHROME2":
            raise NotAcceptableError("a face is removed from grey images alone, brighter with larger samples")
        if description.number_of_frames != 1:
            raise NotAcceptableError("a face is removed from images of one frame alone")
        if str(header.get("PatientPosition") or "") not in _ON_THE_BACK:
            raise NotAcceptableError("a face is removed only where the patient is said to lie on the back")
        try:
            return cls(
                str(header.get("SeriesInstanceUID") or ""),
                str(header.get("FrameOfReferenceUID") or ""),
                str(header.SOPClassUID) == _CT,
                str(header.get("BodyPartExamined") or "").strip().upper(),
                placement_of(header),
                description,
                (float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)),
            )
        except (AttributeError, TypeError, ValueError):
            raise NotAcceptableError("where its pixels stand in the patient is not told") from None


def placement_of(header: Dataset) -> Placement:
    """Read where pixels stand; AttributeError, TypeError or ValueError where it cannot be read."""
    position = _numbers(header.ImagePositionPatient, 3)
    row, column = np.split(np.array(_numbers(header.ImageOrientationPatient, 6)), 2)
    down, right = _numbers(header.PixelSpacing, 2)
    lengths = np.array([row @ row, column @ column, 1 + row @ column])
    if min(down, right) <= 0 or np.abs(lengths - 1).max() > 10 * _STRAIGHT:
        raise ValueError
    return Placement(_vector(position), _vector(row * right), _vector(column * down))


def _numbers(values: Sequence[Any], count: int) -> list[float]:
    numbers = [float(value) for value in values]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError
    return numbers


def _vector(values: Sequence[float] | Floats) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def check_volume(slices: Sequence[Slice]) -> list[int]:
    """Return the order of slices that make one volume, from one end to the other.

    Raises:
        NotAcceptableError: they do not; the message says why.
    """
    if len(slices) < _FEWEST:
        raise NotAcceptableError(f"its series has fewer than {_FEWEST} slices: no face can be told in it")
    first = slices[0]
    alike = (
        ("body parts", {one.body_part for one in slices}),
        ("frames of reference", {one.frame_of_reference_uid or number for number, one in enumerate(slices)}),
        ("sizes", {one.description.shape for one in slices}),
        ("kinds", {one.ct for one in slices}),
    )
    for name, found in alike:
        if len(found) > 1:
            raise NotAcceptableError(f"the slices of its series are of different {name}")
    steps = np.array([(one.placement.next_column, one.placement.next_row) for one in slices])
    if np.abs(steps - steps[0]).max() > _STRAIGHT:
        raise NotAcceptableError("the slices of its series are not parallel")
    positions = np.array([one.placement.position for one in slices])
    normal = np.cross(first.placement.next_column, first.placement.next_row)
    along = positions @ (normal / np.linalg.norm(normal))
    order = [int(number) for number in np.argsort(along)]
    gaps = np.array([positions[after] - positions[before] for before, after in pairwise(order)])
    if np.abs(gaps - gaps.mean(axis=0)).max() > _UNEVEN_MM or abs(along[order[1]] - along[order[0]]) <= _UNEVEN_MM:
        raise NotAcceptableError("the slices of its series are not evenly spaced, each at a place of its own")
    return order
