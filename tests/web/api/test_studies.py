"""Lists, data sets, labels and deleting over HTTP."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from archimage.dicom.demo import demo_files
from archimage.services import deletion
from tests.attacks.server import wait_until
from tests.services.archive import records
from tests.web.serving import Client, config, serving
from tests.web.stowing import store

_JOERG = "M%C3%BCl"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of two patients of two studies of three instances."""
    with serving(config(tmp_path_factory.mktemp("studies")), records()) as found:
        yield found


def uids(client: Client, query: str) -> list[str]:
    """Return the studies of a list, in its order."""
    answer = client.ask(f"/api/v1/studies?{query}")
    assert answer.status == 200, answer.json
    return [study["study_instance_uid"] for study in answer.json["items"]]


def test_the_newest_studies_come_first(client: Client) -> None:
    assert uids(client, "") == ["1.3", "1.2", "1.1", "1.0"]


def test_a_page_says_how_many_there_are_in_all(client: Client) -> None:
    page = client.ask("/api/v1/studies?limit=2&offset=1&sort=study_date").json
    assert [study["study_instance_uid"] for study in page["items"]] == ["1.1", "1.2"]
    assert (page["total"], page["limit"], page["offset"]) == (4, 2, 1)
    assert client.ask("/api/v1/studies?limit=0").json["total"] == 4
    assert client.ask("/api/v1/studies?offset=4").json["items"] == []


def test_a_study_is_told_with_counts_and_a_picture(client: Client) -> None:
    assert client.ask("/api/v1/studies/1.2").json == {
        "study_instance_uid": "1.2",
        "patient_id": "P1",
        "patient_name": "Yamada^Tarou=山田^太郎",
        "patient_birth_date": "",
        "patient_sex": "",
        "study_date": "20240103",
        "study_time": "120000",
        "accession_number": "",
        "study_id": "",
        "study_description": "",
        "referring_physician_name": "",
        "modalities": ["CT"],
        "series": 1,
        "instances": 3,
        "labels": [],
        "thumbnail": "/dicom-web/studies/1.2/thumbnail",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"q={_JOERG}", "10"),
        ("q=p1", "32"),
        ("q=nobody", ""),
        ("patient_id=P0", "10"),
        ("patient_name=yam*", "32"),
        ("study_date=20240102-20240103", "21"),
        ("modality=CT&q=p0", "10"),
        ("modality=MR", ""),
        ("sort=-patient_name&limit=1", "3"),
        ("sort=patient_id&limit=3", "012"),
    ],
)
def test_studies_are_searched_filtered_and_sorted(client: Client, query: str, expected: str) -> None:
    assert uids(client, query) == [f"1.{number}" for number in expected]


@pytest.mark.parametrize(
    "query",
    ["sort=colour", "limit=1001", "limit=-1", "offset=x", "colour=red", "study_date=yesterday", "q=" + "a+" * 9],
)
def test_what_cannot_be_asked_for_is_400(client: Client, query: str) -> None:
    answer = client.ask(f"/api/v1/studies?{query}")
    assert answer.status == 400
    assert answer.json["error"]


def test_patients_are_listed_with_their_counts(client: Client) -> None:
    page = client.ask("/api/v1/patients?sort=-patient_name").json
    assert [(one["patient_id"], one["studies"], one["instances"]) for one in page["items"]] == [
        ("P1", 2, 6),
        ("P0", 2, 6),
    ]
    assert client.ask("/api/v1/patients?q=p0").json["total"] == 1


def test_series_and_instances_are_listed_below_their_study(client: Client) -> None:
    (series,) = client.ask("/api/v1/studies/1.0/series").json["items"]
    assert (series["series_instance_uid"], series["modality"], series["instances"]) == ("1.0.1", "CT", 3)
    page = client.ask("/api/v1/studies/1.0/series/1.0.1/instances?limit=2").json
    assert [one["sop_instance_uid"] for one in page["items"]] == ["1.0.1.0", "1.0.1.1"]
    assert (page["total"], page["items"][0]["rows"], page["items"][0]["frames"]) == (3, 512, 1)
    assert client.ask("/api/v1/instances/1.0.1.2").json["series_instance_uid"] == "1.0.1"


@pytest.mark.parametrize(
    "path",
    ["studies/9.9", "studies/9.9/series", "studies/1.0/series/9.9/instances", "instances/9.9", "instances/9/tags"],
)
def test_what_is_not_kept_is_404(client: Client, path: str) -> None:
    assert client.ask(f"/api/v1/{path}").status == 404


