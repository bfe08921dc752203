"""Plainly invented studies, so that a new archive is not empty: CT, MR, CR and a multi-frame US.

Nothing here was ever a patient: the shapes are ellipses and noise from a fixed seed, the names say `Demo`, and the UIDs
are derived under 2.25 from what they name, so that the same study is made every time.
"""

import io
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

Pixels = npt.NDArray[np.int16] | npt.NDArray[np.uint16] | npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Ellipse = tuple[float, float, float, float, float]  # centre x, y and half axes, in -1..1 of the image; value to add

_NAMESPACE: Final = uuid.UUID("8f0d6f4e-9a0e-5c0b-8f3a-6d2f1c1b7a55")

# What the IOD of each modality asks for beyond the rest (PS3.3 §A.2, A.3, A.4, A.7).
_MODALITY_ATTRIBUTES: Final[Mapping[str, Mapping[str, object]]] = {
    "CT": {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"], "KVP": "120", "AcquisitionNumber": 1},
    "MR": {
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        "ScanningSequence": "RM",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": None,
        "EchoTime": None,
        "EchoTrainLength": None,
    },
    "CR": {"ImageType": ["DERIVED", "SECONDARY"], "ViewPosition": ""},
    "US": {"ImageType": ["DERIVED", "SECONDARY"]},
}


@dataclass(frozen=True, slots=True)
class _Series:
    """What distinguishes the series; image makes the pixels of one instance: ([frames,] rows, columns)."""

    sop_class_uid: str
    modality: str
    patient: str
    patient_id: str
    birth_date: str
    sex: str
    study_date: str
    study_description: str
    series_description: str
    body_part: str
    instances: int
    image: Callable[[int, int], Pixels]
    window: tuple[int, int]


def demo_files(slices: int = 40) -> Iterator[bytes]:
    """Yield Part 10 files: a CT of slices images, an MR of half as many, two CR, one US of 24 frames.

    All in Explicit VR Little Endian; about 34 MB with the default.
    """
    for series in _catalogue(slices):
        for number in range(1, series.instances + 1):
            yield _encode(_dataset(series, number))


def demo_uid(*names: object) -> str:
    """Derive a UID from names."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, names))).int}"


def _catalogue(slices: int) -> tuple[_Series, ...]:
    return (
        _Series(
            "1.2.840.10008.5.1.4.1.1.2", "CT", "Demo^CT", "DEMO-CT", "19600101", "O", "20240102",
            "Demo CT chest", "Axial 1 mm", "CHEST", slices, _ct_slice, (40, 400),
        ),
        _Series(
            "1.2.840.10008.5.1.4.1.1.4", "MR", "Demo^MR", "DEMO-MR", "19700202", "F", "20240203",
            "Demo MR head", "T1 axial", "HEAD", max(1, slices // 2), _mr_slice, (600, 1200),
        ),
        _Series(
            "1.2.840.10008.5.1.4.1.1.1", "CR", "Demo^CR", "DEMO-CR", "19800303", "M", "20240304",
            "Demo CR chest", "PA and lateral", "CHEST", 2, _cr_image, (2048, 4096),
        ),
        _Series(
            "1.2.840.10008.5.1.4.1.1.3.1", "US", "Demo^US", "DEMO-US", "19900404", "F", "20240405",
            "Demo US heart", "Cine", "HEART", 1, _us_cine, (128, 256),
        ),
    )  # fmt: skip


def _dataset(series: _Series, number: int) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = series.sop_class_uid
    ds.SOPInstanceUID = demo_uid(series.patient_id, series.instances, "instance", number)
    ds.Modality = series.modality
    _describe(ds, series, number)
    _add_geometry(ds, series, number)
    _add_pixels(ds, series.image(number, series.instances), series.window)
    return ds


def _describe(ds: Dataset, series: _Series, number: int) -> None:
    for keyword, value in _MODALITY_ATTRIBUTES[series.modality].items():
        setattr(ds, keyword, value)
    ds.PatientName = series.patient
    ds.PatientID = series.patient_id
    ds.PatientBirthDate = series.birth_date
    ds.PatientSex = series.sex
    ds.StudyInstanceUID = demo_uid(series.patient_id, series.instances, "study")
    ds.SeriesInstanceUID = demo_uid(series.patient_id, series.instances, "series")
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = series.study_date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "101500"
    ds.StudyID = "1"
    ds.AccessionNumber = f"{series.patient_id}-1"
    ds.ReferringPhysicianName = "Demo^Referrer"
    ds.StudyDescription = series.study_description
    ds.SeriesDescription = series.series_description
    ds.BodyPartExamined = series.body_part
    ds.Manufacturer = "archimage demo"
    ds.InstitutionName = "Demo Hospital"
    ds.SeriesNumber = 1
    ds.InstanceNumber = number


def _add_geometry(ds: Dataset, series: _Series, number: int) -> None:
    """Place cross sections in space: 1 mm apart, centred in x and y."""
    if series.modality not in {"CT", "MR"}:
        ds.PatientOrientation = ""
        return
    ds.FrameOfReferenceUID = demo_uid(series.patient_id, series.instances, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.PixelSpacing = [0.7, 0.7]
    ds.SliceThickness = 1
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-179.2, -179.2, float(number)]
    ds.PatientPosition = "HFS"


def _add_pixels(ds: Dataset, pixels: Pixels, window: tuple[int, int]) -> None:
    if pixels.ndim == 3:
        ds.NumberOfFrames = pixels.shape[0]
        ds.FrameTime = 40
        ds.FrameIncrementPointer = 0x00181063
    bits = pixels.itemsize * 8
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.WindowCenter, ds.WindowWidth = window
    if ds.Modality == "CT":
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.add_new(0x7FE00010, "OB" if bits == 8 else "OW", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())


def _encode(ds: Dataset) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    target = io.BytesIO()
    ds.save_as(target, enforce_file_format=True)
    return target.getvalue()


def _paint(size: int, background: float, shapes: tuple[Ellipse, ...], noise: float, seed: int) -> Plane:
    """Add ellipses and noise onto a square: (rows, columns) float32."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    plane = np.full((size, size), background, dtype=np.float32)
    for x, y, half_width, half_height, value in shapes:
        inside = ((axis[None, :] - x) / half_width) ** 2 + ((axis[:, None] - y) / half_height) ** 2 <= 1
        plane[inside] += value
    if noise:
        plane += np.random.default_rng(seed).normal(0, noise, plane.shape).astype(np.float32)
    return plane


def _ct_slice(number: int, of: int) -> Pixels:
    """A chest in Hounsfield units: body, two lungs that open and close along the stack, heart, spine."""
    lung = 0.12 + 0.2 * float(np.sin(np.pi * number / (of + 1)))
    shapes = (
        (0.0, 0.0, 0.85, 0.62, 1040.0),
        (-0.4, -0.05, lung, lung * 1.3, -850.0),
        (0.4, -0.05, lung, lung * 1.3, -850.0),
        (0.08, -0.08, 0.16, 0.2, 20.0),
        (0.0, 0.4, 0.11, 0.12, 600.0),
        (0.0, 0.4, 0.05, 0.05, -500.0),
    )
    return _paint(512, -1000, shapes, 12, number).round().astype(np.int16)


def _mr_slice(number: int, of: int) -> Pixels:
    """A head: scalp, skull, brain and ventricles, largest in the middle of the stack."""
    size = 0.45 + 0.4 * float(np.sin(np.pi * number / (of + 1)))
    shapes = (
        (0.0, 0.0, size * 0.85, size, 900.0),
        (0.0, 0.0, size * 0.79, size * 0.94, -700.0),
        (0.0, 0.0, size * 0.73, size * 0.88, 450.0),
        (-0.1, 0.0, size * 0.08, size * 0.28, -350.0),
        (0.1, 0.0, size * 0.08, size * 0.28, -350.0),
    )
    return _paint(256, 20, shapes, 15, 1_000 + number).clip(0, 4095).round().astype(np.uint16)


def _cr_image(number: int, _of: int) -> Pixels:
    """A chest radiograph, from the front and from the side."""
    side = 0.5 if number == 2 else 1.0
    shapes = (
        (0.0, 0.1, 0.8 * side, 1.0, 2200.0),
        (-0.35 * side, 0.0, 0.26 * side, 0.6, -1500.0),
        (0.35 * side, 0.0, 0.26 * side, 0.6, -1500.0),
        (0.1 * side, 0.2, 0.25 * side, 0.3, 700.0),
        (0.0, 0.0, 0.07, 1.0, 600.0),
    )
    return _paint(1024, 300, shapes, 25, 2_000 + number).clip(0, 4095).round().astype(np.uint16)


def _us_cine(_number: int, _of: int) -> Pixels:
    """A beating ring in speckle: (24, 480, 480) uint8."""
    frames = []
    for frame in range(24):
        beat = 0.3 + 0.08 * float(np.sin(2 * np.pi * frame / 24))
        shapes = (
            (0.0, 0.1, 0.9, 0.85, 60.0),
            (0.0, 0.1, beat + 0.12, beat + 0.16, 90.0),
            (0.0, 0.1, beat, beat, -120.0),
        )
        frames.append(_paint(480, 5, shapes, 18, 3_000 + frame))
    return np.stack(frames).clip(0, 255).round().astype(np.uint8)
