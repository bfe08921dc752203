"""The migrations lead to the schema that the statements are made for."""

import importlib
import pkgutil
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import UniqueConstraint, create_engine, inspect

from archimage import index
from archimage.errors import IndexUnavailableError
from archimage.index.migrate import upgrade
from archimage.index.schema import REVISION, metadata
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import Level
from archimage.model.query import Query
from tests.contract.index_contract import record

for _found in pkgutil.iter_modules(index.__path__, "archimage.index."):
    if _found.name.startswith("archimage.index.schema_"):
        importlib.import_module(_found.name)


def scripts() -> ScriptDirectory:
    """Open the revisions."""
    config = Config()
    config.set_main_option("script_location", "archimage.index:migrations")
    return ScriptDirectory.from_config(config)


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Tell whether the schema should have something; what a full-text index is made of is SQLite's own."""
    return kind != "table" or not re.match("(patient|study)_text", name or "")


REVISIONS = ["base", *(script.revision for script in scripts().walk_revisions())]


def test_the_schema_names_the_newest_revision() -> None:
    assert scripts().get_heads() == [REVISION]


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_index_of_any_revision_is_brought_up_to_the_schema(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "index.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, revision)
    engine.dispose()
    index = SqliteIndex(path)
    index.add([record("P", 1, 1, 1)])
    assert index.count(Query(Level.IMAGE)) == 1
    index.close()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_ours})
        assert compare_metadata(context, metadata) == []
        inspector = inspect(connection)
        for table in metadata.tables.values():
            unique = {tuple(found["column_names"]) for found in inspector.get_unique_constraints(table.name)}
            wanted = [found for found in table.constraints if isinstance(found, UniqueConstraint)]
            assert unique == {tuple(found.columns.keys()) for found in wanted}
    engine.dispose()


def test_an_index_of_a_newer_archimage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    SqliteIndex(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(IndexUnavailableError, match="newer"):
        SqliteIndex(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_half_made_index_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    assert SqliteIndex(path).count(Query(Level.IMAGE)) == 0
