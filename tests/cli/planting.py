"""Identifiers planted into copies of real files of every modality, each a word that nothing else contains."""

from collections.abc import Iterator
from io import BytesIO
from itertools import count, islice
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import UID

from archimage.dicom.deidentify.table import RULES
from tests.dicom.files import real_file

REAL = [
    "CT_small.dcm",
    "693_J2KI.dcm",
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "emri_small.dcm",
    "color-pl.dcm",
    "JPEG-LL.dcm",
    "RG3_UNCI.dcm",
    "rtdose.dcm",
    "rtplan.dcm",
    "liver.dcm",
    "test-SR.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "image_dfl.dcm",
]
"""CT, MR, US, NM, CR, RT Dose, RT Plan, SEG, SR, ECG and Secondary Capture, in twelve transfer syntaxes."""

TEXT = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT"}
ROWS = [
    int(tag, 16)
    for tag in RULES
    if "x" not in tag
    and int(tag, 16) not in {0x00100010, 0x00100020}
    and dictionary_has_tag(int(tag, 16))
    and dictionary_VR(int(tag, 16)) in TEXT
    and tag[:4] != "0000"
]
"""Rows of Table E.1-1 that hold text, but for the patient's name and ID, which every file has."""
UNLISTED = [0x0040A160, 0x00080104, 0x00181040, 0x00620005, 0x00281055, 0x00700081, 0x00420010]
"""Text that the table does not name."""
KEPT = [0x00080070, 0x00081090, 0x00181020]
"""Text that it lets stay, in which the patient is looked for."""


class Planter:
    """Plants identifiers, and remembers them."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self._numbers = count(1)
        self._rows = iter(ROWS * 2)

    def token(self) -> str:
        """A new identifier."""
        self.tokens.append(f"QX{next(self._numbers):04d}ZK")
        return self.tokens[-1]

    def plant(self, dataset: Dataset) -> None:
        """Plant identifiers into a data set: as values of its own, nested, private, in overlays, UIDs and dates."""
        patient = self.token()
        dataset.PatientName, dataset.PatientID = f"{patient}^{self.token()}", self.token()
        for tag in KEPT:
            dataset.add_new(tag, "LO", f"Made for {patient}")
        self._text(dataset, [*islice(self._rows, 22), *UNLISTED])
        inner = Dataset()
        self._text(inner, [*islice(self._rows, 4), *UNLISTED[:4]])
        inner.private_block(0x0011, self.token(), create=True).add_new(1, "LO", self.token())
        for keyword in ("ReferencedImageSequence", "PurposeOfReferenceCodeSequence", "RequestAttributesSequence"):
            outer = Dataset()
            outer.add_new(pydicom.datadict.tag_for_keyword(keyword) or 0, "SQ", [inner])
            inner = outer
        dataset.RelatedSeriesSequence = [inner]
        block = dataset.private_block(0x0009, self.token(), create=True)
        block.add_new(0x01, "LO", self.token())
        block.add_new(0x02, "OB", self.token().encode())
        block.add_new(0x03, "SQ", [self._private_item()])
        dataset.add_new(0x60004000, "LT", self.token())
        dataset.add_new(0x60001500, "LO", self.token())
        dataset.SOPInstanceUID = UID(f"1.2.826.{self._number()}.1")
        dataset.InstanceCreatorUID = f"1.2.826.{self._number()}.7"
        dataset.PatientBirthDate = "19370412"

    def _text(self, dataset: Dataset, tags: list[int]) -> None:
        for tag in tags:
            dataset.add_new(tag, dictionary_VR(tag), self.token())

    def _number(self) -> str:
        self.tokens.append(f"9170{next(self._numbers):06d}")
        return self.tokens[-1]

    def _private_item(self) -> Dataset:
        item = Dataset()
        item.PatientComments = self.token()
        item.SegmentLabel = self.token()
        return item

    def file(self, content: bytes, folder: Path) -> Path:
        """Write a copy of a file with identifiers in it, before it and in its name."""
        dataset = pydicom.dcmread(BytesIO(content))
        self.plant(dataset)
        dataset.file_meta.SourceApplicationEntityTitle = self.token()
        dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
        dataset.file_meta.PrivateInformation = self.token().encode()
        dataset.preamble = self.token().encode().ljust(128, b"\0")
        path = folder / f"{self.token()}.dcm"
        dataset.save_as(path)
        return path


def real_contents() -> Iterator[bytes]:
    """The bytes of the real files."""
    for name in REAL:
        yield real_file(name).read_bytes()
