"""Part 10 files: written with a blank preamble, read as pydicom reads them, tolerant where real files are wrong."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filereader import read_file_meta_info

from archimage.dicom.part10 import (
    FileMeta,
    decode_bare_file,
    decode_file_meta,
    encode_file_meta,
    guess_transfer_syntax,
    open_part10,
    write_part10,
)
from archimage.errors import InvalidFileError
from tests.dicom.encoded import element, long_element
from tests.dicom.files import real_file, real_files

META = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "2.25.1", "ARCHIMAGE_0_1", "CT1")
uids = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,4}){1,5}", fullmatch=True)
names = st.text("ABCD_1", max_size=16)
private = st.binary(max_size=1_024).map(lambda value: value.rstrip(b"\0"))


@settings(max_examples=100, deadline=None)
@given(
    meta=st.builds(FileMeta, uids, uids, uids, uids | st.just(""), names, names, uids, private),
    rest=st.binary(max_size=30),
)
def test_what_is_encoded_is_decoded_again(meta: FileMeta, rest: bytes) -> None:
    encoded = encode_file_meta(meta)
    assert len(encoded) % 2 == 0
    assert decode_file_meta(encoded + rest) == (meta, len(encoded))


def test_pydicom_reads_what_is_encoded(tmp_path: Path) -> None:
    path = tmp_path / "file.dcm"
    with path.open("wb") as file:
        data = element(0x00100010, b"PN", b"A^B ")
        assert write_part10(file, META, [data[:5], memoryview(data)[5:]]) == file.tell()
    dataset = pydicom.dcmread(path)
    assert dataset.preamble == bytes(128)
    assert dataset.file_meta.FileMetaInformationVersion == b"\0\1"
    assert dataset.file_meta.ImplementationClassUID == "2.25.1"
    assert dataset.file_meta.SourceApplicationEntityTitle == "CT1"
    assert dataset.PatientName == "A^B"


def test_pydicom_reads_private_information() -> None:
    data = encode_file_meta(replace(META, private_creator_uid="1.2.3", private_information=b"odd"))
    meta = pydicom.dcmread(io.BytesIO(data + element(0x00100010, b"PN", b"A^B "))).file_meta
    assert (meta.PrivateInformationCreatorUID, meta.PrivateInformation) == ("1.2.3", b"odd\0")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in real_files()])
def test_every_real_file_has_the_meta_information_that_pydicom_reads(path: Path) -> None:
    theirs = read_file_meta_info(path)
    meta, offset, size = open_part10(path)
    assert meta.transfer_syntax_uid == theirs.TransferSyntaxUID
    assert meta.media_storage_sop_instance_uid == theirs.get("MediaStorageSOPInstanceUID", "")
    assert meta.implementation_version_name == theirs.get("ImplementationVersionName", "").strip()
    assert offset + size == path.stat().st_size
    assert meta.preamble == path.read_bytes()[:128]


def test_an_open_file_is_read_from_its_start() -> None:
    data = encode_file_meta(META) + bytes(10)
    assert open_part10(io.BytesIO(data)) == (META, len(data) - 10, 10)


@pytest.mark.parametrize("size", [0, 4_000, 4_084 - len(encode_file_meta(META)), 20_000, 300_000])
def test_long_meta_information_is_read_to_its_end(size: int) -> None:
    head = encode_file_meta(META)
    private = long_element(0x00020102, b"OB", bytes(size))
    stated = len(head) - 144 + len(private)
    data = head[:140] + struct.pack("<I", stated) + head[144:] + private
    assert open_part10(io.BytesIO(data + b"x" * 7)) == (META, len(data), 7)
    assert open_part10(io.BytesIO(data)) == (META, len(data), 0)


def test_endless_meta_information_is_refused() -> None:
    data = encode_file_meta(META) + long_element(0x00020102, b"OB", bytes(3 << 20))
    data = data[:140] + struct.pack("<I", len(data)) + data[144:]
    with pytest.raises(InvalidFileError, match="cut short"):
        open_part10(io.BytesIO(data))


@pytest.mark.parametrize("stated", [0, 10, 14, 1_000])
def test_a_wrong_group_length_does_not_matter(stated: int) -> None:
    data = encode_file_meta(META)
    wrong = data[:140] + struct.pack("<I", stated) + data[144:] + element(0x00080060, b"CS", b"CT")
    assert decode_file_meta(wrong) == (META, len(data))


def test_deflated_bytes_that_look_like_group_2_are_not_read() -> None:
    deflated = replace(META, transfer_syntax_uid="1.2.840.10008.1.2.1.99")
    data = encode_file_meta(deflated)
    assert decode_file_meta(data + element(0x00020016, b"AE", b"EVIL")) == (deflated, len(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "DICM"),
        (bytes(200), "DICM"),
        (encode_file_meta(META)[:-1], "cut short"),
        (bytes(128) + b"DICM" + element(0x00020003, b"UI", b"1.2\0"), "no transfer syntax"),
    ],
)
def test_what_is_no_part_10_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidFileError, match=message):
        decode_file_meta(data)
    with pytest.raises(InvalidFileError, match=message):
        open_part10(io.BytesIO(data))


def test_a_file_without_preamble_is_read() -> None:
    data = encode_file_meta(META)[132:]
    assert decode_bare_file(data + b"\x08\0\x60\0") == (META, len(data))


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("ExplVR_LitEndNoMeta.dcm", "1.2.840.10008.1.2.1"),
        ("ExplVR_BigEndNoMeta.dcm", "1.2.840.10008.1.2.2"),
        ("rtstruct.dcm", "1.2.840.10008.1.2"),
    ],
)
def test_the_syntax_of_a_bare_data_set_is_guessed(name: str, uid: str) -> None:
    data = real_file(name).read_bytes()
    data = data[132:] if data[128:132] == b"DICM" else data
    assert decode_bare_file(data) == (FileMeta("", "", uid), 0)


@pytest.mark.parametrize("data", [b"", b"\x08\0", b"MZ\0\0OB", b"\x10\0\x10\0PN"])
def test_what_is_no_data_set_is_not_guessed(data: bytes) -> None:
    with pytest.raises(InvalidFileError):
        guess_transfer_syntax(data)
