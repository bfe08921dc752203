"""Reports, in the table `report`, and links of patients, in `patient_link`."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, insert, or_, select

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema_messages import patient_link, report
from archimage.model.messages import PatientIdentifier, PatientLink, Report

_FIELDS: Final = (
    "message_id", "position", "report_id", "study_instance_uid", "accession_number", "patient_id",
    "issuer_of_patient_id", "title", "status", "author", "observed_at", "received_at", "text",
)  # fmt: skip
_REPORTS: Final = select(*(report.c[name] for name in _FIELDS), report.c.pk)
_LINKED: Final = ("one_id", "one_issuer", "other_id", "other_issuer")
_LINKS: Final = select(*(patient_link.c[name] for name in _LINKED), patient_link.c.linked_at)


class ReportTable:
    """Implements `ports.message.Reports`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = report.c
        there = exists().where(columns.message_id == bindparam("message"), columns.position == bindparam("place"))
        self._there = Compiled(select(there), database)
        self._insert = Compiled(insert(report).values({name: bindparam(name) for name in _FIELDS}), database)
        study: BindParameter[str] = bindparam("study")
        accession: BindParameter[str] = bindparam("accession")
        patient: BindParameter[str] = bindparam("patient")
        named = and_(study == "", accession == "")
        of_study = and_(study != "", columns.study_instance_uid == study)
        of_accession = and_(accession != "", columns.accession_number == accession)
        wanted = (or_(named, of_study, of_accession), or_(patient == "", columns.patient_id == patient))
        newest = _REPORTS.where(*wanted).order_by(columns.pk.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        self._one = Compiled(_REPORTS.where(columns.pk == bindparam("this")), database)

    def add(self, reports: Sequence[Report]) -> None:
        """Keep reports; those of the same message and position are kept once."""
        with self._database.transaction() as cursor:
            for one in reports:
                if not self._there.rows_of(cursor, message=one.message_id, place=one.position)[0][0]:
                    self._insert.run(cursor, **{name: getattr(one, name) for name in _FIELDS})
        self._database.sync()

    def find(
        self, *, study_instance_uid: str = "", accession_number: str = "", patient_id: str = "", limit: int
    ) -> Sequence[Report]:
        """Return the newest: of a study or its accession number, where one of these is given, and of a patient."""
        keys = {"study": study_instance_uid, "accession": accession_number, "patient": patient_id}
        return [_report(row) for row in self._find.rows(**keys, most=limit)]

    def get(self, report_id: int) -> Report | None:
        """Return one, or None."""
        rows = self._one.rows(this=report_id)
        return _report(rows[0]) if rows else None


class PatientLinkTable:
    """Implements `ports.message.PatientLinks`; of the two the lesser identifier stands first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = patient_link.c
        pair = and_(*(columns[name] == bindparam(f"b_{name}") for name in _LINKED))
        self._there = Compiled(select(exists().where(pair)), database)
        values: dict[str, Any] = {name: bindparam(name) for name in (*_LINKED, "linked_at")}
        self._insert = Compiled(insert(patient_link).values(values), database)
        self._delete = Compiled(delete(patient_link).where(pair), database)
        first = and_(columns.one_id == bindparam("number"), columns.one_issuer == bindparam("issuer"))
        second = and_(columns.other_id == bindparam("number"), columns.other_issuer == bindparam("issuer"))
        newest = columns.pk.desc()
        self._of = Compiled(_LINKS.where(or_(first, second)).order_by(newest), database)
        self._newest = Compiled(_LINKS.order_by(newest).limit(bindparam("most")), database)

    def add(self, link: PatientLink) -> None:
        """Keep a link; it is kept once, whoever stands first."""
        pair = _pair(link.one, link.other)
        with self._database.transaction() as cursor:
            if not self._there.rows_of(cursor, **_keys(pair))[0][0]:
                self._insert.run(cursor, **pair, linked_at=link.linked_at)
        self._database.sync()

    def remove(self, one: PatientIdentifier, other: PatientIdentifier) -> bool:
        """Forget a link; False where there is none."""
        return self._delete.change(**_keys(_pair(one, other))) == 1

    def of(self, patient: PatientIdentifier) -> Sequence[PatientLink]:
        """Return the links of a patient."""
        rows = self._of.rows(number=patient.patient_id, issuer=patient.issuer_of_patient_id)
        return [_link(row) for row in rows]

    def list(self, limit: int) -> Sequence[PatientLink]:
        """Return the newest links."""
        return [_link(row) for row in self._newest.rows(most=limit)]


def _report(row: Sequence[Any]) -> Report:
    return Report(**dict(zip((*_FIELDS, "id"), row, strict=True)))


def _pair(one: PatientIdentifier, other: PatientIdentifier) -> dict[str, object]:
    first, second = sorted((one, other))
    values = (first.patient_id, first.issuer_of_patient_id, second.patient_id, second.issuer_of_patient_id)
    return dict(zip(_LINKED, values, strict=True))


def _keys(pair: dict[str, object]) -> dict[str, object]:
    return {f"b_{name}": value for name, value in pair.items()}


def _link(row: Sequence[Any]) -> PatientLink:
    one_id, one_issuer, other_id, other_issuer, linked_at = row
    return PatientLink(PatientIdentifier(one_id, one_issuer), PatientIdentifier(other_id, other_issuer), linked_at)
