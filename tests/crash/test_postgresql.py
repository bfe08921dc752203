"""kill -9 of the archive, its database and its object store, the index on PostgreSQL: nothing acknowledged is lost.

`ARCHIMAGE_STORM_KILLS` makes the storms over an object store longer; `python -m tests.crash` has more of everything.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.server import running, wait_until
from tests.crash.grounds import Bucket, Ground
from tests.crash.senders import Sender
from tests.crash.storm import READY_WITHIN_S, SETTINGS, Storm
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer
from tests.servers.seaweedfs import SeaweedFS, seaweedfs

_KILLS = 12
_KILLS_OF_WORKERS = 6
_KILLS_OVER_BUCKET = int(os.environ.get("ARCHIMAGE_STORM_KILLS", "4"))
_STRIKES = 4
_SENT = 3
_HEALED_WITHIN_S = 10.0


@pytest.fixture
def database() -> Iterator[PostgresqlServer]:
    """Run a server that flushes nothing which it need not: what is killed with it is gone."""
    with postgresql.running(durable=True, wal_writer_delay="10s") as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """Run an object store of our own, which is killed."""
    with seaweedfs(tmp_path_factory.mktemp("store") / "s3") as server:
        yield server


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("workers", "kills"), [(1, _KILLS), (2, _KILLS_OF_WORKERS)])
def test_what_was_acknowledged_survives_the_end_of_the_archive(
    tmp_path: Path, database: PostgresqlServer, workers: int, kills: int
) -> None:
    tally = Storm(tmp_path / "data", seed=40 + workers, workers=workers, ground=Ground(database)).run(kills)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > kills


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_acknowledged_survives_the_end_of_the_database(
    tmp_path: Path, database: PostgresqlServer, workers: int
) -> None:
    """It is killed under four senders, who go on; what they were refused meanwhile they send again."""
    storm = Storm(tmp_path / "data", seed=44 + workers, workers=workers, ground=Ground(database))
    tally = storm.strike(_STRIKES)
    assert tally.problems == []
    assert tally.struck == _STRIKES
    assert tally.acknowledged > _STRIKES


@pytest.mark.timeout(300)
@pytest.mark.parametrize("flush_commits", [False, True])
def test_what_the_end_of_the_database_has_taken_is_back_although_nobody_sends(
    tmp_path: Path, database: PostgresqlServer, flush_commits: bool
) -> None:
    """Something is taken, unless the database has to flush all that it commits."""
    sender, ended = Sender(9, 449), threading.Event()
    settings = {**SETTINGS, "index__url": database.url, "index__flush_commits": flush_commits}
    with running(tmp_path / "data", settings=settings) as server:
        thread = threading.Thread(target=sender.run, args=(server.port, ended))
        thread.start()
        assert wait_until(lambda: len(sender.acknowledged) >= _SENT, 30)
        ended.set()
        thread.join(60)
        database.kill()
        database.start()
        counted = "SELECT count(*) FROM instance"
        assert (database.fetch(counted) >= len(sender.acknowledged)) is flush_commits
        assert wait_until(lambda: database.fetch(counted) >= len(sender.acknowledged), _HEALED_WITHIN_S)
        rows = {row.sop_instance_uid for row in server.rows()}
        assert [sent.uid for sent in sender.acknowledged if sent.uid not in rows] == []


@pytest.mark.timeout(120 + 60 * _KILLS_OVER_BUCKET)
@pytest.mark.parametrize("mode", ["write-back", "write-through"])
def test_what_was_acknowledged_survives_the_end_of_archive_database_and_object_store(
    tmp_path: Path, database: PostgresqlServer, store: SeaweedFS, mode: str
) -> None:
    """All are killed at random instants, the archive with each, sometimes before the other one is back."""
    storm = Storm(tmp_path / "data", seed=51, ground=Bucket(store, mode, database))
    tally = storm.run(_KILLS_OVER_BUCKET, strikes=True)
    assert tally.problems == []
    assert tally.struck
    assert tally.acknowledged > _KILLS_OVER_BUCKET


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["write-back", "write-through"])
def test_the_archive_outlives_the_ends_of_its_database_and_of_its_object_store(
    tmp_path: Path, database: PostgresqlServer, store: SeaweedFS, mode: str
) -> None:
    tally = Storm(tmp_path / "data", seed=52, ground=Bucket(store, mode, database)).strike(2)
    assert tally.problems == []
    assert tally.struck == 2
    assert tally.acknowledged
