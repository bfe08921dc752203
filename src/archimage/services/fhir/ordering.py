"""Orders kept in the worklist: made, changed, read and searched for, as far as whoever asks may see them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from archimage.errors import ConflictError, InvalidQueryError, InvalidRequestError, NotFoundError
from archimage.model.worklist import StepState, WorklistItem
from archimage.services.datasets import text
from archimage.services.fhir import orders, searching, values
from archimage.services.fhir.archive import FhirArchive, Found
from archimage.services.fhir.ids import Resource, id_of_patient
from archimage.services.fhir.searching import Asked
from archimage.services.worklist import MAX_SHOWN, WorklistFilter, WorklistService
from archimage.services.worklist_entries import ACCESSION_NUMBER, PATIENT_ID, STUDY_UID, key_of
from archimage.services.worklist_files import check_changeable

SOURCE: Final = "fhir"
KIND: Final = "ServiceRequest"
PARAMETERS: Final = ("_id", "identifier", "patient", "subject", "patient.identifier", "status", "occurrence", "intent")
_Test = Callable[[WorklistItem], bool]


class FhirOrders:
    """Does it; all of it blocks."""

    def __init__(self, worklist: WorklistService, archive: FhirArchive) -> None:
        self._worklist = worklist
        self._archive = archive

    def get(self, order: str) -> tuple[Resource, float]:
        """Return an order, and when it was last changed; NotFoundError where it is not kept."""
        item = self._item(order)
        return orders.resource(item), item.changed_at

    def add(self, order: Resource) -> tuple[Resource, float]:
        """Keep a new order, whose validity was checked; durable when this returns.

        Raises:
            InvalidRequestError: it lacks what modalities must be told.
            ConflictError: there is one of its accession number.
            NotFoundError: it is for a patient whom it refers to, and who is not kept.
        """
        if orders.state_of(order) is not StepState.SCHEDULED:
            raise InvalidRequestError("a new order is active")
        model = orders.entry(order, self._patient(order))
        key = key_of(model)
        accession = text(model, ACCESSION_NUMBER)
        if accession and self._is_kept(accession):
            raise ConflictError(
                "an order of this accession number is kept already",
                next_step="Change it with PUT, or send If-None-Exist.",
            )
        item = self._worklist.put(model, source=SOURCE, key=key)
        return orders.resource(item), item.changed_at

    def change(self, order: str, changed: Resource) -> tuple[Resource, float]:
        """Change an order, or where it stands; what the resource does not tell stays.

        Raises:
            NotFoundError: it is not kept.
            ConflictError: it is not to be changed here.
        """
        before = self._item(order)
        check_changeable(before)
        state = orders.state_of(changed)
        model = orders.entry(changed, self._patient(changed), before.model)
        item = self._worklist.put(model, source=before.source, key=before.key)
        if orders.STATUSES[item.state] != orders.STATUSES[state]:
            item = self._worklist.set_state(before.key, state)
        return orders.resource(item), item.changed_at

    def search(self, asked: Asked) -> Found:
        """Search for orders, the last to start first."""
        if asked.sort:
            raise InvalidQueryError("orders come with the last to start first, and are not sorted otherwise")
        tests, narrowed = self._tests(asked.pairs)
        if tests is None:
            return Found((), 0)
        if not tests:
            listed, total = self._worklist.list(narrowed, offset=asked.offset, limit=asked.limit)
            return Found([orders.resource(item) for item in listed], total)
        named = [value for name, value in asked.pairs if name == "_id"]
        items: Iterable[WorklistItem] = self._named(named[0]) if named else self._all(narrowed)
        found = [item for item in items if all(test(item) for test in tests)]
        page = found[asked.offset : asked.offset + asked.limit]
        return Found([orders.resource(item) for item in page], len(found))

    def _item(self, order: str) -> WorklistItem:
        for key in orders.keys_of(order):
            with suppress(NotFoundError):
                return self._worklist.get(key)
        raise NotFoundError("no ServiceRequest of this id is kept", next_step="Search with GET /fhir/ServiceRequest.")

    def _named(self, value: str) -> Iterator[WorklistItem]:
        """Yield entries by their ids: whether one of many meets a search is asked again and again."""
        for order in searching.split(value):
            with suppress(NotFoundError):
                yield self._item(order)

    def _is_kept(self, accession: str) -> bool:
        narrowed = WorklistFilter(text=accession)
        return any(text(item.model, ACCESSION_NUMBER) == accession for item in self._all(narrowed))

    def _all(self, wanted: WorklistFilter) -> Iterator[WorklistItem]:
        offset = 0
        while page := self._worklist.list(wanted, offset=offset, limit=MAX_SHOWN)[0]:
            yield from page
            offset += len(page)

    def _tests(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[_Test] | None, WorklistFilter]:
        """Return what an entry must meet, None where nothing can, and what narrows them down."""
        tests: list[_Test] = []
        part, dates = "", ""
        for name, value in pairs:
            if name == "occurrence":
                dates = _dates(value)
                continue
            if name == "intent":
                if "order" not in searching.split(value):
                    return None, WorklistFilter()
                continue
            read = self._readers[name]
            test, found = read(self, value)
            if test is None:
                return None, WorklistFilter()
            tests.append(test)
            part = part or found
        return tests, WorklistFilter(dates=dates, text=part)

    def _by_id(self, value: str) -> tuple[_Test | None, str]:
        wanted = set(searching.split(value))
        return (lambda item: orders.id_of(item.key) in wanted), ""

    def _by_identifier(self, value: str) -> tuple[_Test | None, str]:
        tokens = [searching.token(one)[1] for one in searching.split(value)]
        uids = {one.removeprefix(values.OID) for one in tokens}
        part = tokens[0] if len(tokens) == 1 and not tokens[0].startswith(values.OID) else ""
        return (lambda item: text(item.model, ACCESSION_NUMBER) in tokens or text(item.model, STUDY_UID) in uids), part

    def _by_patient(self, value: str) -> tuple[_Test | None, str]:
        wanted = value.removeprefix("Patient/")
        return (lambda item: id_of_patient(text(item.model, PATIENT_ID), "") == wanted.partition(".")[0]), ""

    def _by_patient_id(self, value: str) -> tuple[_Test | None, str]:
        tokens = [searching.token(one)[1] for one in searching.split(value)]
        return (lambda item: text(item.model, PATIENT_ID) in tokens), tokens[0] if len(tokens) == 1 else ""

    def _by_status(self, value: str) -> tuple[_Test | None, str]:
        wanted = {searching.token(one)[1] for one in searching.split(value)}
        return (lambda item: orders.STATUSES[item.state] in wanted), ""

    _readers: Final[Mapping[str, Callable[["FhirOrders", str], tuple[_Test | None, str]]]] = {
        "_id": _by_id,
        "identifier": _by_identifier,
        "patient": _by_patient,
        "subject": _by_patient,
        "patient.identifier": _by_patient_id,
        "status": _by_status,
    }

    def _patient(self, order: Resource) -> Mapping[str, str]:
        """Return the fields of whom an order is for: a contained Patient, one who is kept, or one by identifier."""
        subject = order.get("subject", {})
        reference = str(subject.get("reference", ""))
        if reference.startswith("#"):
            contained = [one for one in order.get("contained", ()) if one.get("id") == reference[1:]]
            if not contained or contained[0].get("resourceType") != "Patient":
                raise InvalidRequestError("the order refers to a contained Patient that it does not contain")
            return orders.patient_fields(contained[0])
        if value := subject.get("identifier", {}).get("value"):
            name = {"text": subject.get("display", "")}
            return orders.patient_fields({"identifier": [{"value": value}], "name": [name]})
        if reference.startswith("Patient/"):
            with suppress(NotFoundError):
                return orders.patient_fields(self._archive.patient(reference.removeprefix("Patient/")))
        raise InvalidRequestError(
            "subject must refer to a Patient who is kept here, contain one, or tell his identifier and name"
        )


def _dates(value: str) -> str:
    """Return days as the worklist searches for them."""
    days = searching.days(value)
    return days.low or "" if days.low == days.high else f"{days.low or ''}-{days.high or ''}"
