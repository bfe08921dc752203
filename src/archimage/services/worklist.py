"""The modality worklist: what is scheduled, who asks for it, and what has become of it.

Entries come from the API and pages, from files, from HL7 and FHIR; modalities find them by C-FIND, and performed
procedure steps say how they go on.
Ref: PS3.4 Annex K.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from archimage.errors import NotFoundError, OutOfResourcesError
from archimage.model.callers import granted
from archimage.model.query import Exact
from archimage.model.worklist import OPEN, SEARCHED, Sought, StepState, WorklistItem, WorklistQuery, WorklistRow
from archimage.ports.department import Worklist
from archimage.services import scoped, worklist_entries
from archimage.services.datasets import Model, text
from archimage.services.matching import parse_match
from archimage.services.modelmatching import Wanted
from archimage.services.worklist_entries import ACCESSION_NUMBER, PROCEDURE_ID, STEP_ID, STUDY_UID, step_of

MAX_SHOWN: Final = 1_000
_PAGE: Final = 100
_NEVER: Final = 253_402_300_799.0  # the last second of the year 9999
_COUNT_EVERY: Final = 100
_FORGET_EVERY_S: Final = 3_600.0
_BY_COLUMN: Final = {one.column: one for one in SEARCHED}
_ONWARD: Final = tuple(StepState)


@dataclass(frozen=True, slots=True)
class WorklistRules:
    """What the settings say: stations are AE titles by modality, for orders that name none."""

    expire_days: int = 1
    forget_days: int = 30
    max_entries: int = 100_000
    stations: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorklistFilter:
    """What pages and commands list; empty is everything. Dates are a date or a range, as keys of a query have them."""

    state: StepState | None = None
    dates: str = ""
    station: str = ""
    modality: str = ""
    text: str = ""

    @property
    def query(self) -> WorklistQuery:
        """The same as the index knows it; InvalidQueryError where dates are none."""
        conditions = [
            Sought(_BY_COLUMN[column], parse_match(value, _BY_COLUMN[column].vr))
            for column, value in (
                ("start_date", self.dates),
                ("station_ae_title", self.station),
                ("modality", self.modality),
            )
            if value
        ]
        return WorklistQuery(tuple(conditions), () if self.state is None else (self.state,), text=self.text)


class WorklistService:
    """Keeps the worklist; safe to call from any thread, and all of it blocks. now is seconds since 1970."""

    def __init__(
        self, table: Worklist, rules: WorklistRules | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._rules = rules or WorklistRules()
        self._now = now
        self._lock = threading.Lock()
        self._puts = 0
        self._forgotten_at = 0.0
        self.changed: Callable[[str], None] = lambda _key: None
        """Hears of the key of each entry that was put, or of which somebody said where it stands."""

    def put(self, model: Model, *, source: str, key: str = "", lasting: bool = False) -> WorklistItem:
        """Keep an entry, in the place of the one of its key; durable when this returns.

        Without a key it is that of its accession number, requested procedure and step, so that an order that comes
        again is one entry. Identifiers that are missing are made, or are those of the entry that was there. The status
        of its step says where it stands; an entry that has gone on is not set back by that. One that is lasting does
        not expire.

        Raises:
            InvalidRequestError: it lacks what modalities must be told, or a value does not fit its VR.
            NotAuthorisedError: it is not within what is granted.
            OutOfResourcesError: too many are kept.
        """
        key = worklist_entries.check_key(key) if key else worklist_entries.key_of(model)
        with self._lock:
            self._make_room()
            before = self._table.get(key)
            if before is not None:
                scoped.check(before.model)
            kept = worklist_entries.completed(model, {} if before is None else before.model, self._rules.stations)
            worklist_entries.check(kept)
            scoped.check(kept)
            item = self._item(key, kept, source, before)
            if lasting:
                item = replace(item, expires_at=_NEVER)
            if before is None or replace(item, changed_at=before.changed_at) != before:
                columns, description = worklist_entries.columns_of(kept), worklist_entries.description_of(kept)
                self._table.put(WorklistRow(item, columns, description))
        self.changed(item.key)
        return _shown(item)

    def _item(self, key: str, model: Model, source: str, before: WorklistItem | None) -> WorklistItem:
        now = self._now()
        state = worklist_entries.state_of(model) or StepState.SCHEDULED
        if before is not None:
            state = max(state, before.state, key=_ONWARD.index)
        expires_at = worklist_entries.expiry_of(model, self._rules.expire_days, now)
        return WorklistItem(key, model, state, source, now if before is None else before.created_at, now, expires_at)

    def get(self, key: str) -> WorklistItem:
        """Return an entry; NotFoundError where it is not kept, or not within what is granted."""
        found = self._table.get(key)
        if found is None or not scoped.is_shown(found.model):
            raise NotFoundError("the worklist has no entry of this key")
        return _shown(found)

    def remove(self, key: str) -> None:
        """Forget an entry; NotFoundError where it is not kept."""
        self.get(key)
        self._table.remove(key)

    def set_state(self, key: str, state: StepState) -> WorklistItem:
        """Say where an entry stands, whatever it was; NotFoundError where it is not kept."""
        self.get(key)
        self._table.set_state(key, state, self._now())
        self.changed(key)
        return self.get(key)

    def keys_of(self, source: str) -> Sequence[str]:
        """Return the keys of all that came from somewhere."""
        return self._table.keys(source)

    def find(
        self, wanted: Sequence[Wanted], *, fuzzy: bool = False, combined: bool = False
    ) -> Iterator[Sequence[WorklistItem]]:
        """Yield, page by page in the order of their start, what modalities are told: what is open and not expired.

        combined has ranges of start date and start time be one of moments.
        """
        criteria = worklist_entries.criteria_of(wanted, fuzzy=fuzzy, combined=combined)
        sought = tuple(worklist_entries.sought_of(wanted, combined=criteria.moment is not None))
        query, after, now = WorklistQuery(sought, OPEN, fuzzy), None, self._now()
        while page := self._table.find(query, alive_at=now, after=after, limit=_PAGE):
            after = page[-1][0]
            told = (_shown(item) for _, item in page)
            if found := [item for item in told if criteria.passes(item.model) and scoped.is_shown(item.model)]:
                yield found
            if len(page) < _PAGE:
                return

    def mark(self, reference: Model, state: StepState) -> WorklistItem | None:
        """Say where the entry stands that a performed step names; None where it names none, or not a single one.

        reference is an item of its Scheduled Step Attributes Sequence. What is completed stays so.
        """
        found = self._referenced(reference)
        if found is None:
            return None
        if found.state is not StepState.COMPLETED and found.state is not state:
            self._table.set_state(found.key, state, self._now())
            self.changed(found.key)
        marked = self._table.get(found.key)
        return None if marked is None else _shown(marked)

    def _referenced(self, reference: Model) -> WorklistItem | None:
        """Find an entry by its study, or by accession number and step where the modality gave the study another UID."""
        study, accession, step = (text(reference, tag) for tag in (STUDY_UID, ACCESSION_NUMBER, STEP_ID))
        if study and (found := self._candidates("study_uid", study)):
            named = [item for item in found if _agrees(item.model, reference)]
            return named[0] if len(named) == 1 else None
        if not accession or not step:
            return None
        found = self._candidates("accession_number", accession)
        named = [item for item in found if _agrees(item.model, {**reference, f"{STUDY_UID:08X}": {"vr": "UI"}})]
        return named[0] if len(named) == 1 else None

    def _candidates(self, column: str, value: str) -> Sequence[WorklistItem]:
        query = WorklistQuery((Sought(_BY_COLUMN[column], Exact(value)),))
        return self._table.newest(query, offset=0, limit=_PAGE)

    def list(
        self, wanted: WorklistFilter | None = None, *, offset: int = 0, limit: int = 100
    ) -> tuple[Sequence[WorklistItem], int]:
        """Return entries of whatever state and age, the last to start first, and how many there are in all."""
        query, limit = (wanted or WorklistFilter()).query, min(limit, MAX_SHOWN)
        if not granted().within:
            newest = self._table.newest(query, offset=offset, limit=limit)
            return [_shown(item) for item in newest], self._table.count(query)
        shown = [_shown(item) for item in self._newest(query) if scoped.is_shown(item.model)]
        return shown[offset : offset + limit], len(shown)

    def _newest(self, query: WorklistQuery) -> Iterator[WorklistItem]:
        offset = 0
        while page := self._table.newest(query, offset=offset, limit=MAX_SHOWN):
            yield from page
            offset += len(page)

    def _make_room(self) -> None:
        """Forget what has long expired; OutOfResourcesError where there is no room for more."""
        now = self._now()
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._table.forget(now - self._rules.forget_days * 86_400)
        if self._puts % _COUNT_EVERY == 0 and self._table.count(WorklistQuery()) >= self._rules.max_entries:
            raise OutOfResourcesError(f"the worklist has {self._rules.max_entries} entries, and takes no more")
        self._puts += 1


def _shown(item: WorklistItem) -> WorklistItem:
    """Return an entry whose data set says where it stands."""
    return replace(item, model=worklist_entries.shown(item.model, item.state))


def _agrees(model: Model, reference: Model) -> bool:
    """Tell whether whatever a reference names is that of an entry."""
    pairs = [(text(reference, tag), text(model, tag)) for tag in (STUDY_UID, ACCESSION_NUMBER, PROCEDURE_ID)]
    pairs.append((text(reference, STEP_ID), text(step_of(model), STEP_ID)))
    return all(not named or named == kept for named, kept in pairs)
