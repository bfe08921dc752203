"""Performed procedure steps: made and changed by modalities, asked for by others, told on to whom it concerns.

A change is kept in one transaction with what others are to hear of it. Of two who change a step at the same time each
is heard, one after the other.

Ref: PS3.4 Annex F.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

import orjson

from archimage.errors import ArchimageError, NotFoundError, OutOfResourcesError, RefusedOperationError
from archimage.logger import logger
from archimage.model.deliveries import Delivery
from archimage.model.ids import check_uid
from archimage.model.mpps import (
    Awaited,
    PerformedSeries,
    PerformedStep,
    Reference,
    StepFilter,
    StepKeys,
    StepState,
    StepSummary,
)
from archimage.ports.mpps import PerformedSteps
from archimage.protocol.status import Status
from archimage.services import mpps_rules as rules
from archimage.services import scoped
from archimage.services.datasets import Model, items, text
from archimage.services.deliveries import made

CREATE: Final = "mpps-create"
SET: Final = "mpps-set"
NOTIFY: Final = "mpps-notify"
"""Kinds of deliveries: a step that is made or changed told on as it came, and that its state has changed."""
MAX_SHOWN: Final = 1_000
_PAGE: Final = 10
NOT_UPDATABLE: Final = 0xA710
"""Error ID: the step is final. Ref: PS3.4 Table F.7.2-2."""
_EVENTS: Final[Mapping[StepState, int]] = {
    StepState.IN_PROGRESS: 1,
    StepState.COMPLETED: 2,
    StepState.DISCONTINUED: 3,
}
_UPDATED: Final = 4
_TRIES: Final = 10
_log = logger("dimse")


@dataclass(frozen=True, slots=True)
class Receivers:
    """AE titles of nodes: forward hear of steps as if from the modality, notify that they have changed.

    availability hear once their instances are all here.
    """

    forward: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    availability: tuple[str, ...] = ()


class Listener(Protocol):
    """Hears of a step that was made or has changed, after that is kept; hearing it twice must do no harm."""

    def __call__(self, step: PerformedStep) -> None: ...


class MppsService:
    """Makes, changes, gives and lists performed procedure steps; safe to call from any thread."""

    def __init__(
        self,
        table: PerformedSteps,
        receivers: Receivers,
        wake: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """wake is called once something is to be delivered."""
        self._table = table
        self._receivers = receivers
        self._wake = wake
        self._now = now
        self.listeners: list[Listener] = []
        self.told: Listener = lambda _: None
        """Hears of each change once: the audit trail."""

    def create(self, uid: str, dataset: Model, source_ae_title: str = "") -> PerformedStep:
        """Make a step that is in progress; without a UID it gets one here.

        Raises:
            RefusedOperationError: an attribute is missing or wrong, or there is a step of this UID.
            NotAuthorisedError: it is not within what whoever asks was granted.
        """
        uid = check_uid(uid) if uid else f"2.25.{uuid.uuid4().int}"
        model = rules.created(dataset)
        scoped.check(_about(model))
        now = self._now()
        step = PerformedStep(uid, StepState.IN_PROGRESS, model, source_ae_title, now, now)
        told = [*self._forwarded(CREATE, step, model), *self._events(step, _EVENTS[step.state])]
        if not self._table.add(step, keys_of(model), rules.references(model), told):
            raise RefusedOperationError("there is a step of this UID", status=Status.DUPLICATE_SOP_INSTANCE)
        self._told(step)
        return step

    def change(self, uid: str, changes: Model) -> PerformedStep:
        """Change a step that is in progress.

        Raises:
            NotFoundError: there is no such step.
            RefusedOperationError: it is final, or what is wanted is against the rules; nothing is changed.
            NotAuthorisedError: it is not within what whoever asks was granted.
        """
        for _ in range(_TRIES):
            known = self.get(uid)
            if known.state.is_final:
                message = f"the step is {known.state}, and may no longer be updated"
                raise RefusedOperationError(message, status=Status.PROCESSING_FAILURE, error_id=NOT_UPDATABLE)
            model = rules.changed(known.dataset, changes)
            made_here = rules.references(model)
            step = self._changed(known, model, made_here)
            event = _UPDATED if step.state is known.state else _EVENTS[step.state]
            told = [*self._forwarded(SET, step, changes), *self._events(step, event)]
            if self._table.replace(step, made_here, told):
                self._told(step)
                return step
        raise OutOfResourcesError("others change the step at the same time, again and again")

    def get(self, uid: str) -> PerformedStep:
        """Return a step.

        Raises:
            NotFoundError: there is none.
            NotAuthorisedError: it is not within what whoever asks was granted.
        """
        step = self._table.get(uid)
        if step is None:
            raise NotFoundError("there is no performed procedure step of this UID")
        scoped.check(_about(step.dataset))
        return step

    def find(self, wanted: StepFilter) -> Sequence[StepSummary]:
        """Return the newest steps that are looked for and may be seen; of those that may not, none."""
        most, shown = min(wanted.limit, MAX_SHOWN), list[StepSummary]()
        for steps in self._pages(wanted):
            shown += self._summaries([step for step in steps if scoped.is_shown(_about(step.dataset))])
            if len(shown) >= most:
                break
        return shown[:most]

    def _pages(self, wanted: StepFilter) -> Iterator[Sequence[PerformedStep]]:
        """Yield the newest steps that are looked for, few at once: each may have megabytes."""
        before = wanted.before
        while steps := self._table.find(replace(wanted, before=before, limit=_PAGE)):
            yield steps
            before = steps[-1].id

    def _summaries(self, steps: Sequence[PerformedStep]) -> Sequence[StepSummary]:
        counts = self._table.arrived([one.sop_instance_uid for one in steps])
        arrived = {uid: (count, kept) for uid, count, kept in counts}
        return [_summary(step, *arrived.get(step.sop_instance_uid, (0, 0))) for step in steps]

    def summary(self, uid: str) -> StepSummary:
        """Return a step as lists show it; raises as `get`."""
        step = self.get(uid)
        arrived = [one.kept for one in self._table.arrivals(uid)]
        return _summary(step, len(arrived), sum(arrived))

    def series(self, uid: str) -> Sequence[PerformedSeries]:
        """Return the series of a step, and which of their instances are here; raises as `get`."""
        step = self.get(uid)
        by_series: dict[str, list[tuple[str, bool]]] = {}
        for one in self._table.arrivals(uid):
            reference = one.reference
            by_series.setdefault(reference.series_instance_uid, []).append((reference.sop_instance_uid, one.kept))
        found = {text(item, rules.SERIES_UID): item for item in items(step.dataset, rules.PERFORMED_SERIES)}
        return [_series(series_uid, item, by_series.get(series_uid, ())) for series_uid, item in found.items()]

    def counts(self) -> Mapping[str, int]:
        """Count steps by state."""
        return {state.value: count for state, count in self._table.counts()}

    def remind(self, since: float) -> None:
        """Have those hear again who hear of changes, of what changed since a time: a process may have died before."""
        newest = islice(self._pages(StepFilter()), MAX_SHOWN // _PAGE)
        changed = [(one.changed_at, one.sop_instance_uid) for steps in newest for one in steps]
        for _, uid in sorted(one for one in changed if one[0] >= since):
            if (step := self._table.get(uid)) is not None:
                self._hear(step)

    def _changed(self, known: PerformedStep, model: Model, references: Sequence[Reference]) -> PerformedStep:
        state = rules.state_of(model)
        is_awaited = state.is_final and references and self._receivers.availability
        return replace(
            known,
            state=state,
            dataset=model,
            changed_at=self._now(),
            revision=known.revision + 1,
            awaited=Awaited.WAITING if is_awaited else Awaited.NOT,
        )

    def _forwarded(self, kind: str, step: PerformedStep, dataset: Model) -> Sequence[Delivery]:
        """Return what nodes hear as from the modality, in order for each step; the one that it came from does not."""
        uid, payload, now = step.sop_instance_uid, orjson.dumps(dataset).decode(), self._now()
        receivers = [one for one in self._receivers.forward if one != step.source_ae_title]
        return [made(kind, one, uid, payload, now, lane=f"mpps {one} {uid}") for one in receivers]

    def _events(self, step: PerformedStep, event: int) -> Sequence[Delivery]:
        uid, now = step.sop_instance_uid, self._now()
        return [made(NOTIFY, one, uid, str(event), now, lane=f"{NOTIFY} {one} {uid}") for one in self._receivers.notify]

    def _told(self, step: PerformedStep) -> None:
        self._wake()
        self._hear(step)
        self.told(step)

    def _hear(self, step: PerformedStep) -> None:
        """Tell those who hear of changes; what goes wrong there takes nothing back."""
        for listener in self.listeners:
            try:
                listener(step)
            except ArchimageError as error:
                _log.warning("a step was not heard of", sop_instance_uid=step.sop_instance_uid, reason=str(error))


def keys_of(model: Model) -> StepKeys:
    """Return what of a step can be searched for; of several scheduled steps the first counts."""
    scheduled = next(iter(items(model, rules.SCHEDULED_STEPS)), {})
    return StepKeys(
        patient_id=text(model, 0x00100020),
        accession_number=text(scheduled, 0x00080050),
        study_instance_uid=text(scheduled, rules.STUDY_UID),
        modality=text(model, 0x00080060),
        station_ae_title=text(model, 0x00400241),
        start_date=text(model, 0x00400244),
    )


def _about(model: Model) -> Model:
    """Return a step as access looks at it: with the study of its first scheduled step."""
    scheduled = next(iter(items(model, rules.SCHEDULED_STEPS)), {})
    return model | {"0020000D": scheduled.get("0020000D", {"vr": "UI"})}


def _summary(step: PerformedStep, instances: int, kept: int) -> StepSummary:
    model, keys = step.dataset, keys_of(step.dataset)
    return StepSummary(
        id=step.id,
        sop_instance_uid=step.sop_instance_uid,
        state=step.state,
        performed_procedure_step_id=text(model, rules.STEP_ID),
        patient_id=keys.patient_id,
        patient_name=text(model, 0x00100010),
        accession_number=keys.accession_number,
        study_instance_uid=keys.study_instance_uid,
        modality=keys.modality,
        station_ae_title=keys.station_ae_title,
        description=text(model, 0x00400254),
        start_date=keys.start_date,
        start_time=text(model, 0x00400245),
        end_date=text(model, rules.END_DATE),
        end_time=text(model, rules.END_TIME),
        instances=instances,
        kept=kept,
        source_ae_title=step.source_ae_title,
        created_at=step.created_at,
        changed_at=step.changed_at,
    )


def _series(uid: str, item: Model, arrivals: Sequence[tuple[str, bool]]) -> PerformedSeries:
    missing = [sop_uid for sop_uid, kept in arrivals if not kept]
    return PerformedSeries(
        series_instance_uid=uid,
        description=text(item, 0x0008103E),
        protocol_name=text(item, 0x00181030),
        instances=len(arrivals),
        kept=len(arrivals) - len(missing),
        missing=missing,
    )
