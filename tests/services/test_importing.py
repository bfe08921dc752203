"""Imports store every object once, count each file, and go on after a bad one."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.dicom.demo import demo_files
from archimage.services.importing import ImportCounts, ImportService
from archimage.services.sources import sources


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A real archive in a folder of its own."""
    opened = build(Config(storage=StorageConfig(directory=tmp_path / "data")))
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three demo images."""
    made = tmp_path / "in"
    made.mkdir()
    for number, data in zip(range(3), demo_files(3), strict=False):
        (made / f"{number}.dcm").write_bytes(data)
    return made


def run(app: App, *paths: Path, dry_run: bool = False) -> ImportCounts:
    """Import paths."""
    counts = ImportCounts()
    for imported in ImportService(app.services.store, app.index).run(sources(paths), dry_run=dry_run):
        counts.add(imported)
    return counts


def test_what_is_imported_is_kept_byte_for_byte(app: App, folder: Path) -> None:
    counts = run(app, folder)
    assert (counts.stored, counts.files) == (3, 3)
    assert counts.size_bytes == sum(file.stat().st_size for file in folder.iterdir())
    for file in folder.iterdir():
        sent = pydicom.dcmread(file)
        stored = app.index.lookup(sent.SOPInstanceUID)
        assert stored is not None
        with app.blobs.open(stored.path) as reader:
            kept = reader.read(stored.data_set_offset, reader.size_bytes)
        assert file.read_bytes().endswith(kept)
        assert len(kept) > 500_000


def test_a_second_import_finds_duplicates(app: App, folder: Path) -> None:
    run(app, folder)
    counts = run(app, folder)
    assert (counts.stored, counts.duplicate) == (0, 3)


def test_an_archive_is_imported_as_it_is(app: App, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as target:
        for file in folder.iterdir():
            target.write(file, f"../../{file.name}")
    assert run(app, tmp_path / "all.zip").stored == 3


def test_a_dry_run_tells_what_would_happen_and_keeps_nothing(app: App, folder: Path) -> None:
    assert run(app, folder, dry_run=True).stored == 3
    assert list(app.index.all_instances()) == []
    run(app, folder / "0.dcm")
    counts = run(app, folder, dry_run=True)
    assert (counts.stored, counts.duplicate) == (2, 1)


@pytest.mark.parametrize("dry_run", [False, True])
def test_bad_files_are_counted_and_do_not_stop_the_rest(app: App, folder: Path, dry_run: bool) -> None:
    whole = (folder / "0.dcm").read_bytes()
    (folder / "0.dcm").write_bytes(whole[:-1_000])
    (folder / "1.dcm").unlink()
    (folder / "1.dcm").symlink_to("nowhere")
    (folder / "notes.txt").write_text("text")
    (folder / "meta.dcm").write_bytes(whole[:140])
    counts = run(app, folder, folder / "absent", dry_run=dry_run)
    assert (counts.stored, counts.failed, counts.skipped) == (1, 3, 1)
    reasons = {Path(problem.name).name: problem.reason for problem in counts.problems}
    assert set(reasons) == {"0.dcm", "meta.dcm", "absent"}
    assert reasons["absent"] == "No such file or directory"
    assert all(reasons.values())


def test_a_different_object_under_a_known_uid_fails(app: App, folder: Path) -> None:
    run(app, folder)
    ds = pydicom.dcmread(folder / "0.dcm")
    ds.PatientName = "Another"
    ds.save_as(folder / "0.dcm")
    counts = run(app, folder / "0.dcm")
    assert (counts.stored, counts.failed) == (0, 1)
    assert ds.SOPInstanceUID in counts.problems[0].reason
