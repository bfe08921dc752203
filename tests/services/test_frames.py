"""Tests of services.frames: every part of a stored object is what stands there, whatever its encoding."""

import sqlite3
import struct
import zlib
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from archimage.dicom.limits import ScanLimits
from archimage.dicom.window import Held
from archimage.errors import (
    ArchimageError,
    BlobNotFoundError,
    ExcessiveDatasetError,
    IntegrityError,
    InvalidInstanceUIDError,
    InvalidPixelDataError,
    NotAcceptableError,
    NotFoundError,
)
from archimage.model.ids import is_uid
from archimage.model.records import FrameTable, StoredInstance
from archimage.protocol.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN as DEFLATED
from archimage.protocol.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from archimage.services.frames import FrameService, native_frame
from archimage.services.removal import RemovalService
from archimage.services.store import Expected
from archimage.storage.filesystem import FileReader
from tests.attacks.datasets import PIXEL_DATA, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.wire import CT
from tests.dicom.encoded import element, item, long_element, sequence
from tests.dicom.files import BROKEN, real_dataset, real_files
from tests.services.parts import Open, Parts
from tests.services.test_removal import SERIES, STUDY

Case = tuple[list[bytes], int, tuple[int, ...], list[bytes]]
"""Fragments, number of frames, Basic Offset Table, and the frames."""

JPEG = "1.2.840.10008.1.2.4.50"
CODESTREAM = b"\xff\xd8\xff\xe0"
FRAMES, SAMPLES, ROWS, COLUMNS, BITS = 0x00280008, 0x00280002, 0x00280010, 0x00280011, 0x00280100


@pytest.fixture
def service(parts: Parts) -> FrameService:
    """The service over an empty archive."""
    return FrameService(parts.index, parts.blobs)


