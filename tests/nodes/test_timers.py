"""Timers ring in one node of all each time, and go on when that node is killed; what is done in turn is, too."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from archimage.app import App, build
from archimage.automation.sharing import turn_of
from archimage.config import Config, StorageConfig
from archimage.config_index import IndexConfig
from archimage.config_retention import RetentionConfig, RetentionRule
from archimage.config_scrub import ScrubConfig
from archimage.errors import ConflictError
from archimage.model.scrub import Round
from tests.attacks.server import wait_until
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

NAMES: Final = ("one", "two", "three")
WITHIN_S: Final = 60.0
_RUNS: Final = "SELECT count(*) FROM dbos.workflow_status WHERE workflow_uuid LIKE 'sched-tick-%'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL."""
    with postgresql.running() as started:
        yield started


@pytest.fixture
def database(server: PostgresqlServer) -> str:
    """The URL of an empty database."""
    server.execute("DROP DATABASE IF EXISTS nodes WITH (FORCE)", database="postgres")
    server.execute("CREATE DATABASE nodes", database="postgres")
    return server.url_of("nodes")


def _asked(url: str, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(question.encode()).fetchall()


def _rung(url: str) -> list[str]:
    """Return the nodes that a timer rang in, in order."""
    return [str(row[0]) for row in _asked(url, "SELECT node FROM rung ORDER BY number")]


@contextmanager
def _node(name: str, directory: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Have a node begin, and run until the end of the block, or until it is killed."""
    command = [sys.executable, "-m", "tests.nodes.ringing", name, str(directory / name), url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN_S)


@pytest.mark.timeout(240)
def test_a_timer_rings_once_each_time_and_goes_on_when_the_node_is_killed_in_which_it_rang(
    tmp_path: Path, server: PostgresqlServer, database: str
) -> None:
    server.execute("CREATE TABLE rung (node TEXT, number SERIAL)", database="nodes")
    with ExitStack() as held:
        nodes = {name: held.enter_context(_node(name, tmp_path, database)) for name in NAMES}
        for node in nodes.values():
            assert node.stdout is not None
            assert node.stdout.readline() == b"ready\n"
        killed: list[str] = []
        while len(nodes) > 1:
            before = len(_rung(database))
            assert wait_until(lambda had=before: len(_rung(database)) > had + 2, WITHIN_S)  # type: ignore[misc]
            last = _rung(database)[-1]
            assert last in nodes
            process = nodes.pop(last)
            process.kill()
            process.wait(10)
            killed.append(last)
        (survivor,) = nodes
        assert wait_until(lambda: _rung(database)[-2:] == [survivor, survivor], WITHIN_S)
    rung, ((runs,),) = _rung(database), _asked(database, _RUNS)
    assert runs - len(killed) - 1 <= len(rung) <= runs  # one that was just begun may have died, none rang twice


def _built(directory: Path, url: str) -> App:
    rule = RetentionRule(name="old", action="delete", older_than_days=1)
    return build(
        Config(
            storage=StorageConfig(directory=directory),
            index=IndexConfig(url=url),
            retention=RetentionConfig(rule=(rule,), automatic=True),
            scrub=ScrubConfig(every_days=1, bytes_per_s=0),
        )
    )


def test_rules_of_retention_and_scrubbing_are_the_turn_of_one_node(tmp_path: Path, database: str) -> None:
    with closing(_built(tmp_path / "one", database)) as one, closing(_built(tmp_path / "two", database)) as two:
        one.scrubbing.table.keep(Round(due_at=1.0))
        retention, scrubbing = (turn_of(one.config, name)() for name in ("retention", "scrubbing"))
        assert retention is not None
        assert scrubbing is not None
        with pytest.raises(ConflictError, match="another process"):
            two.keeping.retention.run_here()
        two.keeping.retention.carry_out()
        two.scrubbing.work()
        assert not two.keeping.retention.runs(1)
        assert not two.scrubbing.table.round() or not two.scrubbing.table.round().ended_at  # type: ignore[union-attr]
        retention.close()
        scrubbing.close()
        two.keeping.retention.carry_out()
        two.scrubbing.work()
        (run,) = one.keeping.retention.runs(2)
        done = one.scrubbing.table.round()
        assert run.state.value == "done"
        assert done is not None
        assert done.ended_at
        one.keeping.retention.carry_out()
        one.scrubbing.work()
        assert len(one.keeping.retention.runs(2)) == 1
        assert one.scrubbing.table.round() == done


def test_a_turn_is_lost_with_the_database_and_had_again_by_one(
    tmp_path: Path, server: PostgresqlServer, database: str
) -> None:
    config = Config(storage=StorageConfig(directory=tmp_path), index=IndexConfig(url=database))
    take = turn_of(config, "retention")
    had = take()
    assert had is not None
    assert had.is_held()
    server.kill()
    server.start()
    assert wait_until(lambda: not had.is_held(), 5.0)
    again = take()
    assert again is not None
    assert again.is_held()
    assert take() is None
    had.close()
    again.close()
