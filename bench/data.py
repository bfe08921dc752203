"""The objects that the scenarios send, made once under bench/out/data and reused.

A set of objects stands there twice: as Part 10 files in one folder per association, for real clients, and as one file
of ready P-DATA-TF PDUs that a lean client hands to the socket with sendfile.
"""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from bench import machine, wire

GROUPS = 8  # folders, studies and associations a set is dealt to
CT = "1.2.840.10008.5.1.4.1.1.2"
MULTI_FRAME_WORD = "1.2.840.10008.5.1.4.1.1.7.3"
PATIENT_ID = "BENCH-0001"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a set of objects is made of: square images of 16 bit, dealt to so many studies.

    scanned gives them the header of a real CT, of 250 elements and 6 KB, instead of the forty that an archive needs.
    """

    name: str
    count: int
    edge: int
    frames: int = 1
    studies: int = GROUPS
    scanned: bool = False

    @property
    def pixel_bytes(self) -> int:
        """Size of one object's pixels."""
        return self.edge * self.edge * 2 * self.frames

    def group(self, number: int) -> int:
        """Return which study an object is of."""
        return number * min(self.studies, self.count) // self.count


CT_512K = Shape("ct-512k", 400, 512)
SMALL_8K = Shape("small-8k", 5000, 60)
BIG_1G = Shape("big-1g", 1, 512, frames=2048)
SERIES_600 = Shape("series-600", 600, 512, studies=1, scanned=True)
CT_500 = Shape("ct-500", 500, 512, studies=1, scanned=True)
STUDY_1G = Shape("study-1g", 2000, 512, studies=1)
STUDIES_8 = Shape("studies-8", 80, 60)


