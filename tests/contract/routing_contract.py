"""What every adapter of `ports.routing.RoutedStudies` does; a test module derives and gives it an empty table."""

from archimage.model.routing import Mark, Routed
from archimage.ports.routing import RoutedStudies


class RoutingContract:
    """Where rules stand with studies."""

    def test_up_to_when_was_looked_is_kept_and_is_no_study(self, routed: RoutedStudies) -> None:
        assert routed.looked() is None
        routed.look(5.0)
        routed.look(7.5)
        assert routed.looked() == 7.5
        assert routed.find(rule="", study="", state="", limit=10) == []
        assert routed.counts() == []

    def test_a_row_that_is_there_stays_as_it_is(self, routed: RoutedStudies) -> None:
        first = Routed("one", "1.2", Mark(3, 4.0), changed_at=1.0)
        assert routed.get("one", "1.2") is None
        assert routed.begin(first) == first
        assert routed.begin(Routed("one", "1.2", Mark(9, 9.0), changed_at=2.0)) == first
        routed.assign("one", "1.2", 7, 2.0)
        found = routed.get("one", "1.2")
        assert found is not None
        assert (found.job, found.mark) == (7, Mark(3, 4.0))

    def test_marks_move_on_and_never_back(self, routed: RoutedStudies) -> None:
        routed.begin(Routed("one", "1.2", changed_at=1.0))
        routed.tell("one", "1.2", "failing", "it is down", 2.0)
        (failing,) = routed.find(rule="one", study="1.2", state="failing", limit=10)
        assert failing.error == "it is down"
        routed.reach("one", "1.2", Mark(5, 5.0), 4, 3.0)
        routed.reach("one", "1.2", Mark(4, 4.0), 9, 4.0)
        assert routed.get("one", "1.2") == Routed("one", "1.2", Mark(5, 5.0), "done", 4, 0, "", 3.0)

    def test_they_are_listed_by_what_changed_last_and_counted(self, routed: RoutedStudies) -> None:
        for number, rule in enumerate(("one", "two", "one")):
            routed.begin(Routed(rule, f"1.{number}", changed_at=float(number)))
        routed.reach("one", "1.0", Mark(1, 1.0), 3, 9.0)
        found = routed.find(rule="one", study="", state="", limit=10)
        assert [one.study_instance_uid for one in found] == ["1.0", "1.2"]
        assert len(routed.find(rule="", study="", state="", limit=2)) == 2
        assert sorted(routed.counts()) == [("one", "done", 1, 3), ("one", "waiting", 1, 0), ("two", "waiting", 1, 0)]

    def test_only_what_is_done_is_forgotten(self, routed: RoutedStudies) -> None:
        routed.look(1.0)
        for uid in ("1.1", "1.2"):
            routed.begin(Routed("one", uid, changed_at=1.0))
        routed.reach("one", "1.1", Mark(1, 1.0), 1, 2.0)
        assert routed.forget(10.0) == 1
        assert [one.study_instance_uid for one in routed.find(rule="", study="", state="", limit=9)] == ["1.2"]
        assert routed.looked() == 1.0
