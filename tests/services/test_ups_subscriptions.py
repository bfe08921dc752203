"""Who is told of work items, of which, and how long that is kept; over a real index."""

from pathlib import Path

import orjson
import pytest

from archimage.errors import NotAuthorisedError, RefusedOperationError
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.ups import Door
from archimage.protocol.uids import UPS_FILTERED_GLOBAL_SUBSCRIPTION as FILTERED
from archimage.protocol.uids import UPS_GLOBAL_SUBSCRIPTION as ALL
from archimage.services.datasets import attribute, made
from archimage.services.ups_keeping import Keeping, Procedures, UpsKeeper
from archimage.services.ups_subscriptions import MAX_WIDE
from tests.workitems import new_item, performed, procedures

MINE = "1.2.3.1"


def _heard(opened: Procedures, ae_title: str) -> list[tuple[str, int]]:
    return [(one.event.uid, int(one.event.type)) for one in opened.subscriptions.events(ae_title)]


def _status(opened: Procedures, uid: str, ae_title: str, door: Door = Door.WEB) -> int:
    with pytest.raises(RefusedOperationError) as refusal:
        opened.subscriptions.subscribe(uid, ae_title, door)
    return refusal.value.status


def test_nodes_are_told_by_deliveries_and_others_over_the_web(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(uid, "WATCHER", Door.DIMSE)
        opened.subscriptions.subscribe(uid, "ELSEWHERE", Door.WEB)
        assert _heard(opened, "ELSEWHERE") == [(uid, 1)]
        assert _heard(opened, "WATCHER") == []
        assert _status(opened, uid, "UNKNOWN", Door.DIMSE) == 0xC308
        assert _status(opened, "1.2.9", "ELSEWHERE") == 0xC307


def test_a_subscription_to_all_leaves_out_what_was_given_up(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        first, second = (opened.steps.create(new_item()).uid for _ in range(2))
        opened.subscriptions.subscribe(ALL, "A", Door.WEB)
        opened.subscriptions.unsubscribe(first, "A")
        for uid in (first, second):
            opened.steps.change_state(uid, "IN PROGRESS", MINE)
        assert _heard(opened, "A") == [(second, 1)]
        assert [opened.subscriptions.unsubscribe(uid, "A") for uid in (first, second)] == [False, True]


def test_who_subscribes_to_all_hears_first_where_each_stands_if_he_locks_them(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        first, second = (opened.steps.create(new_item()).uid for _ in range(2))
        opened.steps.request_cancel(first, {}, "ASKER")
        for ae_title, lock in (("LOCKS", True), ("LOOKS", False)):
            opened.subscriptions.subscribe(ALL, ae_title, Door.WEB, lock=lock)
            keys = made(attribute(0x00741202, "Reading"))
            opened.subscriptions.subscribe(FILTERED, f"{ae_title}F", Door.WEB, keys, lock=lock)
        for ae_title in ("LOCKS", "LOCKSF"):
            assert _heard(opened, ae_title) == [(first, 1), (second, 1)]
        assert _heard(opened, "LOOKS") == _heard(opened, "LOOKSF") == []


@pytest.mark.parametrize("wide", [True, False])
def test_a_lock_stays_when_its_owner_subscribes_to_all_without_one(tmp_path: Path, wide: bool) -> None:
    with procedures(tmp_path) as opened:
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(ALL if wide else uid, "A", Door.WEB, lock=True)
        opened.subscriptions.subscribe(ALL, "A", Door.WEB)
        later = opened.steps.create(new_item()).uid
        for each in (uid, later):
            opened.steps.request_cancel(each, {}, "ASKER")
        keeper = UpsKeeper(opened, Keeping(-1, 60, 10))
        assert keeper.forget() == (1, 0)
        opened.subscriptions.subscribe(uid, "A", Door.WEB)
        assert keeper.forget() == (1, 0)


def test_who_assigns_is_told_with_what_has_a_value(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(uid, "A", Door.WEB)
        opened.steps.update(uid, made(attribute(0x00404026), attribute(0x00404027)), "")
        assert _heard(opened, "A") == [(uid, 1)]
        opened.steps.update(uid, made(attribute(0x00404025)), "")
        (_, told) = opened.subscriptions.events("A")
        assert (int(told.event.type), orjson.loads(told.event.payload)) == (5, {})


def test_who_has_a_filter_is_told_of_what_comes_to_fit_it(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        keys = made(attribute(0x00741204, "Urgent*"))
        opened.subscriptions.subscribe(FILTERED, "A", Door.WEB, keys)
        uid = opened.steps.create(new_item()).uid
        assert _heard(opened, "A") == []
        opened.steps.update(
            uid, made(attribute(0x00741204, "Urgent reading"), attribute(0x00404041, "UNAVAILABLE")), ""
        )
        assert _heard(opened, "A") == [(uid, 1)]
        opened.steps.update(uid, made(attribute(0x00741204, "Reading")), "")
        opened.steps.change_state(uid, "IN PROGRESS", MINE)
        assert _heard(opened, "A") == [(uid, 1), (uid, 1)]


def test_no_more_subscribe_than_are_let(tmp_path: Path) -> None:
    with procedures(tmp_path, most=5) as opened:
        uids = [opened.steps.create(new_item()).uid for _ in range(6)]
        for uid in uids[:5]:
            opened.subscriptions.subscribe(uid, "A", Door.WEB)
        assert _status(opened, uids[5], "A") == 0x0213
    with procedures(tmp_path, most=MAX_WIDE + 10) as opened:
        for number in range(MAX_WIDE):
            opened.subscriptions.subscribe(FILTERED, f"A{number}", Door.WEB, made(attribute(0x00741202, "None")))
        assert _status(opened, ALL, "ONE") == 0x0213
        assert _status(opened, FILTERED, "ONE") == 0x0213


def test_who_was_granted_a_part_does_not_hear_of_all(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened, callers.under(Grant(within=((Scope(patients=frozenset({"DEMO-1"})),),))):
        with pytest.raises(NotAuthorisedError):
            opened.subscriptions.subscribe(ALL, "A", Door.WEB)
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(uid, "A", Door.WEB)


def test_a_start_is_told_once_to_all_who_subscribe(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(ALL, "A", Door.WEB)
        opened.subscriptions.subscribe(uid, "B", Door.WEB)
        for _ in range(2):  # as two workers do
            opened.subscriptions.announce_start()
        (told,) = opened.subscriptions.events("A")
        assert (told.event.uid, int(told.event.type)) == (ALL, 4)
        assert orjson.loads(told.event.payload)["00741242"]["Value"] == ["RESTARTED"]
        assert _heard(opened, "B") == [(uid, 1), (ALL, 4)]


def test_what_is_over_is_forgotten_once_nobody_locks_it(tmp_path: Path) -> None:
    with procedures(tmp_path) as opened:
        uid = opened.steps.create(new_item()).uid
        opened.subscriptions.subscribe(uid, "A", Door.WEB, lock=True)
        opened.steps.change_state(uid, "IN PROGRESS", MINE)
        opened.steps.update(uid, performed(), MINE)
        opened.steps.change_state(uid, "COMPLETED", MINE)
        keeper = UpsKeeper(opened, Keeping(-1, 60, 10))
        assert keeper.forget() == (0, 0)
        opened.subscriptions.unsubscribe(uid, "A")
        assert keeper.forget() == (1, 0)
