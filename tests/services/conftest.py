"""Fixtures of the services' tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from archimage.index.sqlite import SqliteIndex
from tests.services.archive import fill
from tests.services.parts import Open, Parts, open_parts
from tests.services.retaining import Kept


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """A real index of the invented archive."""
    made = fill(tmp_path)
    yield made
    made.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open archives, each closed in the end."""
    with ExitStack() as held:

        def open_(name: str = "data", *, replace: bool = False) -> Parts:
            return open_parts(held, tmp_path / name, replace=replace)

        yield open_


@pytest.fixture
def parts(opened: Open) -> Parts:
    """An archive that rejects other objects under a known UID."""
    return opened()


@pytest.fixture
def kept(parts: Parts) -> Iterator[Kept]:
    """The archive."""
    with ExitStack() as held:
        yield Kept(parts, held)
