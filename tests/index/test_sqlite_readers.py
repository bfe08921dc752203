"""Tests of index.sqlite_readers: one connection each, kept for the next one, and closed where that is to be."""

import sqlite3
from contextlib import ExitStack

import pytest

from archimage.index.sqlite_readers import KEPT, Readers


def opened() -> tuple[Readers, list[sqlite3.Connection]]:
    """Make readers, and a list of the connections that they open."""
    made: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        made.append(sqlite3.connect(":memory:", isolation_level=None))
        return made[-1]

    return Readers(connect), made


def is_closed(connection: sqlite3.Connection) -> bool:
    """Tell whether nothing can be asked any more."""
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_a_connection_is_lent_again_and_never_to_two() -> None:
    readers, made = opened()
    with readers.lent() as first:
        pass
    with readers.lent() as again, readers.lent() as other:
        assert again is first
        assert other is not first
    assert len(made) == 2
    readers.drop()


def test_a_connection_comes_back_from_a_block_that_fails() -> None:
    readers, made = opened()
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError), readers.lent() as connection:
            connection.execute("SELECT nothing")
    assert len(made) == 1
    readers.drop()


def test_no_more_are_kept_than_told() -> None:
    readers, made = opened()
    with ExitStack() as held:
        for _ in range(KEPT + 3):
            held.enter_context(readers.lent())
    assert sum(map(is_closed, made)) == 3
    readers.drop()


def test_what_is_dropped_is_closed_and_what_is_lent_meanwhile_once_it_comes_back() -> None:
    readers, made = opened()
    with readers.lent(), readers.lent() as lent:
        pass
    with readers.lent() as lent:
        readers.drop()
        assert not is_closed(lent)
    assert all(map(is_closed, made))
    with readers.lent() as fresh:
        assert fresh not in made[:2]
    readers.drop()
