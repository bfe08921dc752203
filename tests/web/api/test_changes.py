"""Correcting, merging and moving over HTTP: what is asked for is looked at before, and nothing of it is forgotten."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from archimage.config import Config
from archimage.web.api.application import describe
from tests.attacks.datasets import PATIENT_ID, PATIENT_NAME, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, new_uid
from tests.attacks.server import wait_until
from tests.web.serving import Answer, Client, config, serving
from tests.web.stowing import image

A, B = {"patient_id": "A"}, {"patient_id": "B"}


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Where the archive is."""
    return config(tmp_path_factory.mktemp("changes"))


@pytest.fixture
def client(settings: Config) -> Iterator[Client]:
    """A server of two patients: A has two studies, of two images and of one, B has one."""
    with serving(settings) as found:
        for patient, study, images in (("A", 1, 2), ("A", 2, 1), ("B", 3, 1)):
            for _ in range(images):
                put(found, patient, f"1.2.3.{study}")
        yield found


def put(client: Client, patient: str, study: str) -> None:
    """Upload an image."""
    replaced = {
        PATIENT_ID: patient.encode(),
        PATIENT_NAME: f"Demo^{patient}".encode(),
        STUDY_INSTANCE_UID: study.encode(),
        SERIES_INSTANCE_UID: f"{study}.1".encode(),
    }
    file = image(new_uid(), replaced=replaced)
    assert client.ask("/api/v1/upload", "POST", file, Content_Type="application/dicom").status == 200


def send(client: Client, path: str, body: Any = None, **headers: str) -> Answer:
    """Send a request that may change something."""
    data = b"" if body is None else json.dumps(body).encode()
    return client.ask(f"/api/v1/changes{path}", "POST", data, Content_Type="application/json", **headers)


def correct(**attributes: str | None) -> dict[str, Any]:
    """Ask for the correction of patient A."""
    return {"kind": "correct-patient", "patient": A, "attributes": attributes, "reason": "typing error"}


def ended(client: Client, number: int) -> Any:
    """Wait for the end of a change; return its trail."""

    def told() -> Any:
        return client.ask(f"/api/v1/changes/{number}").json

    assert wait_until(lambda: told()["change"]["state"] != "running", 20)
    return told()


def names(client: Client) -> list[str]:
    """Return the patients' names, and how many studies each has."""
    return [f"{one['patient_name']} {one['studies']}" for one in client.ask("/api/v1/patients").json["items"]]


def test_a_correction_is_looked_at_done_and_told(client: Client) -> None:
    body = correct(PatientName="Demo^Corrected", PatientSex="F", PatientComments=None)
    shown = send(client, "/preview", body)
    assert (shown.status, shown.json["objects"], shown.json["obstacle"]) == (200, 3, "")
    assert [one["old_values"] for one in shown.json["studies"]] == [{"PatientName": "Demo^A"}] * 2
    assert names(client) == ["Demo^A 2", "Demo^B 1"]
    begun = send(client, "", body, User_Agent="a test")
    assert begun.status == 202
    assert begun.headers["location"] == f"/api/v1/changes/{begun.json['change']['number']}"
    trail = ended(client, begun.json["change"]["number"])
    assert (trail["change"]["state"], trail["change"]["done"]) == ("done", 3)
    assert trail["change"]["asker"] == {"address": "127.0.0.1", "user_agent": "a test"}
    assert trail["change"]["reason"] == "typing error"
    assert [(one["done"], one["problems"]) for one in trail["studies"]] == [(2, {}), (1, {})]
    assert names(client) == ["Demo^B 1", "Demo^Corrected 2"]
    task = client.ask(f"/api/v1/tasks/{begun.json['task']['id']}").json
    assert (task["kind"], task["state"], task["result"]["completed"]) == ("change", "done", 3)
    found = client.ask("/dicom-web/studies?PatientName=Demo^Corrected&includefield=PatientSex").json
    assert [one["00100040"]["Value"] for one in found] == [["F"], ["F"]]
    (metadata,) = client.ask("/dicom-web/studies/1.2.3.2/metadata").json
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "Demo^Corrected"}]
    assert metadata["04000561"]["Value"][0]["04000565"]["Value"] == ["CORRECT"]


def test_studies_and_series_are_corrected(client: Client) -> None:
    study = {"kind": "correct-study", "study_instance_uid": "1.2.3.1", "reason": "r", "code": "COERCE"}
    begun = send(client, "", study | {"attributes": {"StudyDescription": "Demo chest", "AccessionNumber": "7"}})
    ended(client, begun.json["change"]["number"])
    found = client.ask("/api/v1/studies/1.2.3.1").json
    assert (found["study_description"], found["accession_number"]) == ("Demo chest", "7")
    series = study | {"kind": "correct-series", "series_instance_uid": "1.2.3.1.1"}
    begun = send(client, "", series | {"attributes": {"SeriesDescription": "axial"}})
    ended(client, begun.json["change"]["number"])
    assert client.ask("/api/v1/studies/1.2.3.1/series").json["items"][0]["series_description"] == "axial"


