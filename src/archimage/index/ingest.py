"""Rows in and out of the index, on one writing connection inside the caller's transaction.

- A study belongs to the patient that it first came with; an instance of it under another patient ID stays in it.
- The first value of a patient, study or series attribute wins; later instances fill in only what was absent.
- Patients are told apart by ID and issuer; without an ID each study has a patient of its own.

The statements are made by SQLAlchemy once and executed on the database's own cursor: that is the hot path.
"""

import random
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Executable, Table, bindparam, delete, exists, func, insert, literal_column, or_, select, update
from sqlalchemy.sql.elements import ClauseElement

from archimage.index.dialect import Dialect
from archimage.index.frames import encode_frames
from archimage.index.holding import Holding
from archimage.index.matching import clean
from archimage.index.schema import (
    COLUMNS,
    IDENTITY,
    NAMES,
    TABLES,
    hashed,
    instance,
    name_key,
    patient,
    series,
    series_content,
    study,
)
from archimage.index.statements import STORED
from archimage.model import names, patterns
from archimage.model.attributes import Level
from archimage.model.records import InstanceRecord

_KNOWN_MAX: Final = 4096  # series
_PARENTS: Final = (Level.PATIENT, Level.STUDY, Level.SERIES)
_FIXED: Final = {*IDENTITY, "study_instance_uid", "series_instance_uid"}
_NAME: Final = ("kind", "key", "name")
_BLANK: Final = dict.fromkeys((*COLUMNS[Level.IMAGE], "acquisition_utc"))

Values = Mapping[str, str]


class Cursor(Protocol):
    """What is used of a DBAPI cursor."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, statement: str, parameters: Mapping[str, object], /) -> object: ...

    def executemany(self, statement: str, parameters: Sequence[Mapping[str, object]], /) -> object: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


@dataclass(slots=True)
class _Series:
    """A series that was seen, its parents, and which of all their columns are still empty."""

    keys: dict[Level, int]
    identity: tuple[str, str]
    empty: frozenset[str]


class _Sql:
    """The statements as text."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.insert_parent = {
            level: self._text(_insertion(TABLES[level]).returning(TABLES[level].c.pk)) for level in _PARENTS
        }
        self.parent_by_key = {level: self._text(_by_key(TABLES[level])) for level in _PARENTS}
        self.fill = {level: self._text(_filling(level)) for level in _PARENTS}
        self.find = {
            Level.PATIENT: self._found(patient, *IDENTITY, "lone_study"),
            Level.STUDY: self._found(study, "study_instance_uid"),
            Level.SERIES: self._found(series, "study_pk", "series_instance_uid"),
        }
        self.insert_instances = dialect.insert_rows(instance)
        self.add_contents = dialect.insert_rows(series_content, "instances")
        self.add_names = dialect.insert_rows(name_key, once=True)
        among = dialect.among(instance.c.sop_instance_uid, "uids")
        self.instances = self._text(select(instance.c.pk, instance.c.series_pk, instance.c.sop_class_uid).where(among))
        self.stored = self._text(select(*STORED).where(among))
        self.delete_instances = self._text(delete(instance).where(dialect.among(instance.c.pk, "keys")))
        content = series_content.c
        counted = (content.series_pk == bindparam("of_series"), content.sop_class_uid == bindparam("of_class"))
        self.take_content = self._text(
            update(series_content)
            .where(*counted)
            .values(instances=content.instances - bindparam("fewer"), change=bindparam("drawn"))
        )
        self.drop_content = self._text(
            delete(series_content).where(
                dialect.among(content.series_pk, "keys"), content.instances <= literal_column("0")
            )
        )
        self.drop = {
            Level.SERIES: self._emptied(series, series_content, series.c.study_pk, Level.SERIES),
            Level.STUDY: self._emptied(study, series, study.c.patient_pk, Level.STUDY),
            Level.PATIENT: self._emptied(patient, study, patient.c.pk, Level.PATIENT),
        }
        self.unhash = {level: self._unhashing(level) for level in Level}
        self.name_used = self._text(_name_used())
        self.drop_name = self._text(
            delete(name_key).where(*(name_key.c[column] == bindparam(f"of_{column}") for column in _NAME))
        )

    def _text(self, statement: ClauseElement | Executable) -> str:
        assert isinstance(statement, ClauseElement)  # noqa: S101
        return str(statement.compile(dialect=self._dialect.engine))

    def _found(self, table: Table, *by: str) -> str:
        return self._text(select(table).where(*(table.c[column] == bindparam(column) for column in by)))

    def _emptied(self, table: Table, below: Table, parent: Any, level: Level) -> str:
        """Delete those of the given rows that have nothing below; return their parents and names."""
        link = below.c[f"{table.name}_pk"]
        gone = delete(table).where(
            self._dialect.among(table.c.pk, "keys"), ~exists(select(1).where(link == table.c.pk).correlate(table))
        )
        return self._text(gone.returning(parent, *(table.c[name] for name in NAMES[level])))

    def _unhashing(self, level: Level) -> str:
        """Delete the notes of those of the given rows of a level that are gone."""
        table = TABLES[level]
        left = exists(select(1).where(table.c.pk == hashed.c.row_pk).correlate(hashed))
        this = hashed.c.depth == literal_column(str(level.depth))
        return self._text(delete(hashed).where(this, self._dialect.among(hashed.c.row_pk, "keys"), ~left))


