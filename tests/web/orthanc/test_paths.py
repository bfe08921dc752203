"""What the paths answer, each by itself."""

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pydicom
import pytest
from pydicom.data import get_testdata_file

from archimage.config import HttpConfig
from archimage.dicom.demo import demo_files
from archimage.model.hashed import Named
from archimage.web.orthanc.application import ENDPOINTS
from archimage.web.pages import application as pages
from tests.services.archive import records
from tests.web.serving import Answer, Client, config, serving

_CT = "CT_small.dcm"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of the demo images, two slices of each stack."""
    with serving(config(tmp_path_factory.mktemp("orthanc"))) as found:
        for file in demo_files(slices=2):
            assert found.ask("/instances", "POST", file).status == 200
        yield found


def find(client: Client, level: str, **query: str) -> list[str]:
    """Return the identifiers of what a search finds."""
    answer = client.ask("/tools/find", "POST", json.dumps({"Level": level, "Query": query}).encode())
    assert answer.status == 200, answer.json
    found: list[str] = answer.json
    return found


@pytest.fixture
def ct(client: Client) -> str:
    """An instance."""
    return find(client, "Instance", Modality="CT")[0]


def failed(answer: Answer, status: int) -> Any:
    """Assert that an answer is a failure in Orthanc's form; return it."""
    assert answer.status == answer.json["HttpStatus"] == status, answer.body
    assert answer.json.keys() >= {"HttpError", "Message", "Method", "OrthancError", "OrthancStatus", "Uri"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.json


def test_a_file_is_stored_once(client: Client) -> None:
    data = _file("MR_small.dcm")
    first = client.ask("/instances", "POST", data, Content_Type="application/x-www-form-urlencoded").json
    dataset = pydicom.dcmread(BytesIO(data))
    names = (dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    assert first["ID"] == Named(names).hashed_id
    assert client.ask(first["Path"]).json["ParentSeries"] == first["ParentSeries"]
    assert first["Status"] == "Success"
    assert client.ask("/instances", "POST", data).json == first | {"Status": "AlreadyStored"}
    assert client.ask(first["Path"], "DELETE").json == {"RemainingAncestor": None}


def test_another_object_under_a_uid_that_is_kept_is_refused(client: Client) -> None:
    data = _file(_CT)
    client.ask("/instances", "POST", data)
    other = data[:-2] + b"\1\1"
    assert "another object" in failed(client.ask("/instances", "POST", other), 409)["Message"]


def test_a_form_with_files_is_stored(client: Client) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.dcm"\r\n\r\n' + _file(_CT) + b"\r\n--x--\r\n"
    (stored,) = client.ask("/instances", "POST", body, Content_Type="multipart/form-data; boundary=x").json
    assert client.ask(stored["Path"]).status == 200


def test_of_an_archive_what_is_refused_is_told_and_the_rest_is_kept(client: Client) -> None:
    kept, broken = _file("MR_small.dcm"), _file(_CT)[:2_000]
    answer = client.ask("/instances", "POST", _zip({"a.dcm": kept, "b.dcm": broken, "c.txt": b"text"}))
    message = failed(answer, 400)["Message"]
    assert "b.dcm" in message
    assert "1 others are kept" in message
    assert find(client, "Instance", SOPInstanceUID=pydicom.dcmread(BytesIO(kept)).SOPInstanceUID)


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"\0" * 200, b"PK\3\4 no archive" + b"\0" * 200, b"\0" * 128 + b"DICM"]
)
def test_what_is_no_dicom_file_is_refused(client: Client, body: bytes) -> None:
    failed(client.ask("/instances", "POST", body), 400)


