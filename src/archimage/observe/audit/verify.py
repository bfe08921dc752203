"""Whether an audit journal is as it was written: all of it is read, and the first record that is not is named.

Found is every change to what a head has signed, whoever made it, and every change to what stands after the last head
that was not made with care. Not found, without a copy elsewhere, are: that everything after some head was taken away,
and the head that is kept put back to that one; and whatever somebody does who has the key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archimage.observe.audit.files import lines, numbers, path_of, torn
from archimage.observe.audit.journal import HEAD_EVERY
from archimage.observe.audit.records import NOTHING, Beginning, Record, decode, is_signed


@dataclass(frozen=True, slots=True)
class Bad:
    """The first record that is not as it was written: its file, what number it should have, and what is wrong."""

    file: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one journal.

    unsigned counts the records after the last head; torn_bytes are what stands after the last whole record: a process
    is writing, or was ended in the middle of it.
    """

    records: int
    files: int
    unsigned: int
    torn_bytes: int
    bad: Bad | None = None


class _BadRecordError(Exception):
    """A record is not as it was written."""


class _Reader:
    """Reads a journal from its first record to its last."""

    def __init__(self, directory: Path, key: Ed25519PublicKey, kept: bytes | None) -> None:
        self.number = self.unsigned = self.torn_bytes = self.file = 0
        self._directory = directory
        self._key = key
        self._kept = kept
        self._digest = NOTHING
        self._name = ""
        self._torn_sha256 = ""
        self._since_kept: int | None = None

    def read(self) -> None:
        """Read all of it; raises _BadRecordError at the first record that is bad."""
        found = numbers(self._directory)
        for expected, number in enumerate(found, start=1):
            self.file = expected
            if number != expected:
                raise _BadRecordError(f"its file, {path_of(self._directory, expected).name}, is missing")
            self._read_file(last=number == found[-1])

    def _read_file(self, *, last: bool) -> None:
        path, size, first = path_of(self._directory, self.file), 0, True
        for line in lines(path):
            if not line.endswith(b"\n"):
                break
            record = decode(line)
            if record is None:
                raise _BadRecordError("it was changed")
            self._check(record, first=first)
            self.number, self._digest, size, first = record.number, record.digest, size + len(line), False
        if first and not last:
            raise _BadRecordError("its file holds none")
        self.torn_bytes, self._torn_sha256 = torn(path, size)

    def _check(self, record: Record, *, first: bool) -> None:
        if record.number != self.number + 1:
            raise _BadRecordError(f"in its place stands number {record.number}")
        if record.previous != self._digest:
            raise _BadRecordError("the record before it is another one")
        if first != (record.kind == "begin"):
            raise _BadRecordError("a file begins elsewhere than with its first record")
        if record.kind == "begin":
            self._check_beginning(record)
        if record.kind == "head":
            if not is_signed(record, self._name, self._key):
                raise _BadRecordError("it was not signed with this key")
            self.unsigned = 0
            if record.line == self._kept:
                self._since_kept = 0
            elif self._since_kept is not None:
                self._since_kept += 1
            return
        self.unsigned += 1
        if self.unsigned > HEAD_EVERY:
            raise _BadRecordError(f"{HEAD_EVERY} records before it have no head")

    def _check_beginning(self, record: Record) -> None:
        beginning = Beginning.decode(record.payload)
        if beginning is None or beginning.file != self.file:
            raise _BadRecordError("it does not begin this file")
        if self._name and beginning.journal != self._name:
            raise _BadRecordError("it belongs to another journal")
        if (beginning.torn_bytes, beginning.torn_sha256) != (self.torn_bytes, self._torn_sha256):
            raise _BadRecordError("the file before does not end as it says")
        if beginning.expected or beginning.damaged:
            raise _BadRecordError("when it was written, records before it had been taken away or changed")
        self._name = beginning.journal

    def check_kept(self, *, live: bool) -> None:
        """Compare with the head that is kept in a second place, which is written after the one in the journal.

        live tells that it is another one by now: then it may have fallen behind what was read.
        """
        if self._kept is None:
            if self.number and not live:
                raise _BadRecordError("no head is in the second place")
            return
        head = decode(self._kept)
        if head is None or head.kind != "head":
            raise _BadRecordError("the head in the second place was changed")
        if head.number > self.number:
            raise _BadRecordError(f"it is missing: a head says that there were {head.number}")
        if self._since_kept is None:
            raise _BadRecordError("the head in the second place is not one of these")
        if self._since_kept > 1 and not live:
            raise _BadRecordError("the head in the second place was put back to an older one")


def verify(directory: Path, key: Ed25519PublicKey, kept: Path) -> Verified:
    """Read a journal, whose heads a key has signed, and whose last head is kept in a second place; blocks."""
    before = _content(kept)
    reader = _Reader(directory, key, before)
    bad = None
    try:
        reader.read()
        reader.check_kept(live=_content(kept) != before)
    except _BadRecordError as error:
        bad = Bad(path_of(directory, max(1, reader.file)).name, reader.number + 1, str(error))
    return Verified(reader.number, reader.file, reader.unsigned, reader.torn_bytes, bad)


def journals(root: Path, heads: Path) -> Iterator[Path]:
    """Yield the directories of all journals, those too of which only a head is left."""
    names = {path.name for path in root.iterdir() if path.is_dir()} if root.exists() else set()
    kept = {path.stem for path in heads.glob("*.head")} if heads.exists() else set()
    yield from (root / name for name in sorted(names | kept, key=lambda name: (len(name), name)))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
