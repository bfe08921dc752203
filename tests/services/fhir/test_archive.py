"""Patients, studies and reports as resources, over a real index: who is who, and who sees what."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from fhir.resources.R4B import get_fhir_model_class

from archimage.errors import InvalidRequestError, NotAuthorisedError, NotFoundError
from archimage.index.fhir import FhirTable, StudyArrivalTable
from archimage.index.hashed import HashedTable
from archimage.index.reports import ReportTable
from archimage.index.sqlite import SqliteIndex
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.messages import Report
from archimage.model.records import InstanceRecord
from archimage.services.fhir.archive import FhirArchive
from archimage.services.fhir.ids import Resource, id_of_patient, is_id
from archimage.services.fhir.reports import FhirReports
from archimage.services.fhir.results import HospitalReports
from archimage.services.fhir.searching import Asked
from archimage.services.orthanc import OrthancService
from archimage.services.query import QueryService
from archimage.services.removal import RemovalService
from archimage.services.reports import ReportService
from archimage.services.visible import VisibleIndex


def record(study: str, received_at: float = 0.0, **values: str) -> InstanceRecord:
    """Return a study of one instance."""
    given = {
        "study_instance_uid": study,
        "series_instance_uid": f"{study}.1",
        "sop_instance_uid": f"{study}.1.1",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "modality": "CT",
        **values,
    }
    return InstanceRecord(given, "1.2.840.10008.1.2.1", f"{study}.dcm", 9, 1, study.encode(), received_at, "MODALITY")


_RECORDS = (
    record("1.1", 100.5, patient_id="P", issuer_of_patient_id="1.2.3", patient_name="Demo^One"),
    record("1.2", 200.5, patient_id="P", issuer_of_patient_id="Ward", patient_name="Demo^Two"),
    record("1.3", 300.5, patient_id="P", patient_name="Demo^Three^^Dr", patient_sex="O"),
    record("1.4", 300.5, patient_name="Demo^Stranger", study_date="20240229", study_time="235960"),
    record(
        *("1.5", 400.5), patient_id="Q", patient_birth_date="20230230", study_date="20240229", study_time="101500.5",
        timezone_offset_from_utc="+0530", series_number="-1", study_description="a\x07b", laterality="L",
        referring_physician_name="=山田^太郎", accession_number="A 1",
    ),
)  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """The index of a few studies."""
    with closing(SqliteIndex(tmp_path / "index.db", durable=False)) as found:
        found.add(list(_RECORDS))
        yield found


@pytest.fixture
def archive(index: SqliteIndex) -> FhirArchive:
    """The use cases over it; nothing is removed here."""
    removal = cast("RemovalService", None)
    queries = QueryService(index)
    return FhirArchive(queries, OrthancService(HashedTable(index), queries, removal, VisibleIndex(index)))


def checked(resource: Resource) -> Any:
    """Assert that a resource is valid; return it."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert is_id(resource["id"])
    return resource


def seen(archive: FhirArchive, *pairs: tuple[str, str]) -> list[str]:
    """Return the ids of the studies that a search finds."""
    return [checked(one)["id"] for one in archive.studies(Asked(pairs)).resources]


def test_one_patient_id_of_three_issuers_is_three_patients(archive: FhirArchive) -> None:
    found = {one["id"]: one["name"][0]["text"] for one in archive.patients(Asked((("identifier", "P"),))).resources}
    assert sorted(found.values()) == ["Dr Three Demo", "One Demo", "Two Demo"]
    for study, issuer, name in (("1.1", "1.2.3", "One"), ("1.2", "Ward", "Two"), ("1.3", "", "Three")):
        patient = checked(archive.patient(id_of_patient("P", issuer)))
        assert name in patient["name"][0]["given"]
        assert seen(archive, ("patient", patient["id"])) == [study]
        assert archive.study(study)["subject"]["reference"] == f"Patient/{patient['id']}"
    assert archive.patients(Asked((("identifier", "urn:oid:1.2.3|P"),))).total == 1
    assert archive.patients(Asked((("identifier", "|P"),))).total == 1
    with pytest.raises(NotFoundError):
        archive.patient(id_of_patient("P", "other"))


def test_a_stranger_without_a_patient_id_is_no_patient(archive: FhirArchive) -> None:
    subject = checked(archive.study("1.4"))["subject"]
    assert subject == {"type": "Patient", "display": "Stranger Demo"}
    assert "Stranger Demo" not in [
        one["name"][0]["text"] for one in archive.patients(Asked(())).resources if "name" in one
    ]


