"""Films as DICOM objects: Secondary Capture images (PS3.3 §A.8.1), in explicit VR little endian."""

from dataclasses import dataclass
from typing import Final

from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from archimage.dicom.film.geometry import INCH_MM

SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object a film becomes; date and time are of the print job, as DICOM writes them."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    number: int
    date: str
    time: str
    label: str
    station: str


def encode_object(film: Image.Image, identity: Identity, dpi: int) -> bytes:
    """Return the data set of an object that shows a film."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "SECONDARY", "FILM"]
    ds.SOPClassUID = SECONDARY_CAPTURE
    ds.SOPInstanceUID = identity.sop_instance_uid
    ds.StudyInstanceUID = identity.study_instance_uid
    ds.SeriesInstanceUID = identity.series_instance_uid
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = identity.date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = identity.time
    for empty in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
        setattr(ds, empty, "")
    ds.ReferringPhysicianName = ds.PatientOrientation = ""
    ds.Modality = "HC"
    ds.ConversionType = "WSD"
    ds.Manufacturer = "archimage"
    ds.StationName = identity.station
    ds.StudyDescription = "Printed film"
    ds.SeriesDescription = identity.label
    ds.SeriesNumber = 1
    ds.InstanceNumber = identity.number
    ds.NominalScannedPixelSpacing = [f"{INCH_MM / dpi:.6f}"] * 2
    _add_pixels(ds, film)
    return _encoded(ds)


def _add_pixels(ds: Dataset, film: Image.Image) -> None:
    colour = film.mode == "RGB"
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = film.height, film.width
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    pixels = film.tobytes()
    ds.add_new(0x7FE00010, "OB", pixels + b"\0" * (len(pixels) % 2))


def _encoded(ds: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    return out.getvalue()
