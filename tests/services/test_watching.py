"""A file that changes while it is read is not stored, and is read again."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.dicom.demo import demo_files
from archimage.services import watching
from archimage.services.importing import ImportService
from archimage.services.watching import Candidate, FolderWatch

_SETTLE_S = 0.05


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An empty archive."""
    with closing(build(Config(storage=StorageConfig(directory=tmp_path / "data")))) as found:
        yield found


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder of one object."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "one.dcm").write_bytes(next(demo_files(slices=2)))
    return folder


def settled(watch: FolderWatch, service: ImportService) -> list[Candidate]:
    """Look twice, so long apart that what does not change has settled."""
    stopped = threading.Event()
    assert list(watch.settled(service, stopped)) == []
    stopped.wait(2 * _SETTLE_S)
    return list(watch.settled(service, stopped))


def _complaint(name: str, reason: str) -> None:
    raise AssertionError((name, reason))


def test_a_file_that_changes_while_it_is_read_is_not_stored(app: App, inbox: Path) -> None:
    file = inbox / "one.dcm"
    candidate = Candidate(file, (0, 0, 0))
    with pytest.raises(OSError, match="written to"):
        candidate.open()
    status = file.stat()
    candidate = Candidate(file, (status.st_ino, status.st_size, status.st_mtime_ns))

    (source,) = candidate.sources()

    def opened() -> BinaryIO:
        reading = source.open()
        with file.open("ab") as other:
            other.write(bytes(2))
        return reading

    (outcome,) = ImportService(app.services.store, app.index).run([replace(source, open=opened)])
    assert outcome.fate == "failed"
    assert candidate.changed
    assert app.index.counts().instances == 0


def test_what_has_settled_is_yielded_until_it_is_dealt_with(app: App, inbox: Path) -> None:
    service = ImportService(app.services.store, app.index)
    watch = FolderWatch(inbox, {}, settle_s=_SETTLE_S, report=_complaint)
    (candidate,) = settled(watch, service)
    assert (candidate.is_whole, watch.unsettled) == (True, 1)
    (again,) = watch.settled(service, threading.Event())
    assert again.fates["duplicate"] == 1
    watch.deal(candidate)
    assert (list(watch.settled(service, threading.Event())), watch.unsettled) == ([], 0)
    later = FolderWatch(inbox, dict(watch.dealt), settle_s=_SETTLE_S, report=_complaint)
    assert settled(later, service) == []


def test_what_is_gone_is_forgotten_and_what_cannot_be_looked_at_is_not(app: App, inbox: Path, tmp_path: Path) -> None:
    service, told = ImportService(app.services.store, app.index), list[str]()
    watch = FolderWatch(inbox, {}, settle_s=_SETTLE_S, report=lambda name, _reason: told.append(name))
    (candidate,) = settled(watch, service)
    watch.deal(candidate)
    inbox.rename(tmp_path / "unmounted")
    for _ in range(2):
        assert list(watch.settled(service, threading.Event())) == []
    assert (len(watch.dealt), told) == (1, [str(inbox)])
    (tmp_path / "unmounted").rename(inbox)
    (inbox / "one.dcm").unlink()
    assert list(watch.settled(service, threading.Event())) == []
    assert watch.dealt == {}


def test_a_large_folder_in_which_all_is_dealt_with_is_looked_through_when_something_comes(
    app: App, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LITTLE_S", 0.0)  # so that one file takes as long as a hundred thousand
    monkeypatch.setattr(watching, "_WHOLE_SHARE", 1e9)
    service, stopped = ImportService(app.services.store, app.index), threading.Event()
    watch = FolderWatch(inbox, {}, settle_s=_SETTLE_S, report=_complaint)
    (candidate,) = settled(watch, service)
    watch.deal(candidate)
    (inbox / "empty").mkdir()
    os.utime(inbox, (1, 1))
    os.utime(inbox / "empty", (1, 1))
    assert list(watch.settled(service, stopped)) == []
    looked: list[str] = []
    scan = os.scandir

    def noted(folder: Path) -> Any:
        looked.append(str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", noted)
    assert (list(watch.settled(service, stopped)), looked) == ([], [])
    shutil.copy(inbox / "one.dcm", inbox / "empty" / "two.dcm")
    (second,) = settled(watch, service)
    assert (second.path.name, second.fates["duplicate"], set(looked)) == ("two.dcm", 1, {str(inbox / "empty")})