def test_labels_are_given_found_counted_and_taken(client: Client) -> None:
    name = quote("für später")
    assert client.ask(f"/api/v1/studies/1.1/labels/{name}", "PUT").json == ["für später"]
    client.ask("/api/v1/studies/1.1/labels/a", "PUT")
    client.ask("/api/v1/studies/1.2/labels/a", "PUT")
    assert client.ask("/api/v1/labels").json == [{"name": "a", "studies": 2}, {"name": "für später", "studies": 1}]
    assert uids(client, "label=a") == ["1.2", "1.1"]
    assert uids(client, f"label=a&label={name}") == ["1.1"]
    assert client.ask("/api/v1/studies/1.1").json["labels"] == ["a", "für später"]
    assert client.ask(f"/api/v1/studies/1.1/labels/{name}", "DELETE").json == ["a"]
    for uid in ("1.1", "1.2"):
        assert client.ask(f"/api/v1/studies/{uid}/labels/a", "DELETE").json == []


@pytest.mark.parametrize(("name", "status"), [("%0A", 400), ("%20", 400), ("a" * 65, 400), ("%e2%80%ae", 400)])
def test_a_label_is_a_short_line_of_plain_text(client: Client, name: str, status: int) -> None:
    assert client.ask(f"/api/v1/studies/1.1/labels/{name}", "PUT").status == status


def test_a_study_that_is_not_kept_gets_no_label(client: Client) -> None:
    assert client.ask("/api/v1/studies/9.9/labels/a", "PUT").status == 404


@pytest.fixture
def stored(client: Client) -> list[str]:
    """Store the demo studies, or what is left of them; return those of CT."""
    assert store(client.port, list(demo_files(slices=2))).status == 200
    return [uid for uid in uids(client, "modality=CT") if uid.startswith("2.25.")]


def test_the_data_set_of_an_instance_is_a_tree(client: Client, stored: list[str]) -> None:
    (series, *_) = client.ask(f"/api/v1/studies/{stored[0]}/series").json["items"]
    path = f"/api/v1/studies/{stored[0]}/series/{series['series_instance_uid']}/instances?limit=1"
    (instance,) = client.ask(path).json["items"]
    found = client.ask(f"/api/v1/instances/{instance['sop_instance_uid']}/tags").json
    assert found["study_instance_uid"] == stored[0]
    elements = {element["keyword"]: element for element in found["elements"]}
    assert elements["Modality"] == {
        "tag": "00080060",
        "keyword": "Modality",
        "name": "Modality",
        "vr": "CS",
        "values": ["CT"],
        "items": [],
        "bulk_data": "",
    }
    assert elements["PixelData"]["values"] == []
    assert elements["PixelData"]["bulk_data"].startswith("/dicom-web/studies/")
    assert isinstance(elements["PatientName"]["values"][0], str)


def test_a_study_is_deleted_at_once_and_told(client: Client, stored: list[str]) -> None:
    answer = client.ask(f"/api/v1/studies/{stored[0]}", "DELETE")
    assert (answer.status, answer.json["studies"]) == (200, 1)
    assert client.ask(f"/api/v1/studies/{stored[0]}").status == 404
    assert client.ask(f"/api/v1/studies/{stored[0]}", "DELETE").status == 404


def test_series_and_instances_are_deleted_too(client: Client, stored: list[str]) -> None:
    (series, *_) = client.ask(f"/api/v1/studies/{stored[0]}/series").json["items"]
    path = f"/api/v1/studies/{stored[0]}/series/{series['series_instance_uid']}"
    (instance, *_) = client.ask(f"{path}/instances").json["items"]
    answer = client.ask(f"/api/v1/instances/{instance['sop_instance_uid']}", "DELETE")
    assert (answer.status, answer.json["instances"]) == (200, 1)
    assert client.ask(path, "DELETE").json["series"] == 1
    assert client.ask(f"{path}/instances").status == 404


def test_what_is_large_is_deleted_as_a_task(client: Client, stored: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "AT_ONCE", 0)
    answer = client.ask(f"/api/v1/studies/{stored[0]}", "DELETE")
    assert answer.status == 202
    assert answer.json["kind"] == "delete"
    assert answer.headers["location"] == f"/api/v1/tasks/{answer.json['id']}"
    assert wait_until(lambda: client.ask(answer.headers["location"]).json["state"] == "done", 20)
    assert client.ask(f"/api/v1/studies/{stored[0]}").status == 404
