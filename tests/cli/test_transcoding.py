"""`archimage store` to DCMTK's storescp that takes nothing compressed: what can be transcoded arrives."""

import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from archimage.net.conversation import RemoteNode
from tests.attacks.datasets import new_uid
from tests.cli.conftest import Invoke
from tests.dicom.files import real_file
from tests.interop.peers import free_port, storescp

COMPRESSED = (
    "MR_small_RLE.dcm",
    "JPEG-LL.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "693_J2KR.dcm",
    "SC_rgb_rle_2frame.dcm",
)
VIDEO = "1.2.840.10008.1.2.4.102"


@pytest.fixture
def node() -> RemoteNode:
    """Where storescp is to listen."""
    return RemoteNode("PACS_SCP", "127.0.0.1", free_port())


def received(folder: Path) -> dict[str, pydicom.Dataset]:
    """Read what has come, by SOP Instance UID."""
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    return {str(ds.SOPInstanceUID): ds for ds in found}


@pytest.mark.parametrize(("option", "syntax"), [("+xi", "1.2.840.10008.1.2"), ("+x=", "1.2.840.10008.1.2.1")])
def test_compressed_files_arrive_decoded(
    archimage: Invoke, node: RemoteNode, tmp_path: Path, option: str, syntax: str
) -> None:
    files = [real_file(name) for name in COMPRESSED]
    with storescp(node, tmp_path / "in", option):
        result = archimage("store", node.host, node.port, *files, "--json")
    assert (result.code, result.json["stored"]) == (0, len(files))
    found = received(tmp_path / "in")
    for path in files:
        before = pydicom.dcmread(path)
        after = found[str(before.SOPInstanceUID)]
        assert after.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(after.pixel_array, before.pixel_array)


def test_a_member_of_an_archive_and_what_is_not_compressed_arrive_too(
    archimage: Invoke, node: RemoteNode, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("MR_small_RLE.dcm", "MR_small_bigendian.dcm", "CT_small.dcm"):
            packed.write(real_file(name), name)
    with storescp(node, tmp_path / "in", "+xi"):
        result = archimage("store", node.host, node.port, tmp_path / "some.zip", "--json")
    assert result.json["problems"] == []
    found = received(tmp_path / "in")
    before = pydicom.dcmread(real_file("CT_small.dcm"))
    np.testing.assert_array_equal(found[str(before.SOPInstanceUID)].pixel_array, before.pixel_array)


def test_what_cannot_be_transcoded_is_named_with_the_reason_and_the_rest_arrives(
    archimage: Invoke, node: RemoteNode, tmp_path: Path
) -> None:
    broken = bytearray(real_file("JPEG-LL.dcm").read_bytes())
    start = broken.index(b"\xff\xd8\xff") + 2
    broken[start : start + 20_000] = bytes(20_000)
    (tmp_path / "broken.dcm").write_bytes(broken)
    video = pydicom.dcmread(real_file("MR_small_RLE.dcm"))
    video.file_meta.TransferSyntaxUID = pydicom.uid.UID(VIDEO)
    video.SOPInstanceUID = video.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(new_uid())
    video.save_as(tmp_path / "video.dcm")
    with storescp(node, tmp_path / "in", "+xi"):
        paths = (tmp_path / "broken.dcm", tmp_path / "video.dcm", real_file("MR_small_RLE.dcm"))
        result = archimage("store", node.host, node.port, *paths, "--json")
    assert (result.code, result.json["stored"], result.json["failed"], result.json["refused"]) == (1, 1, 1, 1)
    reasons = {Path(problem["file"]).name: problem["reason"] for problem in result.json["problems"]}
    assert "cannot be transcoded" in reasons["broken.dcm"]
    assert f"does not take SOP class {video.SOPClassUID} in transfer syntax {VIDEO}" in reasons["video.dcm"]
    assert len(received(tmp_path / "in")) == 1


def test_a_file_that_the_peer_takes_goes_as_it_is(archimage: Invoke, node: RemoteNode, tmp_path: Path) -> None:
    path = real_file("MR_small_RLE.dcm")
    with storescp(node, tmp_path / "in", "+xa"):
        assert archimage("store", node.host, node.port, path).code == 0
    (after,) = received(tmp_path / "in").values()
    assert after.PixelData == pydicom.dcmread(path).PixelData
