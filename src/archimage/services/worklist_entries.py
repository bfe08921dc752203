"""What makes an entry of the worklist: what it must have, what is made where it is missing, what it is found by.

Ref: PS3.4 Table K.6-1 (return keys of type 1).
"""

import hashlib
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from archimage.errors import ArchimageError, ExcessiveRequestError, InvalidQueryError, InvalidRequestError
from archimage.model.ids import check_uid
from archimage.model.query import Exact, Range, Universal
from archimage.model.worklist import SEARCHED, Sought, StepState
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.datasets import Model, attribute, encode, is_empty, items, text, texts, walk
from archimage.services.matching import parse_match
from archimage.services.modelmatching import Wanted, matches

STEPS: Final = 0x00400100
STUDY_UID: Final = 0x0020000D
ACCESSION_NUMBER: Final = 0x00080050
PROCEDURE_ID: Final = 0x00401001
STEP_ID: Final = 0x00400009
STEP_STATUS: Final = 0x00400020
MODALITY: Final = 0x00080060
STATIONS: Final = 0x00400001
START_DATE: Final = 0x00400002
START_TIME: Final = 0x00400003
PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
STEP_DESCRIPTION: Final = 0x00400007
STEP_CODES: Final = 0x00400008
PROCEDURE_DESCRIPTION: Final = 0x00321060
PROCEDURE_CODES: Final = 0x00321064
MAX_BYTES: Final = 64 << 10
"""Longest entry, encoded."""
Wanteds = tuple[Wanted, ...]
_MOMENT: Final = "00404005"
_ID_LENGTH: Final = 16
_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REQUIRED: Final = {PATIENT_NAME: "Patient's Name", PATIENT_ID: "Patient ID"}
_REQUIRED_IN_STEP: Final = {
    MODALITY: "Modality",
    STATIONS: "Scheduled Station AE Title",
    START_DATE: "Scheduled Procedure Step Start Date",
    START_TIME: "Scheduled Procedure Step Start Time",
}
_DATES: Final = {"DA": "date", "TM": "time"}
_STATES: Final[Mapping[str, StepState]] = {
    "SCHEDULED": StepState.SCHEDULED,
    "ARRIVED": StepState.ARRIVED,
    "READY": StepState.ARRIVED,
    "STARTED": StepState.STARTED,
    "IN PROGRESS": StepState.STARTED,
    "DEPARTED": StepState.COMPLETED,
    "COMPLETED": StepState.COMPLETED,
    "DISCONTINUED": StepState.DISCONTINUED,
}
"""What Scheduled Procedure Step Status says (PS3.3 §C.4.10); the last are not of the standard's terms."""


def step_of(model: Model) -> Model:
    """Return the scheduled procedure step of an entry, empty where it has none."""
    found = items(model, STEPS)
    return found[0] if found else {}


def check_key(key: str) -> str:
    """Return a key that somebody gives an entry, or raise InvalidRequestError."""
    if not _KEY.fullmatch(key):
        raise InvalidRequestError("a key is 1 to 64 letters, digits, dots, hyphens and underscores")
    return key


def key_of(model: Model) -> str:
    """Derive the key of an entry from its accession number, procedure and step, so that it is the same each time."""
    named = (text(model, ACCESSION_NUMBER), text(model, PROCEDURE_ID), text(step_of(model), STEP_ID))
    if not any(named):
        return uuid4().hex
    return hashlib.sha256("\\".join(named).encode("utf-8", "replace")).hexdigest()[:32]


def state_of(model: Model) -> StepState | None:
    """Return what the status of the step says, None where it says nothing that is known."""
    return _STATES.get(text(step_of(model), STEP_STATUS).upper())


def shown(model: Model, state: StepState) -> Model:
    """Return an entry whose status says where it stands, in the words that it came with where these say the same."""
    if state_of(model) is state:
        return model
    step = {**step_of(model), **dict([attribute(STEP_STATUS, state.name)])}
    return {**model, f"{STEPS:08X}": {"vr": "SQ", "Value": [dict(sorted(step.items()))]}}


def completed(model: Model, before: Model, stations: Mapping[str, Sequence[str]]) -> Model:
    """Return an entry with what it lacks: identifiers, as they were made before where it was there, and stations.

    stations are those for orders that name none, by modality, `*` for all others.

    Raises:
        InvalidRequestError: it has not exactly one step.
    """
    if len(items(model, STEPS)) != 1:
        raise InvalidRequestError("an entry has one item in its Scheduled Procedure Step Sequence")
    step, step_before = step_of(model), step_of(before)
    descriptions = [(PROCEDURE_DESCRIPTION, model), (STEP_DESCRIPTION, step)]
    described = next((found for tag, where in descriptions if (found := text(where, tag))), "")
    accession = text(model, ACCESSION_NUMBER)
    procedure_id = accession if 0 < len(accession) <= _ID_LENGTH else _made_id("P")
    stations_of = stations.get(text(step, MODALITY), stations.get("*", ()))
    step_added = [
        (STEP_ID, [text(step_before, STEP_ID) or _made_id("S")]),
        (STATIONS, list(stations_of)),
        (STEP_DESCRIPTION, [described] if is_empty(step, STEP_CODES) else []),
    ]
    added = [
        (STUDY_UID, [text(before, STUDY_UID) or f"2.25.{uuid4().int}"]),
        (PROCEDURE_ID, [text(before, PROCEDURE_ID) or procedure_id]),
        (PROCEDURE_DESCRIPTION, [described] if is_empty(model, PROCEDURE_CODES) else []),
    ]
    return {**_filled(model, added), f"{STEPS:08X}": {"vr": "SQ", "Value": [_filled(step, step_added)]}}


