"""Reading on in a journal that somebody writes, from a place that is remembered."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from archimage.observe.audit.files import lines, numbers, path_of
from archimage.observe.audit.records import Record, decode

NAME: Final = "forwarded"
"""File of a journal's directory: what of it the repository has."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two records: a file, and an offset in it."""

    file: int = 1
    offset: int = 0


def read_place(directory: Path) -> Place:
    """Return up to where a journal was forwarded; its beginning where nothing says so."""
    try:
        found = orjson.loads((directory / NAME).read_bytes())
        return Place(int(found["file"]), int(found["offset"]))
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return Place()


def keep_place(directory: Path, place: Place) -> None:
    """Remember up to where a journal was forwarded, in one step."""
    temporary = directory / f"{NAME}.new"
    with temporary.open("wb") as file:
        file.write(orjson.dumps(asdict(place)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / NAME)


def read_on(directory: Path, place: Place) -> Iterator[tuple[Record | None, Place]]:
    """Yield the whole records after a place, each with the place after it; None for a line that is no record."""
    for number in numbers(directory):
        if number < place.file:
            continue
        offset = place.offset if number == place.file else 0
        for line in lines(path_of(directory, number), offset):
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            yield decode(line), Place(number, offset)
