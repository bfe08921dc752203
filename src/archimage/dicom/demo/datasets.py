"""What all invented objects share: who they say they are, where their pictures lie, and how they become files.

Names say `Demo`, and UIDs are derived under 2.25 from what they name, so that the same objects are made every time.
"""

import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

_NAMESPACE: Final = uuid.UUID("5d1b3c0a-7f0e-5f53-9a3c-2f6d0d6b4e71")
_NO_VALUES: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Study:
    """A study, its patient, and of how many images the whole demonstration is made, which its UIDs depend on."""

    patient: str
    patient_id: str
    birth_date: str
    sex: str
    date: str
    description: str
    slices: int

    def uid(self, *names: object) -> str:
        """Derive the UID of something in the study."""
        return demo_uid(self.patient_id, self.slices, *names)


@dataclass(frozen=True, slots=True)
class Series:
    """A series, and the attributes that all its objects share."""

    study: Study
    number: int
    modality: str
    sop_class_uid: str
    description: str
    attributes: Mapping[str, object] = field(default_factory=lambda: _NO_VALUES)

    @property
    def uid(self) -> str:
        """Its Series Instance UID."""
        return self.study.uid("series", self.number)

    def instance_uid(self, number: int) -> str:
        """Return the SOP Instance UID of an object of the series."""
        return self.study.uid("series", self.number, "instance", number)


@dataclass(frozen=True, slots=True)
class PlanePlace:
    """Where a picture lies in the patient (PS3.3 §C.7.6.2); lengths in millimetres."""

    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: float
    thickness: float


def demo_uid(*names: object) -> str:
    """Derive a UID from names."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, names))).int}"


def item(**values: Any) -> Dataset:
    """Make a data set, for example an item of a sequence, of keywords and values."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Make an item of a code sequence (PS3.3 §8.8)."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def new_object(series: Series, number: int) -> Dataset:
    """Begin an object: patient, study, series, equipment and its own identity."""
    study = series.study
    ds = item(
        SOPClassUID=series.sop_class_uid,
        SOPInstanceUID=series.instance_uid(number),
        StudyInstanceUID=study.uid("study"),
        SeriesInstanceUID=series.uid,
        Modality=series.modality,
        PatientName=study.patient,
        PatientID=study.patient_id,
        PatientBirthDate=study.birth_date,
        PatientSex=study.sex,
        StudyID="1",
        AccessionNumber=f"{study.patient_id}-1",
        ReferringPhysicianName="Demo^Referrer",
        StudyDescription=study.description,
        SeriesDescription=series.description,
        SeriesNumber=series.number,
        InstanceNumber=number,
        Manufacturer="archimage demo",
        ManufacturerModelName="Invented",
        DeviceSerialNumber="1",
        SoftwareVersions="1",
        InstitutionName="Demo Hospital",
    )
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = study.date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "101500"
    for keyword, value in series.attributes.items():
        setattr(ds, keyword, value)
    return ds


def add_place(ds: Dataset, series: Series, place: PlanePlace) -> None:
    """Place a picture in space."""
    ds.FrameOfReferenceUID = series.study.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.PixelSpacing = [place.spacing, place.spacing]
    ds.SliceThickness = round(place.thickness, 3)
    ds.ImageOrientationPatient = list(place.orientation)
    ds.ImagePositionPatient = [round(value, 3) for value in place.position]


def add_grey_pixels(ds: Dataset, pixels: npt.NDArray[np.uint16], windows: Sequence[tuple[str, int, int]]) -> None:
    """Add 12 bit pixels (rows, columns), and windows by name, centre and width."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter = [centre for _, centre, _ in windows]
    ds.WindowWidth = [width for _, _, width in windows]
    ds.WindowCenterWidthExplanation = [name for name, _, _ in windows]
    ds.add_new(0x7FE00010, "OW", pixels.astype("<u2").tobytes())


def encode_file(ds: Dataset, transfer_syntax_uid: UID = ExplicitVRLittleEndian) -> bytes:
    """Return the Part 10 file of an object."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax_uid
    target = io.BytesIO()
    ds.save_as(target, enforce_file_format=True)
    return target.getvalue()
