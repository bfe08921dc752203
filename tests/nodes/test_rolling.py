"""A rolling upgrade: nodes of the release before go on, and start, beside tables that a newer release has migrated.

What a node of an older release says to its database was written down (`recording`), and is said here to tables that
were made as it had made them and that this release has migrated.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest

from archimage.index.postgresql import PostgresqlIndex
from archimage.index.schema import REVISION
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running
from tests.attacks.wire import Peer
from tests.nodes.recording import OBJECTS, said, say
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

NEWER: Final = """
ALTER TABLE instance ADD COLUMN of_the_next_release TEXT NOT NULL DEFAULT '';
ALTER TABLE study ADD COLUMN of_the_next_release BIGINT NOT NULL DEFAULT 0;
CREATE TABLE of_the_next_release (pk BIGINT PRIMARY KEY);
UPDATE alembic_version SET version_num = '9999'
"""
"""What a newer release's start does: it only adds, and what it adds has a default."""


MADE: Final = "INSERT INTO alembic_version"
"""With this an older release has made its tables."""


@pytest.fixture
def database() -> Iterator[PostgresqlServer]:
    """A PostgreSQL."""
    with postgresql.running() as server:
        yield server


def _store(node: Server) -> str:
    uid = new_uid()
    with Peer.associated(node.port) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    return uid


def test_nodes_of_the_release_before_go_on_beside_a_newer_one(database: PostgresqlServer, tmp_path: Path) -> None:
    settings = {"index__url": database.url}
    with running(tmp_path / "one" / "data", settings=settings) as one:
        before = _store(one)
        database.execute(NEWER)
        after = _store(one)
        with running(tmp_path / "two" / "data", settings=settings) as two:
            last = _store(two)
            assert one.echo() < 10
            for node in (one, two):
                node.search()
    with closing(PostgresqlIndex(database.url)) as index:
        kept = {row.sop_instance_uid for page in index.all_instances() for row in page}
    assert kept == {before, after, last}


def test_what_an_older_node_says_is_understood_by_tables_that_were_migrated(
    database: PostgresqlServer, tmp_path: Path
) -> None:
    told = list(said())
    begins = next(number for number, (text, _) in enumerate(told) if text.startswith(MADE)) + 1
    with psycopg.connect(database.url, autocommit=True) as connection:
        assert say(connection, told[:begins]) == []
        ((older,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        PostgresqlIndex(database.url).close()  # a node of this release starts
        ((newer,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert older < newer == REVISION
        assert say(connection, told[begins:]) == []
    with running(tmp_path / "data", settings={"index__url": database.url}) as node:
        assert len(node.rows()) == OBJECTS
        node.search()
        _store(node)


def test_what_is_not_understood_is_told(database: PostgresqlServer) -> None:
    told = list(said())
    begins = next(number for number, (text, _) in enumerate(told) if text.startswith(MADE)) + 1
    with psycopg.connect(database.url, autocommit=True) as connection:
        assert say(connection, told[:begins]) == []
        connection.execute("ALTER TABLE instance RENAME COLUMN digest TO sum")
        assert any("digest" in wrong for wrong in say(connection, told[begins:]))
