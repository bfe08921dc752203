"""The files of one audit journal, `{number}.audit`, and reading what they hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from archimage.observe.audit.records import MAX_LINE_BYTES, Record, decode

_NAME: Final = re.compile(r"([0-9]{8})\.audit")


@dataclass(frozen=True, slots=True)
class End:
    """Where a journal ends: the last file that holds a whole line, how much of it are whole lines, and the last record.

    damaged tells that the last line is no record.
    """

    file: int
    size_bytes: int
    last: Record | None
    damaged: bool = False


def path_of(directory: Path, number: int) -> Path:
    """Return where a file of a journal is."""
    return directory / f"{number:08d}.audit"


def numbers(directory: Path) -> list[int]:
    """Return the numbers of the files that are there, in order."""
    if not directory.exists():
        return []
    found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted(int(match[1]) for match in found if match)


def lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield lines from an offset on; the last may lack its line break, and none is longer than MAX_LINE_BYTES."""
    with path.open("rb") as file:
        file.seek(offset)
        while line := file.readline(MAX_LINE_BYTES):
            yield line


def torn(path: Path, size_bytes: int) -> tuple[int, str]:
    """Return how many bytes stand after the first size_bytes of a file, and their digest; no digest of none."""
    with path.open("rb") as file:
        file.seek(size_bytes)
        rest = file.read()
    return len(rest), sha256(rest).hexdigest() if rest else ""


def end_of(directory: Path) -> End | None:
    """Find the end of a journal, its last file with a whole line; None where there is none yet."""
    for number in reversed(numbers(directory)):
        path = path_of(directory, number)
        whole = start = max(0, path.stat().st_size - 2 * MAX_LINE_BYTES)
        last = b""
        for line in lines(path, start):
            if line.endswith(b"\n"):
                whole, last = whole + len(line), line
        if last:
            record = decode(last)
            return End(number, whole, record, damaged=record is None)
    return None