@dataclass(frozen=True, slots=True)
class Objects:
    """A set on disk. spans has one list per group: (offset, length) of each object in the file of PDUs, bytes."""

    shape: Shape
    folder: Path
    spans: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def pdus(self) -> Path:
        """The file of ready PDUs."""
        return self.folder / "objects.pdus"

    @property
    def sop_class(self) -> str:
        """SOP class of the objects."""
        return CT if self.shape.frames == 1 else MULTI_FRAME_WORD

    @property
    def groups(self) -> list[Path]:
        """The folders of Part 10 files, one per association."""
        return sorted(path for path in self.folder.iterdir() if path.is_dir())

    @property
    def count(self) -> int:
        """Number of objects."""
        return sum(len(group) for group in self.spans)

    @property
    def total_bytes(self) -> int:
        """Bytes of all the PDUs."""
        return sum(length for group in self.spans for _, length in group)

    @property
    def files(self) -> list[Path]:
        """The Part 10 files in the order of their numbers."""
        return [path for group in self.groups for path in sorted(group.iterdir())]

    def study(self, number: int) -> str:
        """Return the path of an object's study below the root of DICOMweb."""
        return f"studies/{uid(self.shape, 'study', self.shape.group(number))}"

    def series(self, number: int) -> str:
        """Return the path of an object's series."""
        return f"{self.study(number)}/series/{uid(self.shape, 'series', self.shape.group(number))}"

    def instance(self, number: int) -> str:
        """Return the path of an object."""
        return f"{self.series(number)}/instances/{uid(self.shape, 'instance', number)}"

    def warm(self) -> None:
        """Read everything once, so that no server waits for the disk of its client, and make free memory ready for it.

        To be called right before what is timed.
        """
        buffer = bytearray(1 << 20)
        for path in self.folder.rglob("*"):
            if path.is_file():
                with path.open("rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass
        machine.touch_memory(3 * self.total_bytes)

    def dealt_to(self, associations: int) -> list[list[tuple[int, int]]]:
        """Deal the groups to so many associations."""
        shares: list[list[tuple[int, int]]] = [[] for _ in range(associations)]
        for number, group in enumerate(self.spans):
            shares[number % associations].extend(group)
        return [share for share in shares if share]


def prepare(root: Path, shape: Shape) -> Objects:
    """Return the set, made when it is not there yet."""
    folder = root / f"{shape.name}-{shape.count}"
    listing = folder / "spans.json"
    if not listing.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        spans = _write(folder, shape)
        listing.write_text(json.dumps(spans))
    loaded = json.loads(listing.read_text())
    return Objects(shape, folder, tuple(tuple((start, size) for start, size in group) for group in loaded))


def _write(folder: Path, shape: Shape) -> list[list[tuple[int, int]]]:
    spans: list[list[tuple[int, int]]] = [[] for _ in range(min(shape.studies, shape.count))]
    with (folder / "objects.pdus").open("wb") as pdus:
        for number in range(shape.count):
            group = shape.group(number)
            target = folder / f"group{group}"
            target.mkdir(exist_ok=True)
            header = _header(shape, group, number)
            with (target / f"{number:05d}.dcm").open("wb") as file:
                file.write(header)
                file.writelines(_pixels(shape))
            start = pdus.tell()
            pdus.writelines(_messages(shape, header))
            spans[group].append((start, pdus.tell() - start))
    return spans


def _header(shape: Shape, group: int, number: int) -> bytes:
    """Encode everything before the pixels, Part 10 header included."""
    dataset = describe(shape, group, number)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue() + b"\xe0\x7f\x10\x00OW\0\0" + shape.pixel_bytes.to_bytes(4, "little")


def describe(shape: Shape, group: int, number: int) -> Dataset:
    """Return everything of an object but its pixels."""
    dataset = _scanned() if shape.scanned else Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.SOPClassUID = CT if shape.frames == 1 else MULTI_FRAME_WORD
    dataset.SOPInstanceUID = uid(shape, "instance", number)
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = f"202401{group + 1:02d}"
    dataset.StudyTime = dataset.ContentTime = "101500"
    dataset.AccessionNumber = f"A{group:07d}"
    dataset.Modality = "CT" if shape.frames == 1 else "OT"
    dataset.Manufacturer = "Bench"
    dataset.ReferringPhysicianName = "Invented^Referrer"
    dataset.StudyDescription = f"Bench study {group}"
    dataset.SeriesDescription = f"Bench series {group}"
    dataset.PatientName = "Bench^Patient"
    dataset.PatientID = PATIENT_ID
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = uid(shape, "study", group)
    dataset.SeriesInstanceUID = uid(shape, "series", group)
    dataset.FrameOfReferenceUID = uid(shape, "frame", group)
    dataset.StudyID = str(group)
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number + 1
    _describe_image(dataset, shape, number)
    return dataset


def _scanned() -> Dataset:
    """Read the header of the CT that pydicom ships."""
    dataset = dcmread(str(get_testdata_file("CT_small.dcm", download=False)), stop_before_pixels=True)
    return Dataset({element.tag: element for element in dataset})


def _describe_image(dataset: Dataset, shape: Shape, number: int) -> None:
    if shape.frames == 1:
        dataset.SliceThickness = "1.0"
        dataset.KVP = "120"
        dataset.ImagePositionPatient = ["-120.0", "-120.0", f"{number}.0"]
        dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    else:
        dataset.NumberOfFrames = shape.frames
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = shape.edge
    dataset.PixelSpacing = ["0.5", "0.5"]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"


def uid(shape: Shape, kind: str, number: int) -> str:
    """Make the UID of a study, series, instance or frame of reference: the same in every run."""
    return str(generate_uid(prefix="2.25.", entropy_srcs=["archimage bench", shape.name, kind, str(number)]))


def _pixels(shape: Shape) -> Iterator[bytes]:
    """Yield the pixels frame by frame: the same noise everywhere, so that no server gains by compressing."""
    noise = np.random.default_rng(1).integers(0, 4096, shape.edge * shape.edge, dtype=np.uint16).tobytes()
    for _ in range(shape.frames):
        yield noise


def _messages(shape: Shape, header: bytes) -> Iterator[bytes]:
    """Yield the PDUs of the object's C-STORE-RQ on context 1."""
    dataset, meta_length = _split(header)
    sop_class, sop_instance = _identity(header, meta_length)
    yield from wire.p_data(1, wire.store_request(sop_class, sop_instance), is_command=True)
    room = wire.MAX_PDU - 6
    left = len(dataset) + shape.pixel_bytes
    pending = bytearray(dataset)
    for frame in _pixels(shape):
        pending += frame
        while len(pending) >= room or len(pending) == left:
            chunk = bytes(pending[:room])
            del pending[:room]
            left -= len(chunk)
            yield wire.pdu(wire.P_DATA, (len(chunk) + 2).to_bytes(4, "big") + bytes((1, 0 if left else 2)) + chunk)
            if not left:
                return


def _split(header: bytes) -> tuple[bytes, int]:
    """Return the data set's header and the length of what stands before it."""
    meta_length = 144 + int.from_bytes(header[140:144], "little")
    return header[meta_length:], meta_length


def _identity(header: bytes, meta_length: int) -> tuple[str, str]:
    """Return SOP Class and SOP Instance UID from the File Meta Information."""
    found = []
    for tag in (b"\x02\x00\x02\x00UI", b"\x02\x00\x03\x00UI"):
        at = header.index(tag, 132, meta_length)
        length = int.from_bytes(header[at + 6 : at + 8], "little")
        found.append(header[at + 8 : at + 8 + length].rstrip(b"\0").decode())
    return found[0], found[1]
