"""Performed procedure steps as people and commands tell them: from plain fields, and from objects that were made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby

from archimage.model.mpps import StepState
from archimage.services import mpps_rules as rules
from archimage.services.datasets import Model, attribute, made


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known when a step begins, empty where it is not; the first four are needed."""

    study_instance_uid: str
    step_id: str
    modality: str
    station: str
    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    requested_procedure_id: str = ""
    scheduled_step_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class MadeInstance:
    """An object that a step has made, with what is told of its series."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    series_description: str = ""
    protocol_name: str = ""


_TAGS: Mapping[str, int] = {
    "step_id": rules.STEP_ID,
    "modality": 0x00080060,
    "station": 0x00400241,
    "patient_id": 0x00100020,
    "patient_name": 0x00100010,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
    "description": 0x00400254,
}
_SCHEDULED: Mapping[str, int] = {
    "study_instance_uid": rules.STUDY_UID,
    "accession_number": 0x00080050,
    "requested_procedure_id": 0x00401001,
    "scheduled_step_id": 0x00400009,
}


def begun(told: Beginning, moment: datetime) -> Model:
    """Return what N-CREATE tells of a step that begins at a moment."""
    given = {one.name: getattr(told, one.name) for one in fields(Beginning)}
    scheduled = made(*(attribute(tag, given[name]) for name, tag in _SCHEDULED.items()))
    model = made(
        *(attribute(tag, given[name]) for name, tag in _TAGS.items()),
        attribute(rules.SCHEDULED_STEPS, scheduled),
        attribute(0x00400244, f"{moment:%Y%m%d}"),
        attribute(0x00400245, f"{moment:%H%M%S}"),
        attribute(rules.STATE, StepState.IN_PROGRESS.value),
    )
    return rules.created(model)


def stopped(state: StepState, moment: datetime, instances: Iterable[MadeInstance] = ()) -> Model:
    """Return what N-SET tells of a step that ends at a moment; of one without instances no series are told."""
    model = made(
        attribute(rules.STATE, state.value),
        attribute(rules.END_DATE, f"{moment:%Y%m%d}"),
        attribute(rules.END_TIME, f"{moment:%H%M%S}"),
    )
    ordered = sorted(instances, key=lambda one: one.series_instance_uid)
    series = [_series(uid, list(found)) for uid, found in groupby(ordered, key=lambda one: one.series_instance_uid)]
    return model | made(attribute(rules.PERFORMED_SERIES, *series)) if series else model


def _series(uid: str, instances: Sequence[MadeInstance]) -> Model:
    first = instances[0]
    return made(
        attribute(rules.SERIES_UID, uid),
        attribute(0x00081050),
        attribute(0x00181030, first.protocol_name or first.series_description or "unknown"),
        attribute(0x00081070),
        attribute(0x0008103E, first.series_description),
        attribute(0x00080054),
        attribute(rules.REFERENCED_IMAGES, *map(_reference, instances)),
        attribute(rules.REFERENCED_OTHERS),
    )


def _reference(one: MadeInstance) -> Model:
    return made(attribute(rules.SOP_CLASS, one.sop_class_uid), attribute(rules.SOP_INSTANCE, one.sop_instance_uid))
