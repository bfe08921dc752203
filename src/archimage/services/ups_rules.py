"""What a work item must have, may be given, and may not lose, from its making to its end.

Ref: PS3.4 Table CC.2.5-3.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from archimage.dicom.dictionary import dictionary_vr, keyword_of_tag
from archimage.errors import RefusedOperationError
from archimage.model.ups import StepState, Workitem
from archimage.protocol.status import Status
from archimage.protocol.uids import UPS_PUSH
from archimage.services.datasets import Model, attribute, is_empty, items, text

TRANSACTION_UID: Final = 0x00081195
STATE: Final = 0x00741000
PRIORITY: Final = 0x00741200
WORKLIST_LABEL: Final = 0x00741202
PROGRESS: Final = 0x00741002
PERFORMED: Final = 0x00741216
READINESS: Final = 0x00404041
STATIONS: Final = 0x00404025
CANCELLED_AT: Final = 0x00404052
REASON: Final = 0x00741238
REASON_CODES: Final = 0x0074100E
MODIFIED_AT: Final = 0x00404010
SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
MAX_MODEL_BYTES: Final = 2 << 20
"""What a work item may grow to by all that it is given, as JSON."""
DEFAULT_LABEL: Final = "Default"
"""The Worklist Label of what comes without one."""

_TYPE_1: Final = (PRIORITY, 0x00741204, 0x00404005, READINESS)
TYPE_2: Final = (
    WORKLIST_LABEL, 0x00741210, STATIONS, 0x00404026, 0x00404027, 0x00404018, 0x00400400, 0x00404021,
    0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00101002, 0x00100030, 0x00100040, 0x00380010, 0x00380014,
    0x00081080, 0x00081084, 0x0040A370, PROGRESS, PERFORMED,
)  # fmt: skip
_LABELLED: Final = frozenset({WORKLIST_LABEL, PROGRESS, PERFORMED})
"""What the archive fills in by itself, as it is meant to."""
_FIXED: Final = frozenset(
    {
        SOP_CLASS_UID, SOP_INSTANCE_UID, MODIFIED_AT, 0x00100010, 0x00100020, 0x00100021, 0x00100024,
        0x00100030, 0x00100040, 0x00380010, 0x00380014, 0x00081080, 0x00081084, 0x0040A370, 0x00741224,
    }
)  # fmt: skip
"""What is not changed once a work item is made."""
_VALUES: Final = {
    PRIORITY: frozenset({"HIGH", "MEDIUM", "LOW"}),
    READINESS: frozenset({"INCOMPLETE", "UNAVAILABLE", "READY"}),
}
_CODES: Final = (STATIONS, 0x00404026, 0x00404027, 0x00404018)
_CODE_VALUES: Final = (0x00080100, 0x00080119, 0x00080120)
_CODE_MEANING: Final = 0x00080104
_AT_LEAST_PERFORMED: Final = (0x00404028, 0x00404050, 0x00404019, 0x00404051)
_OUTPUT: Final = 0x00404033


def refused(status: int, message: str, *tags: int) -> RefusedOperationError:
    """Return the refusal of a status, with the attributes at fault."""
    return RefusedOperationError(message, status=status, offending=tags)


def _named(tags: Sequence[int]) -> str:
    return ", ".join(keyword_of_tag(tag) or f"{tag:08X}" for tag in tags[:4])


def created(model: Model, uid: str, now: str) -> tuple[Model, bool]:
    """Return a new work item as it is kept, and whether attributes were missing that are kept as empty.

    Raises:
        RefusedOperationError: it is none, or is not scheduled.
    """
    _check_present(model, (STATE, *_TYPE_1))
    if text(model, STATE) != StepState.SCHEDULED:
        raise refused(0xC309, f"its state is {text(model, STATE)[:16]!r}; a new work item is SCHEDULED", STATE)
    full = [tag for tag in (TRANSACTION_UID, PROGRESS, PERFORMED) if not is_empty(model, tag)]
    if full:
        raise refused(Status.INVALID_ATTRIBUTE_VALUE, f"a new work item has no value of {_named(full)}", *full)
    _check_values(model)
    missing = [tag for tag in TYPE_2 if f"{tag:08X}" not in model]
    kept = {**model, **{f"{tag:08X}": {"vr": dictionary_vr(tag)} for tag in missing}}
    for tag in (STATE, TRANSACTION_UID):
        kept.pop(f"{tag:08X}", None)
    kept |= dict([attribute(SOP_CLASS_UID, UPS_PUSH), attribute(SOP_INSTANCE_UID, uid), attribute(MODIFIED_AT, now)])
    if is_empty(kept, WORKLIST_LABEL):
        kept |= [attribute(WORKLIST_LABEL, DEFAULT_LABEL)]
    _check_size(kept)
    return kept, any(tag not in _LABELLED for tag in missing)


def changed(item: Workitem, changes: Model, now: str) -> Model:
    """Return the data set of a work item with changes.

    Raises:
        RefusedOperationError: they may not be made, or not in its state.
    """
    if f"{STATE:08X}" in changes:
        status = 0xC303 if text(changes, STATE) == StepState.SCHEDULED else Status.INVALID_ATTRIBUTE_VALUE
        raise refused(status, "the state is changed by an action, not by setting it", STATE)
    fixed = [tag for tag in sorted(_FIXED) if _differs(item.model, changes, tag)]
    if fixed:
        raise refused(Status.INVALID_ATTRIBUTE_VALUE, f"{_named(fixed)} cannot be changed any more", *fixed)
    if item.state is StepState.SCHEDULED and not (is_empty(changes, PROGRESS) and is_empty(changes, PERFORMED)):
        raise refused(0xC310, "what is done is told once the work item is IN PROGRESS", PROGRESS, PERFORMED)
    _check_present(changes, [tag for tag in (*_TYPE_1, WORKLIST_LABEL) if f"{tag:08X}" in changes])
    _check_values(changes)
    given = {name: value for name, value in changes.items() if name != f"{TRANSACTION_UID:08X}"}
    model = {**item.model, **given, **dict([attribute(MODIFIED_AT, now)])}
    _check_size(model)
    return model


def _differs(model: Mapping[str, Any], changes: Model, tag: int) -> bool:
    """Tell whether changes have a value of their own for an attribute."""
    name = f"{tag:08X}"
    return name in changes and changes[name] != model.get(name)


def ended(model: Model, state: StepState, now: str) -> Model:
    """Return the data set of a work item at its end; the time of its cancellation is filled in where it is not told.

    Raises:
        RefusedOperationError: it does not tell yet what it must.
    """
    missing = tuple(_missing(model, state))
    if missing:
        raise refused(0xC304, f"{state.value} needs {_named(missing)}", *missing)
    if state is StepState.COMPLETED:
        return model
    (progress, *more) = items(model, PROGRESS)
    if is_empty(progress, CANCELLED_AT):
        progress = {**progress, **dict([attribute(CANCELLED_AT, now)])}
    return {**model, **dict([attribute(PROGRESS, progress, *more)])}


def _missing(model: Model, state: StepState) -> Iterator[int]:
    if state is StepState.CANCELED:
        if not any(not is_empty(found, REASON_CODES) for found in items(model, PROGRESS)[:1]):
            yield REASON_CODES
        return
    performed = items(model, PERFORMED)
    if not performed:
        yield PERFORMED
        return
    yield from (tag for tag in _AT_LEAST_PERFORMED if is_empty(performed[0], tag))
    if f"{_OUTPUT:08X}" not in performed[0]:
        yield _OUTPUT


def _check_present(model: Model, tags: Sequence[int]) -> None:
    """Refuse where an attribute of type 1 is missing, or has no value."""
    absent = [tag for tag in tags if f"{tag:08X}" not in model]
    if absent:
        raise refused(Status.MISSING_ATTRIBUTE, f"{_named(absent)} is missing", *absent)
    empty = [tag for tag in tags if is_empty(model, tag)]
    if empty:
        raise refused(Status.MISSING_ATTRIBUTE_VALUE, f"{_named(empty)} has no value", *empty)


def _check_values(model: Model) -> None:
    wrong = [tag for tag, allowed in _VALUES.items() if not is_empty(model, tag) and text(model, tag) not in allowed]
    wrong += [tag for tag in _CODES if any(not _is_code(code) for code in items(model, tag))]
    if wrong:
        raise refused(Status.INVALID_ATTRIBUTE_VALUE, f"{_named(wrong)} has a value that is not allowed", *wrong)


def _is_code(item: Model) -> bool:
    return any(text(item, tag) for tag in _CODE_VALUES) and bool(text(item, _CODE_MEANING))


def _check_size(model: Model) -> None:
    if len(orjson.dumps(model)) > MAX_MODEL_BYTES:
        raise refused(Status.RESOURCE_LIMITATION, f"a work item has at most {MAX_MODEL_BYTES} bytes")


def shown(item: Workitem) -> Model:
    """Return a work item as it is told: never with its Transaction UID."""
    return {**item.model, **dict([attribute(STATE, item.state.value)])}
