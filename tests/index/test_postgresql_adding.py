"""Rows of objects that a journal holds are not flushed one by one: what a crash of the server takes is added again."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from archimage.errors import IndexUnavailableError
from archimage.index.postgresql import PostgresqlIndex
from archimage.model.attributes import Level
from archimage.model.query import Query
from archimage.model.records import InstanceRecord
from tests.contract.index_contract import record
from tests.index.test_postgresql import HEALED_WITHIN_S, add, healed
from tests.servers.postgresql import PostgresqlServer, running

EVERYTHING = Query(Level.IMAGE)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Run a server that writes nothing by itself that it need not."""
    with running(wal_writer_delay="10s") as started:
        yield started


class Kept:
    """An index, and in the place of its journal a list."""

    def __init__(self, index: PostgresqlIndex) -> None:
        self.index = index
        self.journal: list[InstanceRecord] = []
        self.added_again = 0
        self.looks = 0
        self.doubts = 0
        index.again = self._again
        index.on_doubt = self._doubt

    def add(self, *records: InstanceRecord) -> None:
        """Add as the intake does it: what is new goes into the journal while the transaction is open."""
        with self.index.writing(records) as writer:
            found = writer.lookup([one.sop_instance_uid for one in records])
            new = [one for one in records if one.sop_instance_uid not in found]
            self.journal += new
            writer.add(new)

    def _again(self) -> int:
        self.looks += 1
        missing = [one for one in self.journal if self.index.lookup(one.sop_instance_uid) is None]
        self.index.add(missing)
        self.added_again += len(missing)
        return len(missing)

    def _doubt(self) -> None:
        self.doubts += 1


@pytest.fixture
def kept(server: PostgresqlServer) -> Iterator[Kept]:
    """Open an empty index."""
    server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC")
    opened = PostgresqlIndex(server.url)
    yield Kept(opened)
    opened.close()


def crash(server: PostgresqlServer) -> None:
    """Kill the server, and start it again."""
    server.kill()
    server.start()


def seen(server: PostgresqlServer) -> int:
    """Count the instances as somebody sees them who knows of no journal."""
    index = PostgresqlIndex(server.url)
    try:
        return index.count(EVERYTHING)
    finally:
        index.close()


def images(first: int, count: int) -> Sequence[InstanceRecord]:
    """Make records of one series."""
    return [record("P1", 1, 1, number) for number in range(first, first + count)]


def test_a_crash_takes_what_was_not_flushed_and_the_next_who_adds_finds_it_added_again(
    server: PostgresqlServer, kept: Kept
) -> None:
    kept.add(*images(1, 3))
    crash(server)
    assert seen(server) == 0
    healed(lambda: kept.add(*images(4, 1)))
    assert kept.added_again == 3
    assert seen(server) == 4


def test_what_is_synced_stays(server: PostgresqlServer, kept: Kept) -> None:
    kept.add(*images(1, 3))
    kept.index.sync()
    crash(server)
    assert seen(server) == 3
    healed(lambda: kept.add(*images(4, 1)))
    assert kept.added_again == 0


def test_a_sync_adds_again_what_a_crash_has_taken(server: PostgresqlServer, kept: Kept) -> None:
    kept.add(*images(1, 3))
    crash(server)
    healed(kept.index.sync)
    assert (kept.added_again, seen(server)) == (3, 3)
    crash(server)
    assert seen(server) == 3


def test_a_sync_waits_for_whoever_adds_again_what_a_crash_has_taken(server: PostgresqlServer, kept: Kept) -> None:
    """After a sync the journal is given up, which that one still reads."""
    kept.add(*images(1, 3))
    crash(server)
    reads, may_go_on, synced = threading.Event(), threading.Event(), threading.Event()
    add_again = kept.index.again
    assert add_again is not None

    def read() -> int:
        reads.set()
        assert may_go_on.wait(20)
        return add_again()

    def sync() -> None:
        kept.index.sync()
        synced.set()

    kept.index.again = read
    threads = [threading.Thread(target=healed, args=(lambda: kept.add(*images(4, 1)),)), threading.Thread(target=sync)]
    threads[0].start()
    assert reads.wait(HEALED_WITHIN_S)
    threads[1].start()
    assert not synced.wait(0.5)
    may_go_on.set()
    for thread in threads:
        thread.join(10)
    assert synced.is_set()
    assert (kept.added_again, seen(server)) == (3, 4)


