"""What every adapter of `ports.department.Deliveries` does; a test module derives and gives it an empty table."""

from collections.abc import Sequence
from dataclasses import replace

from archimage.model.deliveries import Delivery, DeliveryState
from archimage.model.jobs import Priority
from archimage.ports.department import Deliveries
from archimage.services.deliveries import made

KINDS = ("one", "two")


def _taken(deliveries: Deliveries, now: float, until: float = 1_000) -> Sequence[str]:
    return [found.about for found in deliveries.take(KINDS, now, until, 10, at_once=10)]


def _few(deliveries: Deliveries, now: float, until: float = 1_000) -> Sequence[str]:
    return [found.about for found in deliveries.take(KINDS, now, until, 10, at_once=2)]


def _add(
    deliveries: Deliveries, *about: str, lane: str = "", kind: str = "one", now: float = 0, to: str = "AE"
) -> None:
    deliveries.add([made(kind, to, one, f"payload of {one}", now, lane=lane) for one in about])


def _ids(deliveries: Deliveries) -> dict[str, int]:
    return {found.about: found.id for found in deliveries.find(limit=100)}


class DeliveriesContract:
    """The tests."""

    def test_what_was_added_is_found_the_newest_first(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b")
        newest, oldest = deliveries.find(limit=10)
        assert (newest.about, oldest.about) == ("b", "a")
        assert oldest == Delivery("one", "AE", "a", "payload of a", "one AE", 0, 0, id=oldest.id)
        assert deliveries.get(oldest.id) == oldest
        assert deliveries.find(limit=10, before=newest.id) == [oldest]

    def test_it_is_found_by_kind_and_state(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        _add(deliveries, "b", kind="two")
        deliveries.settle(_ids(deliveries)["a"], 5)
        assert [one.about for one in deliveries.find(kind="two", limit=10)] == ["b"]
        assert [one.about for one in deliveries.find(state=DeliveryState.DONE, limit=10)] == ["a"]
        assert set(deliveries.counts()) == {("one", DeliveryState.DONE, 1), ("two", DeliveryState.WAITING, 1)}

    def test_a_lane_is_delivered_in_order_one_after_the_other(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b")
        _add(deliveries, "c", lane="other")
        assert sorted(_taken(deliveries, 1)) == ["a", "c"]
        assert _taken(deliveries, 1) == []
        deliveries.settle(_ids(deliveries)["a"], 2)
        assert _taken(deliveries, 2) == ["b"]

    def test_the_most_urgent_lanes_are_first_and_of_these_what_was_due_first(self, deliveries: Deliveries) -> None:
        urgency = {"a": Priority.LOW, "b": Priority.NORMAL, "c": Priority.HIGH, "d": Priority.HIGH, "e": Priority.LOW}
        for number, (about, priority) in enumerate(urgency.items()):
            one = made("one", "AE", about, "", -number, lane=about)
            deliveries.add([replace(one, priority=priority)])
        assert {one.about: one.priority for one in deliveries.find(limit=10)} == urgency
        taken = [deliveries.take(KINDS, 1, 1_000, 1, at_once=10) for _ in range(5)]
        assert [one.about for (one,) in taken] == ["d", "c", "b", "e", "a"]

    def test_nothing_overtakes_in_a_lane_however_urgent_it_is(self, deliveries: Deliveries) -> None:
        for about, priority in (("a", Priority.LOW), ("b", Priority.HIGH)):
            deliveries.add([replace(made("one", "AE", about, "", 0), priority=priority)])
        assert _taken(deliveries, 1) == ["a"]
        assert _taken(deliveries, 1) == []
        deliveries.settle(_ids(deliveries)["a"], 2)
        assert _taken(deliveries, 2) == ["b"]

    def test_what_is_paused_waits_with_what_comes_after_it_in_its_lane(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b", "c")
        _add(deliveries, "d", lane="other")
        ids = _ids(deliveries)
        assert deliveries.pause(ids["b"])
        assert not deliveries.pause(ids["b"])
        assert sorted(_taken(deliveries, 1)) == ["a", "d"]
        deliveries.settle(ids["a"], 2)
        deliveries.settle(ids["d"], 2)
        assert _taken(deliveries, 2) == []
        assert deliveries.next_due(KINDS) is None
        assert deliveries.resume(ids["b"], 3)
        assert not deliveries.resume(ids["b"], 3)
        assert _taken(deliveries, 2) == []
        assert _taken(deliveries, 3) == ["b"]

    def test_what_is_being_delivered_when_it_is_paused_was_delivered(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        assert _taken(deliveries, 1) == ["a"]
        assert deliveries.pause(_ids(deliveries)["a"])
        deliveries.settle(_ids(deliveries)["a"], 2)
        assert [one.state for one in deliveries.find(limit=1)] == [DeliveryState.DONE]

    def test_who_does_not_answer_for_what_he_has_taken_loses_it(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        assert _taken(deliveries, 1, until=10) == ["a"]
        assert deliveries.next_due(KINDS) == 10
        assert _taken(deliveries, 9) == []
        assert _taken(deliveries, 10) == ["a"]

    def test_who_says_that_he_is_at_it_keeps_it(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b")
        _taken(deliveries, 1, until=10)
        deliveries.renew([_ids(deliveries)["a"]], 30)
        assert (_taken(deliveries, 20), deliveries.next_due(KINDS)) == ([], 30)

    def test_what_was_let_go_of_is_not_taken_by_saying_that_one_is_at_it(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        _taken(deliveries, 1, until=10)
        deliveries.postpone(_ids(deliveries)["a"], 5, "not yet")
        deliveries.renew([_ids(deliveries)["a"]], 30)
        assert deliveries.next_due(KINDS) == 5

    def test_what_nobody_is_at_any_more_is_due(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        _taken(deliveries, 1, until=1_000)
        deliveries.release()
        assert _taken(deliveries, 2) == ["a"]

    def test_what_failed_for_now_is_due_later_and_its_lane_waits(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b")
        _taken(deliveries, 1)
        deliveries.postpone(_ids(deliveries)["a"], 50, "nobody there")
        assert (_taken(deliveries, 49), deliveries.next_due(KINDS)) == ([], 50)
        (again,) = deliveries.take(KINDS, 50, 60, 10, at_once=10)
        assert (again.about, again.attempts, again.error) == ("a", 1, "nobody there")

    def test_what_failed_for_good_lets_the_next_pass(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", "b")
        _taken(deliveries, 1)
        first = _ids(deliveries)["a"]
        deliveries.give_up(first, 3, "no")
        found = deliveries.get(first)
        assert found is not None
        assert (found.state, found.ended_at, found.error) == (DeliveryState.FAILED, 3, "no")
        assert _taken(deliveries, 4) == ["b"]

    def test_only_what_failed_is_tried_again(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        first = _ids(deliveries)["a"]
        assert not deliveries.retry(first, 1)
        deliveries.give_up(first, 3, "no")
        assert deliveries.retry(first, 9)
        (again,) = deliveries.take(KINDS, 9, 20, 10, at_once=10)
        assert (again.about, again.attempts, again.due_at, again.created_at) == ("a", 0, 9, 9)
        assert not deliveries.retry(first + 1, 1)

    def test_kinds_that_nobody_asks_for_wait(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", kind="unknown")
        assert (_taken(deliveries, 1), deliveries.next_due(KINDS)) == ([], None)

    def test_what_was_delivered_is_forgotten_after_a_while_and_nothing_else(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a", lane="1")
        _add(deliveries, "b", lane="2")
        _add(deliveries, "c", lane="3")
        deliveries.settle(_ids(deliveries)["a"], 5)
        deliveries.give_up(_ids(deliveries)["b"], 5, "no")
        assert (deliveries.forget(5), deliveries.forget(6)) == (0, 1)
        assert sorted(_ids(deliveries)) == ["b", "c"]

    def test_what_is_removed_is_gone(self, deliveries: Deliveries) -> None:
        _add(deliveries, "a")
        first = _ids(deliveries)["a"]
        assert (deliveries.remove(first), deliveries.remove(first), deliveries.get(first)) == (True, False, None)

    def test_no_text_is_a_danger(self, deliveries: Deliveries) -> None:
        nasty = "'; DROP TABLE delivery; --\0 \ud800 \N{SNOWMAN}"
        deliveries.add([made("one", nasty, nasty, nasty, 0)])
        (found,) = deliveries.find(limit=1)
        assert found.payload == "'; DROP TABLE delivery; -- ? \N{SNOWMAN}"

    def test_what_waits_is_hastened_and_what_is_being_tried_is_not(self, deliveries: Deliveries) -> None:
        deliveries.add([replace(made("one", "AE", "a", "", 0), due_at=100)])
        assert deliveries.hasten("one", "a", 5)
        assert not deliveries.hasten("two", "a", 5)
        assert _taken(deliveries, 5, until=50) == ["a"]
        assert not deliveries.hasten("one", "a", 6)

    def test_a_destination_is_told_so_much_at_once_and_others_are_told_theirs(self, deliveries: Deliveries) -> None:
        for about in ("a", "b", "c"):
            _add(deliveries, about, lane=about)
        _add(deliveries, "d", lane="d", to="OTHER")
        assert _few(deliveries, 1, until=1_000) == ["a", "b", "d"]
        assert _few(deliveries, 1) == []
        deliveries.settle(_ids(deliveries)["d"], 2)
        assert _few(deliveries, 2) == []
        deliveries.settle(_ids(deliveries)["a"], 2)
        assert _few(deliveries, 2) == ["c"]

    def test_what_a_destination_is_told_counts_whatever_its_kind_and_whoever_tells_it(
        self, deliveries: Deliveries
    ) -> None:
        for about, kind in (("a", "one"), ("b", "two"), ("c", "three")):
            _add(deliveries, about, kind=kind)
        assert [one.about for one in deliveries.take(["one", "two"], 1, 1_000, 10, at_once=2)] == ["a", "b"]
        assert deliveries.take(["three"], 1, 1_000, 10, at_once=2) == []
        assert [one.about for one in deliveries.take(["three"], 1_000, 2_000, 10, at_once=2)] == ["c"]

    def test_of_what_a_destination_may_be_told_the_most_urgent_is_first(self, deliveries: Deliveries) -> None:
        for about, priority in (("a", Priority.LOW), ("b", Priority.HIGH), ("c", Priority.NORMAL)):
            deliveries.add([replace(made("one", "AE", about, "", 0, lane=about), priority=priority)])
        assert _few(deliveries, 1) == ["b", "c"]
