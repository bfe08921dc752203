"""What is remembered is what would be found anew."""

from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import Level
from archimage.model.query import Query
from archimage.services.query import QueryService
from archimage.services.remembered import Remembered
from tests.services.archive import records


def numbers() -> Callable[[], int]:
    """Make a source of 0, 1, 2, ..."""
    return count().__next__


def test_an_answer_is_made_once_until_the_state_changes() -> None:
    state = [1]
    remembered = Remembered[int](lambda: state[0], 10)
    make = numbers()
    assert [remembered.get("a", make), remembered.get("a", make), remembered.get("b", make)] == [0, 0, 1]
    state[0] = 2
    assert [remembered.get("a", make), remembered.get("b", make), remembered.get("a", make)] == [2, 3, 2]


def test_those_not_asked_for_longest_go_first() -> None:
    remembered = Remembered[int](lambda: 1, 2)
    make = numbers()
    assert [remembered.get(key, make) for key in "abacab"] == [0, 1, 0, 2, 0, 3]


def test_what_is_not_worth_it_is_not_kept() -> None:
    remembered = Remembered[int](lambda: 1, 2)
    make = numbers()
    assert [remembered.get("a", make, lambda answer: answer > 0) for _ in range(3)] == [0, 1, 1]


def test_what_does_not_serve_is_made_anew() -> None:
    remembered = Remembered[int](lambda: 1, 2)
    make = numbers()
    assert remembered.get("a", make) == 0
    assert remembered.get("a", make, lambda answer: answer > 0) == 1
    assert remembered.get("a", make) == 1


def test_only_what_is_remembered_of_this_state_is_there_at_once() -> None:
    state: list[int | None] = [1]
    remembered = Remembered[int](lambda: 1, 2, lambda: state[0])
    assert remembered.at_once("a") is None
    remembered.get("a", lambda: 7)
    assert (remembered.at_once("a"), remembered.at_once("b")) == (7, None)
    assert remembered.at_once("a", lambda answer: answer > 7) is None
    for other in (2, None):
        state[0] = other
        assert remembered.at_once("a") is None


def test_nothing_is_at_once_where_waiting_is_needed_to_tell_the_state() -> None:
    remembered = Remembered[int](lambda: 1, 2)
    remembered.get("a", lambda: 7)
    assert remembered.at_once("a") is None


def test_an_answer_made_while_the_state_changed_is_not_kept() -> None:
    state = [1]
    remembered = Remembered[int](lambda: state[0], 2)

    def make() -> int:
        state[0] = 2
        remembered.get("other", lambda: 0)
        return 7

    assert remembered.get("a", make) == 7
    assert remembered.get("a", lambda: 8) == 8


def test_counts_follow_what_any_process_stores_and_removes(tmp_path: Path) -> None:
    all_records = list(records())
    with closing(SqliteIndex(tmp_path / "index.db")) as index, closing(SqliteIndex(tmp_path / "index.db")) as other:
        service = QueryService(index)
        everything = Query(Level.IMAGE)
        assert service.count(everything) == 0
        index.add(all_records[:5])
        assert service.count(everything) == 5
        other.add(all_records)
        assert service.count(everything) == 12
        assert service.count(everything) == 12
        other.remove([all_records[0].sop_instance_uid])
        assert service.count(everything) == 11