def _insertion(table: Table) -> Any:
    """Insert a row with all of its columns."""
    return insert(table).values(
        {column.name: bindparam(column.name) for column in table.columns if column.name != "pk"}
    )


def _by_key(table: Table) -> Any:
    return select(table).where(table.c.pk == bindparam("pk"))


def _filling(level: Level) -> Any:
    """Fill the empty columns of a row."""
    table = TABLES[level]
    filled = {name: func.coalesce(table.c[name], bindparam(name)) for name in COLUMNS[level] if name not in _FIXED}
    return update(table).where(table.c.pk == bindparam("of_key")).values(filled)


def _name_used() -> Any:
    """Tell whether any row bears a name."""
    used = [
        exists(select(1).where(TABLES[level].c[column] == bindparam("name", type_=name_key.c.name.type)))
        for level in _PARENTS
        for column in NAMES[level]
    ]
    return select(or_(*used))


class Ingest:
    """Adds and removes instances; remembers the series that it saw last."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = _Sql(dialect)
        self._holding = Holding(dialect)
        self._known: dict[tuple[str, str], _Series] = {}
        self._noted: set[tuple[str, str, str]] = set()
        self.last_added = ""
        """SOP Instance UID of the instance whose row was the last to be inserted."""
        self.ahead: tuple[Sequence[str], list[Any]] | None = None
        """UIDs that an adapter has asked for as it began a transaction, and what `stored` is to return for them."""

    def forget(self) -> None:
        """Drop what is remembered: someone else changed the index, or a transaction was undone."""
        self._known.clear()
        self._noted.clear()

    def add(self, cursor: Cursor, records: Iterable[InstanceRecord], absent: Container[str] = ()) -> None:
        """Insert records, or replace those of the same SOP Instance UID; of several of one UID the last stays.

        absent: UIDs that this transaction has already looked for in vain. HeldError where one that is on hold would
        become other bytes.
        """
        self.ahead = None
        latest = {record.sop_instance_uid: record for record in records}
        replaced = self._take_out(cursor, {uid: one.digest for uid, one in latest.items() if uid not in absent})
        rows, content = [], Counter[tuple[int, str]]()
        for record in latest.values():
            values = self._dialect.fitting(_cleaned(record.values))
            key = self._series_key(cursor, values)
            rows.append(_row(record, values, key))
            content[key, values["sop_class_uid"]] += 1
            self.last_added = values["sop_instance_uid"]
        contents = [
            {"series_pk": key, "sop_class_uid": uid, "instances": number, "change": _draw()}
            for (key, uid), number in content.items()
        ]
        inserted = ((self._sql.insert_instances, rows), (self._sql.add_contents, contents))
        self._dialect.write(cursor, (self._sql.add_names, self._names()), *inserted)
        self._prune(cursor, replaced)

    def stored(self, cursor: Cursor, sop_instance_uids: Sequence[str]) -> list[Any]:
        """Return the `statements.STORED` columns of those of these instances that are there."""
        ahead, self.ahead = self.ahead, None
        if ahead is not None and ahead[0] == sop_instance_uids:
            return ahead[1]
        cursor.execute(self._sql.stored, {"uids": self._dialect.pack([clean(uid) for uid in sop_instance_uids])})
        return cursor.fetchall()

    def remove(self, cursor: Cursor, sop_instance_uids: Sequence[str]) -> None:
        """Delete instances and what becomes empty above them; HeldError where one is on hold."""
        self._prune(cursor, self._take_out(cursor, dict.fromkeys(sop_instance_uids)))

    def _take_out(self, cursor: Cursor, becoming: Mapping[str, bytes | None]) -> set[int]:
        """Delete the instances that are there; return the keys of their series.

        becoming has the digest of what each is to become, None where it is to be gone.
        """
        if not becoming:
            return set()
        cursor.execute(self._sql.instances, {"uids": self._dialect.pack([clean(uid) for uid in becoming])})
        found = cursor.fetchall()
        if found:
            self._holding.check_instances(cursor, {clean(uid): digest for uid, digest in becoming.items()})
        return self._delete(cursor, found)

    def _delete(self, cursor: Cursor, found: Sequence[Any]) -> set[int]:
        """Delete instances, given with the keys and classes of their series; return the keys of their series."""
        if not found:
            return set()
        keys = {"keys": self._dialect.pack([row[0] for row in found])}
        for statement in (self._sql.delete_instances, self._sql.unhash[Level.IMAGE]):
            cursor.execute(statement, keys)
        fewer = Counter((row[1], row[2]) for row in found)
        cursor.executemany(
            self._sql.take_content,
            [
                {"of_series": key, "of_class": uid, "fewer": number, "drawn": _draw()}
                for (key, uid), number in fewer.items()
            ],
        )
        return {row[1] for row in found}

    def delete(self, cursor: Cursor, found: Sequence[Any]) -> Counter[Level]:
        """Delete instances, given by rows of key, series key and SOP class; return how much became empty above them."""
        return self._prune(cursor, self._delete(cursor, found))

    def _prune(self, cursor: Cursor, series_keys: set[int]) -> Counter[Level]:
        """Delete the series that became empty, and the studies, patients and names above them; return how many."""
        counts = Counter[Level]()
        if not series_keys:
            return counts
        cursor.execute(self._sql.drop_content, {"keys": self._dialect.pack(sorted(series_keys))})
        keys, unused = series_keys, set[str]()
        for level in reversed(_PARENTS):
            gone = self._drop_emptied(cursor, level, keys)
            if not gone:
                break
            counts[level] = len(gone)
            keys = {row[0] for row in gone}
            unused.update(name for row in gone for name in row[1:] if name)
        self.drop_names(cursor, unused)
        return counts

    def drop_patient(self, cursor: Cursor, key: int) -> None:
        """Delete a patient who has no study any more; one who has stays."""
        gone = self._drop_emptied(cursor, Level.PATIENT, {key})
        self.drop_names(cursor, {name for row in gone for name in row[1:] if name})

    def _drop_emptied(self, cursor: Cursor, level: Level, keys: set[int]) -> list[Any]:
        """Delete those rows of a level that have nothing below; return their parents and names."""
        packed = {"keys": self._dialect.pack(sorted(keys))}
        cursor.execute(self._sql.drop[level], packed)
        gone = cursor.fetchall()
        if gone:
            cursor.execute(self._sql.unhash[level], packed)
            self.forget()
        return gone

    def drop_names(self, cursor: Cursor, unused: Iterable[str]) -> None:
        """Delete the keys of the names that nobody bears any more."""
        for name in unused:
            cursor.execute(self._sql.name_used, {"name": name})
            if not cursor.fetchone()[0]:
                gone = [{"of_kind": kind, "of_key": key, "of_name": name} for kind, key in names.keys(name)]
                cursor.executemany(self._sql.drop_name, gone)

    def _series_key(self, cursor: Cursor, values: Values) -> int:
        """Return the key of the series of an instance, made or filled as needed."""
        uids = (values["study_instance_uid"], values["series_instance_uid"])
        known = self._known.get(uids)
        if known is None:
            known = self._find_or_make(cursor, values)
            if len(self._known) >= _KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[uids] = known
        fillable = known.empty & values.keys()
        if fillable:
            self._fill(cursor, known, values, fillable)
        return known.keys[Level.SERIES]

    def _find_or_make(self, cursor: Cursor, values: Values) -> _Series:
        """Look up the series and what stands above it, and insert what is missing."""
        row = self.find(cursor, Level.STUDY, values)
        if row is None:
            person = self.find_or_insert(cursor, Level.PATIENT, _person(values))
            row = self.find_or_insert(cursor, Level.STUDY, {**values, "patient_pk": person["pk"]})
        else:
            cursor.execute(self._sql.parent_by_key[Level.PATIENT], {"pk": row["patient_pk"]})
            person = _named(patient, cursor.fetchone())
        below = self.find_or_insert(cursor, Level.SERIES, {**values, "study_pk": row["pk"]})
        rows = {Level.PATIENT: person, Level.STUDY: row, Level.SERIES: below}
        empty = frozenset(name for level in _PARENTS for name in COLUMNS[level] if rows[level][name] is None)
        keys = {level: rows[level]["pk"] for level in _PARENTS}
        return _Series(keys, (person["patient_id"], person["issuer_of_patient_id"]), empty)

    def find(self, cursor: Cursor, level: Level, values: Mapping[str, object]) -> dict[str, Any] | None:
        """Return a row by its identity, and that of its parent, or None."""
        cursor.execute(self._sql.find[level], values)
        row = cursor.fetchone()
        return None if row is None else _named(TABLES[level], row)

    def find_or_insert(self, cursor: Cursor, level: Level, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row by its identity, inserting it when it is not there."""
        found = self.find(cursor, level, values)
        if found is not None:
            return found
        row: dict[str, Any] = {column.name: values.get(column.name) for column in TABLES[level].columns}
        cursor.execute(self._sql.insert_parent[level], row)
        row["pk"] = cursor.fetchone()[0]
        self.note_names(row[name] for name in NAMES[level])
        return row

    def _fill(self, cursor: Cursor, known: _Series, values: Values, fillable: frozenset[str]) -> None:
        """Fill empty columns above an instance, but not those of a patient that it does not name."""
        person = _person(values)
        same = known.identity == (person["patient_id"], person["issuer_of_patient_id"])
        for level in _PARENTS if same else _PARENTS[1:]:
            filled = fillable.intersection(COLUMNS[level])
            if filled:
                row = {name: values[name] if name in filled else None for name in COLUMNS[level]}
                cursor.execute(self._sql.fill[level], {**row, "of_key": known.keys[level]})
                self.note_names(row[name] for name in NAMES[level])
                self._filled(level, known.keys[level], filled)

    def _filled(self, level: Level, key: int, filled: frozenset[str]) -> None:
        """Note that columns of a row are no longer empty, for every series below it."""
        for known in self._known.values():
            if known.keys[level] == key:
                known.empty -= filled

    def note_names(self, found: Iterable[str | None]) -> None:
        """Note the search keys of names, which `write_names` inserts."""
        self._noted.update((kind, key, name) for name in found if name for kind, key in names.keys(name))

    def write_names(self, cursor: Cursor) -> None:
        """Insert what was noted."""
        self._dialect.write(cursor, (self._sql.add_names, self._names()))

    def _names(self) -> list[dict[str, object]]:
        """Take what was noted; in order, so that of two who insert the same neither waits for the other in turn."""
        rows: list[dict[str, object]] = [dict(zip(_NAME, noted, strict=True)) for noted in sorted(self._noted)]
        self._noted.clear()
        return rows