def keep(parts: Parts, data: bytes, uid: str, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> StoredInstance:
    """Store a data set; return what is known of it."""
    parts.service.store(Expected(syntax, CT, uid), [data])
    stored = parts.index.lookup(uid)
    assert stored is not None
    return stored


def image(pixels: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, **numbers: int) -> tuple[bytes, str]:
    """Return a data set, and its UID; numbers are rows, columns, bits and frames."""
    uid = new_uid()
    order = ">H" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<H"
    tags = {"rows": ROWS, "columns": COLUMNS, "bits": BITS}
    words = {tags[name]: struct.pack(order, number) for name, number in numbers.items() if name in tags}
    frames = str(numbers.get("frames", 1)).encode()
    more = ((SAMPLES, "US", struct.pack(order, 1)), (FRAMES, "IS", frames + b" " * (len(frames) % 2)))
    return dataset(uid, pixels=pixels, replaced=words, more=more, transfer_syntax_uid=syntax), uid


def encapsulated(fragments: list[bytes], frames: int, *, offsets: tuple[int, ...] = ()) -> tuple[bytes, str]:
    """Return an image of fragments, and its UID."""
    data, uid = image(b"", frames=frames)
    basic = item(struct.pack(f"<{len(offsets)}I", *offsets))
    value = basic + b"".join(map(item, fragments)) + item(b"", 0xE0DD)
    return data[:-12] + long_element(PIXEL_DATA, b"OB", value, 0xFFFFFFFF), uid


def frames_of(service: FrameService, stored: StoredInstance) -> list[bytes]:
    """Read every frame."""
    numbers = range(1, service.frame_count(stored) + 1)
    assert [service.frame(stored, number) for number in numbers] == list(service.frames(stored, numbers))
    return [frame.data for frame in service.frames(stored, numbers)]


# Finding instances.


def test_an_instance_is_found_where_it_belongs_and_nowhere_else(parts: Parts, service: FrameService) -> None:
    data, uid = image(bytes(256))
    stored = keep(parts, data, uid)
    for study, series in ((None, None), (STUDY, None), (STUDY, SERIES)):
        assert service.instance(study, series, uid) == stored
    wrong: tuple[str | None, str | None, str]
    for wrong in (("9.9", None, uid), (STUDY, "9.9", uid), ("9.9", SERIES, uid), (STUDY, SERIES, "9.9")):
        with pytest.raises(NotFoundError):
            service.instance(*wrong)
    for malformed in (("x", SERIES, uid), (STUDY, "../", uid), (STUDY, SERIES, "")):
        with pytest.raises(InvalidInstanceUIDError):
            service.instance(*malformed)


def test_the_instances_of_a_study_come_by_series_and_instance_number(parts: Parts, service: FrameService) -> None:
    order = [(1, 10), (1, 2), (0, 7), (1, 1)]
    for series, instance in order:
        uid = f"1.7.{series}.{instance}"
        replaced = {STUDY_INSTANCE_UID: b"1.7", SERIES_INSTANCE_UID: f"1.7.{series}".encode()}
        numbers = ((0x00200011, "IS", b"%d " % series), (0x00200013, "IS", b"%d" % instance))
        keep(parts, dataset(uid, replaced=replaced, more=numbers), uid)
    found = [stored.sop_instance_uid for stored in service.instances("1.7")]
    assert found == ["1.7.0.7", "1.7.1.1", "1.7.1.2", "1.7.1.10"]
    assert [stored.sop_instance_uid for stored in service.instances("1.7", "1.7.1")] == found[1:]
    for nowhere in (("1.8",), ("1.7", "1.7.2"), ("1.8", "1.7.1")):
        with pytest.raises(NotFoundError):
            service.instances(*nowhere)


# Frames.


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
@pytest.mark.parametrize("remembered", [True, False], ids=["table", "no table"])
def test_native_frames_are_parts_of_the_value(
    parts: Parts, service: FrameService, monkeypatch: pytest.MonkeyPatch, syntax: str, remembered: bool
) -> None:
    if not remembered:
        monkeypatch.setattr("archimage.services.store.frame_table", lambda *_: None)
    pixels = np.arange(3 * 128, dtype="<u2").tobytes()
    stored = keep(parts, *image(pixels, syntax, rows=16, columns=8, bits=16, frames=3), syntax)
    assert frames_of(service, stored) == [pixels[:256], pixels[256:512], pixels[512:]]
    assert service.frame(stored, 2).transfer_syntax_uid == syntax
    pixel = service.pixel(stored)
    assert pixel is not None
    assert (pixel.tag, pixel.vr, pixel.encapsulated) == (PIXEL_DATA, "OW", False)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_frames_of_single_bits_begin_with_a_byte_of_their_own(rows: int, columns: int, frames: int) -> None:
    bits = np.random.default_rng(rows).integers(0, 2, (frames, rows * columns), dtype="u1")
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    table = FrameTable(False, (0,), (len(packed),), 1, frames, rows * columns)
    for number in range(frames):
        assert native_frame(Held(packed), table, number) == np.packbits(bits[number], bitorder="little").tobytes()


def test_frames_that_share_swapped_words_are_refused(parts: Parts, service: FrameService) -> None:
    data, uid = image(bytes(18), EXPLICIT_VR_BIG_ENDIAN, rows=3, columns=3, bits=8, frames=2)
    stored = keep(parts, data, uid, EXPLICIT_VR_BIG_ENDIAN)
    with pytest.raises(NotAcceptableError, match="big endian"):
        service.frame(stored, 1)


@pytest.mark.parametrize("remembered", [True, False], ids=["table", "no table"])
@pytest.mark.parametrize(
    "case",
    [
        ([b"one1", b"two2"], 2, (), [b"one1", b"two2"]),
        ([b"one1", b"two2"], 1, (), [b"one1two2"]),
        ([b"one1", b"more", b"two2"], 2, (0, 24), [b"one1more", b"two2"]),
        ([b"one1", b"two2", b"more"], 2, (0, 12), [b"one1", b"two2more"]),
        ([CODESTREAM, b"more", CODESTREAM], 2, (), [CODESTREAM + b"more", CODESTREAM]),
        ([CODESTREAM, b"", CODESTREAM], 2, (0, 13), [CODESTREAM, CODESTREAM]),
    ],
)
def test_the_fragments_of_a_frame_are_joined(
    parts: Parts, service: FrameService, monkeypatch: pytest.MonkeyPatch, remembered: bool, case: Case
) -> None:
    if not remembered:
        monkeypatch.setattr("archimage.services.attributes.MAX_FRAGMENTS", 0)
    fragments, frames, offsets, expected = case
    data, uid = encapsulated(fragments, frames, offsets=offsets)
    stored = keep(parts, data, uid, JPEG)
    assert (parts.index.frames(uid) is None) is not remembered
    assert frames_of(service, stored) == expected


def test_fragments_that_nothing_tells_apart_are_refused(parts: Parts, service: FrameService) -> None:
    for fragments in ([b"one1", b"more", b"two2"], [b"all1"], []):
        data, uid = encapsulated(fragments, 2)
        with pytest.raises(InvalidPixelDataError, match="cannot be told"):
            service.frame(keep(parts, data, uid, JPEG), 1)


def test_the_extended_offset_table_tells_frames(parts: Parts, service: FrameService) -> None:
    data, uid = encapsulated([b"one1", b"more", b"two2"], 2)
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    extended = long_element(0x7FE00001, b"OV", struct.pack("<2Q", 0, 24))
    stored = keep(parts, data[:at] + extended + data[at:], uid, JPEG)
    assert frames_of(service, stored) == [b"one1more", b"two2"]


def test_tables_of_the_first_release_lead_to_frames_too(parts: Parts, service: FrameService) -> None:
    data, uid = encapsulated([b"one1", b"more", b"two2"], 2, offsets=(0, 24))
    stored = keep(parts, data, uid, JPEG)
    table = parts.index.frames(uid)
    assert table is not None
    blob = b"\1" + struct.pack("<6q", table.offsets[0], 4, 8, 4, 8, 4)
    with closing(sqlite3.connect(parts.directory / "index.db")) as connection, connection:
        connection.execute("UPDATE instance SET frames = ?", (blob,))
    assert parts.index.frames(uid) == FrameTable(True, table.offsets, table.lengths)
    assert frames_of(service, stored) == [b"one1more", b"two2"]


class _Counted(FileReader):
    """A file of which every read is noted."""

    reads: ClassVar[list[int]] = []

    def read(self, offset: int, length: int) -> bytes:
        """Note and read."""
        self.reads.append(length)
        return super().read(offset, length)


def test_a_frame_is_one_read_of_the_file(parts: Parts, service: FrameService, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = keep(parts, *encapsulated([b"one1", b"more", b"two2"], 2, offsets=(0, 24)), JPEG)
    native = keep(parts, *image(bytes(768), frames=3))
    monkeypatch.setattr("archimage.storage.filesystem.FileReader", _Counted)
    _Counted.reads.clear()
    service.frame(stored, 1)
    service.frame(native, 3)
    assert _Counted.reads == [16, 256]


def test_a_deflated_object_is_read_as_if_it_were_not(parts: Parts, service: FrameService) -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, 40 * 128 * 100, dtype="u2").tobytes()
    data, uid = image(pixels, DEFLATED, rows=1600, columns=80, frames=4)
    stored = keep(parts, data, uid, DEFLATED)
    plain = zlib.decompress(data, -zlib.MAX_WBITS)
    size = len(pixels) // 4
    assert frames_of(service, stored) == [pixels[start : start + size] for start in range(0, len(pixels), size)]
    assert service.frame(stored, 1).data == pixels[:size]  # backward
    assert plain == service.header(stored) + plain[-len(pixels) - 12 : -len(pixels)] + pixels + service.trailer(stored)
    with service.bulk(stored, (PIXEL_DATA,)) as value:
        assert value.read(1000, 5000) == pixels[1000:6000]


def test_frames_that_are_not_there_are_not_found(parts: Parts, service: FrameService) -> None:
    stored = keep(parts, *image(bytes(512), frames=2))
    for number in (-1, 0, 3, 1 << 40):
        with pytest.raises(NotFoundError, match="has 2"):
            service.frame(stored, number)


def test_an_object_without_pixels_has_no_frames(parts: Parts, service: FrameService) -> None:
    uid = new_uid()
    data = dataset(uid, left_out=frozenset({PIXEL_DATA}))
    stored = keep(parts, data, uid)
    assert (service.frame_count(stored), service.pixel(stored)) == (0, None)
    assert (service.header(stored), service.trailer(stored)) == (data, b"")
    with pytest.raises(NotAcceptableError, match="no pixels"):
        service.frame(stored, 1)


def test_a_video_has_no_frames_of_its_own_and_is_read_as_a_whole(parts: Parts, service: FrameService) -> None:
    mpeg4 = "1.2.840.10008.1.2.4.102"
    stored = keep(parts, *encapsulated([b"movie in", b" parts.."], 40, offsets=(0,)), mpeg4)
    with pytest.raises(NotAcceptableError, match="video"):
        service.frame(stored, 1)
    assert opened_value(service, stored, PIXEL_DATA) == b"movie in parts.."


def test_pixels_that_are_fewer_than_the_header_says_are_refused(parts: Parts, service: FrameService) -> None:
    stored = keep(parts, *image(bytes(510), frames=2))
    with pytest.raises(InvalidPixelDataError):
        service.frame(stored, 1)


def test_a_file_that_was_cut_is_told(parts: Parts, service: FrameService) -> None:
    stored = keep(parts, *image(bytes(512), frames=2))
    with (parts.directory / "objects" / stored.path).open("r+b") as file:
        file.truncate(stored.size_bytes - 1)
    assert service.frame(stored, 1).data == bytes(256)
    with pytest.raises(IntegrityError):
        service.frame(stored, 2)
    with service.bulk(stored, (PIXEL_DATA,)) as value, pytest.raises(IntegrityError):
        value.read(0, 512)


def test_an_instance_that_was_removed_meanwhile_is_not_found(parts: Parts, service: FrameService) -> None:
    stored, lost = keep(parts, *image(bytes(256))), keep(parts, *image(bytes(256)))
    service.frame(stored, 1)
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: ())) as removal:
        removal.remove_instance(STUDY, SERIES, stored.sop_instance_uid)
    for call in (service.header, lambda gone: service.frame(gone, 1), lambda gone: service.bulk(gone, (PIXEL_DATA,))):
        with pytest.raises(NotFoundError, match="removed"):
            call(stored)
    parts.blobs.delete(lost.path)
    with pytest.raises(BlobNotFoundError):
        service.frame(lost, 1)


