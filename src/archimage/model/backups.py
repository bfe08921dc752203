"""What a backup holds, told as values, and the lines of its lists.

A list has one JSON object a line: objects in the order of their rows in the index or, in a list of their own, the other
files of the archive. Each names its path in the archive and the digest of its bytes, by which the target keeps them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from archimage.errors import IntegrityError
from archimage.model.dumps import check_path, read_batches
from archimage.model.records import StoredInstance

FORMAT: Final = 1

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

State = Literal["", "removed", "missing", "damaged"]
"""How an object fared that is not simply there: removed while the backup was made, so that the row goes too; missing,
its row has no file; damaged, what is kept of it is not what was stored."""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """The row of an object, as far as it tells its file; pk is its place in the order of rows."""

    pk: int
    stored: StoredInstance


@dataclass(frozen=True, slots=True)
class KeptObject:
    """An object in a backup; sha256 is that of its whole file, empty where there is none."""

    row: ObjectRow
    sha256: str
    size_bytes: int
    state: State = ""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Another file of the archive in a backup; mode is its permissions."""

    path: str
    sha256: str
    size_bytes: int
    mode: int


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file of the backup itself."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Totals:
    """How much a backup holds, and how it came to it; grows while one is made.

    copied tells of what had to be copied, because no backup before had it. problems name objects that were not what
    they should be.
    """

    objects: int = 0
    files: int = 0
    size_bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    removed: int = 0
    missing: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Summary:
    """A backup that is whole; times are seconds since 1970, UTC."""

    id: str
    began_at: float
    ended_at: float
    made_by: str
    revision: str
    totals: Totals
    index: ListFile
    objects: ListFile
    files: ListFile

    def encode(self) -> bytes:
        """Write it as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> "Summary":
        """Read it.

        Raises:
            IntegrityError: it is damaged, or of a newer archimage.
        """
        try:
            told: dict[str, Any] = json.loads(text)
            if told.pop("format") != FORMAT:
                raise IntegrityError("the backup was made by a newer archimage")
            parts: Mapping[str, Any] = {name: ListFile(**told.pop(name)) for name in ("index", "objects", "files")}
            if any(part.name != f"{name}.gz" for name, part in parts.items()):
                raise ValueError("a list has another name")
            return cls(totals=Totals(**told.pop("totals")), **told, **parts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError("the summary of the backup is damaged") from error


def encode_object(kept: KeptObject) -> bytes:
    """Write a line of the list of objects."""
    stored = kept.row.stored
    line = {
        "pk": kept.row.pk,
        "uid": stored.sop_instance_uid,
        "class": stored.sop_class_uid,
        "syntax": stored.transfer_syntax_uid,
        "path": stored.path,
        "stored_bytes": stored.size_bytes,
        "offset": stored.data_set_offset,
        "digest": stored.digest.hex(),
        "sha256": kept.sha256,
        "bytes": kept.size_bytes,
    }
    return json.dumps(line | ({"state": kept.state} if kept.state else {}), separators=(",", ":")).encode() + b"\n"


def decode_object(line: bytes) -> KeptObject:
    """Read a line of the list of objects; IntegrityError where it is damaged."""
    try:
        told = json.loads(line)
        stored = StoredInstance(
            told["uid"],
            told["class"],
            told["syntax"],
            check_path(told["path"]),
            told["stored_bytes"],
            told["offset"],
            bytes.fromhex(told["digest"]),
        )
        sha256 = told["sha256"] and _digest(told["sha256"])
        return KeptObject(ObjectRow(told["pk"], stored), sha256, told["bytes"], told.get("state", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the list of objects of the backup is damaged") from error


def encode_file(kept: KeptFile) -> bytes:
    """Write a line of the list of other files."""
    return json.dumps(asdict(kept), separators=(",", ":")).encode() + b"\n"


def decode_file(line: bytes) -> KeptFile:
    """Read a line of the list of other files; IntegrityError where it is damaged."""
    try:
        kept = KeptFile(**json.loads(line))
        check_path(kept.path)
        _digest(kept.sha256)
    except (ValueError, TypeError) as error:
        raise IntegrityError("the list of files of the backup is damaged") from error
    return kept


def _digest(text: str) -> str:
    """Return a SHA-256 in hexadecimal; ValueError or TypeError where it is none."""
    if not _DIGEST.fullmatch(text):
        raise ValueError("no digest")
    return text


_COLUMNS: Final = (
    "pk",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "file_path",
    "size_bytes",
    "data_set_offset",
    "digest",
)


def object_rows(lines: Iterable[bytes]) -> Iterator[ObjectRow]:
    """Yield what a dump of the index, without its first line, tells of objects; IntegrityError where it is damaged."""
    for batch in read_batches(lines):
        if batch.table == "instance":
            places = [batch.columns.index(name) for name in _COLUMNS]
            for row in batch.rows:
                pk, *stored = (row[place] for place in places)
                yield ObjectRow(pk, StoredInstance(*stored))
