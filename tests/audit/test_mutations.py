"""10,000 changes to a journal by chance: every one is found, and the first record that it touched is named."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.audit.journals import Place

_MUTATIONS: Final = 10_000
_Lines = list[bytes]


def _at(lines: _Lines, chance: random.Random) -> int:
    return chance.randrange(len(lines))


def _flip(lines: _Lines, chance: random.Random) -> _Lines:
    """Turn one bit."""
    at = _at(lines, chance)
    line = bytearray(lines[at])
    line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
    return [*lines[:at], bytes(line), *lines[at + 1 :]]


def _delete_bytes(lines: _Lines, chance: random.Random) -> _Lines:
    at = _at(lines, chance)
    line = lines[at]
    start = chance.randrange(len(line))
    cut = line[:start] + line[start + chance.randint(1, 20) :]
    return [*lines[:at], cut, *lines[at + 1 :]]


def _delete_records(lines: _Lines, chance: random.Random) -> _Lines:
    at = _at(lines, chance)
    return [*lines[:at], *lines[at + chance.randint(1, 5) :]]


def _insert_bytes(lines: _Lines, chance: random.Random) -> _Lines:
    at = _at(lines, chance)
    start = chance.randrange(len(lines[at]))
    line = lines[at][:start] + chance.randbytes(chance.randint(1, 20)) + lines[at][start:]
    return [*lines[:at], line, *lines[at + 1 :]]


def _swap(lines: _Lines, chance: random.Random) -> _Lines:
    first, second = sorted(chance.sample(range(len(lines)), 2))
    swapped = list(lines)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    return swapped


def _truncate(lines: _Lines, chance: random.Random) -> _Lines:
    at = _at(lines, chance)
    return [*lines[:at], lines[at][: chance.randrange(len(lines[at]))]]


def _replay(lines: _Lines, chance: random.Random) -> _Lines:
    """Have a record, or some, once more."""
    at, start = chance.randrange(1, len(lines) + 1), _at(lines, chance)
    return [*lines[:at], *lines[start : start + chance.randint(1, 5)], *lines[at:]]


_KINDS: Final[tuple[Callable[[_Lines, random.Random], _Lines], ...]] = (
    _flip,
    _delete_bytes,
    _delete_records,
    _insert_bytes,
    _swap,
    _truncate,
    _replay,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A journal of two files and several heads, ended in order."""
    place = Place(tmp_path_factory.mktemp("mutations"))
    journal = place.open(file_bytes=3_000)
    for number in range(12):
        journal.write([b"<AuditMessage n='%d'/>" % number])
        if number % 4 == 3:
            journal.sign()
    journal.close()
    assert len(place.files()) == 2
    return place


def _write(files: list[Path], count: int, lines: _Lines) -> None:
    """Write records to the two files, so many to the first."""
    files[0].write_bytes(b"".join(lines[:count]))
    files[1].write_bytes(b"".join(lines[count:]))


def _first_changed(before: _Lines, lines: _Lines) -> int:
    """Return the number of the first record that is not as it was."""
    now = b"".join(lines).split(b"\n")
    same = (line[:-1] == found for line, found in zip(before, now[:-1], strict=False))
    return next((number for number, one in enumerate(same, start=1) if not one), min(len(before), len(now) - 1) + 1)


@pytest.mark.timeout(300)
def test_every_change_is_found_and_its_first_record_named(place: Place) -> None:
    chance = random.Random(20_240_501)  # noqa: S311 - the same changes every time
    files, whole = place.files(), place.lines()
    count = len(files[0].read_bytes().splitlines())
    for number in range(_MUTATIONS):
        mutate = _KINDS[number % len(_KINDS)]
        lines = mutate(whole, chance)
        while lines == whole:
            lines = mutate(whole, chance)
        _write(files, count, lines)
        found = place.verify().bad
        assert found is not None, (number, mutate.__name__)
        assert found.number == _first_changed(whole, lines), (number, mutate.__name__, found)
    _write(files, count, whole)
    assert place.verify().bad is None


@pytest.mark.parametrize("seed", range(200))
def test_every_change_to_the_head_in_its_second_place_is_found(place: Place, seed: int) -> None:
    before = place.kept.read_bytes()
    mutate = (_flip, _delete_bytes, _insert_bytes, _truncate)[seed % 4]
    lines = mutate([before], random.Random(seed))  # noqa: S311 - the same changes every time
    place.kept.write_bytes(b"".join(lines))
    try:
        assert place.verify().bad is not None
    finally:
        place.kept.write_bytes(before)
