"""What a watched folder's files were when they were dealt with, so that no run reads them again.

    magic       8 bytes  "archwat1"
    entries    16 bytes  each: XXH3-64 of the path, XXH3-64 of what the file was (little-endian)

It may be deleted at any time: what is stored already is then read once more, and counted as a duplicate.
"""

import os
from array import array
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import xxhash

_MAGIC: Final = b"archwat1"
_MAX_BYTES: Final = 1 << 30

Identity = tuple[int, int, int]
"""A file's number, size in bytes and time in nanoseconds."""
Marks = dict[int, int]
"""Path to what the file was, both as numbers: a hundred thousand files take some ten megabytes."""


def path_key(path: str) -> int:
    """Return the number that stands for a path."""
    return xxhash.xxh3_64_intdigest(os.fsencode(path))


def mark(known: Identity) -> int:
    """Return the number that stands for what a file is."""
    return xxhash.xxh3_64_intdigest(repr(known).encode())


def identity(status: os.stat_result) -> Identity:
    """Return what changes when a file is written to, or another takes its place."""
    return status.st_ino, status.st_size, status.st_mtime_ns  # not st_dev: each mount numbers devices anew


def read(path: Path) -> Marks:
    """Read the marks of an earlier run; none where there are none, or they cannot be read."""
    with suppress(OSError):
        if path.stat().st_size <= _MAX_BYTES:
            content = path.read_bytes()
            numbers = array("Q")
            if content[: len(_MAGIC)] == _MAGIC and len(content) % 16 == len(_MAGIC) % 16:
                numbers.frombytes(content[len(_MAGIC) :])
                return dict(zip(numbers[::2], numbers[1::2], strict=True))
    return {}


def write(path: Path, marks: Mapping[int, int]) -> None:
    """Write the marks, whole or not at all; raises OSError."""
    numbers = array("Q")
    for pair in marks.items():
        numbers.extend(pair)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.write_bytes(_MAGIC + numbers.tobytes())
    made.replace(path)