def test_an_object_that_takes_the_place_of_another_is_not_taken_for_it(opened: Open) -> None:
    parts = opened(replace=True)
    service = FrameService(parts.index, parts.blobs)
    data, uid = image(b"1" * 256)
    assert service.frame(keep(parts, data, uid), 1).data == b"1" * 256
    stored = keep(parts, data[:-256] + b"2" * 256, uid)
    assert service.frame(stored, 1).data == b"2" * 256


# Headers.


def test_what_follows_the_pixels_is_the_trailer(parts: Parts, service: FrameService) -> None:
    padding = long_element(0xFFFCFFFC, b"OB", b"padding.")
    for (data, uid), syntax in ((image(bytes(256)), EXPLICIT_VR_LITTLE_ENDIAN), (encapsulated([b"one1"], 1), JPEG)):
        stored = keep(parts, data + padding, uid, syntax)
        assert service.trailer(stored) == padding
        assert data.startswith(service.header(stored))


def test_a_header_beyond_the_limit_is_refused(parts: Parts) -> None:
    service = FrameService(parts.index, parts.blobs, ScanLimits(max_header_bytes=1000))
    data, uid = image(bytes(256))
    stored = keep(parts, long_element(0x00080001, b"OB", bytes(1000)) + data, uid)
    with pytest.raises(ExcessiveDatasetError):
        service.header(stored)
    assert service.frame(stored, 1).data == bytes(256)


