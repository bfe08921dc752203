"""Identifiers planted into copies of real files of every modality, each a word that nothing else contains."""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import count, islice
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import UID

from archimage.dicom.deidentify.table import RULES
from archimage.dicom.demo import demo_files
from archimage.dicom.part10 import decode_file_meta
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
    "chrFren.dcm",
]
"""CT, MR, US, NM, CR, RT Dose, RT Plan, SEG, SR, ECG, OT and Secondary Capture, in twelve transfer syntaxes."""
MARGIN = 40
"""Rows of the demo's radiograph, the upper ones, in which an identifier is burned."""
BLANKING = f'[[rule]]\nmodality = "CR"\nrows = 860\ncolumns = 900\nblank = [[0, 0, 900, {MARGIN}]]\n'
"""The rule that blanks them."""
KINDS = {"CR", "CT", "ECG", "MR", "NM", "OT", "RTDOSE", "RTPLAN", "SEG", "SR", "US"}
"""Modalities of them and of the demo."""
PLANTED = re.compile(rb"QX[0-9]{4}ZK|9170[0-9]{6}|19370412|MADE FOR QX")
DEFLATED = "1.2.840.10008.1.2.1.99"

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

    def file(self, content: bytes, folder: Path, *, study: str = "") -> Path:
        """Write a copy of a file with identifiers in it, before it and in its name; of a study, if one is given."""
        dataset = pydicom.dcmread(BytesIO(content))
        self.plant(dataset)
        if study:
            dataset.StudyInstanceUID = study
        dataset.file_meta.SourceApplicationEntityTitle = self.token()
        dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
        dataset.file_meta.PrivateInformation = self.token().encode()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.preamble = self.token().encode().ljust(128, b"\0")
        path = folder / f"{self.token()}.dcm"
        dataset.save_as(path)
        return path

    def study(self, folder: Path) -> str:
        """Write files of every kind as one study, whose UID is an identifier too; in radiographs one is burned."""
        study = f"1.2.826.{self._number()}.9"
        for content in real_contents():
            self.file(content, folder, study=study)
        for modality, content in demo_contents().items():
            self.file(burned(content, self.token(), (20, 8)) if modality == "CR" else content, folder, study=study)
        return study


def real_contents() -> Iterator[bytes]:
    """The bytes of the real files."""
    for name in REAL:
        yield real_file(name).read_bytes()


def demo_contents() -> dict[str, bytes]:
    """The bytes of a file of the demo by modality."""
    files = [(pydicom.dcmread(BytesIO(data), stop_before_pixels=True).Modality, data) for data in demo_files(slices=2)]
    return dict(reversed(files))


def burned(content: bytes, text: str, place: tuple[int, int]) -> bytes:
    """An image of the demo with text drawn into its pixels."""
    dataset = pydicom.dcmread(BytesIO(content))
    pixels = dataset.pixel_array
    picture = Image.new("1", pixels.shape[::-1])
    ImageDraw.Draw(picture).text(place, text, fill=1, font=ImageFont.load_default(16))
    dataset.PixelData = np.where(np.array(picture), pixels.max(), pixels).astype(pixels.dtype).tobytes()
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def is_blanked(objects: Iterable[Dataset]) -> bool:
    """Tell whether nothing is left in the margin of the demo's radiograph, and something beside it."""
    (pixels,) = [one.pixel_array for one in objects if one.Modality == "CR" and (one.Rows, one.Columns) == (860, 900)]
    return bool(np.ptp(pixels[:MARGIN]) == 0 < np.ptp(pixels[MARGIN:]))


def plain_bytes(data: bytes) -> bytes:
    """All bytes of a file, the data set inflated if need be."""
    meta, offset = decode_file_meta(data)
    return data + (zlib.decompress(data[offset:], -15) if meta.transfer_syntax_uid == DEFLATED else b"")


def survivors(tokens: Iterable[str], files: Mapping[str, bytes], *more: str) -> set[str]:
    """Those identifiers that are in any file, in any file's name, or in what was told."""
    heap = b"\n".join(plain_bytes(data) + name.encode() for name, data in files.items())
    heap = (heap + "".join(more).encode()).upper()
    wide = heap.replace(b"\0", b"")  # what UTF-16 is of ASCII
    return {found.decode() for text in (heap, wide) for found in PLANTED.findall(text)} & set(tokens)
