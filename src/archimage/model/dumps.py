"""A dump of the index: every table in one state, in a form that does not depend on the database.

    {"dump": 1, "revision": "0023", "database": "SQLite 3.40.1"}
    {"table": "patient", "columns": ["pk", "lone_study", ...]}
    [1, "", ...]                       a row, in the order of its primary key; bytes are {"base64": "..."}
    {"end": "patient", "rows": 1}
    ...
    {"end": "", "tables": 42}          without this line the dump is not whole

One JSON text a line, UTF-8. Tables stand in an order in which no row refers to one that is yet to come.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archimage.errors import IntegrityError

VERSION: Final = 1
"""Of this form."""

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Header:
    """What a dump begins with: the revision of the schema, and the name of the database that it was made of."""

    revision: str
    database: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one table, in the order of its columns."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Row]


def encode(value: object) -> bytes:
    """Write one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_bytes).encode() + b"\n"


def _bytes(value: object) -> Mapping[str, str]:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot stand in a dump")


def read_header(lines: Iterator[bytes]) -> Header:
    """Read the first line.

    Raises:
        IntegrityError: it is none, or of a form that this archimage does not know.
    """
    told = _parsed(next(lines, b""))
    if not isinstance(told, dict) or told.get("dump") != VERSION:
        raise IntegrityError("this is no dump of an index, or one of a newer archimage")
    return Header(str(told["revision"]), str(told["database"]))


def read_batches(lines: Iterable[bytes], size: int = 1000) -> Iterator[Batch]:
    """Read what follows, at most size rows at once; tables without rows have one batch without any.

    Raises:
        IntegrityError: lines are damaged or missing.
    """
    table, seen, tables = "", 0, 0
    columns: list[str] = []
    rows: list[Row] = []
    for line in lines:
        told = _parsed(line)
        if isinstance(told, list):
            rows.append([_value(value) for value in told])
            seen += 1
            if len(rows) >= size:
                yield Batch(table, columns, rows)
                rows = []
        elif "table" in told:
            table, columns, rows, seen = told["table"], told["columns"], [], 0
            tables += 1
        elif told["end"]:
            if (told["end"], told["rows"]) != (table, seen):
                raise IntegrityError(f"the dump of the index lacks rows of {table}")
            yield Batch(table, columns, rows)
            rows = []
        elif told["tables"] == tables:
            return
    raise IntegrityError("the dump of the index is not whole")


def check_path(path: object) -> str:
    """Return a path within an archive; IntegrityError where it is none, or leads out of it."""
    if not isinstance(path, str) or not path or "\0" in path or path.startswith("/") or ".." in path.split("/"):
        raise IntegrityError(f"the backup names what is no file of an archive: {path!r:.200}")
    return path


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise IntegrityError("the dump of the index is damaged") from error


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
