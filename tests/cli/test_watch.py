"""`archimage watch` as a process: whole files are imported once, and nothing is touched without being asked."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest

from archimage.dicom.demo import demo_files
from archimage.services import seen
from tests.attacks.faults import compile_faults
from tests.attacks.server import running, wait_until
from tests.cli.conftest import Invoke

_COMMAND = (sys.executable, "-m", "archimage", "watch")
_QUICK = ("--settle", "0.3", "--interval", "0.1")


class Watching:
    """A running `archimage watch`."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text("utf-8", "replace")

    def waits_for(self, text: str) -> bool:
        """Wait until it has said something."""
        return wait_until(lambda: text in self.log or self._process.poll() is not None, 30) and text in self.log

    def end(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it by a signal; return its summary."""
        self._process.send_signal(number)
        out, _ = self._process.communicate(timeout=30)
        assert self._process.returncode == 0, self.log
        found: dict[str, Any] = json.loads(out)
        return found


@contextmanager
def watching(
    folder: Path, data: Path, *options: object, environment: Mapping[str, str] | None = None
) -> Iterator[Watching]:
    """Follow a folder; its looks follow one another quickly."""
    log = data.with_name(f"watch-{data.name}.log")
    command = [*_COMMAND, folder, "--data", data, "--json", *_QUICK, *options]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        try:
            yield Watching(process, log)
        finally:
            process.kill()


def once(folder: Path, data: Path, *options: object) -> tuple[int, dict[str, Any]]:
    """Import what is there."""
    command = [*_COMMAND, folder, "--data", data, "--json", "--once", *_QUICK, *options]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def counted(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts that are not 0."""
    return {name: count for name, count in summary.items() if count and name != "problems"}


@pytest.fixture(scope="module")
def objects() -> list[bytes]:
    """Objects of several kinds, those of a CT first."""
    return list(demo_files(slices=2))


@pytest.fixture
def folder(tmp_path: Path, objects: list[bytes]) -> Path:
    """A folder of two objects, one of them deeper, and what is no object."""
    found = tmp_path / "inbox"
    (found / "deep" / "er").mkdir(parents=True)
    (found / "one.dcm").write_bytes(objects[0])
    (found / "deep" / "er" / "two").write_bytes(objects[1])
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_there_and_what_comes_is_imported_beside_a_server(
    folder: Path, tmp_path: Path, objects: list[bytes], number: int
) -> None:
    with running(tmp_path / "data") as server, watching(folder, server.directory) as watch:
        assert wait_until(lambda: len(server.rows()) == 2, 30), watch.log
        (folder / "three.dcm").write_bytes(objects[2])
        assert wait_until(lambda: len(server.rows()) == 3, 30), watch.log
        assert watch.waits_for("so far 3 stored")
        assert counted(watch.end(number)) == {"stored": 3}
        assert {row.path for row in server.rows()} == server.files()
    assert (folder / "three.dcm").read_bytes() == objects[2]


def test_a_file_that_somebody_writes_to_is_left_alone(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    whole = next(data for data in objects if b"\xe0\x7f\x10\x00" in data and data not in objects[:2])
    cut = whole.rindex(b"\xe0\x7f\x10\x00")  # what comes before the pixels would be an object too
    with (folder / "slow.dcm").open("wb") as slow:
        slow.write(whole[:cut])
        slow.flush()
        assert counted(once(folder, tmp_path / "data")[1]) == {"stored": 2, "waiting": 1}
        slow.write(whole[cut:])
    assert counted(once(folder, tmp_path / "data")[1]) == {"stored": 1}


def test_a_file_that_grows_is_taken_when_it_has_stopped(
    folder: Path, tmp_path: Path, objects: list[bytes], archimage: Invoke
) -> None:
    growing, data = folder / "growing.dcm", tmp_path / "data"
    paused = threading.Event()
    with watching(folder, data, "--settle", "2") as watch:
        for start in range(0, len(objects[3]), len(objects[3]) // 16):
            with growing.open("ab") as file:
                file.write(objects[3][start : start + len(objects[3]) // 16])
            paused.wait(0.2)
        assert watch.waits_for("so far")
        assert wait_until(lambda: "3 stored" in watch.log, 30), watch.log
        assert counted(watch.end()) == {"stored": 3}
    assert archimage("index", "verify", "--digests", "--data", data, "--json").json["instances"] == 3


def test_what_was_dealt_with_is_not_read_again(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    data = tmp_path / "data"
    (folder / "notes.txt").write_text("no object")
    assert counted(once(folder, data)[1]) == {"stored": 2, "skipped": 1}
    assert counted(once(folder, data)[1]) == {}
    (folder / "one.dcm").write_bytes(objects[2])
    assert counted(once(folder, data)[1]) == {"stored": 1}
    for state in (data / "watched").iterdir():
        state.write_bytes(state.read_bytes()[:-3])
    assert counted(once(folder, data)[1]) == {"duplicate": 2, "skipped": 1}


def test_what_is_stored_is_moved_when_it_is_asked_for(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    done, refused = tmp_path / "done", tmp_path / "refused"
    (done / "deep" / "er").mkdir(parents=True)
    (done / "deep" / "er" / "two").write_text("of an earlier day")
    (folder / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    (folder / "copy.dcm").write_bytes(objects[0])
    code, summary = once(folder, tmp_path / "data", "--move-to", done, "--failed", refused)
    assert (code, counted(summary)) == (1, {"stored": 2, "duplicate": 1, "failed": 1, "moved": 4})
    assert [problem["file"] for problem in summary["problems"]] == [str(folder / "broken.dcm")]
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert (done / "one.dcm").read_bytes() == (done / "copy.dcm").read_bytes() == objects[0]
    assert (done / "deep" / "er" / "two").read_text() == "of an earlier day"
    assert (done / "deep" / "er" / "two.1").read_bytes() == objects[1]
    assert [path.name for path in refused.iterdir()] == ["broken.dcm"]


def test_only_what_is_stored_is_deleted(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    (folder / "notes.txt").write_text("no object")
    assert counted(once(folder, tmp_path / "data", "--delete")[1]) == {
        "stored": 2,
        "failed": 1,
        "skipped": 1,
        "deleted": 2,
    }
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"broken.dcm", "notes.txt"}


def test_an_object_that_the_archive_has_otherwise_stays(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    once(folder, tmp_path / "data")
    dataset = pydicom.dcmread(folder / "one.dcm")
    dataset.PatientName = "Demo^Other"
    dataset.save_as(folder / "other.dcm")
    code, summary = once(folder, tmp_path / "data", "--delete")
    assert (code, counted(summary)) == (1, {"failed": 1})
    assert (folder / "other.dcm").exists()


def test_links_and_unfinished_files_are_passed_over(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.dcm").write_bytes(objects[4])
    (folder / "link.dcm").symlink_to(outside / "far.dcm")
    (folder / "links").symlink_to(outside, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / ".hidden.dcm").write_bytes(objects[4])
    (folder / "coming.dcm.part").write_bytes(objects[4])
    os.mkfifo(folder / "pipe.dcm")
    assert counted(once(folder, tmp_path / "data", "--delete")[1]) == {"stored": 2, "deleted": 2}
    assert (outside / "far.dcm").exists()


def test_a_bad_file_is_told_once(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    (folder / "bad\n\x1b[31m.dcm").write_bytes(bytes(128) + b"DICM")
    with watching(folder, tmp_path / "data") as watch:
        assert watch.waits_for("2 stored")
        (folder / "three.dcm").write_bytes(objects[2])
        assert watch.waits_for("3 stored")
        assert counted(watch.end()) == {"stored": 3, "failed": 1}
        assert watch.log.count("bad\\n\\x1b[31m.dcm: ") == 1
        assert "\x1b" not in watch.log


def test_an_archive_of_files_is_imported_as_a_whole(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    import zipfile

    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for number, data in enumerate(objects[2:]):
            archive.writestr(f"{number}.dcm", data)
    with zipfile.ZipFile(folder / "empty.zip", "w"):
        pass
    with zipfile.ZipFile(folder / "mixed.zip", "w") as archive:
        archive.writestr("report.txt", "of the referring physician")
        archive.writestr("0.dcm", objects[2])
    summary = counted(once(folder, tmp_path / "data", "--delete")[1])
    assert summary == {"stored": len(objects), "duplicate": 1, "skipped": 1, "deleted": 3}
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"empty.zip", "mixed.zip"}


def test_files_stay_while_the_archive_cannot_store_them(folder: Path, tmp_path: Path, objects: list[bytes]) -> None:
    data = tmp_path / "data"
    faults = compile_faults(tmp_path, data)
    with watching(folder, data, "--delete", environment=faults.environment) as watch:
        assert watch.waits_for("2 deleted")
        faults.begin(errno.ENOSPC, "w")
        (folder / "three.dcm").write_bytes(objects[2])
        assert watch.waits_for("the archive cannot store just now")
        assert (folder / "three.dcm").read_bytes() == objects[2]
        faults.end()
        assert wait_until(lambda: not (folder / "three.dcm").exists(), 30), watch.log
        assert counted(watch.end()) == {"stored": 3, "deleted": 3}


def test_what_cannot_be_wanted_is_refused(archimage: Invoke, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for options, told in (
        (("--delete", "--move-to", tmp_path / "done"), "choose one"),
        (("--move-to", folder / "done"), "inside the folder"),
        (("--failed", folder), "inside the folder"),
        (("--data", folder / "data"), "cannot be watched"),
    ):
        refused = archimage("watch", folder, "--data", data, *options)
        assert (refused.code, told in refused.err) == (2, True), refused.err
    assert archimage("watch", data / "objects", "--data", data).code == 2


def test_marks_come_back_as_they_were_and_broken_ones_do_not(tmp_path: Path) -> None:
    file, marks = tmp_path / "marks", {1: 2, (1 << 64) - 1: 0}
    seen.write(file, marks)
    assert seen.read(file) == marks
    for content in (b"", b"archwat1" + bytes(15), b"another!" + bytes(16)):
        file.write_bytes(content)
        assert seen.read(file) == {}
    assert seen.read(tmp_path / "none") == {}
