"""The npm package dicomweb-client, which OHIF and others are built on, in node: every operation that it has."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import pydicom
import pytest
import requests
from PIL import Image
from pydicom.encaps import generate_frames

from archimage.dicom.part10 import decode_file_meta
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.dicom.files import real_file
from tests.interop.javascript import ROOT, node, outcome
from tests.interop.peers import serve_both

_SCRIPT: Final = Path(__file__).with_name("dicomweb_client.cjs")
_PACKAGES: Final = ("dicomweb-client", "xhr2")
_NATIVE: Final = real_file("CT_small.dcm")
_COMPRESSED: Final = real_file("examples_ybr_color.dcm")
_FILES: Final = (_NATIVE, real_file("MR_small.dcm"), _COMPRESSED)
_HEADERS: Final = {path: pydicom.dcmread(path) for path in _FILES}


class Javascript:
    """The client, talking to our server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def calls(self, *calls: tuple[str, dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
        """Call methods of one client; return what each brought."""
        asked = {"url": self.url, "options": options, "calls": calls}
        outcomes: list[dict[str, Any]] = outcome(_SCRIPT, asked, *_PACKAGES)
        return outcomes

    def call(self, method: str, how: dict[str, Any] | None = None, **options: Any) -> Any:
        """Call one method, which must succeed; return its value, bytes where it brought some."""
        (brought,) = self.calls((method, how or {}), **options)
        assert "error" not in brought, brought
        return _decoded(brought.get("value"))


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    if isinstance(value, dict) and value.keys() == {"base64"}:
        return base64.b64decode(value["base64"])
    return value


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Javascript]:
    """The client and our server, to which it has stored the files."""
    with serve_both(tmp_path_factory.mktemp("javascript") / "data") as archive:
        client = Javascript(archive.dicomweb_url)
        client.call("storeInstances", {"datasets": [f"file:{path}" for path in _FILES]})
        yield client


def address(path: Path, depth: int = 3) -> dict[str, str]:
    """Return the UIDs that lead to the study, series or instance of a file, as the client names them."""
    header = _HEADERS[path]
    uids = {
        "studyInstanceUID": header.StudyInstanceUID,
        "seriesInstanceUID": header.SeriesInstanceUID,
        "sopInstanceUID": header.SOPInstanceUID,
    }
    return dict(list(uids.items())[:depth])


def dataset_of(file: bytes) -> bytes:
    """Return the data set in a file."""
    return file[decode_file_meta(file)[1] :]


def test_it_stores_into_a_study(javascript: Javascript) -> None:
    study = address(_NATIVE, 1)
    again = javascript.call("storeInstances", {"datasets": [f"file:{_NATIVE}"], **study})
    assert _HEADERS[_NATIVE].SOPInstanceUID in json.dumps(again)
    (other,) = javascript.calls(("storeInstances", {"datasets": [f"file:{_COMPRESSED}"], **study}))
    assert other["status"] == 409


def test_it_finds_studies(javascript: Javascript) -> None:
    found = javascript.call("searchForStudies")
    assert {result["0020000D"]["Value"][0] for result in found} == {one.StudyInstanceUID for one in _HEADERS.values()}
    header = _HEADERS[_NATIVE]
    for filters in (
        {"PatientID": header.PatientID},
        {"PatientName": "compressed*ct1"},
        {"StudyDate": header.StudyDate, "limit": 1},
        {"ModalitiesInStudy": ["CT", "PT"]},
    ):
        (study,) = javascript.call("searchForStudies", {"queryParams": filters})
        assert study["0020000D"]["Value"] == [header.StudyInstanceUID]
    assert javascript.call("searchForStudies", {"queryParams": {"PatientID": "nobody"}}) == []


def test_it_finds_series_and_instances(javascript: Javascript) -> None:
    for method, depth, tag, keyword in (
        ("searchForSeries", 1, "0020000E", "SeriesInstanceUID"),
        ("searchForInstances", 2, "00080018", "SOPInstanceUID"),
    ):
        assert len(javascript.call(method)) == len(_FILES)
        (found,) = javascript.call(method, address(_NATIVE, depth))
        assert found[tag]["Value"] == [_HEADERS[_NATIVE][keyword].value]


@pytest.mark.parametrize(
    ("method", "depth"), [("retrieveStudyMetadata", 1), ("retrieveSeriesMetadata", 2), ("retrieveInstanceMetadata", 3)]
)
def test_it_retrieves_metadata(javascript: Javascript, method: str, depth: int) -> None:
    for path, header in _HEADERS.items():
        (found,) = javascript.call(method, address(path, depth))
        assert found["00080018"]["Value"] == [header.SOPInstanceUID]
        assert found["00280010"]["Value"] == [header.Rows]
        assert set(found) >= {f"{element.tag:08X}" for element in header if element.tag.element}


@pytest.mark.parametrize(("method", "depth"), [("retrieveStudy", 1), ("retrieveSeries", 2), ("retrieveInstance", 3)])
def test_it_retrieves_objects(javascript: Javascript, method: str, depth: int) -> None:
    for path, header in _HEADERS.items():
        found = javascript.call(method, address(path, depth))
        (file,) = [found] if depth == 3 else found
        got = pydicom.dcmread(BytesIO(file))
        assert got.SOPInstanceUID == header.SOPInstanceUID
        if header.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN:
            assert dataset_of(file) == dataset_of(path.read_bytes())
        else:  # it cannot ask for an object as it is stored
            assert got.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
            assert len(got.PixelData) == header.NumberOfFrames * header.Rows * header.Columns * 3


def test_it_retrieves_native_frames(javascript: Javascript) -> None:
    assert javascript.call("retrieveInstanceFrames", {**address(_NATIVE), "frameNumbers": [1]}) == [
        _HEADERS[_NATIVE].PixelData
    ]


def test_it_retrieves_compressed_frames(javascript: Javascript) -> None:
    header = _HEADERS[_COMPRESSED]
    frames = list(generate_frames(header.PixelData, number_of_frames=header.NumberOfFrames))
    asked = {**address(_COMPRESSED), "frameNumbers": [2, 1]}
    for media in (
        [{"mediaType": "image/jpeg", "transferSyntaxUID": header.file_meta.TransferSyntaxUID}],
        [{"mediaType": "image/jpeg"}],
        [
            {"mediaType": "application/octet-stream", "transferSyntaxUID": "*"},
            {"mediaType": "image/jpeg", "transferSyntaxUID": "1.2.840.10008.1.2.4.50"},
        ],
    ):
        found = javascript.call("retrieveInstanceFrames", {**asked, "mediaTypes": media})
        assert [frame.rstrip(b"\0") for frame in found] == [frame.rstrip(b"\0") for frame in (frames[1], frames[0])]


@pytest.mark.parametrize("singlepart", ["", "bulkdata"])
def test_it_retrieves_bulk_values(javascript: Javascript, singlepart: str) -> None:
    value = javascript.call("retrieveBulkData", {"BulkDataURI": pixels_uri(javascript)}, singlepart=singlepart)
    assert value == [_HEADERS[_NATIVE].PixelData]


def test_it_retrieves_a_range_of_a_bulk_value(javascript: Javascript) -> None:
    asked = {"BulkDataURI": pixels_uri(javascript), "byteRange": [0, 99]}
    assert javascript.call("retrieveBulkData", asked) == [_HEADERS[_NATIVE].PixelData[:100]]


def pixels_uri(javascript: Javascript) -> str:
    """Return where the metadata says that the pixels are."""
    (found,) = javascript.call("retrieveInstanceMetadata", address(_NATIVE))
    study, series, instance = address(_NATIVE).values()
    asked = f"{javascript.url}/studies/{study}/series/{series}/instances/{instance}/metadata"
    return urljoin(asked, str(found["7FE00010"]["BulkDataURI"]))


@pytest.mark.parametrize("path", [_NATIVE, _COMPRESSED], ids=lambda path: path.name)
def test_it_retrieves_rendered_images(javascript: Javascript, path: Path) -> None:
    where, rows, columns = address(path), _HEADERS[path].Rows, _HEADERS[path].Columns
    frame = {**where, "frameNumbers": [1]}
    half = {"viewport": f"{columns // 2},{rows // 2}"}
    png = [{"mediaType": "image/png"}]
    for method, asked, kind, size in (
        ("retrieveInstanceRendered", where, "JPEG", (columns, rows)),
        ("retrieveInstanceRendered", {**where, "mediaTypes": png}, "PNG", (columns, rows)),
        ("retrieveInstanceRendered", {**where, "queryParams": half}, "JPEG", (columns // 2, rows // 2)),
        ("retrieveInstanceFramesRendered", {**frame, "mediaTypes": png}, "PNG", (columns, rows)),
        ("retrieveInstanceFramesRendered", {**frame, "queryParams": half}, "JPEG", (columns // 2, rows // 2)),
    ):
        image = Image.open(BytesIO(bytes_of(javascript.call(method, asked))))
        assert (image.format, image.size) == (kind, size), (method, asked)


@pytest.mark.parametrize("path", [_NATIVE, _COMPRESSED], ids=lambda path: path.name)
def test_it_retrieves_thumbnails(javascript: Javascript, path: Path) -> None:
    for method, asked in (
        ("retrieveInstanceThumbnail", address(path)),
        ("retrieveInstanceFramesThumbnail", {**address(path), "frameNumbers": [1]}),
        ("retrieveInstanceThumbnail", {**address(path), "mediaTypes": [{"mediaType": "image/png"}]}),
    ):
        image = Image.open(BytesIO(bytes_of(javascript.call(method, asked))))
        assert max(image.size) <= 256, (method, asked)


def test_the_addresses_that_it_builds_lead_to_images(javascript: Javascript) -> None:
    url = javascript.call("buildInstanceWadoURIUrl", {**address(_NATIVE), "contentType": "image/jpeg"})
    assert url.startswith(f"{javascript.url}?requestType=WADO&studyUID=")
    shown = Image.open(BytesIO(requests.get(url, timeout=60).content))
    header = _HEADERS[_NATIVE]
    assert (shown.format, shown.size) == ("JPEG", (header.Columns, header.Rows))


def test_every_operation_is_tested() -> None:
    text = Path(__file__).read_text("utf-8")
    program = "Object.getOwnPropertyNames(require('dicomweb-client').api.DICOMwebClient.prototype).join(' ')"
    names = subprocess.run(
        [node(*_PACKAGES), "-p", program], capture_output=True, check=True, timeout=60, cwd=ROOT, encoding="utf-8"
    ).stdout.split()
    operations = [name for name in names if re.match("search|retrieve|store|build", name)]
    assert len(operations) >= 17
    assert [name for name in operations if f'"{name}"' not in text] == []


def bytes_of(value: Any) -> bytes:
    """Return the one thing that came."""
    (found,) = value if isinstance(value, list) else [value]
    assert isinstance(found, bytes)
    return found