# Bulk values.

DOCUMENT, SEQUENCE, PRIVATE = 0x00420011, 0x00400555, 0x00091010
NUMBERS = np.arange(100, dtype="<u4")


def opened_value(service: FrameService, stored: StoredInstance, *path: int) -> bytes:
    """Read a whole value, in three ways."""
    with service.bulk(stored, path) as value:
        whole = value.read(0, value.size_bytes)
        cuts = (0, 1, value.size_bytes // 3, value.size_bytes)
        assert b"".join(value.read(start, end - start) for start, end in pairwise(cuts)) == whole
        assert value.read(0, value.size_bytes + 10) == whole
        assert value.read(value.size_bytes, 10) == b""
    return whole


@pytest.mark.parametrize("undefined", [True, False])
def test_values_are_found_at_top_level_and_in_items(parts: Parts, service: FrameService, undefined: bool) -> None:
    inner = element(0x00080100, b"SH", b"CODE") + long_element(PRIVATE, b"UN", b"private.")
    nested = sequence(SEQUENCE, sequence(SEQUENCE, inner, undefined=undefined), undefined=undefined)
    data, uid = image(bytes(256))
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    stored = keep(parts, data[:at] + nested + long_element(DOCUMENT, b"OB", b"%PDF" * 5000) + data[at:], uid)
    assert opened_value(service, stored, DOCUMENT) == b"%PDF" * 5000
    assert opened_value(service, stored, SEQUENCE, 1, SEQUENCE, 1, PRIVATE) == b"private."
    assert opened_value(service, stored, PIXEL_DATA) == bytes(256)
    for nowhere in ((PRIVATE,), (SEQUENCE,), (SEQUENCE, 2, PRIVATE), (SEQUENCE, 1, PRIVATE), (DOCUMENT, 1, PRIVATE)):
        with pytest.raises(NotFoundError):
            service.bulk(stored, nowhere)


def test_an_item_is_not_read_beyond_its_end(parts: Parts, service: FrameService) -> None:
    data, uid = image(bytes(256))
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    stored = keep(parts, data[:at] + sequence(SEQUENCE, element(0x00080100, b"SH", b"CODE")) + data[at:], uid)
    with pytest.raises(NotFoundError):
        service.bulk(stored, (SEQUENCE, 1, PIXEL_DATA))


def test_numbers_are_given_in_little_endian(parts: Parts, service: FrameService) -> None:
    uid = new_uid()
    more = ((0x00660023, "OL", NUMBERS.astype(">u4").tobytes()), (0x00660040, "OB", b"bytes."))
    data = dataset(uid, pixels=b"\1\2\3\4", more=more, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN)
    stored = keep(parts, data, uid, EXPLICIT_VR_BIG_ENDIAN)
    assert opened_value(service, stored, 0x00660023) == NUMBERS.tobytes()
    assert opened_value(service, stored, 0x00660040) == b"bytes."
    assert opened_value(service, stored, PIXEL_DATA) == b"\2\1\4\3"


def test_encapsulated_pixels_are_their_fragments(parts: Parts, service: FrameService) -> None:
    stored = keep(parts, *encapsulated([b"one1", b"", b"three3"], 1, offsets=(0,)), JPEG)
    assert opened_value(service, stored, PIXEL_DATA) == b"one1three3"


# Every real file.


@pytest.mark.parametrize("path", [path for path in real_files() if path.name not in BROKEN], ids=lambda path: path.name)
def test_the_parts_of_every_real_file_are_what_stands_there(parts: Parts, service: FrameService, path: Path) -> None:
    meta, data = real_dataset(path)
    read = pydicom.dcmread(path, force=True)
    uids = [
        str(read.get(name, "")) for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    ]
    if not all(map(is_uid, uids)):
        with pytest.raises(ArchimageError):
            parts.service.store(Expected(meta.transfer_syntax_uid, uids[0], uids[1]), [data])
        return
    parts.service.store(Expected(meta.transfer_syntax_uid, uids[0], uids[1]), [data])
    stored = service.instance(None, None, uids[1])
    plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data) if stored.transfer_syntax_uid == DEFLATED else data
    pixel, header, trailer = service.pixel(stored), service.header(stored), service.trailer(stored)
    assert plain.startswith(header)
    assert plain.endswith(trailer)
    if pixel is None:
        assert (header, service.frame_count(stored)) == (plain, 0)
        return
    value = read[pixel.tag].value
    assert pixel.vr == read[pixel.tag].VR
    if path.name == "badVR.dcm":  # its Number of Frames is no number
        with pytest.raises(InvalidPixelDataError):
            service.frame(stored, 1)
        return
    frames = frames_of(service, stored)
    if pixel.encapsulated:
        assert frames == list(generate_frames(value, number_of_frames=len(frames)))
    elif read.BitsAllocated > 1:
        assert value.startswith(b"".join(frames))
        assert len(frames) == int(read.get("NumberOfFrames", 1))
