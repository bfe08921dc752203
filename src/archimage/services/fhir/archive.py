"""Patients and studies as resources: read, and searched for; as far as whoever asks may see them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.errors import NotFoundError
from archimage.model.attributes import BY_COLUMN, Attribute, Level
from archimage.model.callers import granted
from archimage.model.hashed import is_hashed_id
from archimage.model.ids import is_uid
from archimage.model.query import Condition, Exact, Query, UIDList
from archimage.services.fhir import patients, searching, studies
from archimage.services.fhir.ids import Resource, hashed_part, is_of_issuer
from archimage.services.fhir.searching import Asked, Conditions, Read
from archimage.services.orthanc import OrthancService
from archimage.services.query import QueryService, Row

DOOR: Final = "FHIR"
MAX_INSTANCES: Final = 20_000
"""Instances that one page of studies tells of, unless a single study has more; the rest comes with the next page."""
MAX_STUDIES: Final = 1_000
"""Studies of a patient, the newest, whose reports are looked for."""

PATIENT_PARAMETERS: Final = ("_id", *patients.PARAMETERS)
STUDY_PARAMETERS: Final = (*studies.PARAMETERS, "patient", "subject", "patient.identifier")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what a search finds, and how many matches there are."""

    resources: Sequence[Resource]
    total: int


class FhirArchive:
    """Finds patients and studies; all of it blocks."""

    def __init__(self, queries: QueryService, named: OrthancService) -> None:
        self._queries = queries
        self._named = named

    def patient(self, patient: str) -> Resource:
        """Return a patient; NotFoundError where he is not kept, NotAuthorisedError where he may not be seen."""
        row = self._patient_row(patient)
        if row is None:
            raise NotFoundError("no Patient of this id is kept", next_step="Search with GET /fhir/Patient.")
        return patients.patient(row)

    def patients(self, asked: Asked) -> Found:
        """Search for patients."""
        met = searching.conditions(asked, {**patients.PARAMETERS, "_id": self._only_patients})
        if met is None:
            return Found((), 0)
        order = searching.order(asked.sort, patients.ORDERS)
        conditions = (patients.HAS_ID, *met)
        query = Query(Level.PATIENT, conditions, patients.REQUESTED, order, asked.limit, asked.offset)
        query = self._queries.reviewed(DOOR, query)
        return Found([patients.patient(row) for row in self._rows(query)], self._queries.count(query))

    def study(self, uid: str, *, whole: bool = True) -> Resource:
        """Return a study, whole with its series; NotFoundError where nothing of it is kept that may be seen."""
        only = (Condition(BY_COLUMN["study_instance_uid"], Exact(uid)),)
        rows = self._rows(Query(Level.STUDY, only, studies.REQUESTED)) if is_uid(uid) else ()
        if not rows:
            raise NotFoundError("no ImagingStudy of this id is kept", next_step="Search with GET /fhir/ImagingStudy.")
        return self._told(rows)[0] if whole else studies.study(rows[0], (), {})

    def sees(self, uids: Sequence[str]) -> bool:
        """Tell whether one of these studies, or what is left of them, may be seen; all may by who may see all."""
        if not granted().within:
            return True
        only = Condition(BY_COLUMN["study_instance_uid"], UIDList(tuple(uids)))
        return bool(uids) and self._queries.count(Query(Level.STUDY, (only,))) > 0

    def studies(self, asked: Asked) -> Found:
        """Search for studies; a page may have fewer than it could where they have many instances."""
        query = self._study_query(asked)
        if query is None:
            return Found((), 0)
        total = self._queries.count(query)
        return Found(self._told(_first(self._rows(query))) if asked.limit else (), total)

    def count_studies(self, asked: Asked) -> int:
        """Count studies."""
        query = self._study_query(asked)
        return 0 if query is None else self._queries.count(query)

    def studies_of(self, patient: str) -> Sequence[Resource]:
        """Return the newest studies of a patient that may be seen, without their series; none where he is not kept."""
        only = self._of_patient(patient)
        if only is None:
            return ()
        newest = searching.order("-started", studies.ORDERS)
        rows = self._rows(
            Query(Level.STUDY, only, studies.REQUESTED, newest, min(MAX_STUDIES, self._queries.max_results))
        )
        return [studies.study(row, (), {}) for row in rows]

    def patient_of(self, study: Resource) -> Resource | None:
        """Return the patient of a study, None where he has no id."""
        reference = study["subject"].get("reference", "")
        row = self._patient_row(reference.removeprefix("Patient/")) if reference else None
        return None if row is None else patients.patient(row)

    def identity(self, patient: str) -> tuple[str, str] | None:
        """Return Patient ID and issuer of a patient who is kept, None where none is."""
        row = self._patient_row(patient)
        return None if row is None else (row["patient_id"], row.get("issuer_of_patient_id", ""))

    def _study_query(self, asked: Asked) -> Query | None:
        readers: Mapping[str, Read] = {
            **studies.PARAMETERS,
            "patient": self._of_patient,
            "subject": self._of_patient,
            "patient.identifier": patients.identifier,
        }
        met = searching.conditions(asked, readers)
        if met is None:
            return None
        order = searching.order(asked.sort, studies.ORDERS)
        query = Query(Level.STUDY, met, studies.REQUESTED, order, asked.limit, asked.offset)
        return self._queries.reviewed(DOOR, query)

    def _of_patient(self, value: str) -> Conditions | None:
        """Read a reference to one patient."""
        identity = self.identity(value.removeprefix("Patient/"))
        return None if identity is None else patients.only(*identity)

    def _only_patients(self, value: str) -> Conditions | None:
        """Read the id of one patient."""
        return self._of_patient(value)

    def _patient_row(self, patient: str) -> Row | None:
        """Look a patient up by his id."""
        hashed = hashed_part(patient)
        if not is_hashed_id(hashed):
            return None
        try:
            named = self._named.find(Level.PATIENT, hashed)
        except NotFoundError:
            return None
        same = (Condition(BY_COLUMN["patient_id"], Exact(named.names[0])),)
        rows = self._rows(Query(Level.PATIENT, same, patients.REQUESTED))
        return next((row for row in rows if is_of_issuer(patient, row.get("issuer_of_patient_id", ""))), None)

    def _told(self, rows: Sequence[Row]) -> Sequence[Resource]:
        """Return studies with all that is below them."""
        if not rows:
            return ()
        uids = [row["study_instance_uid"] for row in rows]
        series: dict[str, list[Row]] = defaultdict(list)
        for row in self._below(Level.SERIES, uids, studies.OF_SERIES):
            series[row["study_instance_uid"]].append(row)
        instances: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in self._below(Level.IMAGE, uids, studies.OF_INSTANCES):
            instances[row["study_instance_uid"]][row["series_instance_uid"]].append(row)
        return [studies.study(row, series[uid], instances[uid]) for row, uid in zip(rows, uids, strict=True)]

    def _below(self, level: Level, uids: Sequence[str], requested: tuple[Attribute, ...]) -> Sequence[Row]:
        within = Condition(BY_COLUMN["study_instance_uid"], UIDList(tuple(uids)))
        return self._rows(Query(level, (within,), requested))

    def _rows(self, query: Query) -> Sequence[Row]:
        return [row for page in self._queries.pages(query) for row in page]


def _first(rows: Sequence[Row]) -> Sequence[Row]:
    """Return as many studies as have no more than MAX_INSTANCES together, and one at least."""
    total = 0
    for number, row in enumerate(rows):
        total += int(row.get("number_of_study_related_instances", "0"))
        if number and total > MAX_INSTANCES:
            return rows[:number]
    return rows
