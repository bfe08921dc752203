"""Data sets of normalized services: from bytes to the model and back, and what is read of them."""

import pytest
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from archimage.errors import InvalidDatasetError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from archimage.services import datasets


def _encoded(ds: Dataset, *, implicit: bool) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, implicit
    write_dataset(stream, ds)
    return stream.getvalue()


def _step() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName = "M\u00fcller^J\u00f6rg"
    ds.PatientID = "DEMO-1"
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = ["ONE", "TWO"]
    ds.ScheduledProcedureStepSequence = [step]
    ds.ICCProfile = bytes(range(256)) * 20
    return ds


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
def test_a_data_set_comes_back_as_it_went(syntax: str) -> None:
    model = datasets.decode(_encoded(_step(), implicit=syntax == IMPLICIT_VR_LITTLE_ENDIAN), syntax)
    assert datasets.text(model, 0x00100010) == "M\u00fcller^J\u00f6rg"
    (step,) = datasets.items(model, 0x00400100)
    assert datasets.texts(step, 0x00400001) == ["ONE", "TWO"]
    again: Dataset = dcmread(DicomBytesIO(datasets.encode(model, EXPLICIT_VR_LITTLE_ENDIAN)), force=True)
    again.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    assert str(again.PatientName) == "M\u00fcller^J\u00f6rg"
    assert again.ICCProfile == bytes(range(256)) * 20
    assert again.ScheduledProcedureStepSequence[0].Modality == "CT"


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(InvalidDatasetError):
        datasets.decode(b"\x10\x00\x10\x00PN\xff\xffshort", EXPLICIT_VR_LITTLE_ENDIAN)


def test_pixels_are_refused() -> None:
    ds = Dataset()
    ds.PixelData = bytes(8)
    ds["PixelData"].VR = "OW"
    with pytest.raises(InvalidDatasetError, match="pixels"):
        datasets.decode(_encoded(ds, implicit=True), IMPLICIT_VR_LITTLE_ENDIAN)


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidDatasetError):
        datasets.encode({"00280010": {"vr": "US", "Value": ["many"]}}, EXPLICIT_VR_LITTLE_ENDIAN)


def test_attributes_are_made_and_read() -> None:
    model = datasets.made(
        datasets.attribute(0x00100010, "Demo^CT=\u6f14\u793a"),
        datasets.attribute(0x00100020, ""),
        datasets.attribute(0x00400100, datasets.made(datasets.attribute(0x00080060, "MR"))),
    )
    assert model["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Demo^CT", "Ideographic": "\u6f14\u793a"}]}
    assert datasets.text(model, 0x00100010) == "Demo^CT=\u6f14\u793a"
    assert (datasets.is_empty(model, 0x00100020), datasets.is_empty(model, 0x00100010)) == (True, False)
    assert datasets.is_empty(model, 0x00100030)
    assert [datasets.text(one, 0x00080060) for one in datasets.walk(model)] == ["", "MR"]
    assert datasets.encode({}, EXPLICIT_VR_LITTLE_ENDIAN) == b""
    assert datasets.decode(b"", EXPLICIT_VR_LITTLE_ENDIAN) == {}
