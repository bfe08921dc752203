"""An index of its own for each test, of every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.index.postgresql import PostgresqlIndex
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.index.tables import ALL
from tests.servers.postgresql import PostgresqlServer, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """Run a server for all tests of the process."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def on_postgresql(postgresql: PostgresqlServer) -> Iterator[PostgresqlIndex]:
    """Open an index for all of them."""
    opened = PostgresqlIndex(postgresql.url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelationalIndex]:
    """Open an empty index."""
    if request.param == "sqlite":
        opened = SqliteIndex(tmp_path / "index.db")
        yield opened
        opened.close()
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        kept: PostgresqlIndex = request.getfixturevalue("on_postgresql")
        names = ", ".join(f'"{name}"' for name in ALL.tables)
        server.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE; SELECT nextval('index_forgotten')")
        yield kept
