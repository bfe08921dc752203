"""Where rules of routing stand with studies, in the table `routed`; and what came, which they look at."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from archimage.index.arrivals import ArrivalTable
from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema import COLUMNS, TABLES, instance, patient, series, study
from archimage.index.schema_routing import routed
from archimage.index.statements import STORED
from archimage.model.attributes import Level
from archimage.model.records import StoredInstance
from archimage.model.routing import Arrived, Mark, Routed

_MARK: Final = ""
"""Stands for a rule where a row is about none: it tells how far arrivals were looked at."""
_FETCHED: Final = "\nprefetch"
"""Stands for a rule in the rows of studies because of which earlier ones are fetched; no rule is named so."""
_VALUES: Final = tuple((name, TABLES[level].c[name]) for level in Level for name in COLUMNS[level])
_ROW: Final = (
    routed.c.rule, routed.c.study_instance_uid, routed.c.mark_number, routed.c.mark_at, routed.c.state,
    routed.c.instances, routed.c.job, routed.c.error, routed.c.changed_at,
)  # fmt: skip
DONE: Final = "done"


class RoutingArrivals:
    """Implements `ports.routing.Arrivals`."""

    def __init__(self, database: Database) -> None:
        self._arrivals = ArrivalTable(database)
        above = instance.join(series, instance.c.series_pk == series.c.pk).join(study, series.c.study_pk == study.c.pk)
        this = study.c.study_instance_uid == bindparam("this")
        grown = (
            select(study.c.study_instance_uid, func.max(instance.c.received_at))
            .select_from(above)
            .where(instance.c.pk >= bindparam("first"), instance.c.received_at >= bindparam("since"))
            .group_by(study.c.study_instance_uid)
            .order_by(func.max(instance.c.received_at))
            .limit(bindparam("most"))
        )
        self._grown = Compiled(grown, database)
        self._newest = Compiled(select(func.max(instance.c.received_at)).select_from(above).where(this), database)
        whole = above.join(patient, study.c.patient_pk == patient.c.pk)
        own = (instance.c.pk, instance.c.received_at, instance.c.source_ae_title, instance.c.called_ae_title)
        later = or_(instance.c.pk > bindparam("number"), instance.c.received_at > bindparam("at"))
        values = (column.label(f"value_{name}") for name, column in _VALUES)
        beyond = select(*own, *STORED, *values).select_from(whole).where(this, later).order_by(instance.c.pk)
        self._beyond = Compiled(beyond.limit(bindparam("most")), database)

    def studies_since(self, moment: float, limit: int) -> Sequence[tuple[str, float]]:
        """Return studies of which instances came at a moment or later, each with when its last one came."""
        rows = self._grown.rows(first=self._arrivals.first(int(moment)), since=moment, most=limit)
        return [(str(uid), float(last)) for uid, last in rows]

    def before(self, moment: float) -> int:
        """Return a number that is below those of all instances that came at a moment or later."""
        return self._arrivals.first(int(moment)) - 1

    def newest(self, study_instance_uid: str) -> float:
        """Return when the last instance of a study came, 0 where nothing of it is kept."""
        return float(self._newest.rows(this=study_instance_uid)[0][0] or 0.0)

    def beyond(self, study_instance_uid: str, mark: Mark, limit: int) -> Sequence[Arrived]:
        """Return the instances of a study that came beyond a mark, in their order."""
        rows = self._beyond.rows(this=study_instance_uid, number=mark.number, at=mark.received_at, most=limit)
        return [_arrived(row) for row in rows]


class RoutedTable:
    """Implements `ports.routing.RoutedStudies`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        this = (routed.c.rule == bindparam("of_rule"), routed.c.study_instance_uid == bindparam("of_study"))
        self._get = Compiled(select(*_ROW).where(*this), database)
        once = database.dialect.insert_once(routed)
        self._begin = Compiled(once, database)
        self._look = Compiled(_setting(this, "mark_at", "changed_at"), database)
        reached = update(routed).where(*this, routed.c.mark_at <= bindparam("mark_at"))
        values: dict[str, Any] = {name: bindparam(name) for name in ("mark_number", "mark_at", "changed_at")}
        more: dict[str, Any] = {"instances": routed.c.instances + bindparam("more"), "state": DONE, "error": ""}
        self._reach = Compiled(reached.values({**values, **more}), database)
        self._tell = Compiled(_setting(this, "state", "error", "changed_at"), database)
        self._assign = Compiled(_setting(this, "job", "changed_at"), database)
        is_rule = (routed.c.rule != _MARK, routed.c.rule != _FETCHED)
        wanted = (
            *is_rule,
            _unless_given(routed.c.rule, "wanted_rule"),
            _unless_given(routed.c.study_instance_uid, "wanted_study"),
            _unless_given(routed.c.state, "wanted_state"),
        )
        newest = select(*_ROW).where(*wanted).order_by(routed.c.changed_at.desc())
        self._find = Compiled(newest.limit(bindparam("most")), database)
        kinds = (routed.c.rule, routed.c.state)
        counts = select(*kinds, func.count(), func.sum(routed.c.instances)).where(*is_rule)
        self._counts = Compiled(counts.group_by(*kinds), database)
        old = (routed.c.state == DONE, routed.c.changed_at < bindparam("before"))
        self._forget = Compiled(delete(routed).where(*old), database)

    def looked(self) -> float | None:
        """Return up to when arrivals were looked at; None before the first time."""
        row = self.get(_MARK, _MARK)
        return None if row is None else row.mark.received_at

    def look(self, moment: float, rule: str = _MARK) -> None:
        """Keep up to when they were looked at."""
        values = {"of_rule": rule, "of_study": _MARK, "mark_at": moment, "changed_at": moment}
        if not self._look.change(**values):
            self.begin(Routed(rule, _MARK, Mark(0, moment), changed_at=moment))

    def get(self, rule: str, study_instance_uid: str) -> Routed | None:
        """Return how a rule stands with a study; None where it never had to do with it."""
        rows = self._get.rows(of_rule=rule, of_study=study_instance_uid)
        return _routed(rows[0]) if rows else None

    def begin(self, routed: Routed) -> Routed:
        """Keep a row unless there is one; return that which is kept."""
        values = {
            "rule": routed.rule,
            "study_instance_uid": routed.study_instance_uid,
            "mark_number": routed.mark.number,
            "mark_at": routed.mark.received_at,
            "state": routed.state,
            "instances": routed.instances,
            "job": routed.job,
            "error": routed.error,
            "changed_at": routed.changed_at,
        }
        self._begin.change(**values)
        return self.get(routed.rule, routed.study_instance_uid) or routed

    def reach(self, rule: str, study_instance_uid: str, mark: Mark, instances: int, now: float) -> None:
        """Move the mark on, durably, and add to the instances that are done."""
        self._reach.change(
            of_rule=rule,
            of_study=study_instance_uid,
            mark_number=mark.number,
            mark_at=mark.received_at,
            changed_at=now,
            more=instances,
        )

    def tell(self, rule: str, study_instance_uid: str, state: str, error: str, now: float) -> None:
        """Note how it stands."""
        self._tell.change(of_rule=rule, of_study=study_instance_uid, state=state, error=error, changed_at=now)

    def assign(self, rule: str, study_instance_uid: str, job: int, now: float) -> None:
        """Note which job is to do the work."""
        self._assign.change(of_rule=rule, of_study=study_instance_uid, job=job, changed_at=now)

    def find(self, *, rule: str, study: str, state: str, limit: int) -> Sequence[Routed]:
        """Return those that changed last, of a rule, a study and a state where these are given."""
        rows = self._find.rows(wanted_rule=rule, wanted_study=study, wanted_state=state, most=limit)
        return [_routed(row) for row in rows]

    def counts(self) -> Sequence[tuple[str, str, int, int]]:
        """Return rule, state, number of studies, and number of instances that are done."""
        return [(str(rule), str(state), int(studies), int(done)) for rule, state, studies, done in self._counts.rows()]

    def forget(self, changed_before: float) -> int:
        """Forget what is done and has not changed since."""
        return self._forget.change(before=changed_before)


