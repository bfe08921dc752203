"""Archives, preconditions and ranges, and presentation states: what retrieval is put together from."""

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from archimage.errors import IntegrityError
from archimage.services.zipping import ZipWriter, archive_size
from archimage.web.dicomweb.conditional import ByteRange, is_current, wanted_range
from tests.attacks.server import Server, running
from tests.dicom.files import real_file
from tests.web.serving import Client
from tests.web.stowing import http_port, store
from tests.web.wadoing import get

# Archives.


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_an_archive_is_what_other_programs_read_and_as_long_as_was_told(files: list[bytes]) -> None:
    writer = ZipWriter()
    named = [(f"{number}.dcm", data) for number, data in enumerate(files)]
    pieces = [writer.head(name, len(data), zlib.crc32(data)) + data for name, data in named]
    whole = b"".join(pieces) + writer.end()
    assert len(whole) == archive_size([(name, len(data)) for name, data in named])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == named


def test_an_archive_may_be_longer_than_four_gigabytes(tmp_path: Path) -> None:
    sizes = [("a.dcm", 5 << 30), ("b.dcm", 3), ("c.dcm", 4 << 30)]
    writer = ZipWriter()
    with (tmp_path / "large.zip").open("wb") as file:  # its files are holes
        for name, size in sizes:
            file.write(writer.head(name, size, zlib.crc32(b"abc")))
            file.seek(size if name != "b.dcm" else 0, io.SEEK_CUR)
            if name == "b.dcm":
                file.write(b"abc")
        file.write(writer.end())
        assert file.tell() == archive_size(sizes)
    with zipfile.ZipFile(tmp_path / "large.zip") as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()] == sizes
        assert archive.read("b.dcm") == b"abc"


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_an_archive_is_gone_on_with_where_it_was(files: list[bytes]) -> None:
    writer, whole = ZipWriter(), b""
    ends = {0}
    for number, data in enumerate(files):
        size = writer.head_size(f"{number}", len(data))
        head = writer.head(f"{number}", len(data), zlib.crc32(data))
        assert len(head) == size
        whole += head + data
        ends.add(len(whole))
    again = ZipWriter.regained(_reading(whole), len(whole))
    assert (again.position, again.end()) == (len(whole), writer.end())
    for torn in set(range(len(whole))) - ends:
        with pytest.raises(IntegrityError):
            ZipWriter.regained(_reading(whole[:torn]), torn)


def _reading(whole: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: whole[offset : offset + length]


def test_a_long_archive_is_gone_on_with(tmp_path: Path) -> None:
    sizes = [("a", 5 << 30), ("b", 3)]
    writer = ZipWriter()
    with (tmp_path / "large.zip").open("w+b") as file:  # its files are holes
        for name, size in sizes:
            file.write(writer.head(name, size, 1))
            file.seek(size, io.SEEK_CUR)
        file.truncate()
        again = ZipWriter.regained(lambda offset, length: os.pread(file.fileno(), length, offset), writer.position)
    assert again.end() == writer.end()


def test_an_archive_may_have_more_files_than_sixteen_bits_count() -> None:
    sizes = [(f"{number}.dcm", 0) for number in range(66_000)]
    writer = ZipWriter()
    whole = b"".join([writer.head(name, size, 0) for name, size in sizes]) + writer.end()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert len(archive.namelist()) == len(sizes)


# Preconditions and ranges.


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_what_a_slice_of_the_bytes_is(size: int, start: int, last: int) -> None:
    data = bytes(range(size))
    for text, expected in (
        (f"bytes={start}-{last}", data[start : last + 1] if start <= last else None),
        (f"bytes={start}-", data[start:]),
        (f"bytes=-{last}", data[max(0, size - last) :] if last else b""),
    ):
        found = wanted_range(text, None, '"a"', size)
        assert (None if found is None else data[found.start : found.end]) == expected, text


def test_a_range_of_what_has_changed_is_all_of_it() -> None:
    assert wanted_range("bytes=0-1", '"b"', '"a"', 9) is None
    assert wanted_range("bytes=0-1", '"a"', '"a"', 9) == ByteRange(0, 2)


@pytest.mark.parametrize(
    ("header", "current"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("a", False), (None, False)],
)
def test_what_the_client_has_is_known_by_its_tag(header: str | None, *, current: bool) -> None:
    assert is_current('"a"', header) == current


# Presentation states.


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a server of its own listens."""
    with running(tmp_path_factory.mktemp("wado") / "data") as server:
        assert isinstance(server, Server)
        yield http_port(server)


def state(image: pydicom.Dataset, *, referenced: str) -> pydicom.Dataset:
    """Return a presentation state that shows an image dark."""
    made = pydicom.Dataset()
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.11.1"
    made.SOPInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.StudyInstanceUID, made.PatientID, made.PatientName = image.StudyInstanceUID, "P", "P"
    made.Modality, made.PresentationLUTShape = "PR", "IDENTITY"
    shown = pydicom.Dataset()
    shown.ReferencedSOPClassUID, shown.ReferencedSOPInstanceUID = image.SOPClassUID, referenced
    series = pydicom.Dataset()
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [shown]
    made.ReferencedSeriesSequence = [series]
    window = pydicom.Dataset()
    window.WindowCenter, window.WindowWidth = 30_000, 10
    made.SoftcopyVOILUTSequence = [window]
    area = pydicom.Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [image.Columns, image.Rows]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
    made.DisplayedAreaSelectionSequence = [area]
    return made


def kept(port: int, made: pydicom.Dataset) -> str:
    """Store a state; return its address."""
    file = io.BytesIO()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pydicom.dcmwrite(file, made, enforce_file_format=True)
    assert store(port, [file.getvalue()]).status == 200
    return f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"


def test_a_picture_of_a_presentation_state_is_its_image_as_it_says(port: int) -> None:
    path = real_file("CT_small.dcm")
    image = pydicom.dcmread(path)
    assert store(port, [path.read_bytes()]).status == 200
    made = state(image, referenced=image.SOPInstanceUID)
    answer = get(port, f"{kept(port, made)}/rendered", "image/png")
    dark = np.asarray(Image.open(io.BytesIO(answer.body)))
    assert (dark.shape[:2], int(dark.max())) == ((image.Rows, image.Columns), 0)
    query = (
        f"/wado?requestType=WADO&studyUID={image.StudyInstanceUID}&seriesUID={image.SeriesInstanceUID}"
        f"&objectUID={image.SOPInstanceUID}&contentType=image/png"
    )
    named = f"{query}&presentationUID={made.SOPInstanceUID}&presentationSeriesUID={made.SeriesInstanceUID}"
    assert int(np.asarray(Image.open(io.BytesIO(Client(port).ask(query).body))).max()) > 0
    assert int(np.asarray(Image.open(io.BytesIO(Client(port).ask(named).body))).max()) == 0


def test_a_presentation_state_of_what_is_not_there_has_no_picture(port: int) -> None:
    image = pydicom.dcmread(real_file("CT_small.dcm"))
    for referenced in ("1.2.3.4.5.6", ""):
        answer = get(port, f"{kept(port, state(image, referenced=referenced))}/rendered", "image/png")
        assert (answer.status, "not kept here" in answer.model["error"]) == (406, True)
