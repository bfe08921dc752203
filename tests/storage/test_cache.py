"""What is cached comes back or is gone; there is never much more than allowed, and a bad disk is no error."""

import os
import stat
import time
from pathlib import Path

import pytest

from archimage.storage.cache import FilesystemCache


@pytest.fixture
def cache(tmp_path: Path) -> FilesystemCache:
    return FilesystemCache(tmp_path / "cache", 1000)


def files(tmp_path: Path) -> dict[str, Path]:
    return {path.name: path for path in (tmp_path / "cache").rglob("*") if path.is_file()}


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_what_is_kept_comes_back_until_it_is_replaced_or_removed(cache: FilesystemCache, tmp_path: Path) -> None:
    assert cache.read("ab1") is None
    cache.write("ab1", b"one")
    assert FilesystemCache(tmp_path / "cache", 1000).read("ab1") == b"one"
    cache.write("ab1", b"two")
    assert cache.read("ab1") == b"two"
    cache.remove("ab1")
    assert cache.read("ab1") is None
    cache.remove("ab1")
    cache.remove("zz")


def test_everything_of_one_beginning_is_removed(cache: FilesystemCache, tmp_path: Path) -> None:
    for name in ("ab11", "ab12", "ab21", "ac11"):
        cache.write(name, b"x")
    cache.remove("ab1")
    assert sorted(files(tmp_path)) == ["ab21", "ac11"]


def test_files_are_for_the_archive_alone(cache: FilesystemCache, tmp_path: Path) -> None:
    cache.write("ab1", b"x")
    assert stat.S_IMODE(files(tmp_path)["ab1"].stat().st_mode) & 0o027 == 0


def test_the_oldest_go_first_when_there_is_too_much(cache: FilesystemCache, tmp_path: Path) -> None:
    for number in range(9):
        cache.write(f"a{number}", bytes(100))
        age(files(tmp_path)[f"a{number}"], 1000 - number)
    assert cache.read("a0") == bytes(100)  # asked for again: now the youngest
    cache.write("b0", bytes(200))
    assert "b0" in files(tmp_path)
    assert "a0" in files(tmp_path)
    assert "a1" not in files(tmp_path)
    assert sum(path.stat().st_size for path in files(tmp_path).values()) <= 1000


def test_what_other_processes_wrote_counts_too(cache: FilesystemCache, tmp_path: Path) -> None:
    other = FilesystemCache(tmp_path / "cache", 1 << 20)
    for number in range(20):
        other.write(f"a{number}", bytes(100))
        age(files(tmp_path)[f"a{number}"], 100 - number)
    cache.write("b0", bytes(10))
    assert sum(path.stat().st_size for path in files(tmp_path).values()) <= 1000
    assert "b0" in files(tmp_path)


def test_what_a_writer_left_that_died_is_swept(cache: FilesystemCache, tmp_path: Path) -> None:
    cache.write("ab1", b"x")
    for name, seconds in (("ab2.0123.part", 7200), ("ab3.0123.part", 10)):
        path = tmp_path / "cache" / "ab" / name
        path.write_bytes(b"half")
        age(path, seconds)
    cache.write("ab4", bytes(100))
    assert sorted(files(tmp_path)) == ["ab1", "ab3.0123.part", "ab4"]


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the directory should be")
    cache = FilesystemCache(tmp_path / "cache", 1000)
    cache.write("ab1", b"x")
    cache.remove("ab1")
    assert cache.read("ab1") is None


def test_an_unfinished_file_is_taken_away_when_it_cannot_be_placed(cache: FilesystemCache, tmp_path: Path) -> None:
    (tmp_path / "cache" / "ab" / "ab1").mkdir(parents=True)
    cache.write("ab1", b"x")
    assert files(tmp_path) == {}


def test_with_no_room_nothing_is_kept(tmp_path: Path) -> None:
    cache = FilesystemCache(tmp_path / "cache", 0)
    cache.write("ab1", b"x")
    assert cache.read("ab1") is None
