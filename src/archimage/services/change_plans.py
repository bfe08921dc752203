"""From what somebody wants to have changed to what would be done, with everything checked before anything begins."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.dicom.correction import texts_at
from archimage.dicom.faults import fault, tidy
from archimage.errors import ArchimageError, ExcessiveRequestError, InvalidRequestError, NotFoundError
from archimage.model.attributes import Level
from archimage.model.changes import (
    ALLOWED,
    CORRECTABLE,
    Asker,
    Change,
    ChangedStudy,
    ChangeKind,
    ChangeRequest,
    ChangeState,
    PatientKey,
    PatientRef,
)
from archimage.model.ids import check_uid
from archimage.ports.change import Changes
from archimage.services.frames import FrameService

MAX_STUDIES: Final = 1_000
_OF_PATIENT: Final = tuple(name for name, one in CORRECTABLE.items() if one.level is Level.PATIENT)
_COMPARED: Final = {"patient_name": "name", "patient_birth_date": "birth date", "patient_sex": "sex"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that has no number yet; obstacle says why it cannot be done, warnings what to look at before."""

    change: Change
    studies: Sequence[ChangedStudy]
    warnings: Sequence[str]
    obstacle: str


@dataclass(frozen=True, slots=True)
class _Aim:
    """Which studies change, whose they are, what they get, and to whom they go."""

    patient: PatientKey
    studies: Sequence[str]
    values: Mapping[str, str]
    person: Mapping[str, str]
    warnings: Sequence[str] = ()
    obstacle: str = ""


