"""Data directories whose index is filled by the generator, made once and copied for every run."""

import hashlib
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import index_fill
from bench.queries import Key

INDEX_NAME = "index.db"
MATCHES_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Study:
    """What one study of the index is asked for by."""

    patient_id: str
    accession_number: str
    study_instance_uid: str
    name_prefix: str
    date_range: str


@dataclass(frozen=True, slots=True)
class FilledIndex:
    """An index file made by the generator."""

    path: Path

    def install(self, directory: Path) -> None:
        """Put a copy into a data directory."""
        shutil.copyfile(self.path, directory / INDEX_NAME)

    def pick(self, count: int) -> list[Study]:
        """Pick studies at random, always the same ones; prefixes and ranges match 1 to 100 studies."""
        with closing(sqlite3.connect(self.path)) as database:
            last = database.execute("SELECT max(pk) FROM study").fetchone()[0]
            dice = random.Random(1)  # noqa: S311  # the same studies in every run
            chosen = (self._study(database, dice.randint(1, last)) for _ in range(50 * count))
            return [study for study in chosen if study][:count]

    def _study(self, database: sqlite3.Connection, key: int) -> Study | None:
        found = database.execute(
            "SELECT patient_id, accession_number, study_instance_uid, patient_name, study_date FROM study"
            " JOIN patient ON patient.pk = study.patient_pk WHERE study.pk = ?", (key,),
        ).fetchone()  # fmt: skip
        if not found or not all(found):
            return None
        prefix = self._prefix(database, found[3])
        return Study(found[0], found[1], found[2], f"{prefix}*", f"{found[4]}-{found[4]}") if prefix else None

    @staticmethod
    def _prefix(database: sqlite3.Connection, name: str) -> str:
        """Return the shortest prefix of a name that few enough patients share."""
        alphabetic = name.split("=", maxsplit=1)[0]
        if not alphabetic.isascii():
            return ""
        for length in range(3, len(alphabetic)):
            prefix = alphabetic[:length]
            found = database.execute(
                "SELECT count(*) FROM study JOIN patient ON patient.pk = patient_pk"
                " WHERE patient_name >= ? AND patient_name < ?",
                (prefix, prefix + "\uffff"),
            ).fetchone()
            if found[0] <= MATCHES_AT_MOST:
                return prefix
        return ""

    def thousand(self) -> Key:
        """Return the date range that holds 1,000 studies, as near as whole days allow."""
        with closing(sqlite3.connect(self.path)) as database:
            dates = database.execute("SELECT study_date FROM study ORDER BY study_date LIMIT 1000").fetchall()
        return (0x0008, 0x0020, f"{dates[0][0]}-{dates[-1][0]}")


def _schema_digest() -> str:
    """Return what changes with the schema, so that no index of an older one is reused."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / INDEX_NAME
        index_fill.fill(path, 0, 0)
        with closing(sqlite3.connect(path)) as database:
            schema = database.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    return hashlib.sha256(repr(schema).encode()).hexdigest()[:8]


def prepare(root: Path, studies: int, instances_per_study: int) -> FilledIndex:
    """Return the filled index, generated when it is not there yet."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"index-{studies}x{instances_per_study}-{_schema_digest()}.sqlite"
    if not path.exists():
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        index_fill.fill(making, studies, instances_per_study)
        making.rename(path)
    return FilledIndex(path)
