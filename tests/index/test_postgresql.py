"""What the PostgreSQL adapter does beyond the contract: many writers, a server that is away, silent or read-only."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg
import pytest

from archimage.errors import IndexUnavailableError, UndecidedError
from archimage.index.arrivals import ArrivalTable
from archimage.index.hashed import HashedTable
from archimage.index.labels import LabelTable
from archimage.index.postgresql import PostgresqlIndex
from archimage.model.attributes import Level
from archimage.model.query import Exact, Query
from archimage.model.records import InstanceRecord
from tests.contract.index_contract import condition, record, rows
from tests.servers.postgresql import PostgresqlServer, running

EVERYTHING = Query(Level.IMAGE)
REFUSED_WITHIN_S = 5.0
HEALED_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Run a server that the tests of this module may do anything to."""
    with running() as started:
        yield started


@pytest.fixture
def index(server: PostgresqlServer) -> Iterator[PostgresqlIndex]:
    """Open an empty index on it."""
    server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC")
    opened = PostgresqlIndex(server.url)
    yield opened
    opened.close()


def refused(work: Callable[[], object]) -> float:
    """Have something fail for want of the index; return how long that took, seconds."""
    started = time.monotonic()
    with pytest.raises(IndexUnavailableError):
        work()
    return time.monotonic() - started


def healed(work: Callable[[], object]) -> float:
    """Try something until it works; return how long that took, seconds."""
    started = time.monotonic()
    while True:
        try:
            work()
        except IndexUnavailableError:
            assert time.monotonic() - started < HEALED_WITHIN_S
        else:
            return time.monotonic() - started


def add(index: PostgresqlIndex, records: Sequence[InstanceRecord]) -> None:
    """Add records the way that the intake does it."""
    with index.writing(records) as writer:
        kept = writer.lookup([one.sop_instance_uid for one in records])
        writer.add([one for one in records if one.sop_instance_uid not in kept])


