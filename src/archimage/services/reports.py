"""Reports that the hospital's system tells: kept beside the studies that they are about."""

from collections.abc import Sequence
from typing import Final

from archimage.errors import NotFoundError
from archimage.message_ports import Reports
from archimage.model.messages import Report

MAX_SHOWN: Final = 1_000


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

    def get(self, report_id: int) -> Report:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(report_id)
        if found is None:
            raise NotFoundError(f"no report {report_id} is kept")
        return found