def test_patients_are_merged_and_studies_moved(client: Client) -> None:
    moved = {"kind": "move", "studies": ["1.2.3.1"], "into": B, "reason": "mixed up"}
    warned = send(client, "/preview", moved).json
    assert warned["warnings"] == ["the other patient has another name: Demo^B instead of Demo^A"]
    ended(client, send(client, "", moved).json["change"]["number"])
    assert names(client) == ["Demo^A 1", "Demo^B 2"]
    split = {"kind": "move", "studies": ["1.2.3.3"], "attributes": {"PatientID": "C", "PatientName": "Demo^C"}}
    ended(client, send(client, "", split | {"reason": "split"}).json["change"]["number"])
    assert names(client) == ["Demo^A 1", "Demo^B 1", "Demo^C 1"]
    by_study = {"study_instance_uid": "1.2.3.1"}
    merged = {"kind": "merge", "patient": by_study, "into": A, "reason": "twice"}
    ended(client, send(client, "", merged).json["change"]["number"])
    assert names(client) == ["Demo^A 2", "Demo^C 1"]
    listed = client.ask("/api/v1/changes?limit=2").json
    assert ([one["kind"] for one in listed["items"]], listed["total"]) == (["merge", "move"], 3)
    assert client.ask("/api/v1/changes?study=1.2.3.1").json["total"] == 2
    assert client.ask("/api/v1/changes?offset=2&limit=5").json["items"][0]["number"] == 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (correct(PatientBirthDate="31.1.1970"), 400, "attributes.PatientBirthDate: it is longer than 8 characters"),
        (correct(PatientSex="Q"), 400, "attributes.PatientSex: it is none of F, M, O"),
        (correct(PatientName="Demo^\ud800"), 400, ""),
        (correct(Rows="1"), 400, "attributes.Rows: it is none of PatientID"),
        (correct(), 400, "attributes: name at least one"),
        (correct(PatientName="x") | {"reason": " "}, 400, "reason"),
        (correct(PatientName="x") | {"kind": "forget"}, 400, "forget"),
        (correct(PatientName="x") | {"more": 1}, 400, "more"),
        (correct(PatientName="x") | {"patient": {"patient_id": "Z"}}, 404, "no patient of this Patient ID"),
        (correct(PatientID="B"), 409, "Patient ID B is that of Demo^B already"),
        ({"kind": "merge", "patient": A, "into": A, "reason": "r"}, 409, "they belong to this patient already"),
        ({"kind": "move", "studies": ["1.2.3.1"], "reason": "r"}, 400, "name either into"),
        ({"kind": "move", "studies": ["1.2.3.1", "1.2.3.3"], "into": B, "reason": "r"}, 400, "several patients"),
        ({"kind": "move", "studies": ["9.9"], "into": B, "reason": "r"}, 404, "no study 9.9 is kept"),
        ({"kind": "move", "studies": ["x"], "into": B, "reason": "r"}, 400, "studies"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(client: Client, body: Any, status: int, words: str) -> None:
    answer = send(client, "", body)
    assert answer.status == status, answer.body
    assert set(answer.json) == {"error", "next"}
    assert words in answer.json["error"]
    assert client.ask("/api/v1/changes").json["total"] == 0
    assert names(client) == ["Demo^A 2", "Demo^B 1"]


def test_a_change_of_another_number_is_not_there(client: Client) -> None:
    for path in ("/cancel", "/resume"):
        assert send(client, f"/7{path}").status == 404
    assert client.ask("/api/v1/changes/7").status == 404
    assert client.ask("/api/v1/changes/0").status == 400
    assert client.ask("/api/v1/changes?study=x").status == 400


def test_a_change_that_is_done_is_neither_cancelled_nor_resumed(client: Client) -> None:
    number = send(client, "", correct(PatientName="Demo^Corrected")).json["change"]["number"]
    ended(client, number)
    for path, words in (("cancel", "has ended already"), ("resume", "is done")):
        answer = send(client, f"/{number}/{path}")
        assert (answer.status, words in answer.json["error"]) == (409, True)


def test_no_page_of_another_origin_changes_anything(client: Client) -> None:
    for path in ("", "/preview", "/1/cancel", "/1/resume"):
        answer = send(client, path, correct(PatientName="x"), Origin="https://evil.example")
        assert (answer.status, answer.json["error"]) == (400, "the page that asks is of another origin")
    assert client.ask("/api/v1/changes").json["total"] == 0


def test_names_stand_in_the_trail_and_never_in_the_log(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    ended(client, send(client, "", correct(PatientName="Demo^Secret")).json["change"]["number"])
    send(client, "", correct(PatientID="B"))
    written = capfd.readouterr()
    assert "Demo^" not in written.out + written.err


def test_every_kind_is_described() -> None:
    schema = describe().openapi()
    body = schema["paths"]["/api/v1/changes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["discriminator"]["mapping"]) == {
        *("correct-patient", "correct-study", "correct-series", "merge", "move")
    }
