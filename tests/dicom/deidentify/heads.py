"""Invented heads: a skull with brain, nose, eyes in their sockets, lips and chin, on a neck, and a table behind it.

Lengths in mm, in the patient's axes: x to the left, y to the back, z up. Nobody was ever scanned for them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

Array = npt.NDArray[Any]

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
AIR, SKIN, BONE, BRAIN, EYE, TABLE = range(6)
CT_VALUES = (-1000, 40, 900, 35, 15, 300)
MR_VALUES = (3, 500, 60, 350, 900, 3)
PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}
"""Directions to the next column, the next row and the next slice."""
VERTEX, LENGTH = 100.0, 190.0


def ellipsoid(points: Array, middle: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    """Tell which points (..., 3) are within it."""
    inside: Array = (((points - np.array(middle)) / np.array(radii)) ** 2).sum(axis=-1) < 1
    return inside


def tissue(points: Array) -> Array:
    """Return what is at each of some points (..., 3)."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    found = np.full(points.shape[:-1], AIR, np.uint8)
    found[(np.hypot(x, y - 15) < 58) & (z < -60)] = SKIN  # the neck
    for middle, radii in (
        ((0, 0, 0), (76, 95, 100)),
        ((0, -42, -78), (50, 42, 52)),  # the jaws
        ((0, -94, -30), (14, 22, 24)),  # the nose
        ((0, -82, -62), (26, 10, 5)),  # the upper lip
        ((0, -81, -73), (24, 10, 5)),
        ((0, -78, -104), (18, 14, 14)),  # the chin
        ((38, -62, -42), (24, 26, 22)),  # the cheeks
        ((-38, -62, -42), (24, 26, 22)),
    ):
        found[ellipsoid(points, middle, radii)] = SKIN
    found[ellipsoid(points, (0, 0, 0), (70, 88, 94)) & (z > -40)] = BONE
    for side in (-1, 1):
        found[ellipsoid(points, (side * 32, -92, -8), (17, 26, 13))] = AIR  # the sockets
        found[ellipsoid(points, (side * 32, -74, -8), (12, 12, 12))] = EYE
    found[ellipsoid(points, (0, 4, 6), (63, 74, 84)) & (z > -35)] = BRAIN
    found[(np.abs(x) < 140) & (y > 112) & (y < 120)] = TABLE
    return found


def turn(degrees: float) -> Array:
    """Return the matrix that turns about the axis from right to left."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])


@dataclass
class Scan:
    """A series of one head; tilted turns the slices about the axis from right to left, pitched the head, in degrees."""

    plane: str = "axial"
    sop_class: str = CT
    tilted: float = 0.0
    spacing: float = 2.5
    step: float = 3.0
    extent: tuple[float, float] = (270.0, 288.0)
    noise: float = 3.0
    pitched: float = 0.0
    number: int = 1
    directions: Array = field(init=False)
    points: Array = field(init=False)
    labels: Array = field(init=False)
    slices: list[FileDataset] = field(init=False)

    def __post_init__(self) -> None:
        self.directions = np.array(PLANES[self.plane], float) @ turn(self.tilted).T
        self.points = self._points()
        self.labels = tissue(self.points @ turn(self.pitched))
        values = np.array(CT_VALUES if self.sop_class == CT else MR_VALUES)[self.labels]
        noise = np.random.default_rng(0).normal(0, self.noise, values.shape)
        stored = (values + noise).round().astype(int) + (1024 if self.sop_class == CT else 0)
        self.slices = [self._slice(number, plane) for number, plane in enumerate(stored.clip(0).astype("<u2"))]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns; the middle of the volume is somewhat below that of the skull."""
        size, through = self.extent
        return int(through / self.step), int(size / self.spacing), int(size / self.spacing)

    def _points(self) -> Array:
        """Where each pixel is, (slices, rows, columns, 3)."""
        right, down, through = self.directions
        slices, rows, columns = self.shape
        k, r, c = np.indices(self.shape)
        steps = ((k, slices, through, self.step), (r, rows, down, self.spacing), (c, columns, right, self.spacing))
        offsets = sum((index - (count - 1) / 2)[..., None] * vector * step for index, count, vector, step in steps)
        return np.asarray(offsets + np.array([0.0, 0.0, -20.0]))

    def _slice(self, number: int, pixels: Array) -> FileDataset:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = UID(self.sop_class)
        meta.MediaStorageSOPInstanceUID = UID(f"2.25.{self.number}.7.{number + 1}")
        one = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
        one.SOPClassUID, one.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID = "2.25.99", f"2.25.{self.number}.7"
        one.FrameOfReferenceUID = f"2.25.{self.number}.8"
        one.PatientName, one.PatientID = "Demo^Head", "DEMO-HEAD"
        one.Modality = "CT" if self.sop_class == CT else "MR"
        one.BodyPartExamined, one.PatientPosition = "HEAD", "HFS"
        one.InstanceNumber = number + 1
        right, down, _ = self.directions
        one.ImagePositionPatient = [round(float(value), 6) for value in self.points[number, 0, 0]]
        one.ImageOrientationPatient = [round(float(value), 9) for value in (*right, *down)]
        one.PixelSpacing = [self.spacing, self.spacing]
        one.Rows, one.Columns = pixels.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        if self.sop_class == CT:
            one.RescaleSlope, one.RescaleIntercept = 1, -1024
        one.PixelData = pixels.tobytes()
        return one


def front(values: Array, points: Array, threshold: float, cell: float = 3.0) -> Array:
    """Return a depth map: y of what is met first from the front, (z, x), 240 by 150 mm; 120 where nothing is met."""
    depths = np.full((80, 50), 120.0)
    seen = points[(values > threshold) & (points[..., 1] < 100)]
    z, x = ((seen[:, 2] + 140) / cell).astype(int), ((seen[:, 0] + 75) / cell).astype(int)
    among = (z >= 0) & (z < 80) & (x >= 0) & (x < 50) & (seen[:, 2] > -140) & (seen[:, 0] > -75)
    np.minimum.at(depths, (z[among], x[among]), seen[among, 1])
    return depths
