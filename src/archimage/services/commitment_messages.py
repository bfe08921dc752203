"""What is said in storage commitment, as data sets: requests (N-ACTION) and results (N-EVENT-REPORT), both ways.

Ref: PS3.4 Tables J.3-1 and J.3-2.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from archimage.errors import RefusedOperationError
from archimage.model.commitments import Failure, Outcome, Reason, Reference, Result
from archimage.model.ids import is_uid
from archimage.protocol.status import Status
from archimage.services.datasets import Model, attribute, is_empty, items, made, text

REQUEST: Final = 1
"""Action type."""
ALL_COMMITTED: Final = 1
FAILURES_EXIST: Final = 2
"""Event types."""
MAX_REFERENCES: Final = 100_000
"""From so many objects on a request is refused."""
TRANSACTION_UID: Final = 0x00081195
_REFERENCED: Final = 0x00081199
_FAILED: Final = 0x00081198
_REASON: Final = 0x00081197
_SOP_CLASS: Final = 0x00081150
_SOP_INSTANCE: Final = 0x00081155
_RETRIEVE_AE_TITLE: Final = 0x00080054


def request(transaction_uid: str, references: Sequence[Reference]) -> Model:
    """Write a request."""
    return made(attribute(TRANSACTION_UID, transaction_uid), attribute(_REFERENCED, *map(_item, references)))


def parse_request(model: Model) -> tuple[str, list[Reference]]:
    """Read a request: the transaction's UID, and each object once.

    Raises:
        RefusedOperationError: something is missing, is no UID, or there are too many objects.
    """
    transaction_uid = _uid(model, TRANSACTION_UID)
    _require(model, _REFERENCED)
    listed = items(model, _REFERENCED)
    if len(listed) >= MAX_REFERENCES:
        raise too_many(f"{len(listed)} objects; ask for fewer than {MAX_REFERENCES} at once")
    return transaction_uid, list(dict.fromkeys(map(_reference, listed)))


def too_many(message: str) -> RefusedOperationError:
    """Return the refusal of what is more than there is room for."""
    return RefusedOperationError(message, status=Status.RESOURCE_LIMITATION)


def result(transaction_uid: str, references: Sequence[Reference], outcome: Outcome) -> tuple[int, Model]:
    """Write a result: event type and data set."""
    failed = {one.sop_instance_uid for one in outcome.failures}
    committed = [one for one in references if one.sop_instance_uid not in failed]
    model = made(attribute(TRANSACTION_UID, transaction_uid))
    if committed:
        model |= made(
            attribute(_RETRIEVE_AE_TITLE, outcome.retrieve_ae_title), attribute(_REFERENCED, *map(_item, committed))
        )
    if failed:
        model |= made(attribute(_FAILED, *map(_failed_item, outcome.failures)))
    return FAILURES_EXIST if failed else ALL_COMMITTED, model


def parse_result(event_type: int, model: Model) -> Result:
    """Read a result.

    Raises:
        RefusedOperationError: there is no such event, something is missing, or is no UID.
    """
    if event_type not in {ALL_COMMITTED, FAILURES_EXIST}:
        raise RefusedOperationError(f"there is no event {event_type} here", status=Status.NO_SUCH_EVENT_TYPE)
    transaction_uid = _uid(model, TRANSACTION_UID)
    _require(model, _REFERENCED if event_type == ALL_COMMITTED else _FAILED)
    committed = [_reference(item) for item in items(model, _REFERENCED)]
    failures = [
        Failure(one.sop_class_uid, one.sop_instance_uid, _reason(item))
        for item in items(model, _FAILED)
        for one in (_reference(item),)
    ]
    return Result(transaction_uid, committed, Outcome(failures, text(model, _RETRIEVE_AE_TITLE)[:16]))


def _item(reference: Reference) -> Model:
    return dict(_named(reference.sop_class_uid, reference.sop_instance_uid))


def _failed_item(failure: Failure) -> Model:
    return dict(_named(failure.sop_class_uid, failure.sop_instance_uid)) | made(attribute(_REASON, failure.reason))


def _named(sop_class_uid: str, sop_instance_uid: str) -> Iterator[tuple[str, dict[str, object]]]:
    yield f"{_SOP_CLASS:08X}", {"vr": "UI", "Value": [sop_class_uid]}
    yield f"{_SOP_INSTANCE:08X}", {"vr": "UI", "Value": [sop_instance_uid]}


def _reference(item: Model) -> Reference:
    return Reference(_uid(item, _SOP_CLASS), _uid(item, _SOP_INSTANCE))


def _reason(item: Model) -> int:
    given = text(item, _REASON)
    return int(given) if given.isdecimal() else Reason.UNTOLD


def _uid(model: Model, tag: int) -> str:
    try:  # there are hundreds of thousands of them
        uid = model[f"{tag:08X}"]["Value"][0]
    except (KeyError, IndexError):
        uid = ""
    if not isinstance(uid, str) or not uid:
        _require(model, tag)
        uid = text(model, tag)
    if not is_uid(uid):
        raise RefusedOperationError(f"{uid[:64]!r} is no UID", status=Status.INVALID_ATTRIBUTE_VALUE, offending=(tag,))
    return uid


def _require(model: Model, tag: int) -> None:
    if f"{tag:08X}" not in model:
        status, what = Status.MISSING_ATTRIBUTE, "is missing"
    elif is_empty(model, tag):
        status, what = Status.MISSING_ATTRIBUTE_VALUE, "is empty"
    else:
        return
    raise RefusedOperationError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {what}", status=status, offending=(tag,))
