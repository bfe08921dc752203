"""The invented CT: a contrast-enhanced stack from the shoulders to the pelvis (PS3.3 §A.3)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.demo import torso
from archimage.dicom.demo.canvas import Labels, axis, soften
from archimage.dicom.demo.datasets import (
    PlanePlace,
    Series,
    Study,
    add_grey_pixels,
    add_place,
    encode_file,
    new_object,
)  # fmt: skip

SIZE: Final = 512
SPACING: Final = 0.8
ORIENTATION: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SOP_CLASS_UID: Final = "1.2.840.10008.5.1.4.1.1.2"

_INTERCEPT: Final = -1024
_NOISE: Final = 14.0
_WINDOWS: Final = (("SOFT TISSUE", 40, 400), ("LUNG", -600, 1500), ("BONE", 400, 1800))
_ATTRIBUTES: Final = {
    "ImageType": ["DERIVED", "PRIMARY", "AXIAL"],
    "BodyPartExamined": "CHEST",
    "ContrastBolusAgent": "Invented contrast",
    "KVP": "120",
    "AcquisitionNumber": 1,
    "DataCollectionDiameter": 500,
    "ReconstructionDiameter": SIZE * SPACING,
    "GantryDetectorTilt": 0,
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "HFS",
    "RescaleIntercept": _INTERCEPT,
    "RescaleSlope": 1,
    "RescaleType": "HU",
}


@dataclass(slots=True)
class Stack:
    """What the objects that refer to the CT need of it: its series, and what was found in each picture."""

    series: Series
    thickness: float
    outlines: list[dict[int, npt.NDArray[np.uint8]]] = field(default_factory=list)
    """For each picture, organ to packed bits."""
    voxels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(torso.Organ) + 1, np.int64))
    density: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(torso.Organ) + 1))

    def height(self, number: int) -> float:
        """Return z of picture number, counted from 1 at the shoulders."""
        return torso.TOP - (number - 0.5) * self.thickness

    def position(self, number: int) -> tuple[float, float, float]:
        """Return where the first pixel of picture number lies."""
        edge = -(SIZE - 1) / 2 * SPACING
        return (edge, edge, self.height(number))

    def note(self, labels: Labels, values: npt.NDArray[np.int16]) -> None:
        """Remember the organs of the next picture."""
        counts = np.bincount(labels.ravel(), minlength=self.voxels.size)
        self.voxels += counts
        self.density += np.bincount(labels.ravel(), values.ravel(), self.voxels.size)
        organs = np.flatnonzero(counts[1:]) + 1
        self.outlines.append({int(organ): np.packbits(labels == organ, bitorder="little") for organ in organs})


def stack_of(study: Study) -> Stack:
    """Plan the stack: the body's length divided into pictures."""
    series = Series(study, 1, "CT", SOP_CLASS_UID, "Axial with contrast", _ATTRIBUTES)
    return Stack(series, torso.LENGTH / study.slices)


def ct_files(stack: Stack) -> Iterator[bytes]:
    """Make the pictures one after the other, from the shoulders down, and note what is in them."""
    places = axis(SIZE, SPACING)
    for number in range(1, stack.series.study.slices + 1):
        painted = torso.paint_torso(places, places, stack.height(number))
        noise = np.random.default_rng(number).standard_normal(painted.values.shape, np.float32) * np.float32(_NOISE)
        values = (soften(painted.values) + noise).clip(_INTERCEPT, 3071).round().astype(np.int16)
        stack.note(painted.labels, values)
        ds = new_object(stack.series, number)
        add_place(ds, stack.series, PlanePlace(stack.position(number), ORIENTATION, SPACING, stack.thickness))
        ds.SliceLocation = round(stack.height(number), 3)
        add_grey_pixels(ds, (values - _INTERCEPT).astype(np.uint16), _WINDOWS)
        yield encode_file(ds)
