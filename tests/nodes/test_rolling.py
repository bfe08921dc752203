"""A rolling upgrade: nodes of the release before go on, and start, beside tables that a newer release has migrated."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from archimage.index.postgresql import PostgresqlIndex
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running
from tests.attacks.wire import Peer
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer

NEWER: Final = """
ALTER TABLE instance ADD COLUMN of_the_next_release TEXT NOT NULL DEFAULT '';
ALTER TABLE study ADD COLUMN of_the_next_release BIGINT NOT NULL DEFAULT 0;
CREATE TABLE of_the_next_release (pk BIGINT PRIMARY KEY);
UPDATE alembic_version SET version_num = '9999'
"""
"""What a newer release's start does: it only adds, and what it adds has a default."""


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
