"""Nothing that was made of an object outlives it: tests that look at the disk after a removal or a replacement."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archimage.dicom.codecs.syntaxes import DEFLATED_LITTLE_ENDIAN, RLE
from archimage.errors import NotFoundError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.records import StoredInstance
from archimage.ports.pixels import JsonValue, PixelWork
from archimage.services.derived import Derived, object_name, series_name
from archimage.services.frames import FrameService
from archimage.services.metadata import MetadataService
from archimage.services.removal import RemovalService, sweep
from archimage.services.transcoding import TranscodingService
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FileReader, FilesystemBlobStore
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.services.compressing import image
from tests.services.parts import Open, Parts, expected

STUDY = "1.2.826.0.1.3680043.8.499.1"
SERIES = "1.2.826.0.1.3680043.8.499.2"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with closing(WorkerPool(1, WorkerSettings())) as pool:
        yield pool


@dataclass
class Made:
    """An archive whose objects were asked for in other forms."""

    parts: Parts
    pool: PixelWork

    @property
    def removal(self) -> RemovalService:
        return RemovalService(self.parts.index, self.parts.blobs, self.parts.derived, lambda: ())

    def store(self, uid: str = "", *, series: str = SERIES, study: str = STUDY, noise: int = 0) -> str:
        """Store an image; return its UID."""
        uid = uid or new_uid()
        replaced = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: series.encode()}
        data = image(uid, side=16, replaced=replaced, noise=noise)
        self.parts.service.store(expected(uid), [data])
        return uid

    def row(self, uid: str) -> StoredInstance:
        found = self.parts.index.lookup(uid)
        assert found is not None
        return found

    def metadata(self, blobs: FilesystemBlobStore | None = None) -> MetadataService:
        cache = FilesystemCache(self.parts.directory / "cache", 1 << 20)
        return MetadataService(self.parts.index, blobs or self.parts.blobs, cache)

    def transcode(self, uid: str, target: str = RLE, work: PixelWork | None = None) -> None:
        """Have an object in another transfer syntax."""
        cache = FilesystemCache(self.parts.directory / "transcoded", 1 << 30)
        frames = FrameService(self.parts.index, self.parts.blobs)
        TranscodingService(frames, work or self.pool, cache).transcode(self.row(uid), target).file.close()

    def derived(self) -> set[str]:
        """Return what is made of objects and lies on the disk, by the beginnings of the names."""
        places = (self.parts.directory / "cache", self.parts.directory / "transcoded")
        return {path.name[:32] for place in places for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def made(parts: Parts, pool: WorkerPool) -> Made:
    return Made(parts, pool)


@dataclass
class Meanwhile:
    """Pixel work during which something else happens."""

    work: PixelWork
    happen: Callable[[], object]

    def submit(
        self,
        task: str,
        options: Mapping[str, JsonValue],
        data: Sequence[bytes | memoryview],
        *,
        native_bytes: int | None = None,
    ) -> Future[tuple[dict[str, Any], bytes]]:
        self.happen()
        return self.work.submit(task, options, data, native_bytes=native_bytes)

    def close(self) -> None:
        self.work.close()


def opening(parts: Parts, happen: Callable[[], object]) -> FilesystemBlobStore:
    """Return a store in which something else happens right after a file was opened."""

    class Opening(FilesystemBlobStore):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            file = super().open(path, size_bytes)
            happen()
            return file

    return Opening(parts.directory, "opening")


def test_what_was_made_of_an_object_goes_with_it(made: Made) -> None:
    first, second = made.store(), made.store()
    other = made.store(series="1.5")
    made.metadata().study(STUDY)
    for uid in (first, second, other):
        made.transcode(uid)
        made.transcode(uid, DEFLATED_LITTLE_ENDIAN)
    of_study = series_name(STUDY)
    assert made.derived() == {of_study, *map(object_name, (first, second, other))}
    made.removal.remove_instance(STUDY, SERIES, first)
    assert made.derived() == {of_study, *map(object_name, (second, other))}
    made.metadata().study(STUDY)
    made.removal.remove_series(STUDY, SERIES)
    assert made.derived() == {of_study, object_name(other)}
    made.removal.remove_study(STUDY)
    assert made.derived() == set()


def test_metadata_that_is_written_while_its_series_is_removed_does_not_stay(made: Made) -> None:
    made.store()
    blobs = opening(made.parts, lambda: made.removal.remove_study(STUDY))
    made.metadata(blobs).series(STUDY, SERIES)
    assert made.derived() == set()


def test_an_object_that_is_transcoded_while_it_is_removed_does_not_stay(made: Made) -> None:
    uid = made.store()
    made.transcode(uid, work=Meanwhile(made.pool, lambda: made.removal.remove_study(STUDY)))
    assert made.derived() == set()
    assert not [path for path in (made.parts.directory / "transcoded").rglob("*") if path.is_file()]


def test_what_was_made_of_a_replaced_object_goes_in_its_old_series_too(opened: Open, pool: WorkerPool) -> None:
    made = Made(opened(replace=True), pool)
    uid, other = made.store(series="1.5", study="1.4"), made.store()
    for study in ("1.4", STUDY):
        made.metadata().study(study)
    made.transcode(uid)
    made.store(uid)
    assert made.derived() == {series_name(STUDY)}
    made.transcode(uid)
    made.store(uid, noise=1)
    assert made.derived() == set()
    assert made.parts.kept(other) is not None


def test_an_object_that_is_transcoded_while_it_is_replaced_does_not_stay(opened: Open, pool: WorkerPool) -> None:
    made = Made(opened(replace=True), pool)
    uid = made.store()
    made.transcode(uid, work=Meanwhile(pool, lambda: made.store(uid, noise=1)))
    assert made.derived() == set()


def test_the_next_start_forgets_what_a_crash_has_left(made: Made) -> None:
    uid = made.store()
    made.transcode(uid)
    with made.parts.index.writing() as writer:
        writer.remove(STUDY)
    assert made.derived() == {object_name(uid)}
    made.removal.resume()
    assert made.derived() == set()


def test_what_is_kept_of_others_is_left_alone_by_a_duplicate(opened: Open, pool: WorkerPool) -> None:
    made = Made(opened(replace=True), pool)
    uid = made.store()
    made.transcode(uid)
    made.store(uid)
    assert made.derived() == {object_name(uid)}


def in_the_way(directory: Path, name: str) -> None:
    """Put something where a file should be that cannot be deleted as one."""
    (directory / name[:2] / name).mkdir(parents=True)


@pytest.mark.parametrize("place", ["cache", "transcoded"])
def test_a_disk_that_refuses_to_delete_is_told_and_tried_again(made: Made, place: str) -> None:
    uid = made.store()
    name = series_name(STUDY, SERIES) if place == "cache" else object_name(uid, b"form")
    in_the_way(made.parts.directory / place, name)
    assert made.removal.remove_study(STUDY).files_due
    with pytest.raises(NotFoundError):
        made.metadata().study(STUDY)
    if place == "transcoded":
        assert sweep(made.parts.index, made.parts.blobs, made.parts.derived) == 1
        (made.parts.directory / place / name[:2] / name).rmdir()
        assert sweep(made.parts.index, made.parts.blobs, made.parts.derived) == 0


def test_a_replacement_is_kept_on_a_disk_that_refuses_to_delete(opened: Open, pool: WorkerPool) -> None:
    made = Made(opened(replace=True), pool)
    uid = made.store()
    in_the_way(made.parts.directory / "cache", series_name(STUDY, SERIES))
    before = made.row(uid).digest
    made.store(uid, noise=1)
    assert made.row(uid).digest != before


def test_names_of_one_study_and_of_one_object_begin_alike() -> None:
    assert series_name("1.2", "1.3").startswith(series_name("1.2"))
    assert not series_name("1.2", "1.3").startswith(series_name("1.3"))
    forms = {object_name("1.2", b"a"), object_name("1.2", b"b")}
    assert len(forms) == 2
    assert all(name.startswith(object_name("1.2")) for name in forms)


def test_the_original_of_a_compressed_object_goes_with_it_at_once(parts: Parts) -> None:
    uid = new_uid()
    parts.service.store(expected(uid), [dataset(uid)])
    with parts.index.writing() as writer:
        writer.note_replaced(uid, due="original.dcm")
    parts.blobs.put("original.dcm", b"patient")
    RemovalService(parts.index, parts.blobs, parts.derived, lambda: ()).remove_instance(STUDY, SERIES, uid)
    assert list(parts.blobs.paths()) == []


def test_derived_data_may_be_forgotten_that_nobody_has_made(parts: Parts) -> None:
    derived = Derived(FilesystemCache(parts.directory / "a", 1), FilesystemCache(parts.directory / "b", 1))
    derived.forget_metadata("1.2", "1.3")
    derived.forget_object("1.2")
    assert not (parts.directory / "a").exists()
