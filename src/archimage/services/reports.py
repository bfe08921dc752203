"""Reports that the hospital's system tells: kept beside the studies that they are about."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from archimage.errors import NotFoundError
from archimage.model.listings import StudySummary
from archimage.model.messages import Report
from archimage.ports.message import Reports

MAX_SHOWN: Final = 1_000
STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "O": "order received",
        "I": "not reported yet",
        "S": "scheduled",
        "A": "in part",
        "P": "preliminary",
        "C": "corrected",
        "R": "not verified",
        "F": "final",
        "X": "cancelled",
        "Y": "no order",
        "Z": "no record",
    }
)
"""What the status of a result means (HL7 table 0123)."""


class ReportService:
    """Keeps and finds reports; all of it blocks."""

    def __init__(self, table: Reports) -> None:
        self._table = table

    def add(self, reports: Sequence[Report]) -> None:
        """Keep reports, each once; durable when this returns."""
        self._table.add(reports)

    def find(
        self, *, study_instance_uid: str = "", accession_number: str = "", patient_id: str = "", limit: int = 100
    ) -> Sequence[Report]:
        """Return the newest: of a study or its accession number, where one of these is given, and of a patient."""
        keys = {"study_instance_uid": study_instance_uid, "accession_number": accession_number}
        return self._table.find(**keys, patient_id=patient_id, limit=min(limit, MAX_SHOWN))

    def of_study(self, study: StudySummary) -> Sequence[Report]:
        """Return the reports about a study that is kept, the newest first: by its UID, or its accession number.

        Those of another patient are left out: accession numbers are not everywhere the only ones of their kind.
        """
        uid, accession = study.study_instance_uid, study.accession_number
        found = self.find(study_instance_uid=uid, accession_number=accession, limit=MAX_SHOWN)
        return [one for one in found if one.patient_id == study.patient_id]

    def get(self, report_id: int) -> Report:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(report_id)
        if found is None:
            raise NotFoundError(f"no report {report_id} is kept")
        return found
