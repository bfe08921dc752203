"""Work items: who may change them, when, and to what; over a real index."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from archimage.errors import NotAuthorisedError, RefusedOperationError
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.ups import StepState
from archimage.services import modelmatching
from archimage.services.datasets import Model, attribute, items, made, text
from archimage.services.identifiers import Key
from archimage.services.ups import UpsService
from archimage.services.ups_rules import MAX_MODEL_BYTES, shown
from tests.workitems import discontinued, new_item, performed, procedures

MINE, YOURS = "1.2.3.1", "1.2.3.2"


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[UpsService]:
    """Return the service over an empty index."""
    with procedures(tmp_path) as opened:
        yield opened.steps


def _without(model: Model, tag: int) -> Model:
    return {name: value for name, value in model.items() if name != f"{tag:08X}"}


def _with(model: Model, tag: int, *values: object) -> Model:
    return {**model, **dict([attribute(tag, *values)])}


def _claimed(steps: UpsService) -> str:
    uid = steps.create(new_item()).uid
    assert steps.change_state(uid, "IN PROGRESS", MINE) == 0
    return uid


def _status(refusal: pytest.ExceptionInfo[RefusedOperationError]) -> int:
    return refusal.value.status


def test_what_is_made_is_there_as_it_was_given(steps: UpsService) -> None:
    made_ = steps.create(new_item(), "1.2.3")
    assert (made_.uid, made_.status) == ("1.2.3", 0)
    model = shown(steps.get("1.2.3"))
    assert (text(model, 0x00100010), text(model, 0x00741000)) == ("Demo^CT", "SCHEDULED")
    assert (text(model, 0x00080018), text(model, 0x00404010)[:4]) == ("1.2.3", "2030")
    assert "00081195" not in model


def test_what_comes_without_a_uid_has_one_of_ours(steps: UpsService) -> None:
    first, second = steps.create(new_item()).uid, steps.create(new_item()).uid
    assert first != second
    assert first.startswith("2.25.")


def test_missing_attributes_of_type_2_are_kept_empty_and_told(steps: UpsService) -> None:
    made_ = steps.create(_without(new_item(), 0x00380010))
    assert made_.status == 0xB300
    assert steps.get(made_.uid).model["00380010"] == {"vr": "LO"}
    assert steps.create(_without(new_item(), 0x00741202)).status == 0


@pytest.mark.parametrize(
    ("model", "status", "offending"),
    [
        (_without(new_item(), 0x00741200), 0x0120, (0x00741200,)),
        (_with(new_item(), 0x00741204, ""), 0x0121, (0x00741204,)),
        (_without(new_item(), 0x00741000), 0x0120, (0x00741000,)),
        (new_item(state="IN PROGRESS"), 0xC309, (0x00741000,)),
        (new_item(priority="NOW"), 0x0106, (0x00741200,)),
        (new_item(ready="PERHAPS"), 0x0106, (0x00404041,)),
        (_with(new_item(), 0x00081195, "1.2"), 0x0106, (0x00081195,)),
        (new_item() | performed(), 0x0106, (0x00741216,)),
        (_with(new_item(), 0x00404025, made(attribute(0x00080100, "A"))), 0x0106, (0x00404025,)),
        (_with(new_item(), 0x00400400, "x" * MAX_MODEL_BYTES), 0x0213, ()),
    ],
)
def test_what_is_no_work_item_is_refused(
    steps: UpsService, model: Model, status: int, offending: tuple[int, ...]
) -> None:
    with pytest.raises(RefusedOperationError) as refusal:
        steps.create(model, "1.2.3")
    assert (_status(refusal), refusal.value.offending) == (status, offending)
    assert not steps.counts()


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.34.5", "no uid"])
def test_some_uids_name_no_work_item(steps: UpsService, uid: str) -> None:
    with pytest.raises(RefusedOperationError) as refusal:
        steps.create(new_item(), uid)
    assert _status(refusal) == 0x0117


def test_a_uid_is_taken_once(steps: UpsService) -> None:
    steps.create(new_item(), "1.2.3")
    with pytest.raises(RefusedOperationError) as refusal:
        steps.create(new_item("DEMO-2"), "1.2.3")
    assert _status(refusal) == 0x0111
    assert text(shown(steps.get("1.2.3")), 0x00100020) == "DEMO-1"


def test_a_work_item_goes_from_its_claim_to_its_end(steps: UpsService) -> None:
    uid = _claimed(steps)
    steps.update(uid, performed(), MINE)
    assert steps.change_state(uid, "COMPLETED", MINE) == 0
    assert steps.get(uid).state is StepState.COMPLETED
    assert steps.change_state(uid, "COMPLETED", MINE) == 0xB306


def test_a_work_item_is_cancelled_by_who_has_claimed_it(steps: UpsService) -> None:
    uid = _claimed(steps)
    steps.update(uid, discontinued(), MINE)
    assert steps.change_state(uid, "CANCELED", MINE) == 0
    assert steps.change_state(uid, "CANCELED", MINE) == 0xB304
    (progress,) = items(dict(steps.get(uid).model), 0x00741002)
    assert text(progress, 0x00404052) == "20300102081500"


def test_the_time_of_a_cancellation_is_filled_in_where_it_is_not_told(steps: UpsService) -> None:
    uid = _claimed(steps)
    (progress,) = items(discontinued(), 0x00741002)
    steps.update(uid, made(attribute(0x00741002, _without(progress, 0x00404052))), MINE)
    assert steps.change_state(uid, "CANCELED", MINE) == 0
    (progress,) = items(dict(steps.get(uid).model), 0x00741002)
    assert (text(progress, 0x00404052), text(progress, 0x00741238)) == (steps.date_time(), "Enough")


def test_the_study_and_other_patient_ids_may_be_changed(steps: UpsService) -> None:
    uid = steps.create(new_item()).uid
    other = made(attribute(0x00100020, "DEMO-9"))
    steps.update(uid, made(attribute(0x0020000D, "1.2.3.4"), attribute(0x00101002, other)), "")
    model = dict(steps.get(uid).model)
    assert (text(model, 0x0020000D), items(model, 0x00101002)) == ("1.2.3.4", [other])


def _change(steps: UpsService, uid: str, state: str, transaction: str) -> int:
    with pytest.raises(RefusedOperationError) as refusal:
        steps.change_state(uid, state, transaction)
    return _status(refusal)


def test_states_change_in_order_alone(steps: UpsService) -> None:
    uid = steps.create(new_item()).uid
    assert _change(steps, uid, "COMPLETED", MINE) == 0xC310
    assert _change(steps, uid, "SCHEDULED", MINE) == 0xC303
    assert _change(steps, uid, "DONE", MINE) == 0x0115
    assert _change(steps, uid, "IN PROGRESS", "") == 0xC301
    for wanted, transaction in (("IN PROGRESS", MINE), ("SCHEDULED", MINE), ("COMPLETED", ""), ("CANCELED", MINE)):
        assert _change(steps, "1.2.9", wanted, transaction) == 0xC307
    assert _change(steps, "1.2.840.10008.5.1.4.34.5", "IN PROGRESS", MINE) == 0xC307
    assert steps.get(uid).version == 1
    steps.change_state(uid, "IN PROGRESS", MINE)
    assert _change(steps, uid, "IN PROGRESS", MINE) == 0xC302
    assert _change(steps, uid, "IN PROGRESS", YOURS) == 0xC301
    assert _change(steps, uid, "COMPLETED", YOURS) == 0xC301
    assert _change(steps, uid, "COMPLETED", MINE) == 0xC304
    assert _change(steps, uid, "CANCELED", MINE) == 0xC304
    assert steps.get(uid).state is StepState.IN_PROGRESS
    steps.update(uid, performed(), MINE)
    steps.change_state(uid, "COMPLETED", MINE)
    assert _change(steps, uid, "CANCELED", MINE) == 0xC300
    assert _change(steps, uid, "IN PROGRESS", MINE) == 0xC300
    assert _change(steps, uid, "IN PROGRESS", YOURS) == 0xC301


def _update(steps: UpsService, uid: str, changes: Model, transaction: str) -> int:
    with pytest.raises(RefusedOperationError) as refusal:
        steps.update(uid, changes, transaction)
    return _status(refusal)


def test_a_claimed_work_item_is_changed_by_its_owner_alone(steps: UpsService) -> None:
    uid = steps.create(new_item()).uid
    change = made(attribute(0x00741204, "Read it again"))
    steps.update(uid, change, "")
    assert _update(steps, uid, change, MINE) == 0xC310
    assert _update(steps, uid, performed(), "") == 0xC310
    steps.change_state(uid, "IN PROGRESS", MINE)
    assert _update(steps, uid, change, "") == 0xC301
    assert _update(steps, uid, change, YOURS) == 0xC301
    steps.update(uid, {**performed(), **made(attribute(0x00081195, MINE))}, MINE)
    assert "00081195" not in steps.get(uid).model
    steps.change_state(uid, "COMPLETED", MINE)
    assert _update(steps, uid, change, MINE) == 0xC300
    assert _update(steps, "1.2.9", change, "") == 0xC307


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (attribute(0x00741000, "SCHEDULED"), 0xC303),
        (attribute(0x00741000, "COMPLETED"), 0x0106),
        (attribute(0x00100020, "DEMO-2"), 0x0106),
        (attribute(0x00741204), 0x0121),
        (attribute(0x00741200, "NOW"), 0x0106),
    ],
)
def test_what_may_not_be_changed_is_not(steps: UpsService, change: tuple[str, Model], status: int) -> None:
    uid = steps.create(new_item()).uid
    assert _update(steps, uid, dict([change]), "") == status
    assert steps.get(uid).version == 1


def test_many_claim_and_one_has_it(steps: UpsService) -> None:
    uids = [steps.create(new_item()).uid for _ in range(25)]

    def claim(number: int) -> list[str]:
        had = []
        for uid in uids:
            with suppress(RefusedOperationError):
                steps.change_state(uid, "IN PROGRESS", f"1.2.{number}")
                had.append(uid)
        return had

    with ThreadPoolExecutor(8) as threads:
        found = [uid for had in threads.map(claim, range(1, 9)) for uid in had]
    assert sorted(found) == sorted(uids)


def test_who_asks_cancels_what_nobody_has_claimed(steps: UpsService) -> None:
    uid = steps.create(new_item()).uid
    assert steps.request_cancel(uid, made(attribute(0x00741238, "Not needed")), "ASKER") == 0
    item = steps.get(uid)
    (progress,) = items(dict(item.model), 0x00741002)
    assert (item.state, text(progress, 0x00741238)) == (StepState.CANCELED, "Not needed")
    assert steps.request_cancel(uid, {}, "ASKER") == 0xB304


def test_what_is_claimed_is_not_cancelled_by_others(steps: UpsService) -> None:
    uid = _claimed(steps)
    with pytest.raises(RefusedOperationError) as refusal:
        steps.request_cancel(uid, {}, "ASKER")
    assert _status(refusal) == 0xC312
    steps.update(uid, performed(), MINE)
    steps.change_state(uid, "COMPLETED", MINE)
    with pytest.raises(RefusedOperationError) as refusal:
        steps.request_cancel(uid, {}, "ASKER")
    assert _status(refusal) == 0xC311


def _found(steps: UpsService, *keys: Key) -> list[str]:
    return [item.uid for item in steps.find(modelmatching.parse(keys))]


def test_work_items_are_found_by_what_they_hold(steps: UpsService) -> None:
    first = steps.create(new_item(label="CT", start="20300101080000"), "1.1").uid
    second = steps.create(new_item("DEMO-2", start="20300102080000"), "1.2").uid
    steps.change_state(second, "IN PROGRESS", MINE)
    assert _found(steps) == [first, second]
    assert _found(steps, Key(0x00741000, "CS", "SCHEDULED")) == [first]
    assert _found(steps, Key(0x00741000, "CS", "SCHEDULED\\IN PROGRESS")) == [first, second]
    assert _found(steps, Key(0x00100020, "LO", "DEMO-2")) == [second]
    assert _found(steps, Key(0x00741202, "LO", "C*")) == [first]
    assert _found(steps, Key(0x00404005, "DT", "20300102-")) == [second]
    code = (Key(0x00080100, "SH", "READING1"),)
    assert _found(steps, Key(0x00404025, "SQ", "", (code,)), Key(0x00080018, "UI", first)) == [first]


def test_who_was_granted_a_part_sees_and_changes_that_alone(steps: UpsService) -> None:
    mine, other = steps.create(new_item()).uid, steps.create(new_item("DEMO-2")).uid
    with callers.under(Grant(within=((Scope(patients=frozenset({"DEMO-1"})),),))):
        assert _found(steps) == [mine]
        steps.change_state(mine, "IN PROGRESS", MINE)
        assert _change(steps, other, "IN PROGRESS", MINE) == 0xC307
        with pytest.raises(NotAuthorisedError):
            steps.create(new_item("DEMO-3"))
    assert steps.get(other).state is StepState.SCHEDULED


def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        uid = _claimed(opened.steps)
    with procedures(tmp_path) as opened:
        assert opened.steps.get(uid).transaction_uid == MINE
