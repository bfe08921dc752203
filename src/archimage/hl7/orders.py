"""From orders to entries of the worklist: what is to be done with each, and its data set.

An order is a segment ORC with its OBR, and one step for each IPC below it, or one in all without; docs/hl7.md has the
table of where each attribute comes from.

Ref: IHE RAD TF-2 §4.2, §4.4 and Appendix B; HL7 v2.5.1 §4.5 (ORC, OBR), §4.5.6 (IPC), §4.5.4 (TQ1).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archimage.errors import Hl7Error
from archimage.hl7 import patients
from archimage.hl7.parsing import DELETED, Message, Segment, empty
from archimage.model.messages import Fault
from archimage.services.datasets import Model, attribute, made

KINDS: Final = frozenset({"ORM^O01", "OMI^O23", "OMG^O19"})


class Task(StrEnum):
    """What is to be done with an entry."""

    PUT = "put"
    DISCONTINUE = "discontinue"
    START = "start"
    COMPLETE = "complete"
    NOTHING = "nothing"


_CONTROLS: Final[Mapping[str, Task]] = {
    **dict.fromkeys(("NW", "XO", "SN", "XX", "RP", "RO", "PA", "CH", "NA"), Task.PUT),
    **dict.fromkeys(("CA", "OC", "CR", "DC", "OD", "DR"), Task.DISCONTINUE),
}
"""Order controls (table 0119); SC tells by the order's status."""
_STATUSES: Final[Mapping[str, Task]] = {
    **dict.fromkeys(("SC", "HD", "A"), Task.NOTHING),
    "IP": Task.START,
    "CM": Task.COMPLETE,
    **dict.fromkeys(("CA", "DC"), Task.DISCONTINUE),
}
"""Order status (table 0038)."""
_PRIORITIES: Final = {"S": "STAT", "A": "HIGH", "R": "ROUTINE", "T": "MEDIUM", "P": "ROUTINE"}
_PREGNANT: Final = "B6"


@dataclass(frozen=True, slots=True)
class Order:
    """One scheduled step of an order: what is to be done with its entry, and the entry."""

    task: Task
    model: Model


@dataclass(slots=True)
class _Group:
    """The segments of one order."""

    orc: Segment
    obr: Segment
    tq1: Segment
    zds: Segment
    steps: list[Segment]


def orders_of(message: Message) -> Sequence[Order]:
    """Return the steps of all orders of a message.

    Raises:
        Hl7Error: it has none, or one that cannot be understood.
    """
    pid = message.first("PID")
    person = _patient(message, pid)
    found = [one for group in _groups(message) for one in _orders(group, person)]
    if not found:
        raise Hl7Error("it has no order: no segment ORC with an OBR", Fault.SEGMENT_SEQUENCE, "ORC")
    return found


def _groups(message: Message) -> Iterator[_Group]:
    """Yield the orders; a ZDS that stands once, at the end, is that of all of them."""
    nothing = empty("")
    orc, tq1 = nothing, nothing
    found: list[_Group] = []
    for segment in message.segments:
        match segment.name:
            case "ORC":
                orc, tq1 = segment, nothing
            case "TQ1":
                tq1 = segment
                if found and found[-1].orc is orc:
                    found[-1].tq1 = segment
            case "OBR":
                found.append(_Group(orc, segment, tq1, nothing, []))
            case "IPC" if found:
                found[-1].steps.append(segment)
            case "ZDS" if found:
                found[-1].zds = segment
    for group in found:
        if group.zds is nothing:
            group.zds = message.optional("ZDS")
        yield group


def _orders(group: _Group, person: Model) -> Iterator[Order]:
    task = _task(group.orc)
    for step in group.steps or [empty("IPC")]:
        yield Order(task, _entry(group, step, person))


def _task(orc: Segment) -> Task:
    control, status = orc.text(1).upper(), orc.text(5).upper()
    task = _STATUSES.get(status, Task.NOTHING) if control == "SC" else _CONTROLS.get(control)
    if task is None:
        raise Hl7Error(f"order control {control[:8]!r} is not known here", Fault.UNSUPPORTED_TYPE, "ORC^1^1")
    return task


