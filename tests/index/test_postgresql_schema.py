"""The tables on PostgreSQL: those of a new database and those that migrations lead to are the same."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from archimage.index.migrate import downgrade
from archimage.index.postgresql import PostgresqlIndex
from archimage.index.schema import REVISION
from archimage.model.attributes import Level
from archimage.model.query import Query
from tests.contract.index_contract import record
from tests.servers.postgresql import PostgresqlServer, running

BASE = "0021"
"""The first revision that was ever made on PostgreSQL."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Run a server of our own."""
    with running() as started:
        yield started


@pytest.fixture
def engine(server: PostgresqlServer) -> Iterator[Engine]:
    """Connect to an empty database."""
    server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    made = create_engine(server.url.replace("postgresql", "postgresql+psycopg", 1))
    yield made
    made.dispose()


def described(engine: Engine) -> dict[str, object]:
    """Describe all tables: columns with types, keys, indexes."""
    there = inspect(engine)
    with engine.connect() as connection:
        indexes = connection.execute(
            text("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'")
        ).all()
    return {
        name: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in there.get_columns(name)),
            there.get_pk_constraint(name)["constrained_columns"],
            sorted(definition for table, definition in indexes if table == name),
        )
        for name in there.get_table_names()
    }


def older_revisions() -> list[str]:
    """Return the revisions since the first, but for the newest."""
    config = Config()
    config.set_main_option("script_location", "archimage.index:migrations")
    every = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    return [revision for revision in every if BASE <= revision < REVISION]


@pytest.mark.parametrize("revision", older_revisions() or [REVISION])
def test_a_database_of_an_older_version_becomes_as_one_of_the_newest(
    server: PostgresqlServer, engine: Engine, revision: str
) -> None:
    PostgresqlIndex(server.url).close()
    wanted = described(engine)
    with engine.begin() as connection:
        downgrade(connection, revision)
    with closing(PostgresqlIndex(server.url)) as index:
        index.add([record("P", 1, 1, 1)])
        assert index.count(Query(Level.IMAGE)) == 1
    assert described(engine) == wanted


def test_of_several_nodes_that_start_one_makes_the_tables(server: PostgresqlServer, engine: Engine) -> None:
    nodes = 4
    together = threading.Barrier(nodes)

    def start() -> int:
        together.wait(10)
        with closing(PostgresqlIndex(server.url)) as index:
            return index.count(Query(Level.IMAGE))

    with ThreadPoolExecutor(nodes) as threads:
        assert [done.result(30) for done in [threads.submit(start) for _ in range(nodes)]] == [0] * nodes
    assert described(engine)["instance"]


def test_an_older_archimage_goes_on_beside_a_newer_one(server: PostgresqlServer, engine: Engine) -> None:
    """What a later migration may do: a table, and a column with a default."""
    with closing(PostgresqlIndex(server.url)) as index:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE later (pk BIGSERIAL PRIMARY KEY)"))
            connection.execute(text("ALTER TABLE instance ADD COLUMN later TEXT NOT NULL DEFAULT ''"))
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        index.add([record("P", 1, 1, 1)])
        with closing(PostgresqlIndex(server.url)) as started_again:
            started_again.add([record("P", 1, 1, 2)])
            assert started_again.count(Query(Level.IMAGE)) == 2
