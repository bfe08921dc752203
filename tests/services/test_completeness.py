"""Studies are told of once they are complete, each time they grow, and after whatever happened to the process."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.index.completeness import CompletingStudyTable
from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.deliveries import Delivery
from archimage.services.completeness import CATCH_UP_S, CompletenessService
from archimage.services.deliveries import made
from tests.services.archive import records

_NOW = 1_800_000_000.0
_QUIET_S = 60.0


class Looking:
    """An archive whose instances come when a test says so, and who looks for complete studies."""

    def __init__(self, index: SqliteIndex) -> None:
        self.index = index
        self._number = 0
        self.woken = 0

    def service(self, audience: str = "tests") -> CompletenessService:
        """Return what looks, as a process that has just begun."""
        table = CompletingStudyTable(self.index, audience)
        return CompletenessService(table, _QUIET_S, self._due, self._wake, "looking")

    def stored(self, study: str, at: float) -> None:
        """Have an instance of a study stored."""
        self._number += 1
        record = next(iter(records()))
        uids = {"study_instance_uid": study, "series_instance_uid": f"{study}.1"}
        values = {**record.values, **uids, "sop_instance_uid": f"{study}.1.{self._number}"}
        path = f"{self._number}.dcm"
        self.index.add([replace(record, values=values, received_at=at, path=path)])

    @property
    def told(self) -> list[str]:
        """The studies that were told of, in order."""
        return [one.about for one in reversed(DeliveryTable(self.index).find(limit=100))]

    def _due(self, study: str, now: float) -> Sequence[Delivery]:
        return [made("told", "somebody", study, "", now)]

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(SqliteIndex(tmp_path / "index.db"))


def test_a_study_is_told_of_once_it_is_quiet(looking: Looking) -> None:
    service = looking.service()
    service.look(_NOW)
    looking.stored("1.2", _NOW + 1)
    assert service.look(_NOW + 2) == 0
    looking.stored("1.2", _NOW + 50)
    assert service.look(_NOW + 100) == 0
    assert service.look(_NOW + 50 + _QUIET_S) == 1
    assert service.look(_NOW + 1_000) == 0
    assert (looking.told, looking.woken) == (["1.2"], 1)


def test_what_grows_again_is_complete_again(looking: Looking) -> None:
    service = looking.service()
    service.look(_NOW)
    looking.stored("1.2", _NOW + 1)
    looking.stored("1.3", _NOW + 1)
    assert service.look(_NOW + 100) == 2
    looking.stored("1.2", _NOW + 200)
    assert service.look(_NOW + 300) == 1
    assert sorted(looking.told) == ["1.2", "1.2", "1.3"]


def test_another_process_goes_on_from_where_one_was_killed(looking: Looking) -> None:
    looking.service().look(_NOW)
    looking.stored("1.2", _NOW + 1)
    looking.service().look(_NOW + 2)
    looking.stored("1.3", _NOW + 3)
    assert looking.service().look(_NOW + 3_600) == 2
    assert looking.service().look(_NOW + 3_700) == 0


def test_what_came_before_the_first_look_is_not_told_of(looking: Looking) -> None:
    looking.stored("1.2", _NOW - 100)
    service = looking.service()
    assert [service.look(_NOW + more) for more in (0, 1, 1_000)] == [0, 0, 0]


def test_who_was_away_for_too_long_begins_anew(looking: Looking) -> None:
    looking.service().look(_NOW)
    looking.stored("1.2", _NOW + 10)
    later = _NOW + CATCH_UP_S + 100
    service = looking.service()
    assert service.look(later) == 0
    looking.stored("1.3", later + 1)
    assert service.look(later + 100) == 1
    assert looking.told == ["1.3"]


def test_an_archive_to_which_nothing_comes_for_long_is_still_watched(looking: Looking) -> None:
    service = looking.service()
    service.look(_NOW)
    idle = _NOW + 3 * CATCH_UP_S
    assert service.look(idle) == 0
    looking.stored("1.2", idle + 1)
    assert looking.service().look(idle + 100) == 1


def test_audiences_do_not_know_of_each_other(looking: Looking) -> None:
    one, other = looking.service("one"), looking.service("other")
    for service in (one, other):
        service.look(_NOW)
    looking.stored("1.2", _NOW + 1)
    assert (one.look(_NOW + 100), other.look(_NOW + 100)) == (1, 1)


def test_of_two_processes_one_tells(looking: Looking) -> None:
    one, other = looking.service(), looking.service()
    one.look(_NOW)
    looking.stored("1.2", _NOW + 1)
    assert one.look(_NOW + 100) + other.look(_NOW + 100) == 1


def test_nothing_is_written_while_nothing_comes(looking: Looking) -> None:
    service = looking.service()
    service.look(_NOW)
    looking.stored("1.2", _NOW + 1)
    service.look(_NOW + 100)
    before = looking.index.generation()
    for second in range(100):
        service.look(_NOW + 101 + second)
    assert looking.index.generation() == before