def test_what_does_not_fit_is_left_out(archive: FhirArchive) -> None:
    odd = checked(archive.study("1.5"))
    assert odd["started"] == "2024-02-29T10:15:00.5+05:30"
    assert (odd["description"], odd["referrer"]) == ("ab", {"display": "太郎 山田"})
    assert odd["identifier"][1]["value"] == "A 1"
    assert "number" not in odd["series"][0]
    assert "birthDate" not in checked(archive.patient(id_of_patient("Q", "")))
    assert archive.study("1.4")["started"] == "2024-02-29"


def test_who_was_granted_a_part_finds_that_part(archive: FhirArchive, index: SqliteIndex) -> None:
    reports = _reports(index, archive)
    made = {study: reports.add(_report(study))[0]["id"] for study in ("1.1", "1.5")}
    with callers.under(Grant(within=((Scope(patients=frozenset({"Q"})),),))):
        assert seen(archive) == ["1.5"]
        assert archive.patients(Asked(())).total == 1
        assert [one["id"] for one in reports.search(Asked(())).resources] == [made["1.5"]]
        with pytest.raises(NotFoundError):
            archive.study("1.1")
        with pytest.raises(NotFoundError):
            reports.get(made["1.1"])
        with pytest.raises(InvalidRequestError):
            reports.add(_report("1.1"))
        with pytest.raises(NotAuthorisedError):
            archive.patient(id_of_patient("P", ""))
    assert reports.search(Asked(())).total == 2


def test_studies_that_grew_are_those_of_which_something_came_since(index: SqliteIndex) -> None:
    arrivals = StudyArrivalTable(index)
    assert sorted(arrivals.studies_since(300.5, 10)) == [("1.3", 300.5), ("1.4", 300.5), ("1.5", 400.5)]
    assert arrivals.studies_since(400.6, 10) == []
    assert len(arrivals.studies_since(0, 2)) == 2


def test_what_the_hospital_told_by_hl7_is_a_report_of_its_study(archive: FhirArchive, index: SqliteIndex) -> None:
    reports = _reports(index, archive)
    told = (
        ("1.5", "", "Q", "F"),
        ("", "A 1", "Q", "P"),
        ("", "A 1", "R", "F"),
        ("1.9", "", "Q", "F"),
        ("1.1", "", "P", "?"),
    )
    for place, (uid, accession, patient, status) in enumerate(told):
        names = (f"R{place}", uid, accession, patient, "")
        ReportTable(index).add([Report(1, place, *names, "CT", status, "Demo^Doc", "20240301", 9.0, "text")])
    own = reports.add(_report("1.5"))[0]["id"]
    found = [checked(one) for one in reports.search(Asked((("imaging-study", "ImagingStudy/1.5"),))).resources]
    assert [one["id"] for one in found] == [own, "hl7-2", "hl7-1"]
    assert [one["status"] for one in found] == ["final", "preliminary", "final"]
    assert (found[1]["conclusion"], found[1]["resultsInterpreter"]) == ("text", [{"display": "Doc Demo"}])
    assert reports.get("hl7-2") == (found[1], 9.0)
    for name, value, expected in (
        ("status", "final", [own, "hl7-1"]),
        ("identifier", "R0", ["hl7-1"]),
        ("patient", id_of_patient("Q", ""), [own, "hl7-2", "hl7-1"]),
        ("_id", "hl7-2", ["hl7-2"]),
    ):
        asked = Asked((("imaging-study", "1.5"), (name, value)))
        assert [one["id"] for one in reports.search(asked).resources] == expected
    of_patient = (("patient", id_of_patient("Q", "")), ("subject", f"Patient/{id_of_patient('Q', '')}"))
    for name, value in of_patient:
        assert [one["id"] for one in reports.search(Asked(((name, value),))).resources] == [own, "hl7-2", "hl7-1"]
    asked = Asked((*of_patient, ("status", "preliminary")))
    assert [one["id"] for one in reports.search(asked).resources] == ["hl7-2"]
    assert reports.search(Asked((*of_patient, ("patient", id_of_patient("P", ""))))).total == 0
    assert reports.search(Asked((("patient", id_of_patient("R", "")),))).total == 0
    assert reports.get("hl7-5")[0]["status"] == "unknown"
    for gone in ("hl7-3", "hl7-4", "hl7-9", "hl7-x", "hl7-"):
        with pytest.raises(NotFoundError):
            reports.get(gone)
    with callers.under(Grant(within=((Scope(patients=frozenset({"P"})),),))):
        assert reports.search(Asked((("imaging-study", "1.5"),))).total == 0
        assert reports.search(Asked(of_patient)).total == 0
        with pytest.raises(NotFoundError):
            reports.get("hl7-1")


def _reports(index: SqliteIndex, archive: FhirArchive) -> FhirReports:
    return FhirReports(FhirTable(index), archive, HospitalReports(ReportService(ReportTable(index))))


def _report(study: str) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "CT"},
        "imagingStudy": [{"reference": f"ImagingStudy/{study}"}],
    }
