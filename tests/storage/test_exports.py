"""Exports are archives that any program reads, gone on with where they were, and removed in time."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import IntegrityError, NotFoundError, UnavailableError
from archimage.storage.exports import ExportDirectory, ZipFile


def begun(exports: ExportDirectory, size_bytes: int = 0) -> ZipFile:
    file = exports.begin(7, size_bytes)
    assert file is not None
    return file


def read(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def test_an_export_is_an_archive_once_it_has_ended(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports", 60)
    with closing(begun(exports)) as file:
        file.add("1/a.dcm", 6, [b"abc", b"def"])
        file.add("1/b.dcm", 0, [])
        with pytest.raises(NotFoundError):
            exports.path(7)
        assert exports.size(7) is None
        size = file.end()
    assert read(exports.path(7)) == {"1/a.dcm": b"abcdef", "1/b.dcm": b""}
    assert exports.size(7) == exports.path(7).stat().st_size == size
    assert exports.path(7).stat().st_mode & 0o077 == 0
    exports.remove(7)
    exports.remove(7)
    assert list((tmp_path / "exports").iterdir()) == []


def test_what_was_not_durable_is_cut_off_and_the_rest_gone_on_with(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path, 60)
    with closing(begun(exports)) as file:
        for number in range(3):
            file.add(f"1/{number}.dcm", 3, [b"abc"])
        size = file.sync()
        file.add("2/torn.dcm", 3, [b"xyz"])
    with closing(begun(exports, size)) as file:
        assert file.sync() == size
        file.add("2/whole.dcm", 4, [b"wxyz"])
        file.end()
    assert read(exports.path(7)) == {**{f"1/{number}.dcm": b"abc" for number in range(3)}, "2/whole.dcm": b"wxyz"}


@pytest.mark.parametrize("left", [b"", b"PK\3\4", b"no archive" * 20])
def test_what_is_no_beginning_of_it_is_not_gone_on_with(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "export-7.part").write_bytes(left)
    exports = ExportDirectory(tmp_path, 60)
    assert exports.begin(7, 100) is None
    with closing(begun(exports)) as file:
        file.add("a", 1, [b"a"])
        file.end()
    assert read(exports.path(7)) == {"a": b"a"}


def _broken() -> Iterator[bytes]:
    yield b"ab"
    raise IntegrityError("it is damaged")


def test_nothing_is_there_of_a_file_that_could_not_be_read(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path, 60)
    with closing(begun(exports)) as file:
        file.add("a", 1, [b"a"])
        with pytest.raises(IntegrityError, match="damaged"):
            file.add("b", 30_000, _broken())
        with pytest.raises(IntegrityError, match="2 bytes"):
            file.add("c", 3, [b"ab"])
        file.end()
    assert read(exports.path(7)) == {"a": b"a"}


def test_only_one_writes_an_export(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path, 60)
    with closing(begun(exports)), pytest.raises(UnavailableError):
        exports.begin(7, 0)
    begun(exports).close()


def test_exports_are_removed_when_they_were_kept_for_long_enough(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path, 60, now=lambda: 1_000.0)
    others = {"export-3.txt", "notes.zip"}
    for name, at in {
        "export-1.zip": 900,
        "export-2.part": 940,
        "export-4.zip": 941,
        **dict.fromkeys(others, 1),
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert exports.tidy() == 2
    assert {path.name for path in tmp_path.iterdir()} == {"export-4.zip", *others}
    assert ExportDirectory(tmp_path / "none", 60).tidy() == 0
