"""What an instance costs in the index: rows, bytes in tables and in their indexes, bytes of write-ahead log, time.

Run `python -m bench.rows [INSTANCES [URL]]`, by default 100,000 instances in studies of 100, in a SQLite of its own;
with the URL of an empty database there, in PostgreSQL.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg

from archimage.index.postgresql import PostgresqlIndex
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.model.records import InstanceRecord
from bench import index_fill

_INSTANCES: Final = 100_000
_PER_STUDY: Final = 100
_GROUP: Final = 64  # as many as the intake takes in one transaction
_SIZES: Final = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid), reltuples::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY pg_total_relation_size(oid) DESC
"""
_LEAST: Final = 0.5  # bytes an instance, for a table to be told


@dataclass(frozen=True)
class Table:
    """One table: bytes of its rows and of its indexes, and how many rows it has."""

    name: str
    bytes: int
    index_bytes: int
    rows: int


def main() -> None:
    """Measure and print."""
    instances = int(sys.argv[1]) if len(sys.argv) > 1 else _INSTANCES
    if len(sys.argv) > 2:
        with (
            closing(PostgresqlIndex(sys.argv[2])) as index,
            psycopg.connect(sys.argv[2], autocommit=True) as connection,
        ):
            before = _logged(connection)
            took_s = fill(index, instances)
            log_bytes = _logged(connection) - before
            connection.execute("VACUUM ANALYZE")
            _tell(instances, took_s, [Table(*row) for row in connection.execute(_SIZES)])
            print(f"write-ahead log {log_bytes / instances:16.0f} bytes an instance")
        return
    with tempfile.TemporaryDirectory() as directory, closing(SqliteIndex(Path(directory) / "index.db")) as index:
        took_s = fill(index, instances)
        index.sync()
        _tell(instances, took_s, [Table("SQLite, all of it", index.size_bytes(), 0, instances)])


def fill(index: RelationalIndex, instances: int) -> float:
    """Add instances in the groups in which they come; return the seconds that it took."""
    began = time.monotonic()
    records = _records(instances)
    while group := list(islice(records, _GROUP)):
        index.add(group)
    return time.monotonic() - began


def _records(instances: int) -> Iterator[InstanceRecord]:
    return (index_fill.record(*divmod(number, _PER_STUDY)) for number in range(instances))


def _logged(connection: "psycopg.Connection[tuple[int, ...]]") -> int:
    found = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    return int(found[0]) if found else 0


def _tell(instances: int, took_s: float, tables: list[Table]) -> None:
    print(f"{instances} instances in {took_s:.1f} s, {instances / took_s:.0f} a second")
    print(f"{'table':24}{'rows':>12}{'bytes':>10}{'indexes':>10}   (bytes an instance)")
    for table in tables:
        if table.bytes + table.index_bytes >= _LEAST * instances:
            print(f"{table.name:24}{table.rows:12}{table.bytes / instances:10.1f}{table.index_bytes / instances:10.1f}")
    print(f"{'all':24}{'':12}{sum(one.bytes + one.index_bytes for one in tables) / instances:10.1f}")


if __name__ == "__main__":
    main()
