"""What is put together reads like one file, wherever one begins to read."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archimage.services.spliced import Part, SplicedReader
from archimage.storage.filesystem import FileReader

CONTENT = bytes(range(100))
RANGES = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda ends: range(min(ends), max(ends)))


def whole(parts: list[Part]) -> bytes:
    """Return what the parts are, one after the other."""
    return b"".join(part if isinstance(part, bytes) else CONTENT[part.start : part.stop] for part in parts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(CONTENT)
    return tmp_path / "file"


@given(
    st.lists(st.one_of(st.binary(max_size=20), RANGES), max_size=5),
    st.integers(0, 300),
    st.integers(0, 300),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_it_is_that_of_the_parts_joined(path: Path, parts: list[Part], offset: int, length: int) -> None:
    expected = whole(parts)
    with SplicedReader(FileReader(path), parts) as reader:
        assert reader.size_bytes == len(expected)
        assert reader.read(offset, length) == expected[offset : offset + length]
        for read in (reader.read_into, reader.read_cached):
            buffer = bytearray(length)
            count = read(memoryview(buffer), offset)
            assert bytes(buffer[:count]) == expected[offset : offset + length]
        reader.expect(offset, length)


def test_a_file_that_was_cut_ends_what_is_read(path: Path) -> None:
    with closing(SplicedReader(FileReader(path), [b"ab", range(90, 110), b"cd"])) as reader:
        buffer = bytearray(30)
        assert reader.read_into(memoryview(buffer), 0) == 12
        assert bytes(buffer[:12]) == b"ab" + CONTENT[90:]


def test_the_file_is_closed_with_it(path: Path) -> None:
    file = FileReader(path)
    SplicedReader(file, [range(3)]).close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.read(0, 1)
