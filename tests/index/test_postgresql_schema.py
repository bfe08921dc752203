"""The tables on PostgreSQL: those of a new database and those that migrations lead to are the same."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from archimage.index import statements
from archimage.index.migrate import downgrade
from archimage.index.postgresql import PostgresqlIndex
from archimage.index.postgresql_dialect import PostgresqlDialect
from archimage.index.schema import REVISION
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import Condition, Query, Wildcard
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


def text_indexes(engine: Engine) -> set[str]:
    """Return the names of the indexes of trigrams that are whole."""
    found = (
        "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = oid"
        " WHERE indisvalid AND relnamespace = 'public'::regnamespace AND relname LIKE 'ix!_%!_text' ESCAPE '!'"
    )
    with engine.connect() as connection:
        return set(connection.execute(text(found)).scalars())


TEXT_INDEXES = {"ix_name_key_text", "ix_patient_text", "ix_study_text"}


def test_parts_of_words_are_indexed_once_an_administrator_has_made_the_extension(
    server: PostgresqlServer, engine: Engine
) -> None:
    PostgresqlIndex(server.url).close()
    assert text_indexes(engine) == TEXT_INDEXES
    server.execute("DROP EXTENSION pg_trgm CASCADE")
    PostgresqlIndex(server.url).close()
    assert text_indexes(engine) == set()
    server.execute("CREATE EXTENSION pg_trgm")
    PostgresqlIndex(server.url).close()
    assert text_indexes(engine) == TEXT_INDEXES


def test_an_index_that_was_not_finished_is_made_anew(server: PostgresqlServer, engine: Engine) -> None:
    PostgresqlIndex(server.url).close()
    server.execute("DROP INDEX ix_patient_text")
    server.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_name_key_text'::regclass")
    assert text_indexes(engine) == {"ix_study_text"}
    PostgresqlIndex(server.url).close()
    assert text_indexes(engine) == TEXT_INDEXES


def test_a_node_whose_index_cannot_be_made_starts_all_the_same(server: PostgresqlServer, engine: Engine) -> None:
    """Somebody holds the table: the index is made by a later start."""
    PostgresqlIndex(server.url).close()
    server.execute("DROP INDEX ix_name_key_text")
    with engine.begin() as holding:
        holding.execute(text("LOCK TABLE name_key IN SHARE UPDATE EXCLUSIVE MODE"))
        with closing(PostgresqlIndex(server.url, busy_timeout_s=0.2)) as index:
            index.add([record("P", 1, 1, 1, patient_name="Doe^Jane")])
    assert "ix_name_key_text" not in text_indexes(engine)
    PostgresqlIndex(server.url).close()
    assert text_indexes(engine) == TEXT_INDEXES


def test_a_part_of_a_name_is_looked_up_in_its_index(server: PostgresqlServer, engine: Engine) -> None:
    with closing(PostgresqlIndex(server.url)) as index:
        index.add([record(f"P{n}", n, 1, 1, patient_name=f"Name{n * 7919 % 10_007:05}^X") for n in range(3_000)])
        index.settle()
    name = Condition(BY_COLUMN["patient_name"], Wildcard("*7919*"))
    asked = statements.find(Query(Level.STUDY, (name,)), PostgresqlDialect())
    with psycopg.connect(server.url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"EXPLAIN {asked.text}".encode(), asked.parameters)
        steps = [row[0] for row in cursor.fetchall()]
    assert any("ix_name_key_text" in step for step in steps)
