"""Data sets of work items as people make and end them by hand: what they do not say is as empty as it may be."""

from datetime import UTC, datetime
from typing import Final

from archimage.services.datasets import Model, attribute, made
from archimage.services.ups_rules import (
    CANCELLED_AT,
    PERFORMED,
    PROGRESS,
    READINESS,
    REASON,
    REASON_CODES,
    STATE,
    TYPE_2,
)

DISCONTINUED: Final = ("110513", "DCM", "Discontinued for unspecified reason")
_SCHEME: Final = "99ARCHIMAGE"


def code(value: str, scheme: str, meaning: str) -> Model:
    """Return an item of a code sequence."""
    return made(attribute(0x00080100, value), attribute(0x00080102, scheme), attribute(0x00080104, meaning))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")


def scheduled(label: str, worklist: str, patient_id: str, patient_name: str, order: tuple[str, str]) -> Model:
    """Return a new work item; order is its priority and when it begins, now where that is empty."""
    priority, start = order
    empty = made(*(attribute(tag) for tag in TYPE_2))
    given = made(
        *((attribute(0x00100010, patient_name),) if patient_name else ()),
        attribute(0x00100020, patient_id),
        attribute(STATE, "SCHEDULED"),
        attribute(0x00741200, priority),
        attribute(0x00741204, label),
        attribute(0x00741202, worklist),
        attribute(0x00404005, start or _now()),
        attribute(READINESS, "READY"),
    )
    return {**empty, **given}


def performed(station: str) -> Model:
    """Return what tells that a work item was done."""
    where, what = code(station, _SCHEME, station), code("110005", "DCM", "Interpretation")
    item = made(
        attribute(0x00404028, where),
        attribute(0x00404050, _now()),
        attribute(0x00404019, what),
        attribute(0x00404051, _now()),
        attribute(0x00404033),
    )
    return made(attribute(PERFORMED, item))


def cancelled(reason: str) -> Model:
    """Return what tells that a work item was given up."""
    item = made(
        attribute(CANCELLED_AT, _now()), attribute(REASON, reason), attribute(REASON_CODES, code(*DISCONTINUED))
    )
    return made(attribute(PROGRESS, item))