def test_a_list_is_cut_by_since_and_limit(client: Client) -> None:
    everything = client.ask("/instances").json
    assert client.ask("/instances?since=1&limit=2").json == everything[1:3]
    assert client.ask("/instances?since=1000&limit=2").json == []
    assert client.ask("/instances?limit=0").json == []
    expanded = client.ask("/instances?expand&limit=2").json
    assert [one["ID"] for one in expanded] == everything[:2]
    assert client.ask("/instances?expand=false&limit=2").json == everything[:2]
    failed(client.ask("/instances?limit=-1"), 400)
    failed(client.ask("/instances?since=x"), 400)
    failed(client.ask("/studies?full"), 400)


def test_what_stands_above_and_below_is_told(client: Client, ct: str) -> None:
    instance = client.ask(f"/instances/{ct}").json
    series = client.ask(f"/instances/{ct}/series").json
    assert series["ID"] == instance["ParentSeries"]
    study = client.ask(f"/series/{series['ID']}/study").json
    assert client.ask(f"/instances/{ct}/study").json == study
    patient = client.ask(f"/instances/{ct}/patient").json
    assert patient["Studies"] == [study["ID"]]
    below = client.ask(f"/patients/{patient['ID']}/instances").json
    assert [one["ID"] for one in below if one["ParentSeries"] == series["ID"]] == series["Instances"]
    others = client.ask(f"/studies/{study['ID']}/series?expand=false").json
    assert series["ID"] in others
    assert {one["ParentSeries"] for one in below} == set(others)


def test_a_file_comes_as_it_was_stored_and_is_not_shown(client: Client, ct: str) -> None:
    answer = client.ask(f"/instances/{ct}/file")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"].startswith("application/dicom")
    assert pydicom.dcmread(BytesIO(answer.body)).Modality == "CT"
    part = client.ask(f"/instances/{ct}/file", Range="bytes=128-131")
    assert (part.status, part.body) == (206, b"DICM")


def test_an_archive_holds_what_is_stored(client: Client) -> None:
    (study,) = find(client, "Study", PatientID="DEMO-CT")
    answer = client.ask(f"/studies/{study}/archive")
    assert answer.headers["content-disposition"] == f'attachment; filename="{study}.zip"'
    with zipfile.ZipFile(BytesIO(answer.body)) as archive:
        assert len(archive.namelist()) == 4  # two pictures, their segmentation and the report
        assert archive.testzip() is None


def test_values_are_had_one_by_one(client: Client) -> None:
    identifier = client.ask("/instances", "POST", _file(_CT)).json["ID"]
    path = f"/instances/{identifier}/content"
    assert {"0010-0010", "0010-1002", "7fe0-0010"} <= set(client.ask(path).json)
    assert client.ask(f"{path}/PatientName").body == b"CompressedSamples^CT1 "
    assert client.ask(f"{path}/0010-1002").json == ["0", "1"]
    assert client.ask(f"{path}/0010-1002/1").json == ["0010-0020", "0010-0022"]
    assert client.ask(f"{path}/0010-1002/1/0010-0020").body == b"1234ABCD"
    assert len(client.ask(f"{path}/PixelData").body) == 128 * 128 * 2
    for wrong in ("0010-1111", "0010-1002/2", "0010-1002/1/0010-0010", "PatientName/0", "PatientName/0/0010-0010"):
        failed(client.ask(f"{path}/{wrong}"), 404)
    for wrong in ("NoSuchName", "0010-1002/x", quote("../../x", safe="")):
        failed(client.ask(f"{path}/{wrong}"), 400)


def test_pictures_are_png_or_jpeg(client: Client, ct: str) -> None:
    (us,) = find(client, "Instance", Modality="US")
    assert client.ask(f"/instances/{ct}/preview").headers["content-type"] == "image/png"
    assert client.ask(f"/instances/{ct}/preview", Accept="image/jpeg").body.startswith(b"\xff\xd8")
    frames = client.ask(f"/instances/{us}/frames").json
    first, last = (client.ask(f"/instances/{us}/frames/{number}/preview") for number in (frames[0], frames[-1]))
    assert (first.status, last.status) == (200, 200)
    assert first.body != last.body
    failed(client.ask(f"/instances/{us}/frames/{len(frames)}/preview"), 404)


