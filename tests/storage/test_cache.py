"""What is cached comes back or is gone; there is never much more than allowed, and a bad disk is no error."""

import os
import stat
import time
from pathlib import Path

import pytest

from archimage.errors import StorageError
from archimage.storage.cache import FilesystemCache, boot_id


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


def test_everything_is_forgotten_at_once(cache: FilesystemCache, tmp_path: Path) -> None:
    cache.clear()
    for name in ("ab1", "cd2"):
        cache.write(name, b"x")
    cache.create("ef3").write([b"half"])
    cache.clear()
    assert files(tmp_path) == {}


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


# Files


def test_a_file_is_seen_once_it_is_kept_and_can_be_read_back_before(cache: FilesystemCache, tmp_path: Path) -> None:
    writer = cache.create("ab1")
    writer.write([b"one", b"two"])
    assert writer.read(2, 3) == b"etw"
    assert cache.open("ab1") is None
    with writer.keep() as reader:
        assert reader.read(0, 10) == b"onetwo"
    writer.discard()
    reader = cache.open("ab1") or pytest.fail("it is gone")
    with reader:
        assert reader.size_bytes == 6
    assert sorted(files(tmp_path)) == ["ab1"]


def test_what_is_discarded_leaves_nothing(cache: FilesystemCache, tmp_path: Path) -> None:
    writer = cache.create("ab1")
    writer.write([b"x"])
    writer.discard()
    writer.discard()
    assert files(tmp_path) == {}


def test_leftovers_of_the_dead_go_and_files_of_the_living_stay(cache: FilesystemCache, tmp_path: Path) -> None:
    living = cache.create("ab1")
    living.write([b"x"])
    (tmp_path / "cache" / "ab" / "ab2.0123.part").write_bytes(b"x")
    cache.clean()
    assert [name.partition(".")[0] for name in files(tmp_path)] == ["ab1"]
    living.keep().close()
    assert cache.open("ab1") is not None


def test_files_on_their_way_outlive_an_eviction_and_the_last_one_stays_however_large(
    cache: FilesystemCache, tmp_path: Path
) -> None:
    writing = cache.create("ab1")
    writing.write([bytes(2000)])
    cache.write("cd1", bytes(800))
    other = cache.create("ef1")
    other.write([bytes(3000)])
    with other.keep() as reader:
        assert reader.size_bytes == 3000
    writing.keep().close()
    assert sorted(files(tmp_path)) == ["ab1"]


def test_what_was_opened_last_stays_longest(cache: FilesystemCache, tmp_path: Path) -> None:
    for number in range(9):
        cache.write(f"a{number}", bytes(100))
        age(files(tmp_path)[f"a{number}"], 100 - number)
    opened = cache.open("a0")
    assert opened is not None
    opened.close()
    writer = cache.create("b0")
    writer.write([bytes(200)])
    writer.keep().close()
    assert "a0" in files(tmp_path)
    assert "a1" not in files(tmp_path)


def test_a_disk_that_refuses_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    cache = FilesystemCache(tmp_path / "cache", 1000)
    assert cache.open("ab1") is None
    with pytest.raises(StorageError, match="create a derived object"):
        cache.create("ab1")


def test_the_boot_id_stays_while_the_machine_runs() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()