class Planner:
    """Makes plans; all of it blocks."""

    def __init__(self, changes: Changes, frames: FrameService) -> None:
        self._changes = changes
        self._frames = frames

    def plan(self, request: ChangeRequest, asker: Asker) -> Plan:
        """Work out what a change would do.

        Raises:
            InvalidRequestError: a value does not fit its attribute, or what is named does not go together.
            InvalidInstanceUIDError: a UID is none.
            NotFoundError: a patient, study or series that is named is not kept.
            ExcessiveRequestError: it is about too many studies.
        """
        aim = _AIMS[request.kind](self, request)
        if len(aim.studies) > MAX_STUDIES:
            raise ExcessiveRequestError(f"{len(aim.studies)} studies; {MAX_STUDIES} can be changed at once")
        change = Change(
            number=0,
            kind=request.kind,
            state=ChangeState.RUNNING,
            asked_at=time.time(),
            asker=asker,
            reason=request.reason,
            code=request.code,
            patient=aim.patient,
            person=aim.person,
            new_values=aim.values,
            series_instance_uid=request.series_instance_uid,
        )
        studies = [self._study(uid, request.series_instance_uid, aim.values) for uid in aim.studies]
        if not any(one.objects for one in studies):
            raise NotFoundError(f"no series {request.series_instance_uid} is kept there")
        warnings = [*aim.warnings, *_idle(studies, aim.values)]
        return Plan(change, studies, warnings, self._busy(change, aim.studies) or aim.obstacle)

    # What each kind aims at

    def _correct_patient(self, request: ChangeRequest) -> _Aim:
        key = self._patient(request.patient)
        values = _checked(request.attributes, Level.PATIENT)
        if values.get("PatientID") == "":
            raise InvalidRequestError("attributes.PatientID: a patient cannot do without: move the study instead")
        known = self._person(key)
        wanted = {**known, **{CORRECTABLE[name].column: text for name, text in values.items()}}
        after = _key(wanted, key)
        obstacle, warnings, person = "", self._namesakes(after, key), {}
        if after != key:
            person = {column: text for column, text in wanted.items() if text}
            obstacle = self._taken(after)
        return _Aim(key, self._changes.studies_of(key), values, person, warnings, obstacle)

    def _correct_study(self, request: ChangeRequest) -> _Aim:
        return self._correct_below(request, Level.STUDY)

    def _correct_series(self, request: ChangeRequest) -> _Aim:
        check_uid(request.series_instance_uid)
        return self._correct_below(request, Level.SERIES)

    def _correct_below(self, request: ChangeRequest, level: Level) -> _Aim:
        (study,) = request.studies
        key = self._patient(PatientRef(study_instance_uid=study))
        return _Aim(key, [study], _checked(request.attributes, level), {})

    def _merge(self, request: ChangeRequest) -> _Aim:
        key = self._patient(request.patient)
        return self._into(request, key, self._changes.studies_of(key))

    def _move(self, request: ChangeRequest) -> _Aim:
        studies = tuple(dict.fromkeys(request.studies))
        owners = {self._patient(PatientRef(study_instance_uid=uid)) for uid in studies}
        if len(owners) != 1:
            raise InvalidRequestError("studies: they are of several patients; move those of one at a time")
        (key,) = owners
        if request.into is not None:
            return self._into(request, key, studies)
        values = {**dict.fromkeys(_OF_PATIENT, ""), **_checked(request.attributes, Level.PATIENT)}
        if not values["PatientID"]:
            raise InvalidRequestError("attributes.PatientID: a patient who is not there yet needs one")
        person = {CORRECTABLE[name].column: text for name, text in values.items() if text}
        after = _key(person, key)
        return _Aim(key, studies, values, person, self._namesakes(after, key), self._taken(after))

    def _into(self, request: ChangeRequest, key: PatientKey, studies: Sequence[str]) -> _Aim:
        """Aim at another patient, who is there."""
        assert request.into is not None  # noqa: S101 - whoever asks for a merge names him
        after = self._patient(request.into)
        person = dict(self._person(after))
        obstacle = ""
        if after == key:
            obstacle = "they belong to this patient already"
        elif not after.patient_id:
            obstacle = "the other patient has no Patient ID: correct that first"
        values = {name: person.get(CORRECTABLE[name].column, "") for name in _OF_PATIENT}
        return _Aim(key, studies, values, person, _differences(self._person(key), person), obstacle)

    # What is there

    def _patient(self, ref: PatientRef) -> PatientKey:
        """Find a patient; one who is named by ID alone may have an issuer, if nobody else has that ID."""
        if ref.study_instance_uid:
            found = self._changes.patient_of(check_uid(ref.study_instance_uid))
            if found is None:
                raise NotFoundError(f"no study {ref.study_instance_uid} is kept")
            return found
        if not ref.patient_id:
            raise InvalidRequestError("a patient is named by patient_id, or by study_instance_uid")
        key = PatientKey(ref.patient_id, ref.issuer_of_patient_id)
        if self._changes.person(key) is not None:
            return key
        others = self._changes.namesakes(ref.patient_id)
        if ref.issuer_of_patient_id or not others:
            raise NotFoundError("no patient of this Patient ID is kept")
        if len(others) > 1:
            raise InvalidRequestError("several patients have this Patient ID: name issuer_of_patient_id too")
        return others[0]

    def _person(self, key: PatientKey) -> Mapping[str, str]:
        person = self._changes.person(key)
        if person is None:
            raise NotFoundError("the patient is not kept any more")
        return person

    def _taken(self, key: PatientKey) -> str:
        person = self._changes.person(key)
        if person is None:
            return ""
        name = person.get("patient_name") or "a patient without a name"
        return f"Patient ID {key.patient_id} is that of {name} already: merge with, or move to, that patient"

    def _namesakes(self, after: PatientKey, before: PatientKey) -> list[str]:
        """Warn of patients who have the same ID from another issuer."""
        others = [one for one in self._changes.namesakes(after.patient_id) if one not in {after, before}]
        if not after.patient_id or not others:
            return []
        issuers = ", ".join(one.issuer_of_patient_id or "no issuer" for one in others)
        return [f"Patient ID {after.patient_id} exists with another issuer too: {issuers}"]

    def _study(self, study: str, series: str, values: Mapping[str, str]) -> ChangedStudy:
        """Count what changes in a study, and read what its first object says."""
        uids = self._changes.instances_of(study, series)
        return ChangedStudy(study, self._first_values(uids[:1], values), len(uids))

    def _first_values(self, uids: Sequence[str], values: Mapping[str, str]) -> dict[str, str]:
        tags = {CORRECTABLE[name].tag: name for name in values}
        vrs = {tag: CORRECTABLE[name].vr for tag, name in tags.items()}
        for kept in self._changes.kept(uids).values():
            try:
                header = self._frames.header(kept.stored)
                return {tags[tag]: text for tag, text in texts_at(header, kept.stored.transfer_syntax_uid, vrs).items()}
            except ArchimageError:  # the change itself tells of each object why it cannot be read
                return {}
        return {}

    def _busy(self, change: Change, studies: Sequence[str]) -> str:
        """Say which change is at work on the same studies or patients."""
        for number in self._changes.running():
            other = self._changes.get(number)
            touched = {one.study_instance_uid for one in self._changes.studies(number)}
            if other is not None and (_patients(other) & _patients(change) or touched.intersection(studies)):
                return f"change {number} is still at work on it: wait for its end, or cancel it"
        return ""


