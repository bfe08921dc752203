"""Reports over HTTP: a DiagnosticReport is kept as it was sent, and found by its studies."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from archimage.dicom.demo import demo_files
from tests.web.fhir.answers import matches, refused, valid
from tests.web.fhir.test_ordering import send
from tests.web.serving import Client, config, serving

PATH = "/fhir/DiagnosticReport"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of the demo images, two slices of each stack."""
    with serving(config(tmp_path_factory.mktemp("reports"))) as found:
        for file in demo_files(slices=2):
            assert found.ask("/instances", "POST", file).status == 200
        yield found


def report(study: str, **changed: Any) -> dict[str, Any]:
    """Return a report of a study."""
    return {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": "urn:demo:reports", "value": "R-1"}],
        "status": "final",
        "code": {"text": "CT of the head"},
        "imagingStudy": [{"reference": f"ImagingStudy/{study}"}],
        "conclusion": "No demo has anything.",
        "presentedForm": [{"contentType": "application/pdf", "data": base64.b64encode(b"%PDF-").decode()}],
        **changed,
    }


def test_a_report_is_kept_and_found_by_its_study_and_patient(client: Client) -> None:
    study = matches(client, "ImagingStudy?modality=CT")[0]
    answer = send(client, report(study["id"]), PATH)
    made = valid(answer, 201)
    assert made["conclusion"] == "No demo has anything."
    assert made["subject"] == study["subject"]
    read = client.ask(f"{PATH}/{made['id']}")
    assert valid(read) == made
    assert client.ask(f"{PATH}/{made['id']}", If_None_Match=read.headers["etag"]).status == 304
    assert read.headers["last-modified"] == answer.headers["last-modified"]
    for asked in (
        f"imaging-study=ImagingStudy/{study['id']}",
        f"imaging-study=urn:oid:{study['id']}",
        f"patient={study['subject']['reference']}&status=final",
        "identifier=urn:demo:reports|R-1",
        f"_id={made['id']}",
        "status=preliminary,final",
        "",
    ):
        assert made["id"] in [one["id"] for one in matches(client, f"DiagnosticReport?{asked}")], asked
    for asked in ("imaging-study=1.2.3", "patient=Patient/other", "status=preliminary", "identifier=R", "_id=other"):
        assert matches(client, f"DiagnosticReport?{asked}") == [], asked
    refused(client.ask("/fhir/DiagnosticReport?_sort=status"), 400)
    refused(client.ask(f"{PATH}/other"), 404)


def test_the_newest_comes_first_a_page_at_a_time(client: Client) -> None:
    study = matches(client, "ImagingStudy?modality=CT")[0]["id"]
    made = [valid(send(client, report(study, identifier=[{"value": f"N-{n}"}]), PATH), 201)["id"] for n in range(3)]
    found = [one["id"] for one in matches(client, f"DiagnosticReport?imaging-study={study}&_count=2")]
    assert found[:3] == made[::-1]


def test_a_report_of_what_is_not_here_is_refused(client: Client) -> None:
    before = valid(client.ask(f"{PATH}?_summary=count"))["total"]
    studies = matches(client, "ImagingStudy")
    one = studies[0]
    other = next(study for study in studies if study["subject"] != one["subject"])
    both = [{"reference": f"ImagingStudy/{study['id']}"} for study in (one, other)]
    for wrong in (
        report("1.2.3"),
        report(one["id"], imagingStudy=[]),
        report(one["id"], imagingStudy=[{"reference": f"http://elsewhere.example/fhir/ImagingStudy/{one['id']}"}]),
        report(one["id"], imagingStudy=[{"display": "a study"}]),
        report(one["id"], imagingStudy=both),
        report(one["id"], imagingStudy=both[:1] * 51),
        report(one["id"], subject=other["subject"]),
        report(one["id"], status="fruit"),
        report(one["id"], code=None),
        report(one["id"], conclusion={"a": 1}),
        report(one["id"], presentedForm="%PDF"),
    ):
        refused(send(client, wrong, PATH), 400)
    assert valid(client.ask(f"{PATH}?_summary=count"))["total"] == before
