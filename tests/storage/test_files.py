"""Tests of storage.files."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import OutOfResourcesError, StorageError
from archimage.storage.files import storage_errors, sync_directory, sync_file_system, write_all, write_all_at


@given(pieces=st.lists(st.binary(max_size=40), max_size=40), offset=st.integers(0, 100))
def test_pieces_are_written_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], offset: int
) -> None:
    path = tmp_path_factory.mktemp("files") / "file"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        assert write_all(fd, pieces) == len(b"".join(pieces))
        assert path.read_bytes() == b"".join(pieces)
        assert write_all_at(fd, pieces, offset) == len(b"".join(pieces))
        assert path.read_bytes()[offset:][: len(b"".join(pieces))] == b"".join(pieces)
    finally:
        os.close(fd)


def test_more_pieces_than_one_call_takes_are_all_written(tmp_path: Path) -> None:
    pieces = [bytes((number % 256,)) for number in range(3_000)]
    with (tmp_path / "file").open("wb", buffering=0) as file:
        assert write_all(file.fileno(), pieces) == 3_000
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_what_a_call_leaves_over_is_written_by_the_next() -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            write_all(writer, [b"x" * 50_000, b"y" * 50_000])
        # A pipe takes 64 KiB: the first piece whole, the second in part.
        assert os.read(reader, 100_000) == b"x" * 50_000 + b"y" * 15_536
    finally:
        os.close(reader)
        os.close(writer)


def test_directories_and_file_systems_are_flushed(tmp_path: Path) -> None:
    sync_directory(tmp_path)
    fd = os.open(tmp_path, os.O_RDONLY)
    sync_file_system(fd)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_file_system(fd)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, OutOfResourcesError),
        (errno.EROFS, OutOfResourcesError),
        (errno.EIO, OutOfResourcesError),
        (errno.EACCES, StorageError),
    ],
)
def test_errors_of_the_system_become_our_own(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"try: {os.strerror(number)}"), storage_errors("try"):
        raise OSError(number, os.strerror(number))
