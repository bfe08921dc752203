"""kill -9 at random instants under four senders: nothing acknowledged is lost, nothing is left over."""

from pathlib import Path

import pytest

from tests.crash.removals import RemovalStorm
from tests.crash.storm import READY_WITHIN_S, Storm

_KILLS = 100
_KILLS_OF_WORKERS = 8
_KILLS_OF_REMOVERS = 6


@pytest.mark.timeout(400)
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path: Path) -> None:
    tally = Storm(tmp_path / "data", seed=20).run(_KILLS)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > _KILLS


@pytest.mark.timeout(120)
def test_what_two_workers_acknowledged_survives_too(tmp_path: Path) -> None:
    tally = Storm(tmp_path / "data", seed=21, workers=2).run(_KILLS_OF_WORKERS)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > _KILLS_OF_WORKERS


@pytest.mark.timeout(200)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_removed_stays_away_and_nothing_is_half_removed(tmp_path: Path, workers: int) -> None:
    storm = RemovalStorm(tmp_path / "data", seed=22 + workers, workers=workers)
    storm.run(_KILLS_OF_REMOVERS)
    assert storm.problems == []
    assert storm.removed > _KILLS_OF_REMOVERS