def test_metadata_tell_what_the_archive_knows(client: Client, ct: str) -> None:
    path = f"/instances/{ct}/metadata"
    assert client.ask(path).json == ["ReceptionDate", "SopClassUid", "TransferSyntax"]
    told = client.ask(f"{path}?expand").json
    answer = client.ask(f"{path}/TransferSyntax")
    assert (answer.body.decode(), answer.headers["content-type"]) == (
        told["TransferSyntax"],
        "text/plain; charset=utf-8",
    )
    failed(client.ask(f"{path}/Nothing"), 404)


def test_what_has_an_identifier_is_looked_up(client: Client) -> None:
    (study,) = find(client, "Study", PatientID="DEMO-CT")
    told = client.ask(f"/studies/{study}").json
    for text, kind in (
        (told["MainDicomTags"]["StudyInstanceUID"], "Study"),
        (told["MainDicomTags"]["AccessionNumber"], "Study"),
        (told["PatientMainDicomTags"]["PatientID"], "Patient"),
    ):
        (found,) = client.ask("/tools/lookup", "POST", text.encode()).json
        assert (found["Type"], client.ask(found["Path"]).json["ID"]) == (kind, found["ID"])
    assert client.ask("/tools/lookup", "POST", b"nobody").json == []


def test_a_search_within_something_finds_what_belongs_to_it(client: Client) -> None:
    (study,) = find(client, "Study", PatientID="DEMO-CT")
    asked = {"Level": "Instance", "Query": {}, "ParentStudy": study}
    found = client.ask("/tools/find", "POST", json.dumps(asked).encode()).json
    assert sorted(found) == sorted(find(client, "Instance", PatientID="DEMO-CT"))
    failed(client.ask("/tools/find", "POST", json.dumps(asked | {"ParentStudy": "0"}).encode()), 404)


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {"Level": "Visit", "Query": {}},
        {"Level": "Study", "Query": []},
        {"Level": "Study", "Query": {"PatientID": 1}},
        {"Level": "Study", "Query": {"NoSuchName": "x"}},
        {"Level": "Study", "Query": {"StudyDate": "tomorrow"}},
        {"Level": "Study", "Query": {"InstanceCreationDate": "20200101"}},
        {"Level": "Study", "Query": {f"0099{number:04x}": "" for number in range(1_000)}},
        {"Level": "Study", "Query": {}, "OrderBy": []},
        {"Level": "Study", "Query": {}, "Limit": -1},
        {"Level": "Study", "Query": {}, "Since": "0"},
        {"Level": "Series", "Query": {}, "Labels": ["a"]},
        {"Level": "Study", "Query": {}, "Labels": ["a"], "LabelsConstraint": "None"},
    ],
)
def test_a_search_that_would_find_something_else_is_refused(client: Client, asked: object) -> None:
    failed(client.ask("/tools/find", "POST", json.dumps(asked).encode()), 400)


def test_a_body_that_is_none_is_refused(client: Client) -> None:
    failed(client.ask("/tools/find", "POST", b"{"), 400)
    failed(client.ask("/tools/find", "POST", b"[" * 100_000), 400)
    failed(client.ask("/tools/find", "POST", b" " * (2 << 20)), 413)


