"""Work items as people look for them: the newest first, by their state and a part of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archimage.model.names import fold
from archimage.model.ups import StepState, Workitem, WorkitemPage, WorkitemSummary
from archimage.ports.ups import Workitems
from archimage.services import scoped
from archimage.services.datasets import Model, items, text
from archimage.services.ups_rules import PERFORMED, PRIORITY, PROGRESS, STATIONS, WORKLIST_LABEL

MAX_SHOWN: Final = 500
MAX_LOOKED_AT: Final = 5_000
"""Work items that one request goes through: the next goes on where it stopped."""
_LABEL: Final = 0x00741204
_START: Final = 0x00404005
_STUDY_UID: Final = 0x0020000D
_PATIENT_NAME: Final = 0x00100010
_PATIENT_ID: Final = 0x00100020
_PERCENT: Final = 0x00741004
_DESCRIPTION: Final = 0x00741006
_MEANING: Final = 0x00080104
_NAME: Final = 0x00404037
_HUMAN_CODES: Final = 0x00404009
_SCHEDULED_HUMANS: Final = 0x00404034
_PERFORMED_STATIONS: Final = 0x00404028
_ACTUAL_HUMANS: Final = 0x00404035


@dataclass(frozen=True, slots=True)
class WorkitemListing:
    """Which work items are listed: before is the number of one, of which only older ones are wanted."""

    state: StepState | None = None
    text: str = ""
    before: int | None = None
    limit: int = 100


def listed(table: Workitems, wanted: WorkitemListing) -> WorkitemPage:
    """Return what was made last of those that are wanted, and that who asks may see."""
    sought = fold(wanted.text.strip())
    found: list[WorkitemSummary] = []
    last, looked_at = wanted.before, 0
    for page in table.newest(states=[wanted.state] if wanted.state else [], before=wanted.before):
        for item in page:
            if len(found) == min(wanted.limit, MAX_SHOWN) or looked_at == MAX_LOOKED_AT:
                return WorkitemPage(tuple(found), last)
            last, looked_at = item.number, looked_at + 1
            summary = summary_of(item)
            if sought in _searched(summary) and scoped.is_shown(dict(item.model)):
                found.append(summary)
    return WorkitemPage(tuple(found), None)


def summary_of(item: Workitem) -> WorkitemSummary:
    """Return what a list tells of a work item."""
    model = dict(item.model)
    progress = next(iter(items(model, PROGRESS)), {})
    return WorkitemSummary(
        number=item.number,
        uid=item.uid,
        state=item.state,
        label=text(model, _LABEL),
        worklist=text(model, WORKLIST_LABEL),
        priority=text(model, PRIORITY),
        start=text(model, _START),
        patient_name=text(model, _PATIENT_NAME),
        patient_id=text(model, _PATIENT_ID),
        study_instance_uid=text(model, _STUDY_UID),
        progress=text(progress, _PERCENT),
        progress_description=text(progress, _DESCRIPTION),
        performers=tuple(_performers(model)),
    )


def _performers(model: Mapping[str, Any]) -> Sequence[str]:
    """Return who has done it, where that is told, else who is to do it: people, and stations."""
    whole = dict(model)
    done = next(iter(items(whole, PERFORMED)), {})
    return _named(done, _ACTUAL_HUMANS, _PERFORMED_STATIONS) or _named(whole, _SCHEDULED_HUMANS, STATIONS)


def _named(model: Model, humans: int, stations: int) -> Sequence[str]:
    named = [text(one, _NAME) or _meaning(one, _HUMAN_CODES) for one in items(model, humans)]
    named += [text(station, _MEANING) for station in items(model, stations)]
    return [name for name in named if name]


def _meaning(model: Model, tag: int) -> str:
    return next((text(code, _MEANING) for code in items(model, tag)), "")


def _searched(one: WorkitemSummary) -> str:
    """Return all that a text is looked for in."""
    told = (one.label, one.worklist, one.patient_name, one.patient_id, one.uid, one.study_instance_uid, *one.performers)
    return fold("\n".join((*told, one.patient_name.replace("^", " "))))
