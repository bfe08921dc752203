"""Where a value lies in its file is where its bytes are read from."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.services.bulk import BulkValue
from archimage.storage.filesystem import FileReader

EXTENTS = ((3, 4), (10, 1), (12, 0), (20, 30))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of bytes that differ."""
    found = tmp_path_factory.mktemp("bulk") / "file"
    found.write_bytes(bytes(range(256)) * 40)
    return found


@given(offset=st.integers(0, 40), length=st.integers(0, 40))
def test_the_spans_of_a_range_hold_what_is_read_of_it(path: Path, offset: int, length: int) -> None:
    file = FileReader(path)
    with BulkValue(file, file, EXTENTS, "OB", little=True) as value:
        value.expect(offset, length)
        spans = value.spans(offset, length)
        assert spans is not None
        assert b"".join(os.pread(span.descriptor, span.length, span.offset) for span in spans) == value.read(
            offset, length
        )


def test_what_is_swapped_has_no_spans(path: Path) -> None:
    file = FileReader(path)
    with BulkValue(file, file, EXTENTS, "OW", little=False) as value:
        assert value.spans(0, 4) is None


def test_a_value_in_very_many_pieces_has_no_spans(path: Path) -> None:
    file = FileReader(path)
    with BulkValue(file, file, [(10 * number, 2) for number in range(100)], "OB", little=True) as value:
        assert value.spans(0, value.size_bytes) is None
        assert len(value.spans(0, 100) or ()) == 50