def test_whoever_connects_anew_tells_that_something_may_be_lost(server: PostgresqlServer, kept: Kept) -> None:
    """So that it is there again soon, although nobody adds anything."""
    kept.add(*images(1, 3))
    assert kept.index.count(EVERYTHING) == 3
    told = kept.doubts
    crash(server)
    healed(lambda: kept.index.count(EVERYTHING))
    assert kept.doubts > told


def test_a_sync_waits_for_a_server_that_is_away_and_forgets_nothing(server: PostgresqlServer, kept: Kept) -> None:
    kept.add(*images(1, 3))
    server.kill()
    try:
        with pytest.raises(IndexUnavailableError):
            kept.index.sync()
    finally:
        server.start()
    healed(kept.index.sync)
    assert (kept.added_again, seen(server)) == (3, 3)


def test_what_fails_otherwise_costs_no_look_at_the_journal(server: PostgresqlServer, kept: Kept) -> None:
    kept.add(*images(1, 1))
    with pytest.raises(KeyError):
        _interrupted(kept.index)
    kept.add(*images(3, 1))
    assert (kept.looks, kept.index.count(EVERYTHING), seen(server)) == (0, 2, 2)


def _interrupted(index: PostgresqlIndex) -> None:
    """Add something, and fail before it is committed."""
    with index.writing(images(2, 1)) as writer:
        writer.add(images(2, 1))
        raise KeyError


def test_a_removal_after_a_crash_removes_what_it_had_taken_too(server: PostgresqlServer, kept: Kept) -> None:
    """Else it would come again behind the back of whoever has removed its study."""
    kept.add(*images(1, 3))
    crash(server)

    def remove() -> int:
        with kept.index.writing() as writer:
            return writer.remove("1.1").instances

    assert healed(remove) < HEALED_WITHIN_S
    kept.index.sync()
    assert (kept.added_again, seen(server)) == (3, 0)


def test_rows_lost_behind_a_pool_that_keeps_connections_open_are_missed(server: PostgresqlServer, kept: Kept) -> None:
    """What tells is the row that was added last, not the connection."""
    kept.add(*images(1, 3))
    server.execute("DELETE FROM instance")
    kept.add(*images(4, 1))
    assert (kept.added_again, seen(server)) == (3, 4)


def test_a_transaction_that_changes_nothing_flushes_nothing(server: PostgresqlServer, kept: Kept) -> None:
    """So what was added before may still be lost, and is missed. A sequence writes something for 32 of its numbers."""
    with kept.index.writing():
        pass
    kept.add(*images(1, 3))
    with kept.index.writing() as writer:
        assert writer.lookup([images(3, 1)[0].sop_instance_uid])
    crash(server)
    healed(lambda: kept.add(*images(4, 1)))
    assert (kept.added_again, seen(server)) == (3, 4)


def test_an_index_without_a_journal_flushes_all_that_it_commits(server: PostgresqlServer, kept: Kept) -> None:
    kept.index.again = None
    add(kept.index, images(1, 3))
    crash(server)
    assert seen(server) == 3


def test_answers_remembered_from_before_a_crash_are_not_taken_for_those_after_it(
    server: PostgresqlServer, kept: Kept
) -> None:
    """The server may count its transactions from where it was."""
    kept.add(*images(1, 1))
    before = kept.index.generation()
    crash(server)
    found: list[str] = []
    healed(lambda: found.append(kept.index.generation()))
    assert found != [before]
