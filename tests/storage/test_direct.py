"""Tests of storage.direct: whatever the pieces, the file holds their bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.buffers import BUFFER_BYTES, BufferPool
from archimage.storage.direct import DirectFile, direct_flag

_POOL = BufferPool()
_BYTES = os.urandom(3 * BUFFER_BYTES)


@contextmanager
def _file(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | direct_flag(path.parent), 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


_sizes = st.one_of(st.integers(0, 9000), st.sampled_from((4095, 4096, 4097, BUFFER_BYTES - 1, BUFFER_BYTES + 1)))


@given(st.lists(st.lists(_sizes, max_size=4), max_size=5))
@settings(deadline=None)
def test_pieces_of_any_size_become_the_file(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]) -> None:
    path = tmp_path_factory.getbasetemp() / "direct"
    written = [[_BYTES[size % 97 : size % 97 + size] for size in sizes] for sizes in batches]
    with _file(path) as fd:
        file = DirectFile(fd, _POOL)
        for pieces in written:
            file.write(pieces)
        file.finish()
    assert path.read_bytes() == b"".join(piece for pieces in written for piece in pieces)


def test_where_it_cannot_be_it_is_not(tmp_path: Path) -> None:
    assert direct_flag(tmp_path / "nowhere") == 0
    assert list(tmp_path.iterdir()) == []


def test_this_file_system_writes_around_the_cache(tmp_path: Path) -> None:
    assert direct_flag(tmp_path) == os.O_DIRECT
    assert list(tmp_path.iterdir()) == []