def _filled(model: Model, added: Sequence[tuple[int, list[str]]]) -> Model:
    """Give a data set values where it has none."""
    return dict(sorted({**model, **dict(attribute(tag, *v) for tag, v in added if v and is_empty(model, tag))}.items()))


def _made_id(letter: str) -> str:
    return f"{letter}{uuid4().hex[: _ID_LENGTH - 1].upper()}"


def check(model: Model) -> None:
    """Check that an entry has what every modality must be told, and that it can be told.

    Raises:
        InvalidRequestError: something is missing, or a value does not fit its VR.
        ExcessiveRequestError: it is too long.
    """
    step = step_of(model)
    missing = [name for tag, name in _REQUIRED.items() if is_empty(model, tag)]
    missing += [name for tag, name in _REQUIRED_IN_STEP.items() if is_empty(step, tag)]
    if is_empty(step, STEP_DESCRIPTION) and is_empty(step, STEP_CODES):
        missing.append("Scheduled Procedure Step Description, or its codes")
    if missing:
        raise InvalidRequestError(f"the entry lacks {', '.join(missing)}")
    for part in walk(model):
        _check_dates(part)
    try:
        check_uid(text(model, STUDY_UID))
        size = len(encode(model, EXPLICIT_VR_LITTLE_ENDIAN))
    except (ArchimageError, UnicodeError, TypeError) as error:
        raise InvalidRequestError(f"the entry cannot be told to modalities: {error}") from None
    if size > MAX_BYTES:
        raise ExcessiveRequestError(f"the entry has {size} bytes; at most {MAX_BYTES} are taken")


def _check_dates(model: Model) -> None:
    for name, found in model.items():
        for value in found.get("Value", ()) if found["vr"] in _DATES else ():
            try:
                single = value is None or isinstance(parse_match(str(value), found["vr"]), Exact | Universal)
            except InvalidQueryError:
                single = False
            if not single:
                raise InvalidRequestError(f"{name}: {str(value)[:40]!r} is not a {_DATES[found['vr']]}")


def columns_of(model: Model) -> Mapping[str, str]:
    """Return what an entry is found by."""
    step = step_of(model)
    return {one.column: "\\".join(texts(step if one.in_step else model, one.tag)) for one in SEARCHED}


def description_of(model: Model) -> str:
    """Return what is to be done, in words."""
    return text(step_of(model), STEP_DESCRIPTION) or text(model, PROCEDURE_DESCRIPTION)


def expiry_of(model: Model, expire_days: int, now: float) -> float:
    """Return the end of the day so many days after the one that a step is scheduled for, in the time zone here."""
    try:
        day = datetime.strptime(text(step_of(model), START_DATE), "%Y%m%d")  # noqa: DTZ007 - the zone of this place
        return (day + timedelta(days=expire_days + 1)).timestamp()
    except (ValueError, OverflowError):
        return now + (expire_days + 1) * 86_400


def sought_of(wanted: Sequence[Wanted], *, combined: bool) -> Iterator[Sought]:
    """Yield what the index narrows a query by; the keys themselves decide. combined is about date and time as one."""
    by_place = {(one.in_step, f"{one.tag:08X}"): one for one in SEARCHED}
    for in_step, one in _placed(wanted):
        searched = by_place.get((in_step, one.name))
        apart = combined and in_step and one.name == f"{START_TIME:08X}"
        if searched is not None and one.vr == searched.vr and not (one.is_universal or apart):
            yield Sought(searched, one.match)


def _placed(wanted: Sequence[Wanted]) -> Iterator[tuple[bool, Wanted]]:
    for one in wanted:
        if one.name == f"{STEPS:08X}":
            yield from ((True, inner) for inner in one.inner or ())
        else:
            yield False, one


@dataclass(frozen=True, slots=True)
class Criteria:
    """Tell which entries meet a query's keys, after the index has narrowed them; moment is of date and time as one."""

    wanted: tuple[Wanted, ...]
    moment: Range | None = None

    def passes(self, model: Model) -> bool:
        """Tell whether an entry does."""
        if not matches(model, self.wanted):
            return False
        if self.moment is None:
            return True
        step = step_of(model)
        start = {_MOMENT: {"vr": "DT", "Value": [text(step, START_DATE) + text(step, START_TIME)]}}
        return matches(start, [Wanted(_MOMENT, "DT", self.moment)])


def criteria_of(wanted: Sequence[Wanted], *, fuzzy: bool, combined: bool) -> Criteria:
    """Return what decides a query; with fuzzy the index compares names alone, by sound too."""
    step = next((one.inner for one in wanted if one.name == f"{STEPS:08X}"), None) or ()
    ranges = {one.name: one.match for one in step if isinstance(one.match, Range)}
    days, hours = ranges.get(f"{START_DATE:08X}"), ranges.get(f"{START_TIME:08X}")
    spared = {(one.in_step, f"{one.tag:08X}") for one in SEARCHED if fuzzy and one.vr == "PN"}
    moment = None
    if combined and days is not None and hours is not None:
        spared.add((True, f"{START_TIME:08X}"))
        moment = Range(_moment(days.low, hours.low), _moment(days.high, hours.high))
    return Criteria(_sparing(wanted, spared), moment)


def _moment(day: str | None, hour: str | None) -> str | None:
    return None if day is None else day + (hour or "")


def _sparing(wanted: Sequence[Wanted], spared: Container[tuple[bool, str]], *, in_step: bool = False) -> Wanteds:
    """Return keys of which those that are spared match everything."""
    return tuple(
        replace(one, inner=_sparing(one.inner or (), spared, in_step=True))
        if one.name == f"{STEPS:08X}"
        else replace(one, match=Universal())
        if (in_step, one.name) in spared
        else one
        for one in wanted
    )