def _patient(message: Message, pid: Segment) -> Model:
    """Return patient and visit."""
    who = patients.identifiers(pid, 3)[0]
    values, pv1 = patients.values(pid), message.optional("PV1")
    pregnancy = [3] if _PREGNANT in (pv1.text(15), pid.text(39)) else []
    location = "^".join(part for part in (pv1.text(3, place) for place in (1, 2, 3)) if part)
    return made(
        attribute(0x00100010, values.get("PatientName", "")),
        attribute(0x00100020, who.patient_id),
        attribute(0x00100021, who.issuer_of_patient_id),
        attribute(0x00100030, values.get("PatientBirthDate", "")),
        attribute(0x00100040, values.get("PatientSex", "")),
        attribute(0x001021C0, *pregnancy),
        attribute(0x00380010, pv1.text(19)),
        attribute(0x00380300, location),
        attribute(0x00080090, patients.provider_name(pv1, 8)),
    )


def _entry(group: _Group, ipc: Segment, person: Model) -> Model:
    """Return the entry of a step; what IPC says goes before what OBR does."""
    orc, obr = group.orc, group.obr
    referring = patients.provider_name(obr, 16) or patients.provider_name(orc, 12)
    procedure, protocol = _codes(obr, ipc)
    found = made(
        attribute(0x00080050, _first(ipc.text(1), obr.text(18), obr.text(3), orc.text(3))),
        attribute(0x0020000D, _first(ipc.text(3), group.zds.text(1))),
        attribute(0x00321032, referring),
        attribute(0x00321060, _first(obr.text(44, 2), obr.text(4, 2), obr.text(4))),
        attribute(0x00321064, *procedure),
        attribute(0x00380500, obr.text(12, 2) or obr.text(12)),
        attribute(0x00401001, _first(ipc.text(2), obr.text(19))),
        attribute(0x00401002, _first(obr.text(31, 2), obr.text(31))),
        attribute(
            0x00401003, _PRIORITIES.get(_first(group.tq1.text(9), obr.text(27, 6), obr.text(5), orc.text(7, 6)), "")
        ),
        attribute(0x00401004, obr.text(30)),
        attribute(0x00402016, _first(orc.text(2), obr.text(2))),
        attribute(0x00402017, _first(orc.text(3), obr.text(3))),
        attribute(0x00400100, _step(group, ipc, protocol)),
    )
    return {**person, **found}


def _step(group: _Group, ipc: Segment, protocol: Sequence[Model]) -> Model:
    """Return the item of the Scheduled Procedure Step Sequence."""
    obr = group.obr
    date, time = _moment(_first(group.tq1.text(7), obr.text(27, 4), group.orc.text(7, 4), obr.text(36)))
    return made(
        attribute(0x00080060, _first(ipc.text(5), obr.text(24)).upper()),
        attribute(0x00400001, ipc.text(9)),
        attribute(0x00400002, date),
        attribute(0x00400003, time),
        attribute(0x00400006, patients.provider_name(obr, 34)),
        attribute(0x00400007, _first(ipc.text(6, 2), obr.text(4, 5), obr.text(4, 2), obr.text(4))),
        attribute(0x00400008, *protocol),
        attribute(0x00400009, _first(ipc.text(4), obr.text(20))),
        attribute(0x00400010, ipc.text(7)),
        attribute(0x00400011, ipc.text(8)),
    )


def _codes(obr: Segment, ipc: Segment) -> tuple[Sequence[Model], Sequence[Model]]:
    """Return the codes of the requested procedure (OBR-44, or the first of OBR-4) and of the protocol."""
    procedure = _code(obr, 44, 1) or _code(obr, 4, 1)
    protocol = _code(ipc, 6, 1) or _code(obr, 4, 4)
    return procedure, protocol


def _code(segment: Segment, field: int, first: int) -> Sequence[Model]:
    value, meaning, scheme = (segment.text(field, first + place) for place in range(3))
    if not (value and scheme):
        return ()
    return (made(attribute(0x00080100, value), attribute(0x00080102, scheme), attribute(0x00080104, meaning or value)),)


def _moment(text: str) -> tuple[str, str]:
    """Return date and time; a time zone is left aside: modalities are told local time."""
    digits = text.split("+", maxsplit=1)[0].split("-", maxsplit=1)[0].split(".", maxsplit=1)[0]
    if not digits:
        return "", ""
    if not (digits.isascii() and digits.isdigit()) or len(digits) < 8:
        raise Hl7Error("the start has no year, month and day", Fault.DATA_TYPE, "TQ1^1^7")
    time = digits[8:14]
    return digits[:8], time if len(time) % 2 == 0 and time else "000000"


def _first(*texts: str) -> str:
    return next((text for text in texts if text and text != DELETED), "")
