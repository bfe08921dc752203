"""Patients, as the hospital's system tells of them: corrected and merged by changes, and linked.

A change is what `services.changes` does for anybody: objects keep what they had before, and the trail tells of it.
One change of this kind is begun at a time, in the order in which they are told.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from archimage.errors import NotFoundError, UnavailableError
from archimage.model.changes import (
    CORRECTABLE,
    Asker,
    ChangeCode,
    ChangeKind,
    ChangeRequest,
    PatientKey,
    PatientRef,
)
from archimage.model.messages import PatientIdentifier, PatientLink
from archimage.ports.change import Changes
from archimage.ports.message import PatientLinks
from archimage.services.changes import ChangeService

MAX_SHOWN: Final = 1_000
_LOOKED_BACK: Final = 100
"""So many changes are looked at for one that was begun before a crash."""
NOTHING_KEPT: Final = "nothing of this patient is kept"
NOTHING_NEW: Final = "nothing of it is new"


class PatientService:
    """Changes patients; all of it blocks."""

    def __init__(self, changes: ChangeService, table: Changes, links: PatientLinks, issuer: str = "") -> None:
        """Have objects without an issuer be those of issuer; where that is empty, of any."""
        self._changes = changes
        self._table = table
        self._links = links
        self._issuer = issuer
        self.told: Callable[[Sequence[PatientIdentifier], str], None] = lambda _patients, _what: None
        """Hears of links, which no change tells of."""

    def find(self, identifiers: Sequence[PatientIdentifier]) -> PatientKey | None:
        """Return the first of these patients of whom something is kept."""
        return next((key for one in identifiers if (key := self._key(one)) is not None), None)

    def update(
        self, identifiers: Sequence[PatientIdentifier], values: Mapping[str, str], asker: Asker, reason: str
    ) -> str:
        """Have what is kept of a patient say what is known of him now; return what was done.

        Raises:
            UnavailableError: another change is at work.
            ServiceError: it cannot be done; see `ChangeService.begin`.
        """
        key = self.find(identifiers)
        if key is None:
            return NOTHING_KEPT
        known = self._table.person(key) or {}
        new = {name: text for name, text in values.items() if known.get(CORRECTABLE[name].column, "") != text}
        if not new:
            return NOTHING_NEW
        return self._begin(ChangeKind.CORRECT_PATIENT, key, asker, reason, attributes=new)

    def merge(
        self,
        before: Sequence[PatientIdentifier],
        after: Sequence[PatientIdentifier],
        values: Mapping[str, str],
        asker: Asker,
        reason: str,
    ) -> str:
        """Have what is kept under the one patient be the other's; return what was done, as `update`.

        Where nothing is kept of the other yet, the first gets his identifier, and what is known of him.
        """
        old, new = self.find(before), self.find(after)
        if old is None:
            return NOTHING_KEPT
        if old == new:
            return NOTHING_NEW
        if new is not None:
            return self._begin(ChangeKind.MERGE, old, asker, reason, into=_ref(new))
        into = after[0]
        named = {"PatientID": into.patient_id, "IssuerOfPatientID": into.issuer_of_patient_id}
        return self._begin(ChangeKind.CORRECT_PATIENT, old, asker, reason, attributes={**values, **named})

    def link(self, one: PatientIdentifier, other: PatientIdentifier, now: float) -> None:
        """Note that two patients are one person; what is kept of them stays as it is."""
        self._links.add(PatientLink(one, other, now))
        self.told((one, other), "they were linked")

    def unlink(self, one: PatientIdentifier, other: PatientIdentifier) -> None:
        """Note that they are two; NotFoundError where nobody has said otherwise."""
        if not self._links.remove(one, other):
            raise NotFoundError("these patients are not linked")
        self.told((one, other), "they are not linked any more")

    def links(self, patient: PatientIdentifier | None = None) -> Sequence[PatientLink]:
        """Return the links of a patient, or the newest of all."""
        return self._links.list(MAX_SHOWN) if patient is None else self._links.of(patient)

    def _key(self, one: PatientIdentifier) -> PatientKey | None:
        key = PatientKey(one.patient_id, one.issuer_of_patient_id)
        if self._table.person(key) is not None:
            return key
        without = PatientKey(one.patient_id)
        if one.issuer_of_patient_id and self._issuer in {"", one.issuer_of_patient_id}:
            return without if self._table.person(without) is not None else None
        others = [] if one.issuer_of_patient_id else self._table.namesakes(one.patient_id)
        return others[0] if len(others) == 1 else None

    def _begin(
        self,
        kind: ChangeKind,
        key: PatientKey,
        asker: Asker,
        reason: str,
        *,
        attributes: Mapping[str, str] | None = None,
        into: PatientRef | None = None,
    ) -> str:
        """Begin a change, unless it was begun before a crash: its reason is its own alone."""
        recent, _ = self._table.list(_LOOKED_BACK, 0)
        begun = next((one for one in recent if one.reason == reason and one.patient == key), None)
        if begun is not None:
            return f"change {begun.number} was begun"
        if self._table.running():
            raise UnavailableError("another change is at work")
        request = ChangeRequest(
            kind, _ref(key), into=into, attributes=attributes or {}, reason=reason, code=ChangeCode.COERCE
        )
        return f"change {self._changes.begin(request, asker).change.number} was begun"


def _ref(key: PatientKey) -> PatientRef:
    return PatientRef(key.patient_id, key.issuer_of_patient_id)
