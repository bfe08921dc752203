"""Which attributes a performed procedure step must have, when, and which of them may change.

Of type 1 an attribute must have a value, of type 2 it may be empty: what of these modalities leave out is kept as
empty, so that whoever asks always gets it. Attributes that the table does not name are taken as they come. What N-SET
may not change may be told again as it was.

Ref: PS3.4 Table F.7.2-1.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.dicom.dictionary import dictionary_vr
from archimage.errors import RefusedOperationError
from archimage.model.ids import is_uid
from archimage.model.mpps import Reference, StepState
from archimage.protocol.status import Status
from archimage.services.datasets import Model, is_empty, items, text, texts

STATE: Final = 0x00400252
STEP_ID: Final = 0x00400253
SCHEDULED_STEPS: Final = 0x00400270
PERFORMED_SERIES: Final = 0x00400340
DISCONTINUATION_REASON: Final = 0x00400281
SERIES_UID: Final = 0x0020000E
STUDY_UID: Final = 0x0020000D
END_DATE, END_TIME = 0x00400250, 0x00400251
REFERENCED_IMAGES, REFERENCED_OTHERS = 0x00081140, 0x00400220
SOP_CLASS, SOP_INSTANCE = 0x00081150, 0x00081155
MAX_REFERENCES: Final = 20_000
"""Instances that one step may refer to."""
_OF_OBJECT: Final = ("00080016", "00080018")
"""SOP Class and SOP Instance UID, which stand in the command."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One attribute: its type at N-CREATE, whether N-SET may change it, and whether a final step must have a value.

    Those of type 3 are here because N-SET may not change them.

    inner are the rules of its items, which hold whenever it is told.
    """

    tag: int
    type: int = 2
    settable: bool = False
    final: bool = False
    inner: tuple["Rule", ...] = ()


def _referenced(tag: int, type_: int = 2) -> Rule:
    return Rule(tag, type_, inner=(Rule(SOP_CLASS, 1), Rule(SOP_INSTANCE, 1)))


_SCHEDULED: Final = (
    Rule(STUDY_UID, 1),
    _referenced(0x00081110),
    *(Rule(tag) for tag in (0x00080050, 0x00401001, 0x00321060, 0x00400009, 0x00400007, 0x00400008)),
)
_SERIES: Final = (
    Rule(SERIES_UID, 1),
    Rule(0x00181030, 1),
    *(Rule(tag) for tag in (0x00081050, 0x00081070, 0x0008103E, 0x00080054)),
    _referenced(REFERENCED_IMAGES),
    _referenced(REFERENCED_OTHERS),
)
RULES: Final = (
    Rule(SCHEDULED_STEPS, 1, inner=_SCHEDULED),
    *(Rule(tag) for tag in (0x00100010, 0x00100020, 0x00100030, 0x00100040)),
    *(Rule(tag, 3) for tag in (0x00100021, 0x00100024, 0x00101002)),
    *(Rule(tag, 3) for tag in (0x00380010, 0x00380014, 0x00380060, 0x00380062, 0x00380064)),
    _referenced(0x00081120),
    *(Rule(tag, 1) for tag in (STEP_ID, 0x00400241, 0x00400244, 0x00400245, 0x00080060)),
    *(Rule(tag) for tag in (0x00400242, 0x00400243, 0x00200010)),
    Rule(STATE, 1, settable=True, final=True),
    Rule(END_DATE, settable=True, final=True),
    Rule(END_TIME, settable=True, final=True),
    *(Rule(tag, settable=True) for tag in (0x00400254, 0x00400255, 0x00081032, DISCONTINUATION_REASON, 0x00400260)),
    Rule(PERFORMED_SERIES, settable=True, inner=_SERIES),
)
"""Attributes of types 1 and 2, and those of type 3 that N-SET may not change."""
_BY_NAME: Final = {f"{rule.tag:08X}": rule for rule in RULES}
_FORMS: Final = {"DA": re.compile(r"\d{8}", re.ASCII), "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?", re.ASCII)}


def created(dataset: Model) -> Model:
    """Return what N-CREATE makes, with what is empty in it.

    Raises:
        RefusedOperationError: an attribute that is needed is not there, or has no value or a wrong one.
    """
    model = {name: attribute for name, attribute in dataset.items() if name not in _OF_OBJECT}
    model = _checked(model, RULES)
    if text(model, STATE) != StepState.IN_PROGRESS:
        raise _refused(Status.INVALID_ATTRIBUTE_VALUE, f"a step begins as {StepState.IN_PROGRESS}", STATE)
    return model


def changed(model: Model, changes: Model) -> Model:
    """Return what N-SET makes of a step in progress.

    Raises:
        RefusedOperationError: it changes what may not change, or what it says is not enough for a final state.
    """
    changes = {name: attribute for name, attribute in changes.items() if name not in _OF_OBJECT}
    rules = [rule for name, rule in _BY_NAME.items() if name in changes]
    changes = _checked(changes, rules)
    wrong = [
        rule.tag for rule in rules if not rule.settable and changes[(name := f"{rule.tag:08X}")] != model.get(name)
    ]
    if wrong:
        raise _refused(Status.NO_SUCH_ATTRIBUTE, "N-SET may not change this", *wrong)
    model = model | changes
    state = state_of(model)
    if state.is_final:
        _check_final(model, state)
    return model


def state_of(model: Model) -> StepState:
    """Return the state that a data set tells; RefusedOperationError where it is none."""
    value = text(model, STATE)
    if not value:
        raise _refused(Status.MISSING_ATTRIBUTE_VALUE, "a step has a state", STATE)
    try:
        return StepState(value)
    except ValueError:
        raise _refused(Status.INVALID_ATTRIBUTE_VALUE, f"{value[:20]!r} is no state of a step", STATE) from None


def references(model: Model) -> Sequence[Reference]:
    """Return the instances that a step says it has made, images first within each series.

    Raises:
        RefusedOperationError: they are too many.
    """
    found = list(_references(model))
    if len(found) > MAX_REFERENCES:
        message = f"more than {MAX_REFERENCES} instances in one step"
        raise _refused(Status.RESOURCE_LIMITATION, message, PERFORMED_SERIES)
    return found


def _references(model: Model) -> Iterator[Reference]:
    for series in items(model, PERFORMED_SERIES):
        for tag in (REFERENCED_IMAGES, REFERENCED_OTHERS):
            for one in items(series, tag):
                yield Reference(text(series, SERIES_UID), text(one, SOP_CLASS), text(one, SOP_INSTANCE))


def _check_final(model: Model, state: StepState) -> None:
    """Check what a final step must have; one that was completed has made something."""
    wanted = [rule.tag for rule in RULES if rule.final]
    if state is StepState.COMPLETED:
        wanted.append(PERFORMED_SERIES)
    missing = [tag for tag in wanted if is_empty(model, tag)]
    if missing:
        raise _refused(Status.MISSING_ATTRIBUTE_VALUE, f"a step that is {state} has these", *missing)


def _checked(model: Model, rules: Sequence[Rule]) -> Model:
    """Return a data set that keeps to rules, with empty attributes where there were none."""
    absent = [rule.tag for rule in rules if rule.type == 1 and f"{rule.tag:08X}" not in model]
    if absent:
        raise _refused(Status.MISSING_ATTRIBUTE, "attributes are missing", *absent)
    empty = [rule.tag for rule in rules if rule.type == 1 and is_empty(model, rule.tag)]
    if empty:
        raise _refused(Status.MISSING_ATTRIBUTE_VALUE, "attributes have no value", *empty)
    found = dict(model)
    for rule in rules:
        name, vr = f"{rule.tag:08X}", dictionary_vr(rule.tag)
        if rule.type == 3 and name not in found:
            continue
        attribute = found.setdefault(name, {"vr": vr})
        if attribute["vr"] != vr or not all(_has_form(value, vr) for value in texts(model, rule.tag) if vr != "SQ"):
            raise _refused(Status.INVALID_ATTRIBUTE_VALUE, f"a value is no {vr}", rule.tag)
        if rule.inner and attribute.get("Value"):
            found[name] = {"vr": vr, "Value": [_item(item, rule) for item in attribute["Value"]]}
    return found


def _item(item: Model, rule: Rule) -> Model:
    try:
        return _checked(item, rule.inner)
    except RefusedOperationError as error:
        error.offending = (rule.tag, *error.offending)
        raise


def _has_form(value: str, vr: str) -> bool:
    if vr == "UI":
        return not value or is_uid(value)
    return not value or vr not in _FORMS or _FORMS[vr].fullmatch(value.strip()) is not None


def _refused(status: Status, message: str, *tags: int) -> RefusedOperationError:
    return RefusedOperationError(message, status=status, offending=tags)