_AIMS: Final = {
    ChangeKind.CORRECT_PATIENT: Planner._correct_patient,
    ChangeKind.CORRECT_STUDY: Planner._correct_study,
    ChangeKind.CORRECT_SERIES: Planner._correct_series,
    ChangeKind.MERGE: Planner._merge,
    ChangeKind.MOVE: Planner._move,
}


def _patients(change: Change) -> set[PatientKey]:
    """Return from whom and to whom studies go."""
    return {change.patient, *([_key(change.person, change.patient)] if change.person else [])}


def _key(person: Mapping[str, str], before: PatientKey) -> PatientKey:
    """Return what tells somebody from others, before being what it was; without an ID that stays."""
    patient_id, issuer = person.get("patient_id", ""), person.get("issuer_of_patient_id", "")
    return PatientKey(patient_id, issuer, "" if patient_id else before.lone_study)


def _checked(attributes: Mapping[str, str], level: Level) -> dict[str, str]:
    """Return values as they are stored; raise InvalidRequestError where one cannot be."""
    if not attributes:
        raise InvalidRequestError("attributes: name at least one, and its new value")
    checked = {}
    for keyword, text in attributes.items():
        known = CORRECTABLE.get(keyword)
        if known is None or known.level is not level:
            names = ", ".join(name for name, one in CORRECTABLE.items() if one.level is level)
            raise InvalidRequestError(f"attributes.{keyword[:64]}: it is none of {names}")
        value = tidy(text.strip(" ") if known.vr != "LT" else text, known.vr)
        wrong = fault(text, known.vr, multiple=known.multiple)
        if not wrong and value and value not in ALLOWED.get(keyword, {value}):
            wrong = f"is none of {', '.join(sorted(ALLOWED[keyword]))}"
        if wrong:
            raise InvalidRequestError(f"attributes.{keyword}: it {wrong}")
        checked[keyword] = value
    return checked


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Warn where two who are to be one do not look like one."""
    differing = [column for column in _COMPARED if before.get(column, "") != after.get(column, "")]
    return [
        f"the other patient has another {_COMPARED[column]}: {after.get(column) or 'none'} instead of "
        f"{before.get(column) or 'none'}"
        for column in differing
    ]


def _idle(studies: Sequence[ChangedStudy], values: Mapping[str, str]) -> list[str]:
    """Warn where there is nothing to do, as far as first objects tell."""
    for one in studies:
        if any(one.old_values.get(name, "") != text for name, text in values.items()):
            return []
    return ["the first objects have these values already"]


def columns_of(values: Mapping[str, str]) -> dict[str, str]:
    """Turn keywords into the index's columns."""
    return {CORRECTABLE[name].column: text for name, text in values.items()}
