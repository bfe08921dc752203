"""An index of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.index.sqlite import SqliteIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """Open an empty index."""
    opened = SqliteIndex(tmp_path / "index.db")
    yield opened
    opened.close()
