"""What every adapter of `ports.ups.Workitems` does; a test module derives and gives it an empty table."""

from dataclasses import replace

from archimage.model.ups import Door, EventType, Reach, StepState, Subscription, UpsEvent, Workitem
from archimage.ports.ups import Workitems

_TO_ALL = Subscription("ALL", Reach.ALL, Door.WEB)


def _item(uid: str, patient_id: str = "DEMO-1") -> Workitem:
    model = {"00100020": {"vr": "LO", "Value": [patient_id]}, "00741202": {"vr": "LO", "Value": ["CT"]}}
    return Workitem(uid, StepState.SCHEDULED, "", model, 1, 10.0)


def _add(items: Workitems, *uids: str) -> None:
    with items.changing() as writer:
        for uid in uids:
            assert writer.add(_item(uid)) is not None


def _uids(items: Workitems, **wanted: object) -> list[str]:
    return [one.uid for page in items.pages(**wanted) for one in page]  # type: ignore[arg-type]


def _end(items: Workitems, uid: str, at: float) -> None:
    found = items.get(uid)
    assert found is not None
    with items.changing() as writer:
        assert writer.replace(replace(found, state=StepState.COMPLETED, version=found.version + 1, ended_at=at))


class WorkitemsContract:
    """The tests."""

    def test_what_was_added_is_found_in_order(self, items: Workitems) -> None:
        _add(items, "1.2", "1.1")
        assert _uids(items) == ["1.2", "1.1"]
        found = items.get("1.1")
        assert found == replace(_item("1.1"), number=2)
        assert items.counts() == [(StepState.SCHEDULED, 2)]
        with items.changing() as writer:
            assert writer.add(_item("1.1")) is None

    def test_the_newest_are_found_first_in_pages(self, items: Workitems) -> None:
        uids = [f"1.{number}" for number in range(1, 251)]
        _add(items, *uids)
        _end(items, "1.240", 1.0)
        found = [one for page in items.newest() for one in page]
        assert [one.uid for one in found] == uids[::-1]
        ended = [one.uid for page in items.newest(states=[StepState.COMPLETED]) for one in page]
        assert ended == ["1.240"]
        older = items.newest(states=[StepState.SCHEDULED, StepState.COMPLETED], before=found[-3].number)
        assert [one.uid for page in older for one in page] == ["1.2", "1.1"]

    def test_it_is_full_once_so_many_are_kept(self, items: Workitems) -> None:
        with items.changing() as writer:
            assert not writer.is_full(1)
        _add(items, "1.1", "1.2", "1.3")
        with items.changing() as writer:
            assert [writer.is_full(most) for most in (2, 3, 4)] == [True, True, False]
        _end(items, "1.2", 1.0)
        items.forget(2.0, 0.0, 10)
        with items.changing() as writer:
            assert [writer.is_full(most) for most in (2, 3)] == [True, False]

    def test_a_work_item_is_claimed_once(self, items: Workitems) -> None:
        _add(items, "1.1")
        with items.changing() as writer:
            assert [writer.claim("1.1", "9.1"), writer.claim("1.1", "9.2"), writer.claim("1.9", "9.1")] == [
                *(True, False, False)
            ]
        found = items.get("1.1")
        assert found is not None
        assert (found.state, found.transaction_uid, found.version) == (StepState.IN_PROGRESS, "9.1", 2)

    def test_a_change_takes_the_place_of_the_version_before_it_alone(self, items: Workitems) -> None:
        _add(items, "1.1")
        with items.changing() as writer:
            assert not writer.replace(replace(_item("1.1"), version=3))
            assert writer.replace(replace(_item("1.1", "DEMO-2"), version=2))
        assert _uids(items, patient_id="DEMO-2") == ["1.1"]
        assert _uids(items, patient_id="DEMO-1") == []

    def test_they_are_found_by_state_uid_and_label(self, items: Workitems) -> None:
        _add(items, "1.1", "1.2")
        with items.changing() as writer:
            writer.claim("1.2", "9.1")
        assert _uids(items, states=[StepState.IN_PROGRESS]) == ["1.2"]
        assert _uids(items, uids=["1.1", "1.9"]) == ["1.1"]
        assert _uids(items, label="CT") == ["1.1", "1.2"]
        assert _uids(items, label="MR") == []

    def test_more_than_a_page_is_found(self, items: Workitems) -> None:
        uids = [f"1.{number}" for number in range(450)]
        _add(items, *uids)
        assert _uids(items) == uids

    def test_subscriptions_are_kept_once_each(self, items: Workitems) -> None:
        one = Subscription("ONE", Reach.ONE, Door.DIMSE, "1.1")
        with items.changing() as writer:
            for _ in range(2):
                writer.subscribe(one)
                writer.subscribe(_TO_ALL)
            assert set(writer.subscriptions("1.1")) == {one, _TO_ALL}
            assert list(writer.subscriptions("1.2")) == [_TO_ALL]
            assert {(each.ae_title, each.door) for each in writer.subscribers()} == {
                ("ONE", Door.DIMSE),
                ("ALL", Door.WEB),
            }
            assert writer.subscription_count() == (2, 1)
            assert list(writer.subscriptions_of("ALL")) == [_TO_ALL]
            assert (writer.unsubscribe("ONE", "1.1"), writer.unsubscribe("ALL")) == (1, 1)
            assert writer.subscription_count() == (0, 0)

    def test_what_is_wide_is_forgotten_with_what_it_leaves_out_alone(self, items: Workitems) -> None:
        own = replace(_TO_ALL, reach=Reach.ONE, uid="1.1", lock=True)
        other = replace(_TO_ALL, ae_title="OTHER")
        with items.changing() as writer:
            for each in (_TO_ALL, own, replace(own, uid="1.2", wanted=False), other):
                writer.subscribe(each)
            writer.unsubscribe_widely("ALL")
            assert set(writer.subscriptions("1.1")) == {own, other}
            assert list(writer.subscriptions("1.2")) == [other]

    def test_events_wait_until_they_were_heard(self, items: Workitems) -> None:
        event = UpsEvent("1.1", EventType.STATE_REPORT, "{}")
        with items.changing() as writer:
            for _ in range(3):
                writer.tell([], ["A", "B"], event, 5.0)
        first, second, third = items.events("A", 0, 10)
        assert (first.event, [one.number for one in items.events("A", first.number, 1)]) == (event, [second.number])
        items.heard("A", second.number)
        assert list(items.events("A", 0, 10)) == [third]
        assert len(items.events("B", 0, 10)) == 3

    def test_what_is_over_is_forgotten_unless_it_is_locked(self, items: Workitems) -> None:
        _add(items, "1.1", "1.2", "1.3")
        for uid in ("1.1", "1.2"):
            _end(items, uid, 50.0)
        with items.changing() as writer:
            writer.subscribe(Subscription("A", Reach.ONE, Door.WEB, "1.1", lock=True))
        assert items.forget(50.0, 0, 10) == (0, 0)
        assert items.forget(51.0, 0, 10) == (1, 0)
        assert _uids(items) == ["1.1", "1.3"]
        with items.changing() as writer:
            writer.unsubscribe("A")
        assert items.forget(51.0, 0, 10) == (1, 0)

    def test_a_lock_on_all_holds_but_for_what_is_left_out(self, items: Workitems) -> None:
        _add(items, "1.1", "1.2")
        for uid in ("1.1", "1.2"):
            _end(items, uid, 50.0)
        with items.changing() as writer:
            writer.subscribe(replace(_TO_ALL, lock=True))
            writer.subscribe(replace(_TO_ALL, reach=Reach.ONE, uid="1.2", wanted=False))
        assert items.forget(51.0, 0, 10) == (1, 0)
        assert _uids(items) == ["1.1"]

    def test_events_that_are_old_or_too_many_are_forgotten_the_oldest_first(self, items: Workitems) -> None:
        with items.changing() as writer:
            for number in range(5):
                writer.tell([], ["A"], UpsEvent(f"1.{number}", EventType.STATE_REPORT, "{}"), float(number))
        assert items.forget(0, 2.0, 10) == (0, 2)
        assert items.forget(0, 2.0, 2) == (0, 1)
        assert [one.event.uid for one in items.events("A", 0, 10)] == ["1.3", "1.4"]

    def test_a_start_is_noted_once_a_while(self, items: Workitems) -> None:
        with items.changing() as writer:
            assert [writer.announce(now - 60, now) for now in (100.0, 110.0, 200.0)] == [True, False, True]
