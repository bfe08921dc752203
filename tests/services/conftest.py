"""Fixtures of the services' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.index.sqlite import SqliteIndex
from tests.services.archive import fill


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """A real index of the invented archive."""
    made = fill(tmp_path)
    yield made
    made.close()
