"""Objects with and without VRs: all of them stays, nothing is kept, and no worker is asked."""

from pathlib import Path

import pydicom
import pytest

from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from archimage.dicom.part10 import FileMeta
from archimage.dicom.reencode import reencode
from archimage.errors import ArchimageError, IntegrityError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.services.frames import FrameService
from archimage.services.transcoding import TranscodingService
from archimage.storage.cache import FilesystemCache
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT
from tests.dicom.files import BROKEN, real_dataset, real_files
from tests.services import test_transcoding
from tests.services.parts import Open, Parts
from tests.services.test_transcoding import ROOM, Counted, files, keep_data, whole

BOTH = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
OTHER = dict(zip(BOTH, reversed(BOTH), strict=True))
PIXELS = frozenset({0x7FE00010})

pool, work, service = test_transcoding.pool, test_transcoding.work, test_transcoding.service


@pytest.fixture
def cache(tmp_path: Path) -> FilesystemCache:
    return FilesystemCache(tmp_path / "cache", ROOM)


def keep(parts: Parts, data: bytes, uid: str, syntax: str = EXPLICIT_LITTLE_ENDIAN) -> StoredInstance:
    """Store a CT."""
    return keep_data(parts, FileMeta(CT, uid, syntax), data)


def respelled(service: TranscodingService, instance: StoredInstance) -> bytes:
    """Return an object's data set in the other spelling."""
    found = service.transcode(instance, OTHER[instance.transfer_syntax_uid])
    return whole(found)[found.data_set_offset :]


def uncompressed() -> list[Path]:
    """Return the real files of both spellings."""
    paths = [path for path in real_files() if path.name not in BROKEN]
    return [path for path in paths if real_dataset(path)[0].transfer_syntax_uid in BOTH]


def test_every_real_file_keeps_its_elements_and_its_pixels(opened: Open, work: Counted, tmp_path: Path) -> None:
    parts = opened(replace=True)
    service = TranscodingService(
        FrameService(parts.index, parts.blobs), work, FilesystemCache(tmp_path / "cache", ROOM)
    )
    made = 0
    for path in uncompressed():
        about, data = real_dataset(path)
        try:
            instance = keep_data(parts, about, data)
        except ArchimageError:
            continue
        found = service.transcode(instance, OTHER[about.transfer_syntax_uid])
        (tmp_path / "other").write_bytes(whole(found))
        after, before = pydicom.dcmread(tmp_path / "other"), pydicom.dcmread(path)
        elements = [element.tag for element in before if element.tag.element]
        assert str(after.file_meta.TransferSyntaxUID) == OTHER[about.transfer_syntax_uid]
        assert [element.tag for element in after] == elements, path.name
        assert after.get("PixelData") == before.get("PixelData"), path.name
        made += 1
    assert made > 60
    assert (work.tasks, files(tmp_path)) == (0, [])


def test_without_vrs_and_back_again_it_is_the_same(parts: Parts, service: TranscodingService) -> None:
    uid = new_uid()
    data = dataset(uid, transfer_syntax_uid=IMPLICIT_LITTLE_ENDIAN)
    once = respelled(service, keep(parts, data, uid, IMPLICIT_LITTLE_ENDIAN))
    assert once == dataset(uid)
    assert reencode(once, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN) == data


@pytest.mark.parametrize("syntax", BOTH)
def test_what_follows_the_pixels_and_pixels_of_any_length_stay(
    parts: Parts, service: TranscodingService, syntax: str
) -> None:
    uid = new_uid()
    more = ((0xFFFCFFFC, "OB", b"padding!"),)
    pixels = bytes(range(256)) * 8  # more than the header says
    instance = keep(parts, dataset(uid, pixels=pixels, more=more, transfer_syntax_uid=syntax), uid, syntax)
    assert respelled(service, instance) == dataset(uid, pixels=pixels, more=more, transfer_syntax_uid=OTHER[syntax])


@pytest.mark.parametrize("syntax", BOTH)
@pytest.mark.parametrize(
    "value",
    [(0x56000020, "OF", b"\0\0\x80\x3f" * 4), (0x7FE00008, "OF", b"\0\0\x80\x3f" * 4)],
    ids=["spectrum", "float"],
)
def test_pixels_of_other_kinds_and_spectra_stay(
    parts: Parts, service: TranscodingService, syntax: str, value: tuple[int, str, bytes]
) -> None:
    uid = new_uid()
    instance = keep(parts, dataset(uid, left_out=PIXELS, more=(value,), transfer_syntax_uid=syntax), uid, syntax)
    expected = dataset(uid, left_out=PIXELS, more=(value,), transfer_syntax_uid=OTHER[syntax])
    assert respelled(service, instance) == expected


@pytest.mark.parametrize("syntax", BOTH)
def test_an_object_without_pixels_is_spelled_anew(parts: Parts, service: TranscodingService, syntax: str) -> None:
    uid = new_uid()
    instance = keep(parts, dataset(uid, left_out=PIXELS, transfer_syntax_uid=syntax), uid, syntax)
    assert respelled(service, instance) == dataset(uid, left_out=PIXELS, transfer_syntax_uid=OTHER[syntax])


def test_fragments_where_there_should_be_none_are_refused_and_leave_nothing(
    parts: Parts, service: TranscodingService, tmp_path: Path
) -> None:
    uid = new_uid()
    data = dataset(uid, left_out=PIXELS) + bytes.fromhex("e07f1000 4f420000 ffffffff feff00e0 00000000")
    instance = keep(parts, data + bytes.fromhex("feff00e0 02000000 0102 feffdde0 00000000"), uid)
    with pytest.raises(ArchimageError):
        service.transcode(instance, IMPLICIT_LITTLE_ENDIAN)
    assert files(tmp_path) == []


def test_a_file_that_was_cut_or_is_gone_is_told(parts: Parts, service: TranscodingService) -> None:
    uid = new_uid()
    instance = keep(parts, dataset(uid), uid)
    path = parts.directory / "objects" / instance.path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError):
        service.transcode(instance, IMPLICIT_LITTLE_ENDIAN)
    parts.index.remove([uid])
    parts.blobs.delete(instance.path)
    with pytest.raises(NotFoundError):
        service.transcode(instance, IMPLICIT_LITTLE_ENDIAN)
