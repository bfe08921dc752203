"""Reports of studies: a DiagnosticReport is kept as it was sent, and found by the studies that it is about.

Who may see one of its studies may see a report. Ref: https://hl7.org/fhir/R4B/diagnosticreport.html.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

import orjson

from archimage.errors import (
    InvalidQueryError,
    InvalidRequestError,
    NotAuthorisedError,
    NotFoundError,
    OutOfResourcesError,
)
from archimage.model.fhir import KeptResource
from archimage.ports.fhir import FhirResources
from archimage.services.fhir import searching, values
from archimage.services.fhir.archive import FhirArchive, Found
from archimage.services.fhir.ids import Resource
from archimage.services.fhir.results import KIND, HospitalReports
from archimage.services.fhir.searching import Asked

MAX_KEPT: Final = 100_000
"""Reports that are kept; more are refused."""
MAX_STUDIES: Final = 50
"""Studies that one report is about."""
MAX_PATIENTS: Final = 50
"""Patients of one search, of whom the hospital's reports are looked for."""
PARAMETERS: Final = ("_id", "imaging-study", "patient", "subject", "identifier", "status")
STATUSES: Final = frozenset(
    {
        *("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled"),
        *("entered-in-error", "unknown"),
    }
)
_STUDY: Final = "ImagingStudy/"
_PATIENT: Final = "Patient/"
_OF_PATIENT: Final = frozenset({"patient", "subject"})


