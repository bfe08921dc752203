"""Reports that the hospital's system told by HL7, as DiagnosticReport resources.

Ref: https://hl7.org/fhir/R4B/diagnosticreport.html; HL7 v2 tables 0123 (status of a result) and FHIR's map of it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from archimage.model.messages import Report
from archimage.services.fhir import values
from archimage.services.fhir.ids import Resource
from archimage.services.reports import MAX_SHOWN, ReportService

KIND: Final = "DiagnosticReport"
_START: Final = "hl7-"
_STATUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys("OIS", "registered"),
    "A": "partial",
    **dict.fromkeys("PR", "preliminary"),
    "F": "final",
    "C": "corrected",
    "X": "cancelled",
}
"""FHIR's statuses by HL7's; any other is unknown."""


class HospitalReports:
    """Finds them, for a study that may be seen; blocks."""

    def __init__(self, reports: ReportService) -> None:
        self._reports = reports

    def number_of(self, name: str) -> int | None:
        """Return the number of the report of an id, None where it is none of these."""
        digits = name.removeprefix(_START)
        is_one = name.startswith(_START) and digits.isascii() and digits.isdigit() and len(digits) < 18
        return int(digits) if is_one else None

    def get(self, number: int) -> Report:
        """Return one; NotFoundError where it is not kept."""
        return self._reports.get(number)

    def of_study(self, study: Resource, patient_id: str) -> Sequence[Resource]:
        """Return the reports of a study, the newest first: by its UID, or its accession number and patient."""
        found = self._reports.find(study_instance_uid=study["id"], accession_number=_accession(study), limit=MAX_SHOWN)
        return [resource(one, study) for one in found if one.patient_id == patient_id]

    def of_patient(self, studies: Sequence[Resource], patient_id: str) -> Sequence[Resource]:
        """Return the reports of a patient that are about these studies of his, the newest first."""
        by_uid = {study["id"]: study for study in studies}
        by_accession = {accession: study for study in studies if (accession := _accession(study))}
        found: list[Resource] = []
        for one in self._reports.find(patient_id=patient_id, limit=MAX_SHOWN):
            study = by_uid.get(one.study_instance_uid) or by_accession.get(one.accession_number)
            if study is not None:
                found.append(resource(one, study))
        return found


def _accession(study: Resource) -> str:
    """Return the accession number of a study, empty without one."""
    return next((str(one["value"]) for one in study["identifier"] if "type" in one), "")


def resource(report: Report, study: Resource) -> Resource:
    """Return a report about a study."""
    made: Resource = {
        "resourceType": KIND,
        "id": f"{_START}{report.id}",
        "status": _STATUSES.get(report.status, "unknown"),
        "code": {"text": values.text(report.title) or "not named"},
        "subject": study["subject"],
        "imagingStudy": [{"reference": f"ImagingStudy/{study['id']}"}],
        "issued": datetime.fromtimestamp(report.received_at, UTC).isoformat(timespec="milliseconds"),
    }
    if number := values.text(report.report_id):
        made["identifier"] = [{"value": number}]
    if author := values.name(report.author):
        made["resultsInterpreter"] = [{"display": author["text"]}]
    if observed := values.day(report.observed_at[:8]):
        made["effectiveDateTime"] = observed
    if text := values.text(report.text):
        made["conclusion"] = text
    return made
