"""kill -9 of the archive, and of its database, with the index on PostgreSQL: nothing acknowledged is lost."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.protocol.status import Status
from tests.attacks.server import launch, running, stop, wait_until
from tests.attacks.wire import Peer
from tests.crash.storm import READY_WITHIN_S, SETTINGS, Sender, Storm, disagreements
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

_KILLS = 12
_KILLS_OF_WORKERS = 6
_KILLS_OF_DATABASE = 4
_SENDERS = 4
_HEALED_WITHIN_S = 10.0


@pytest.fixture
def database() -> Iterator[PostgresqlServer]:
    """Run a server that flushes nothing which it need not: what is killed with it is gone."""
    with postgresql.running(durable=True, wal_writer_delay="10s") as server:
        yield server


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("workers", "kills"), [(1, _KILLS), (2, _KILLS_OF_WORKERS)])
def test_what_was_acknowledged_survives_the_end_of_the_archive(
    tmp_path: Path, database: PostgresqlServer, workers: int, kills: int
) -> None:
    tally = Storm(tmp_path / "data", seed=40 + workers, workers=workers, index__url=database.url).run(kills)
    assert tally.problems == []
    assert tally.slowest_start_s <= READY_WITHIN_S
    assert tally.acknowledged > kills


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_acknowledged_survives_the_end_of_the_database(
    tmp_path: Path, database: PostgresqlServer, workers: int
) -> None:
    """It is killed under four senders, who go on; what they were refused meanwhile they send again."""
    directory, settings = tmp_path / "data", {**SETTINGS, "index__url": database.url}
    options = ("--workers", str(workers)) if workers > 1 else ()
    chance = random.Random(44 + workers)  # noqa: S311 - instants, no secret
    senders = [_Patient(number) for number in range(_SENDERS)]
    with running(directory, options, settings) as server:
        threads = [threading.Thread(target=sender.run_on, args=(server.port,)) for sender in senders]
        for thread in threads:
            thread.start()
        for _ in range(_KILLS_OF_DATABASE):
            threading.Event().wait(chance.uniform(0.2, 1.0))
            database.kill()
            threading.Event().wait(chance.uniform(0.0, 0.5))
            database.start()
            _wait_for_more(senders)
        for sender in senders:
            sender.ended.set()
        for thread in threads:
            thread.join(60)
    server = launch(directory, options, settings)
    try:
        server.wait_until_ready()
        rows = {row.sop_instance_uid: row.path for row in server.rows()}
        lost = [sent.uid for sender in senders for sent in sender.acknowledged if sent.uid not in rows]
        assert lost == []
        assert disagreements(set(rows.values()), server.files()) == []
    finally:
        stop(server)
    assert {status for sender in senders for status in sender.statuses} <= {Status.OUT_OF_RESOURCES}
    assert sum(len(sender.acknowledged) for sender in senders) > _KILLS_OF_DATABASE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("flush_commits", [False, True])
def test_what_the_end_of_the_database_has_taken_is_back_although_nobody_sends(
    tmp_path: Path, database: PostgresqlServer, flush_commits: bool
) -> None:
    """Something is taken, unless the database has to flush all that it commits."""
    sender = _Patient(9)
    settings = {**SETTINGS, "index__url": database.url, "index__flush_commits": flush_commits}
    with running(tmp_path / "data", settings=settings) as server:
        thread = threading.Thread(target=sender.run_on, args=(server.port,))
        thread.start()
        _wait_for_more([sender])
        sender.ended.set()
        thread.join(60)
        database.kill()
        database.start()
        counted = "SELECT count(*) FROM instance"
        assert (database.fetch(counted) >= len(sender.acknowledged)) is flush_commits
        assert wait_until(lambda: database.fetch(counted) >= len(sender.acknowledged), _HEALED_WITHIN_S)
        rows = {row.sop_instance_uid for row in server.rows()}
        assert [sent.uid for sent in sender.acknowledged if sent.uid not in rows] == []


class _Patient(Sender):
    """A sender that sends again what was refused, on a new association where the old one is gone."""

    def __init__(self, number: int) -> None:
        super().__init__(number, 440 + number)
        self.ended = threading.Event()
        self.statuses: set[int] = set()

    def run_on(self, port: int) -> None:
        """Send until it is ended."""
        while not self.ended.is_set():
            self.run(port)

    def _send(self, peer: Peer) -> None:
        if self.ended.is_set():
            raise OSError("it is ended")
        super()._send(peer)
        while self.refused:
            sent, status = self.refused.pop()
            self.statuses.add(status)
            self._unanswered = sent


def _wait_for_more(senders: list[_Patient]) -> None:
    """Wait until every sender has been answered since the database came back."""
    before = [len(sender.acknowledged) for sender in senders]
    pause = threading.Event()
    for _ in range(1_500):
        if all(len(sender.acknowledged) > count for sender, count in zip(senders, before, strict=True)):
            return
        pause.wait(0.02)
    raise TimeoutError("somebody was not answered within 30 s")