class FetchedForTable:
    """Implements `ports.routing.FetchedFor`, in the same table."""

    def __init__(self, routed: RoutedTable) -> None:
        self._routed = routed

    def looked(self) -> float | None:
        """Return up to when arrivals were looked at; None before the first time."""
        row = self._routed.get(_FETCHED, _MARK)
        return None if row is None else row.mark.received_at

    def look(self, moment: float) -> None:
        """Keep up to when they were looked at."""
        self._routed.look(moment, _FETCHED)

    def is_done(self, study_instance_uid: str) -> bool:
        """Tell whether jobs were made because of a study."""
        return self._routed.get(_FETCHED, study_instance_uid) is not None

    def do(self, study_instance_uid: str, now: float) -> None:
        """Keep that they were."""
        self._routed.begin(Routed(_FETCHED, study_instance_uid, state=DONE, changed_at=now))

    def forget(self, before: float) -> int:
        """Forget what was done before."""
        return self._routed.forget(before)


def _setting(this: tuple[ColumnElement[bool], ...], *names: str) -> Any:
    return update(routed).where(*this).values({name: bindparam(name) for name in names})


def _unless_given(column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """Compare a column with a parameter, unless that is empty."""
    return (bindparam(parameter) == "") | (column == bindparam(parameter))


def _routed(row: Any) -> Routed:
    rule, study_uid, number, at, *rest = row
    return Routed(rule, study_uid, Mark(number, at), *rest)


def _arrived(row: Any) -> Arrived:
    (number, received_at, source, called), rest = row[:4], row[4:]
    stored = StoredInstance(*rest[: len(STORED)])
    texts = rest[len(STORED) :]
    values = {name: text for (name, _), text in zip(_VALUES, texts, strict=True) if text}
    return Arrived(number, received_at, source, stored, values, called)
