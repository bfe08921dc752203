"""The invented MR: a head in three contrasts and two orientations (PS3.3 §A.4)."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from archimage.dicom.demo.canvas import axis
from archimage.dicom.demo.datasets import (
    PlanePlace,
    Series,
    Study,
    add_grey_pixels,
    add_place,
    encode_file,
    new_object,
)  # fmt: skip
from archimage.dicom.demo.head import brightness, tissues

SERIES: Final = 3

_SIZE: Final = 256
_SPACING: Final = 0.9
_SOP_CLASS_UID: Final = "1.2.840.10008.5.1.4.1.1.4"
_WINDOWS: Final = (("BRAIN", 700, 1400),)
_BOTTOM, _AXIAL_LENGTH, _SAGITTAL_LENGTH = -48.0, 136.0, 128.0
_AXIAL: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_SAGITTAL: Final = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
_LOW: Final = -14.0  # the sagittal pictures show some of the neck

_COMMON: Final = {
    "ImageType": ["DERIVED", "PRIMARY", "OTHER"],
    "BodyPartExamined": "HEAD",
    "PatientPosition": "HFS",
    "MRAcquisitionType": "2D",
    "MagneticFieldStrength": "1.5",
    "FlipAngle": "90",
    "ScanOptions": "",
}
_CONTRASTS: Final = {
    "T1": {
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "RepetitionTime": "520",
        "EchoTime": "11",
        "EchoTrainLength": 1,
    },
    "T2": {
        "ScanningSequence": "SE",
        "SequenceVariant": "SK",
        "RepetitionTime": "4800",
        "EchoTime": "98",
        "EchoTrainLength": 16,
    },
    "FLAIR": {
        "ScanningSequence": ["SE", "IR"],
        "SequenceVariant": "SK",
        "RepetitionTime": "9000",
        "EchoTime": "120",
        "EchoTrainLength": 18,
        "InversionTime": "2500",
    },
}


def slices_of(slices: int) -> int:
    """Return how many pictures a series has: a fifth of the CT's."""
    return max(1, slices // 5)


def mr_files(study: Study) -> Iterator[bytes]:
    """Make the three series."""
    for number, (contrast, direction) in enumerate((("T1", "axial"), ("T2", "axial"), ("FLAIR", "sagittal")), 1):
        attributes = _COMMON | _CONTRASTS[contrast] | {"ProtocolName": f"Head {contrast}"}
        series = Series(study, number, "MR", _SOP_CLASS_UID, f"{contrast} {direction}", attributes)
        for picture in range(1, slices_of(study.slices) + 1):
            yield _picture(series, picture, contrast, direction)


def _picture(series: Series, number: int, contrast: str, direction: str) -> bytes:
    places, count = axis(_SIZE, _SPACING), slices_of(series.study.slices)
    edge = float(places[0])
    if direction == "axial":
        thickness = _AXIAL_LENGTH / count
        z = _BOTTOM + (number - 0.5) * thickness
        found = tissues(places[None, :], places[:, None], np.array(z, np.float32))
        place = PlanePlace((edge, edge, z), _AXIAL, _SPACING, thickness)
    else:
        thickness = _SAGITTAL_LENGTH / count
        x = -_SAGITTAL_LENGTH / 2 + (number - 0.5) * thickness
        down = _LOW - places[:, None]
        found = tissues(np.array(x, np.float32), places[None, :], down)
        place = PlanePlace((x, edge, float(down[0, 0])), _SAGITTAL, _SPACING, thickness)
    seen = brightness(found, contrast, np.random.default_rng((series.number, number)))
    ds = new_object(series, number)
    ds.SpacingBetweenSlices = round(place.thickness, 3)
    add_place(ds, series, place)
    add_grey_pixels(ds, seen.clip(0, 4095).round().astype(np.uint16), _WINDOWS)
    return encode_file(ds)
