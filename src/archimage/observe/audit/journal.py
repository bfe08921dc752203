"""An audit journal as it is written: by one process, group by group, each flushed before it counts.

A journal stands in a directory of its own; no file of it is ever deleted, or changed but at its end. A group that could
not be written counts for nothing: its bytes are cut off again, and after a failed flush it goes to another file. What a
crash has left of one stays where it is, and the next file says how many bytes that are.

The last signed head is kept in a second place too, where it tells what a journal must at least hold.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archimage.observe.audit import records
from archimage.observe.audit.files import end_of, lines, path_of, torn
from archimage.observe.audit.records import NOTHING, Beginning, Kind, Record
from archimage.observe.audit.xml import text_time

HEAD_EVERY: Final = 1_000
"""Records that one head signs at most."""
_SIGN_AT: Final = HEAD_EVERY - 100
"""So many are signed before more are written; each file that is begun adds one."""
_FIRST_RECORDS: Final = 2  # the begin of the first file, and its head
_FILE_MODE: Final = 0o600


class Journal:
    """Appends records to a journal; one thread at a time. `close` signs what is not signed yet.

    kept is the file of the last head; file_bytes is the size after which another file is begun. Every method raises
    OSError where the disk refuses; what was asked for is then not done, and may be asked for again.
    """

    def __init__(
        self,
        directory: Path,
        kept: Path,
        key: Ed25519PrivateKey,
        *,
        file_bytes: int,
        durable: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._kept = kept
        self._key = key
        self._file_bytes = file_bytes
        self._durable = durable
        self._clock = clock
        self._fd = -1
        self._file = self._size_bytes = self._number = self._unsigned = 0
        self._digest = NOTHING
        self._name = secrets.token_hex(8)
        self._unkept = b""
        self.expected = 0
        """The record that a head names, and that was not found; 0 where all is there."""
        self.torn_bytes = 0
        """What a crash had left of a record."""
        self.damaged = False
        """Whether the end of the journal, or the head in the second place, could not be read."""
        directory.mkdir(parents=True, exist_ok=True)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open()

    @property
    def number(self) -> int:
        """The number of the last record."""
        return self._number

    @property
    def unsigned(self) -> int:
        """How many records no head signs yet."""
        return self._unsigned

    def write(self, payloads: Sequence[bytes]) -> None:
        """Append messages as one group, and flush them; at most half of HEAD_EVERY."""
        if self._fd < 0:
            self._begin()
        if self._unsigned + len(payloads) > _SIGN_AT:
            self.sign()
        if self._size_bytes >= self._file_bytes:
            self.sign()
            self._close()
            self._begin()
        self._append("event", payloads, self._now())

    def sign(self) -> None:
        """Sign what is not signed yet, and keep the head in its second place."""
        if self._unsigned:
            if self._fd < 0:
                self._begin()
            now = self._now()
            payload = records.sign(self._key, self._name, self._number + 1, now, self._digest)
            self._unkept = self._append("head", [payload], now)
            self._unsigned = 0
        if self._unkept:
            self._keep(self._unkept)
            self._unkept = b""

    def close(self) -> None:
        """Sign what is left, and close the file."""
        try:
            self.sign()
        finally:
            self._close()

    def _open(self) -> None:
        """Go on where the journal ended."""
        end = end_of(self._directory)
        head = kept_head(self._kept)
        if end is not None:
            self._file, self._size_bytes, self.damaged = end.file, end.size_bytes, end.damaged
            self._name = _name(self._directory) or self._name
            self.torn_bytes, _ = torn(path_of(self._directory, end.file), end.size_bytes)
            self._unsigned = 1  # how many they are is not known, so they are signed at once
            if end.last is not None:
                self._number, self._digest = end.last.number, end.last.digest
                self._unsigned = int(end.last.kind != "head")
        if head is not None and head.number > self._number:
            self.expected = 0 if self.damaged else head.number
            self._number = head.number if self.damaged else self._number
        self.damaged = self.damaged or (head is None and self._number > _FIRST_RECORDS)
        if end is None or self.expected or self.damaged or self.torn_bytes:
            self._begin()
        else:
            self._fd = os.open(path_of(self._directory, self._file), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self.sign()

    def _begin(self) -> None:
        """Begin another file, which tells how the one before ended."""
        rest, digest = (0, "") if self._file == 0 else torn(path_of(self._directory, self._file), self._size_bytes)
        beginning = Beginning(self._name, self._file + 1, rest, digest, self.expected, self.damaged)
        before = self._file, self._size_bytes
        path = path_of(self._directory, self._file + 1)
        path.unlink(missing_ok=True)  # it holds no more than a part of what is now written again (`end_of`)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)
        self._file, self._size_bytes = self._file + 1, 0
        try:
            self._append("begin", [beginning.encode()], self._now())
            _flush_names(self._directory)
        except OSError:
            self._close()
            self._file, self._size_bytes = before
            with suppress(OSError):
                path.unlink()
            raise

    def _append(self, kind: Kind, payloads: Sequence[bytes], now: str) -> bytes:
        """Append records that are written now, and flush them; return the last line."""
        number, digest, line, made = self._number, self._digest, b"", []
        for payload in payloads:
            number += 1
            line, digest = records.encode(number, now, kind, digest, payload)
            made.append(line)
        data = memoryview(b"".join(made))
        self._write(data)
        if self._durable:
            try:
                os.fdatasync(self._fd)
            except OSError:  # what a failed flush has left is not known: no other is tried on this file
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size_bytes)
                self._close()
                raise
        self._size_bytes += len(data)
        self._number, self._digest = number, digest
        self._unsigned += len(payloads)
        return line

    def _write(self, data: memoryview) -> None:
        """Write at the end; what of it cannot be written is cut off again."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            try:
                os.ftruncate(self._fd, self._size_bytes)
            except OSError:
                self._close()
            raise

    def _keep(self, line: bytes) -> None:
        """Keep a head in its second place, in one step."""
        temporary = self._kept.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(line)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(self._kept)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _now(self) -> str:
        return text_time(self._clock())


def kept_head(path: Path) -> Record | None:
    """Read a head from its second place; None where there is none that can be read."""
    try:
        record = records.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    return record if record is not None and record.kind == "head" else None


def _name(directory: Path) -> str:
    """Return what the first record of a journal calls it; empty where that cannot be read."""
    try:
        first = records.decode(next(lines(path_of(directory, 1)), b""))
    except FileNotFoundError:
        return ""
    beginning = None if first is None else Beginning.decode(first.payload)
    return "" if beginning is None else beginning.journal


def _flush_names(directory: Path) -> None:
    """Flush the names of a directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