class FhirReports:
    """Keeps them; all of it blocks. told hears of the id of each that was kept."""

    def __init__(
        self,
        kept: FhirResources,
        archive: FhirArchive,
        hospital: HospitalReports,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._kept = kept
        self._archive = archive
        self._hospital = hospital
        self._now = now
        self.told: Callable[[str], None] = lambda _id: None

    def add(self, report: Resource) -> tuple[Resource, float]:
        """Keep a report, whose validity was checked; durable when this returns.

        Raises:
            InvalidRequestError: it is about no study that is kept and may be seen, or about the study of somebody else
                than its subject.
            OutOfResourcesError: too many are kept.
        """
        if self._kept.count(KIND) >= MAX_KEPT:
            raise OutOfResourcesError(f"{MAX_KEPT} reports are kept, and no more are taken")
        if report["status"] not in STATUSES:
            raise InvalidRequestError(f"{report['status'][:20]!r} is no status of a report")
        studies = self._studies(report)
        subject = studies[0]["subject"]
        if {one["subject"].get("reference", "") for one in studies} != {subject.get("reference", "")}:
            raise InvalidRequestError("the studies of a report are those of one patient")
        named = str(report.get("subject", {}).get("reference", ""))
        if named.startswith(_PATIENT) and named != subject.get("reference"):
            raise InvalidRequestError("the report is about the studies of somebody else than its subject")
        now = self._now()
        kept: Resource = {"subject": subject, **report, "id": str(uuid4())}
        kept.pop("meta", None)
        words = [_STUDY + one["id"] for one in studies] + [subject.get("reference", "")]
        words += [f"id={one['value']}" for one in report.get("identifier", ()) if " " not in one.get("value", " ")]
        about = f" {'  '.join(filter(None, words))} "
        body = orjson.dumps(kept).decode()
        self._kept.put(KeptResource(KIND, kept["id"], str(report["status"]), about, body, now, now))
        self.told(kept["id"])
        return kept, now

    def get(self, report: str) -> tuple[Resource, float]:
        """Return a report, and when it was kept; NotFoundError where it is not, or may not be seen."""
        if (number := self._hospital.number_of(report)) is not None:
            return self._of_hospital(number)
        found = self._kept.get(KIND, report)
        if found is None or not self._is_shown(found.about):
            raise NotFoundError(
                "no DiagnosticReport of this id is kept", next_step="Search with GET /fhir/DiagnosticReport."
            )
        kept: Resource = orjson.loads(found.body)
        return kept, found.changed_at

    def _of_hospital(self, number: int) -> tuple[Resource, float]:
        report = self._hospital.get(number)
        named = report.study_instance_uid or report.accession_number
        uids = values.OID + named if report.study_instance_uid else named
        studies = self._archive.studies(Asked((("identifier", uids.replace(",", "\\,")),), limit=10)).resources
        found = [one for study in studies for one in self._of_study(study) if one["id"] == f"hl7-{number}"]
        if not found:
            raise NotFoundError("the report is about no study that is kept here and may be seen")
        return found[0], report.received_at

    def _of_study(self, study: Resource) -> Sequence[Resource]:
        """Return what the hospital has told of a study."""
        patient = self._archive.identity(study["subject"].get("reference", "").removeprefix(_PATIENT))
        return () if patient is None else self._hospital.of_study(study, patient[0])

    def _of_patient(self, patient: str) -> Sequence[Resource]:
        """Return what the hospital has told of a patient's studies that may be seen."""
        try:
            identity = self._archive.identity(patient)
        except NotAuthorisedError:
            return ()
        return () if identity is None else self._hospital.of_patient(self._archive.studies_of(patient), identity[0])

    def _told(self, asked: Asked) -> Sequence[Resource]:
        """Return what the hospital has told of the studies, or else of the patient, that a search names."""
        pairs = [(name, set(searching.split(value))) for name, value in asked.pairs]
        uids = [uid for name, wanted in pairs if name == "imaging-study" for uid in wanted]
        found: list[Resource] = []
        for uid in uids[:MAX_STUDIES]:
            with suppress(NotFoundError):
                study = self._archive.study(uid.removeprefix(_STUDY).removeprefix(values.OID), whole=False)
                found += self._of_study(study)
        if not uids:
            people = {one.removeprefix(_PATIENT) for name, wanted in pairs if name in _OF_PATIENT for one in wanted}
            for one in sorted(people)[:MAX_PATIENTS]:
                found += self._of_patient(one)
        return [one for one in found if all(_meets(one, name, wanted) for name, wanted in pairs)]

    def search(self, asked: Asked) -> Found:
        """Search for reports, the newest first; those that the hospital has told come last."""
        if asked.sort:
            raise InvalidQueryError("reports come with the newest first, and are not sorted otherwise")
        found: list[str] | None = None
        for name, value in asked.pairs or (("", ""),):
            keys = self._keys(name, value)
            found = keys if found is None else [key for key in found if key in set(keys)]
        shown: list[str | Resource] = [*(found or ()), *self._told(asked)]
        page = shown[asked.offset : asked.offset + asked.limit]
        return Found([self.get(one)[0] if isinstance(one, str) else one for one in page], len(shown))

    def _keys(self, name: str, value: str) -> list[str]:
        """Return the ids of what meets one parameter, the newest first."""
        if not name:
            rows = self._kept.keys(KIND)
        elif name == "_id":
            wanted = set(searching.split(value))
            rows = [row for row in self._kept.keys(KIND) if row[0] in wanted]
        elif name == "status":
            statuses = [searching.token(one)[1] for one in searching.split(value)]
            rows = [row for status in filter(None, statuses) for row in self._kept.keys(KIND, status=status)]
        else:
            rows = [row for one in searching.split(value) for row in self._kept.keys(KIND, about=_word(name, one))]
        return [key for key, about in dict(rows).items() if self._is_shown(about)]

    def _is_shown(self, about: str) -> bool:
        """Tell whether a study of those that a report is about may be seen."""
        uids = [word.removeprefix(_STUDY) for word in about.split() if word.startswith(_STUDY)]
        return self._archive.sees(uids)

    def _studies(self, report: Resource) -> Sequence[Resource]:
        references = [str(one.get("reference", "")) for one in report.get("imagingStudy", ())]
        if not 0 < len(references) <= MAX_STUDIES:
            raise InvalidRequestError(f"a report refers to 1 to {MAX_STUDIES} studies by imagingStudy")
        try:
            return [self._archive.study(one.removeprefix(_STUDY), whole=False) for one in dict.fromkeys(references)]
        except NotFoundError:
            raise InvalidRequestError("imagingStudy refers to a study that is not kept here") from None


def _meets(report: Resource, name: str, wanted: set[str]) -> bool:
    """Tell whether a report has one of the values that a parameter asks for."""
    if name == "imaging-study":
        return True
    if name in _OF_PATIENT:
        return report["subject"].get("reference") in {_PATIENT + one.removeprefix(_PATIENT) for one in wanted}
    codes = {searching.token(one)[1] for one in wanted}
    if name == "identifier":
        return any(one["value"] in codes for one in report.get("identifier", ()))
    return str(report["id" if name == "_id" else "status"]) in codes


def _word(name: str, value: str) -> str:
    """Return the word by which a parameter finds reports."""
    if name == "imaging-study":
        return _STUDY + value.removeprefix(_STUDY).removeprefix(values.OID)
    if name == "identifier":
        return f"id={searching.token(value)[1]}"
    return _PATIENT + value.removeprefix(_PATIENT)
