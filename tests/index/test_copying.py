"""An index is copied whole, from either database into the other."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from archimage.errors import ConflictError
from archimage.index.copying import copy
from archimage.index.deliveries import DeliveryTable
from archimage.index.labels import LabelTable
from archimage.index.postgresql import PostgresqlIndex
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.index.tables import ALL
from archimage.model.attributes import Level
from archimage.model.query import Query
from archimage.services.deliveries import made
from tests.contract.index_contract import record
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture
def other(index: RelationalIndex, tmp_path: Path, postgresql: PostgresqlServer) -> Iterator[RelationalIndex]:
    """Open an empty index of the other database."""
    if isinstance(index, PostgresqlIndex):
        opened: RelationalIndex = SqliteIndex(tmp_path / "other.db")
    else:
        postgresql.execute("DROP DATABASE IF EXISTS other")
        postgresql.execute("CREATE DATABASE other")
        opened = PostgresqlIndex(postgresql.url_of("other"))
    yield opened
    opened.close()


def everything(index: RelationalIndex) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    found = {}
    for table in ALL.sorted_tables:
        text = str(select(table).order_by(*table.primary_key).compile(dialect=index.dialect.engine))
        found[table.name] = [tuple(row) for row in index.fetch(text, {})]
    return found


def test_every_row_of_every_table_is_copied(index: RelationalIndex, other: RelationalIndex) -> None:
    index.add([record("P", 1, 1, number, patient_name="Müller^Änne=山田") for number in range(5)])
    index.add([record("Q", 2, 1, 1, study_description="Schädel nativ")])
    with index.writing() as writer:
        writer.remove("1.1", "1.1.1", "1.1.1.3")
    LabelTable(index).add("1.2", "teaching", 10)
    DeliveryTable(index).add([made("webhook", "there", "1.2", "{}", 1.0)])
    told = list(copy(index, other))
    assert everything(other) == everything(index)
    assert told[-1].rows == told[-1].of == sum(len(rows) for rows in everything(index).values())


def test_a_copy_goes_on_as_the_index_would_have(index: RelationalIndex, other: RelationalIndex) -> None:
    index.add([record("P", 1, 1, 1)])
    with index.writing() as writer:
        removed = writer.remove("1.1")
    assert removed.instances == 1
    list(copy(index, other))
    other.add([record("P", 1, 1, 1), record("R", 3, 1, 1, patient_name="Roe^R")])
    DeliveryTable(other).add([made("webhook", "there", "1.3", "{}", 1.0)])
    with other.writing() as writer:
        writer.remove("1.3")
        assert writer.removals == 2
    assert other.count(Query(Level.IMAGE)) == 1


def test_after_a_copy_the_planner_knows_what_the_tables_hold(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Nobody searches for minutes as if there were nothing, until the server counts by itself."""
    postgresql.execute("DROP DATABASE IF EXISTS other")
    postgresql.execute("CREATE DATABASE other")
    with (
        closing(SqliteIndex(tmp_path / "index.db")) as source,
        closing(PostgresqlIndex(postgresql.url_of("other"))) as to,
    ):
        source.add([record(f"P{number}", number, 1, 1) for number in range(50)])
        list(copy(source, to))
        counted = dict(to.fetch("SELECT relname, reltuples FROM pg_class WHERE relname IN ('study', 'instance')", {}))
        assert counted == {"study": 50, "instance": 50}
        assert to.fetch("SELECT 1 FROM pg_stats WHERE tablename = 'study' AND attname = 'study_instance_uid'", {})


def test_texts_are_copied_as_they_are(index: RelationalIndex, other: RelationalIndex) -> None:
    """Also those that mean something where rows are written as lines."""
    odd = "a\tb\nc\\N \\. \\x41 \r,\"'"
    index.add([record("P", 1, 1, 1, study_description=odd, patient_name="\\N")])
    list(copy(index, other))
    assert everything(other) == everything(index)


def test_what_is_not_empty_is_left_alone(index: RelationalIndex, other: RelationalIndex) -> None:
    index.add([record("P", 1, 1, 1)])
    other.add([record("Q", 2, 1, 1)])
    before = everything(other)
    with pytest.raises(ConflictError, match="patient"):
        list(copy(index, other))
    assert everything(other) == before