def test_a_removal_tells_what_is_left(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(config(tmp_path_factory.mktemp("removal"))) as client:
        for file in demo_files(slices=2):
            client.ask("/instances", "POST", file)
        first, second = find(client, "Instance", Modality="CT")
        series = client.ask(f"/instances/{first}").json["ParentSeries"]
        study = client.ask(f"/series/{series}").json["ParentStudy"]
        left = client.ask(f"/instances/{first}", "DELETE").json["RemainingAncestor"]
        assert left == {"ID": series, "Path": f"/series/{series}", "Type": "Series"}
        failed(client.ask(f"/instances/{first}"), 404)
        failed(client.ask(f"/instances/{first}", "DELETE"), 404)
        left = client.ask(f"/series/{series}", "DELETE").json["RemainingAncestor"]
        assert left == {"ID": study, "Path": f"/studies/{study}", "Type": "Study"}
        assert client.ask(f"/studies/{study}", "DELETE").json == {"RemainingAncestor": None}
        failed(client.ask(f"/instances/{second}/file"), 404)
        for patient in client.ask("/patients").json:
            client.ask(f"/patients/{patient}", "DELETE")
        assert client.ask("/statistics").json["CountInstances"] == 0


def test_a_page_of_another_origin_changes_nothing(client: Client, ct: str) -> None:
    for method, path in (("DELETE", f"/instances/{ct}"), ("POST", "/instances"), ("POST", "/tools/find")):
        assert client.ask(path, method, b"", Sec_Fetch_Site="cross-site").status == 403
    assert client.ask(f"/instances/{ct}").status == 200


def test_a_browser_is_shown_pages_and_programs_resources(client: Client) -> None:
    (study,) = find(client, "Study", PatientID="DEMO-CT")
    uid = client.ask(f"/studies/{study}").json["MainDicomTags"]["StudyInstanceUID"]
    html = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert client.ask(f"/studies/{uid}").headers["content-type"].startswith("text/html")
    assert client.ask(f"/studies/{study}", Accept=html).json["ID"] == study
    assert client.ask("/studies", Accept=html).json == client.ask("/studies").json
    assert client.ask("/system", Accept=html).headers["content-type"].startswith("text/html")
    assert client.ask("/system").json["DicomAet"] == "PACS_SCP"
    assert client.ask("/", Accept="*/*").headers["content-type"].startswith("text/html")


def test_what_is_not_served_is_told_in_the_same_form(client: Client, ct: str) -> None:
    failed(client.ask(f"/instances/{ct}/nothing"), 404)
    failed(client.ask("/tools/reset", "POST", b""), 404)
    failed(client.ask(f"/instances/{ct}", "PUT", b""), 405)


@pytest.mark.parametrize("level", ["patients", "studies", "series", "instances"])
@pytest.mark.parametrize(
    "identifier",
    [
        *("x", "0" * 44, "-".join(["0" * 8] * 5), "-".join(["F" * 8] * 5), "-".join(["0" * 8] * 6)),
        *("..%2f..%2fetc", "%00", "%2e%2e", "'%20OR%201=1", "%F0%9F%98%80", "a" * 4_000, "%0d%0aSet-Cookie:x"),
    ],
)
def test_no_identifier_but_a_known_one_leads_anywhere(client: Client, level: str, identifier: str) -> None:
    answer = client.ask(f"/{level}/{identifier}")
    assert answer.status in {400, 404}
    assert "set-cookie" not in answer.headers
    for path in ("file", "archive", "tags"):
        assert client.ask(f"/{level}/{identifier}/{path}").status in {400, 404}


def test_it_can_be_turned_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = config(tmp_path_factory.mktemp("off"), HttpConfig(port=0, orthanc_api=False))
    with serving(settings, records()) as client:
        paths = {endpoint.path.replace("{id}", "-".join(["0" * 8] * 5)) for endpoint in ENDPOINTS}
        paths -= pages.ADDRESSES
        assert {path: client.ask(path).status for path in paths} == dict.fromkeys(paths, 404)
        assert client.ask("/system").headers["content-type"].startswith("text/html")
        assert client.ask("/instances", "POST", _file(_CT)).status == 404


def _file(name: str) -> bytes:
    with open(str(get_testdata_file(name)), "rb") as file:  # noqa: PTH123
        return file.read()


def _zip(members: dict[str, bytes]) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for name, data in members.items():
            written.writestr(name, data)
    return archive.getvalue()