def test_several_nodes_add_to_the_same_studies_at_once(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    """Each has the same series in an order of its own, with the same names: nobody waits in a circle."""
    nodes, images = 4, 40
    names = [f"Doe{number}^Jane" for number in range(5)]

    def fill(node: PostgresqlIndex, seed: int) -> None:
        for image in range(images):
            studies = [1 + (seed * 3 + image + step) % 5 for step in range(5)]
            add(
                node,
                [
                    record(f"P{study % 2}", study, seed % 2, 1000 * seed + image, patient_name=names[study % 2])
                    for study in studies
                ],
            )

    with ExitStack() as opened, ThreadPoolExecutor(nodes) as threads:
        each = [opened.enter_context(closing(PostgresqlIndex(server.url))) for _ in range(nodes)]
        for done in [threads.submit(fill, node, seed) for seed, node in enumerate(each)]:
            done.result(timeout=60)
    assert index.count(EVERYTHING) == nodes * images * 5
    assert index.counts().studies == 5
    assert index.counts().instances == nodes * images * 5
    assert len(rows(index, Query(Level.PATIENT, (condition("patient_name", Exact("Doe1^Jane")),)))) == 1


def test_sums_are_whole_numbers(index: PostgresqlIndex) -> None:
    """PostgreSQL sums whole numbers up to decimal ones, which no JSON has."""
    add(index, [record("P", 1, 1, 1)])
    assert type(index.counts().instances) is int
    assert type(ArrivalTable(index).since(0).size_bytes) is int


def test_of_two_who_add_the_same_object_one_finds_it_there(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    with closing(PostgresqlIndex(server.url)) as other, ThreadPoolExecutor(1) as threads:
        with index.writing([record("P", 1, 1, 1)]) as writer:
            assert not writer.lookup(["1.1.1.1"])
            writer.add([record("P", 1, 1, 1)])

            def look() -> list[str]:
                with other.writing([record("P", 1, 1, 1)]) as second:
                    return list(second.lookup(["1.1.1.1"]))

            found = threads.submit(look)
            with pytest.raises(TimeoutError):
                found.result(timeout=0.3)  # it waits for the first
        assert found.result(timeout=30) == ["1.1.1.1"]


def test_who_adds_elsewhere_does_not_wait(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    with closing(PostgresqlIndex(server.url)) as other, index.writing([record("P", 1, 1, 1)]) as writer:
        writer.add([record("P", 1, 1, 1)])
        add(other, [record("Q", 2, 1, 1)])
        LabelTable(other).add("1.2", "teaching", 5)
        assert other.lookup("1.2.1.1") is not None


def test_what_one_node_removed_another_does_not_build_on(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    with closing(PostgresqlIndex(server.url)) as other:
        add(index, [record("P", 1, 1, 1)])
        with other.writing() as writer:
            writer.remove("1.1")
        add(index, [record("P", 1, 1, 2)])
        assert [row["sop_instance_uid"] for row in rows(other, EVERYTHING)] == ["1.1.1.2"]


def test_a_change_by_another_node_is_another_generation(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    with closing(PostgresqlIndex(server.url)) as other:
        before = index.generation()
        add(other, [record("P", 1, 1, 1)])
        assert index.generation() != before


def test_values_that_are_too_long_for_a_b_tree_are_kept_and_told_apart(index: PostgresqlIndex) -> None:
    long = "Ä" * 20_000
    add(index, [record(f"{long}1", 1, 1, 1, patient_name=f"{long}^A", study_description=long)])
    add(index, [record(f"{long}2", 2, 1, 1, patient_name=f"{long}^B", study_description=long)])
    assert index.counts().patients == 2
    assert index.count(EVERYTHING) == 2


def test_a_server_that_is_stopped_is_told_and_its_return_is_noticed(
    server: PostgresqlServer, index: PostgresqlIndex
) -> None:
    add(index, [record("P", 1, 1, 1)])
    server.stop()
    try:
        assert refused(lambda: index.count(EVERYTHING)) < REFUSED_WITHIN_S
        assert refused(lambda: add(index, [record("P", 1, 1, 2)])) < REFUSED_WITHIN_S
    finally:
        server.start()
    healed(lambda: add(index, [record("P", 1, 1, 2)]))
    assert index.count(EVERYTHING) == 2


def test_a_server_that_is_killed_keeps_what_was_committed(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    add(index, [record("P", 1, 1, number) for number in range(50)])
    server.kill()
    try:
        assert refused(lambda: add(index, [record("P", 1, 1, 99)])) < REFUSED_WITHIN_S
    finally:
        server.start()
    healed(lambda: index.count(EVERYTHING))
    assert index.count(EVERYTHING) == 50


def test_a_server_that_answers_nothing_is_given_up(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    add(index, [record("P", 1, 1, 1)])
    server.pause()
    try:
        assert refused(lambda: index.count(EVERYTHING)) < REFUSED_WITHIN_S
        assert refused(lambda: add(index, [record("P", 1, 1, 2)])) < REFUSED_WITHIN_S
    finally:
        server.resume()
    healed(lambda: add(index, [record("P", 1, 1, 2)]))
    assert index.count(EVERYTHING) == 2


def test_a_slow_answer_of_a_living_server_is_waited_for(index: PostgresqlIndex) -> None:
    started = time.monotonic()
    assert index.fetch("SELECT 1 FROM pg_sleep(3)", {}) == [(1,)]
    assert time.monotonic() - started > 2.5


def test_who_is_cut_off_while_it_commits_does_not_know(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    """Silence between the last statement and the answer to COMMIT; afterwards all of it is there, or nothing."""
    added = record("P", 1, 1, 1)

    def commit() -> None:
        with index.writing([added]) as writer:
            writer.add([added])
            assert writer.lookup([added.sop_instance_uid])  # what was sent before is done
            server.pause()

    try:
        with pytest.raises(UndecidedError):
            commit()
    finally:
        server.resume()
    healed(lambda: index.count(EVERYTHING))
    assert index.count(EVERYTHING) in {0, 1}


def test_nobody_can_tell_what_became_of_a_commit_that_a_shutdown_has_met(
    server: PostgresqlServer, index: PostgresqlIndex
) -> None:
    """The server tells so as an error, which may come before the connection is seen to end."""
    server.execute(
        "CREATE FUNCTION ended() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END';"
        " CREATE CONSTRAINT TRIGGER ended AFTER INSERT ON instance DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION ended()"
    )
    added = [record("P", 1, 1, 1)]
    with pytest.raises(UndecidedError), index.writing(added) as writer:
        writer.add(added)
    server.execute("DROP TRIGGER ended ON instance")
    healed(lambda: add(index, [record("P", 1, 1, 2)]))
    assert index.count(EVERYTHING) == 1


def test_who_adds_goes_on_beside_a_newer_node_that_adds_columns(
    server: PostgresqlServer, index: PostgresqlIndex
) -> None:
    """Statements that were prepared before are planned anew."""
    add(index, [record("P", 1, 1, 1)])
    server.execute("ALTER TABLE instance ADD COLUMN newer text DEFAULT 'x'")
    server.execute("ALTER TABLE series_content ADD COLUMN newer text")
    try:
        add(index, [record("P", 1, 1, 2)])
        assert index.count(EVERYTHING) == 2
        assert server.fetch("SELECT count(*) FROM instance WHERE newer = 'x'") == 2
    finally:
        server.execute("ALTER TABLE instance DROP COLUMN newer; ALTER TABLE series_content DROP COLUMN newer")


def test_a_read_only_server_refuses_writers_and_serves_readers(
    server: PostgresqlServer, index: PostgresqlIndex
) -> None:
    add(index, [record("P", 1, 1, 1)])
    server.execute("ALTER DATABASE pacs SET default_transaction_read_only = on")
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    try:
        assert refused(lambda: add(index, [record("P", 1, 1, 2)])) < REFUSED_WITHIN_S
        healed(lambda: index.count(EVERYTHING))
        assert index.count(EVERYTHING) == 1
    finally:
        server.execute("ALTER DATABASE pacs RESET default_transaction_read_only")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    healed(lambda: add(index, [record("P", 1, 1, 2)]))


def test_a_server_without_a_free_connection_is_told(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    with ExitStack() as taken:

        def take_all() -> None:
            while True:
                taken.enter_context(closing(psycopg.connect(server.url)))

        with pytest.raises(psycopg.OperationalError, match="connection"):
            take_all()
        assert refused(lambda: PostgresqlIndex(server.url).close()) < REFUSED_WITHIN_S
    healed(lambda: PostgresqlIndex(server.url).close())


def test_when_all_connections_are_in_use_whoever_asks_is_refused_in_time(server: PostgresqlServer) -> None:
    with closing(PostgresqlIndex(server.url, connections=2)) as narrow, ThreadPoolExecutor(2) as threads:
        ended = threading.Event()
        with narrow.writing([record("P", 9, 1, 1)]):
            held = threads.submit(_alone, narrow, ended)
            try:
                assert refused(lambda: _until_busy(narrow)) < REFUSED_WITHIN_S
            finally:
                ended.set()
            held.result(timeout=10)


def _alone(index: PostgresqlIndex, ended: threading.Event) -> None:
    with index.transaction():
        ended.wait(10)


def _until_busy(index: PostgresqlIndex) -> None:
    while True:
        index.count(EVERYTHING)


def test_what_is_noted_by_keys_waits_for_those_who_add(server: PostgresqlServer, index: PostgresqlIndex) -> None:
    """Of two who add at once the second may commit first; who notes how far he has read is not to miss the first."""
    with closing(PostgresqlIndex(server.url)) as other, ThreadPoolExecutor(1) as threads:
        with index.writing([record("P", 1, 1, 1)]) as writer:
            writer.add([record("P", 1, 1, 1)])
            add(other, [record("Q", 2, 1, 1)])
            noting = threads.submit(HashedTable(other).note_new, Level.IMAGE)
            with pytest.raises(TimeoutError):
                noting.result(timeout=0.3)
        noting.result(timeout=30)
        assert len(index.fetch("SELECT row_pk FROM hashed", {})) == 2
