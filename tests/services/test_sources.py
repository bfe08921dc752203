"""Files are found in folders, archives and media, and nothing outside them is ever read."""

import os
import stat
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from archimage.dicom.demo import demo_files
from archimage.errors import DicomError, IdentityMismatchError, InvalidFileError
from archimage.services.sources import HEAD_BYTES, Source, ZipLimits, identify, read_pieces, sources


def names(found: list[Source], below: Path) -> list[str]:
    """Name sources relative to a folder."""
    return [os.path.relpath(source.name, below) for source in found]


def content(source: Source) -> bytes:
    """Read a source whole."""
    with source.open() as file:
        return b"".join(read_pieces(file, 1_000))


def write_dicomdir(folder: Path, *file_ids: list[str]) -> Path:
    """Write a DICOMDIR that names files."""
    ds = Dataset()
    ds.DirectoryRecordSequence = []
    for file_id in file_ids:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = file_id
        ds.DirectoryRecordSequence.append(record)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.1.3.10")
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / "DICOMDIR"
    ds.save_as(path, enforce_file_format=True)
    return path


def test_folders_are_walked_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = list(sources([tmp_path]))
    assert names(found, tmp_path) == ["a/1", "b/2", "c"]
    assert [content(source) for source in found] == [b"a/1", b"b/2", b"c"]


def test_links_in_folders_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    (folder / "file").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    assert list(sources([folder])) == []


def test_a_path_that_is_not_there_is_a_source_that_says_so(tmp_path: Path) -> None:
    (source,) = sources([tmp_path / "absent"])
    with pytest.raises(FileNotFoundError):
        source.open()


def test_members_of_a_zip_are_read_without_unpacking_them(tmp_path: Path) -> None:
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("one/1.dcm", b"1" * 5_000)
        target.writestr("../../escaped.dcm", b"2")
        target.writestr("/rooted.dcm", b"3")
        target.mkdir("empty")
        link = zipfile.ZipInfo("link.dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
    found = list(sources([tmp_path]))
    assert [source.name for source in found] == [
        f"{archive}!{n}" for n in ("one/1.dcm", "../../escaped.dcm", "/rooted.dcm")
    ]
    assert [content(source)[:1] for source in found] == [b"1", b"2", b"3"]
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["study.zip"]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("bomb.dcm", bytes(2_000_000))
        target.writestr("image.dcm", os.urandom(1_000))
    bomb, image = sources([archive], ZipLimits(ratio=100, free_bytes=1_000))
    with pytest.raises(DicomError, match="100 times"):
        bomb.open()
    assert len(content(image)) == 1_000


def test_many_members_that_are_small_alone_are_bounded_together(tmp_path: Path) -> None:
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for number in range(20):
            target.writestr(f"{number}.dcm", bytes(50_000))
    found = list(sources([archive], ZipLimits(ratio=10, free_bytes=60_000)))
    opened = [source for source in found if source.size_bytes]
    assert 1 <= len(opened) < 20
    with pytest.raises(DicomError, match="more than 5 members"):
        next(iter(sources([archive], ZipLimits(members=5)))).open()


def test_a_member_whose_size_is_forged_fails(tmp_path: Path) -> None:
    archive = tmp_path / "forged.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.dcm", bytes(100_000))
    data = archive.read_bytes()
    archive.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    (source,) = sources([archive])
    with pytest.raises(InvalidFileError, match="broken zip member"):
        content(source)


@pytest.mark.parametrize("data", [b"", b"PK\3\4garbage", b"no zip at all"])
def test_what_only_calls_itself_a_zip_fails(tmp_path: Path, data: bytes) -> None:
    archive = tmp_path / "broken.zip"
    archive.write_bytes(data)
    (source,) = sources([archive])
    with pytest.raises(InvalidFileError, match="not a zip archive"):
        source.open()


def test_a_zip_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (source,) = sources([tmp_path / "absent.zip"])
    with pytest.raises(FileNotFoundError):
        source.open()


def test_a_dicomdir_leads_to_its_files_in_either_case(tmp_path: Path) -> None:
    (tmp_path / "IMAGES").mkdir()
    (tmp_path / "IMAGES" / "IM1").write_bytes(b"1")
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "images" / "im2").write_bytes(b"2")
    found = list(sources([write_dicomdir(tmp_path, ["IMAGES", "IM1"], ["IMAGES", "IM2"])]))
    assert [content(source) for source in found] == [b"1", b"2"]


@pytest.mark.parametrize("parts", [["..", "secret"], ["LINK", "secret"], ["ABSENT"], ["."]])
def test_a_dicomdir_cannot_reach_outside_its_folder(tmp_path: Path, parts: list[str]) -> None:
    folder = tmp_path / "disc"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "LINK").symlink_to(tmp_path)
    (source,) = sources([write_dicomdir(folder, parts)])
    with pytest.raises(InvalidFileError, match="not below its folder"):
        source.open()


def test_a_broken_dicomdir_fails(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(b"nothing")
    (source,) = sources([tmp_path / "DICOMDIR"])
    with pytest.raises(InvalidFileError):
        source.open()


def test_identity_is_that_of_the_data_set() -> None:
    data = next(demo_files(2))
    identity = identify(data[:HEAD_BYTES])
    assert identity is not None
    assert identity.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert identity.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert data[identity.data_set_offset :][:4] == b"\x08\x00\x08\x00"


def test_other_files_and_a_dicomdir_have_no_identity(tmp_path: Path) -> None:
    assert identify(b"text") is None
    assert identify(write_dicomdir(tmp_path).read_bytes()) is None


def test_a_data_set_without_its_uids_is_told(tmp_path: Path) -> None:
    ds = Dataset()
    ds.PatientName = "Nobody"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(tmp_path / "file", enforce_file_format=True)
    with pytest.raises(IdentityMismatchError, match="SOP Instance UID"):
        identify((tmp_path / "file").read_bytes())