def _draw() -> int:
    """Draw a number that no other change of a series has had."""
    return random.getrandbits(62)


def _named(table: Table, row: Sequence[Any]) -> dict[str, Any]:
    """Name the values of a whole row."""
    return dict(zip(table.columns.keys(), row, strict=True))


def _cleaned(values: Values) -> Values:
    """Make values fit for the database; nearly always they are already."""
    text = "".join(values.values())
    return values if text.isascii() and "\0" not in text else {name: clean(value) for name, value in values.items()}


def _person(values: Values) -> dict[str, str]:
    """Complete the identity of a patient."""
    lone = "" if values.get("patient_id") else values["study_instance_uid"]
    return {"patient_id": "", "issuer_of_patient_id": "", **values, "lone_study": lone}


def _row(record: InstanceRecord, values: Values, series_key: int) -> dict[str, object]:
    """Make the row of an instance; what belongs to the levels above rides along unused."""
    taken = values.get("acquisition_date_time")
    original = record.original
    return {
        **_BLANK,
        **values,
        "series_pk": series_key,
        "transfer_syntax_uid": record.transfer_syntax_uid,
        "file_path": record.path,
        "size_bytes": record.size_bytes,
        "data_set_offset": record.data_set_offset,
        "digest": record.digest,
        "received_at": record.received_at,
        "source_ae_title": record.source_ae_title,
        "acquisition_utc": patterns.to_utc(taken) if taken and patterns.has_offset(taken) else None,
        "frames": encode_frames(record.frames),
        "original_transfer_syntax_uid": original and original.transfer_syntax_uid,
        "original_size_bytes": original and original.size_bytes,
        "original_sha256": original and original.sha256,
        "compress_to": record.compress_to or None,
        "called_ae_title": record.called_ae_title,
    }
