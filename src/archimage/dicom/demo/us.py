"""The invented ultrasound: one beat of a heart in colour, as a loop of JPEG frames (PS3.3 §A.7)."""

from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.jpeg import encode
from archimage.dicom.demo import heart
from archimage.dicom.demo.datasets import Series, Study, encode_file, item, new_object

_CENTIMETRES: Final = 3  # PS3.3 §C.8.5.5.1.3 and following: codes of an ultrasound region
_TWO_DIMENSIONAL, _COLOUR_FLOW = 1, 2
_QUALITY: Final = 88
_ATTRIBUTES: Final = {
    "ImageType": ["DERIVED", "PRIMARY"],
    "BodyPartExamined": "HEART",
    "TransducerType": "SECTOR_PHASED",
}


def us_file(study: Study) -> bytes:
    """Make the loop."""
    series = Series(study, 1, "US", "1.2.840.10008.5.1.4.1.1.3.1", "Four chambers", _ATTRIBUTES)
    ds = new_object(series, 1)
    ds.PatientOrientation = ""
    ds.FrameTime = heart.FRAME_TIME_MS
    ds.CineRate = ds.RecommendedDisplayFrameRate = round(1000 / heart.FRAME_TIME_MS)
    ds.FrameIncrementPointer = 0x00181063
    ds.HeartRate = round(60_000 / (heart.FRAMES * heart.FRAME_TIME_MS))
    ds.SequenceOfUltrasoundRegions = [_region()]
    _add_frames(ds)
    return encode_file(ds, JPEGBaseline8Bit)


def _region() -> Dataset:
    """Say how large a pixel is, so that viewers can measure."""
    size_cm = heart.MM_PER_PIXEL / 10
    return item(
        RegionSpatialFormat=_TWO_DIMENSIONAL,
        RegionDataType=_COLOUR_FLOW,
        RegionFlags=0,
        RegionLocationMinX0=0,
        RegionLocationMinY0=0,
        RegionLocationMaxX1=heart.COLUMNS - 1,
        RegionLocationMaxY1=heart.ROWS - 1,
        PhysicalUnitsXDirection=_CENTIMETRES,
        PhysicalUnitsYDirection=_CENTIMETRES,
        PhysicalDeltaX=size_cm,
        PhysicalDeltaY=size_cm,
    )


def _add_frames(ds: Dataset) -> None:
    frames = heart.heart_loop()
    description = PixelDescription(heart.ROWS, heart.COLUMNS, 3, 8, 8, 7, 0, 0, "RGB")
    streams = [
        encode(np.ascontiguousarray(frame), description, JPEGBaseline8Bit, Quality(_QUALITY)) for frame in frames
    ]
    ds.NumberOfFrames = len(streams)
    ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.Rows, ds.Columns = heart.ROWS, heart.COLUMNS
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.UltrasoundColorDataPresent = 1
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionMethod = "ISO_10918_1"
    ds.LossyImageCompressionRatio = round(frames.nbytes / sum(map(len, streams)), 1)
    ds.add_new(0x7FE00010, "OB", encapsulate(streams))
    ds["PixelData"].is_undefined_length = True
