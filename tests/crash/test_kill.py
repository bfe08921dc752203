"""kill -9 at random instants under four senders: nothing acknowledged is lost, nothing is left over."""

import random
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from tests.contract.index_contract import record
from tests.crash.changes import ChangeStorm
from tests.crash.compressions import CompressionStorm
from tests.crash.removals import RemovalStorm, Remover
from tests.crash.storm import READY_WITHIN_S, Storm

_KILLS = 100
_KILLS_OF_WORKERS = 8
_KILLS_OF_REMOVERS = 6
_KILLS_OF_COMPRESSION = 4
_KILLS_OF_CHANGES = 6


@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path: Path) -> None:
    tally = Storm(tmp_path / "data", seed=20).run(_KILLS)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > _KILLS


@pytest.mark.timeout(300)
def test_what_two_workers_acknowledged_survives_too(tmp_path: Path) -> None:
    tally = Storm(tmp_path / "data", seed=21, workers=2).run(_KILLS_OF_WORKERS)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > _KILLS_OF_WORKERS


@pytest.mark.timeout(400)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_removed_stays_away_and_nothing_is_half_removed(tmp_path: Path, workers: int) -> None:
    storm = RemovalStorm(tmp_path / "data", seed=22 + workers, workers=workers)
    storm.run(_KILLS_OF_REMOVERS)
    assert storm.problems == []
    assert storm.removed > _KILLS_OF_REMOVERS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
def test_either_the_original_or_its_compressed_form_is_there_after_a_kill(tmp_path: Path, workers: int) -> None:
    storm = CompressionStorm(tmp_path / "data", seed=25 + workers, workers=workers)
    storm.run(_KILLS_OF_COMPRESSION)
    assert storm.problems == []
    assert storm.compressed > _KILLS_OF_COMPRESSION
    assert storm.removed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_change_that_is_killed_loses_nothing_and_comes_to_its_end(tmp_path: Path, workers: int) -> None:
    storm = ChangeStorm(tmp_path / "data", seed=30 + workers, workers=workers, compressing=workers == 2)
    storm.run(_KILLS_OF_CHANGES)
    assert storm.problems == []
    assert storm.changes
    assert storm.interrupted


def test_a_large_removal_that_is_killed_while_files_are_deleted_is_completed_by_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Config(storage=StorageConfig(directory=data))
    with closing(build(settings)) as archive:
        records = [record("P", 1, 1, number) for number in range(3000)]
        for one in records:
            archive.blobs.put(one.path, b"object")
        archive.index.add(records)
    remover = Remover(data, random.Random(1))  # noqa: S311 - not used
    assert remover.remove(("1.1",))
    remover.end()
    left = sum(1 for path in (data / "objects").rglob("*") if path.is_file())
    with closing(build(settings)) as archive:
        assert list(archive.index.all_instances()) == []
        assert list(archive.blobs.paths()) == []
    assert left > 0
