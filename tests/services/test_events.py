"""Followers are told what happens, in its order, in bounded memory; stored instances as sums."""

import pytest

from archimage.model.events import InstanceStored, NodeChanged, StudyGrew
from archimage.services.events import SUMMED_FOR_S, EventHub
from tests.services.archive import records


class Time:
    """A clock that is moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def hub(time: Time) -> EventHub:
    return EventHub(memory=3, monotonic=time, clock=time)


def test_a_follower_gets_what_it_has_not_seen(hub: EventHub) -> None:
    for title in "AB":
        hub.publish(NodeChanged(title))
    assert [told.event for told in hub.since(0).told] == [NodeChanged("A"), NodeChanged("B")]
    assert [told.event for told in hub.since(1).told] == [NodeChanged("B")]
    assert hub.since(2).told == ()


def test_who_is_slow_is_told_how_many_are_lost(hub: EventHub) -> None:
    for title in "ABCDE":
        hub.publish(NodeChanged(title))
    news = hub.since(1)
    assert [told.event for told in news.told] == [NodeChanged(title) for title in "CDE"]
    assert (news.lost, news.last) == (1, 5)


def test_a_number_that_was_never_given_out_means_from_here_on(hub: EventHub) -> None:
    hub.publish(NodeChanged("A"))
    assert hub.since(7).told == ()
    assert hub.since(-1).last == 1


def test_stored_instances_are_summed_per_study(hub: EventHub, time: Time) -> None:
    for record in records():
        hub.publish(InstanceStored(record, replaced=False))
    early = hub.since(0)
    assert early.told == ()
    assert early.due_s == SUMMED_FOR_S
    time.now += SUMMED_FOR_S
    told = hub.since(0)
    assert told.due_s is None
    assert told.lost == 1
    assert [one.event for one in told.told] == [StudyGrew(f"1.{study}", 3, 300, "MODALITY") for study in (1, 2, 3)]


def test_sums_are_told_even_if_nobody_asks_in_time(hub: EventHub, time: Time) -> None:
    first, second, *_ = records()
    hub.publish(InstanceStored(first, replaced=False))
    time.now += 2 * SUMMED_FOR_S
    hub.publish(InstanceStored(second, replaced=False))
    assert [told.event for told in hub.since(0).told] == [StudyGrew("1.0", 1, 100, "MODALITY")]


def test_a_follower_is_woken_once_for_many_instances_and_not_after_it_left(hub: EventHub) -> None:
    woken: list[bool] = []
    with hub.following(lambda: woken.append(True)):
        assert hub.followers == 1
        for record in records():
            hub.publish(InstanceStored(record, replaced=False))
        assert len(woken) == 1
        hub.publish(NodeChanged("A"))
        assert len(woken) == 2
    hub.publish(NodeChanged("B"))
    assert len(woken) == 2
    assert hub.followers == 0
