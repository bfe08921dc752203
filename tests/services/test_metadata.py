"""Metadata is that of the files, kept compressed, and follows every change, whoever makes it."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from archimage.dicom.bulk import format_bulk_path, parse_bulk_path
from archimage.dicom.json import metadata_json
from archimage.dicom.jsonmodel import bulk_data_uris
from archimage.errors import ArchimageError, BlobNotFoundError, IntegrityError, InvalidInstanceUIDError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.protocol.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.frames import FrameService
from archimage.services.metadata import CachedMetadata, MetadataService
from archimage.services.removal import RemovalService
from archimage.services.store import Expected
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FileReader, FilesystemBlobStore
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.wire import CT
from tests.dicom.files import real_dataset
from tests.dicom.test_json import WHOLE, inflated_dataset
from tests.services.parts import Open, Parts

STUDY, SERIES = "1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2"


class CountingBlobs(FilesystemBlobStore):
    """A store that counts how often objects are opened."""

    opened = 0

    def open(self, path: str, size_bytes: int | None = None) -> FileReader:
        self.opened += 1
        return super().open(path, size_bytes)


def service(parts: Parts, blobs: FilesystemBlobStore | None = None, **options: Any) -> MetadataService:
    cache = FilesystemCache(parts.directory / "cache", 1 << 20)
    return MetadataService(parts.index, blobs or parts.blobs, cache, **options)


def counting(parts: Parts) -> CountingBlobs:
    return CountingBlobs(parts.directory, "counting")


def keep(
    parts: Parts, number: int, *, series: str = SERIES, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, uid: str = ""
) -> str:
    """Store an image with an instance number; return its UID."""
    uid = uid or new_uid()
    more = ((0x00200013, "IS", str(number).encode()), (0x00420011, "OB", bytes(2000)))
    replaced = {SERIES_INSTANCE_UID: series.encode(), STUDY_INSTANCE_UID: STUDY.encode()}
    data = dataset(uid, more=more, replaced=replaced, transfer_syntax_uid=syntax)
    parts.service.store(Expected(syntax, CT, uid), [data])
    return uid


def models(metadata: CachedMetadata) -> list[dict[str, Any]]:
    text = b"".join(metadata.json())
    assert len(text) == metadata.size_bytes
    found: list[dict[str, Any]] = orjson.loads(text)
    assert len(found) == metadata.count
    return found


def numbers(metadata: CachedMetadata) -> list[int]:
    return [model["00200013"]["Value"][0] for model in models(metadata)]


def test_a_series_is_that_of_its_files_by_instance_number(parts: Parts) -> None:
    uids = {number: keep(parts, number) for number in (10, 2, 1)}
    found = models(service(parts).series(STUDY, SERIES))
    assert [model["00200013"]["Value"] for model in found] == [[1], [2], [10]]
    for number, model in zip((1, 2, 10), found, strict=True):
        kept, start = parts.kept(uids[number]), f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{uids[number]}"
        assert kept is not None
        expected = orjson.loads(metadata_json(kept, EXPLICIT_VR_LITTLE_ENDIAN, str))
        expected["00083002"] = {"vr": "UI", "Value": [EXPLICIT_VR_LITTLE_ENDIAN]}
        expected["7FE00010"]["BulkDataURI"] = f"{start}/frames"
        expected["00420011"]["BulkDataURI"] = f"{start}/bulkdata/00420011"
        assert model == expected
        assert list(model) == sorted(model)


def test_a_study_is_that_of_its_series_by_number_and_an_instance_is_one(parts: Parts) -> None:
    other = keep(parts, 3, series="1.5")
    keep(parts, 1)
    keep(parts, 2)
    metadata = service(parts)
    assert sorted(numbers(metadata.study(STUDY))) == [1, 2, 3]
    assert numbers(metadata.instance(STUDY, "1.5", other)) == [3]
    assert metadata.instance(STUDY, "1.5", other).etag != metadata.study(STUDY).etag


def test_the_root_of_references_may_be_an_absolute_url(parts: Parts) -> None:
    keep(parts, 1)
    first = service(parts).series(STUDY, SERIES)
    (model,) = models(service(parts, root="https://pacs.example/dicom-web/").series(STUDY, SERIES))
    assert model["7FE00010"]["BulkDataURI"].startswith("https://pacs.example/dicom-web/studies/1.2.826")
    assert service(parts).series(STUDY, SERIES).etag == first.etag


def test_a_deflated_object_is_inflated_on_the_way(parts: Parts) -> None:
    keep(parts, 7, syntax=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    (model,) = models(service(parts).series(STUDY, SERIES))
    assert (model["00200013"]["Value"], model["7FE00010"]["vr"]) == ([7], "OW")


def test_a_series_is_read_once_and_again_when_it_changed(parts: Parts) -> None:
    keep(parts, 1)
    blobs = counting(parts)
    metadata = service(parts, blobs)
    first = metadata.series(STUDY, SERIES)
    assert metadata.series(STUDY, SERIES) == first
    assert service(parts, blobs).study(STUDY).gzip == first.gzip
    assert blobs.opened == 1
    keep(parts, 2)
    second = metadata.series(STUDY, SERIES)
    assert (numbers(second), blobs.opened) == ([1, 2], 3)
    assert second.etag != first.etag


def test_a_replaced_instance_and_a_removed_one_are_noticed(opened: Open) -> None:
    parts = opened(replace=True)
    uid, other = keep(parts, 1), keep(parts, 2)
    metadata = service(parts)
    assert numbers(metadata.series(STUDY, SERIES)) == [1, 2]
    keep(parts, 9, uid=uid)
    assert numbers(metadata.series(STUDY, SERIES)) == [2, 9]
    removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
    removal.remove_instance(STUDY, SERIES, other)
    removal.close()
    assert numbers(metadata.series(STUDY, SERIES)) == [9]


def kept_files(parts: Parts) -> list[Path]:
    return [path for path in (parts.directory / "cache").rglob("*") if path.is_file()]


def test_what_is_no_longer_there_is_not_found_and_leaves_nothing_behind(parts: Parts) -> None:
    keep(parts, 1)
    keep(parts, 2, series="1.5")
    metadata = service(parts)
    metadata.study(STUDY)
    assert len(kept_files(parts)) == 2
    removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
    removal.remove_series(STUDY, SERIES)
    with pytest.raises(NotFoundError):
        metadata.series(STUDY, SERIES)
    assert len(kept_files(parts)) == 1
    removal.remove_study(STUDY)
    removal.close()
    with pytest.raises(NotFoundError):
        metadata.study(STUDY)
    assert kept_files(parts) == []


def test_unknown_and_malformed_uids_are_refused(parts: Parts) -> None:
    uid = keep(parts, 1)
    metadata = service(parts)
    for ask in (lambda: metadata.study("1.9"), lambda: metadata.series("1.9", SERIES)):
        with pytest.raises(NotFoundError):
            ask()
    for study, series, instance in (("1.9", SERIES, uid), (STUDY, "1.9", uid), (STUDY, SERIES, "1.9")):
        with pytest.raises(NotFoundError):
            metadata.instance(study, series, instance)
    with pytest.raises(InvalidInstanceUIDError):
        metadata.series(STUDY, "../x")


@pytest.mark.parametrize("broken", [b"", b"\n", b"{}\n", b"[1,2]\n", b"[1,2,3,4,5,6]\n", None])
def test_a_damaged_cache_is_made_again(parts: Parts, broken: bytes | None) -> None:
    keep(parts, 1)
    whole = service(parts).series(STUDY, SERIES)
    (path,) = kept_files(parts)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"\xff" if broken is None else broken)
    assert service(parts).series(STUDY, SERIES) == whole
    assert path.read_bytes() == data


def test_those_who_ask_at_once_wait_for_one_reader(parts: Parts) -> None:
    keep(parts, 1)
    started, go_on = threading.Semaphore(0), threading.Event()

    class Slow(CountingBlobs):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            started.release()
            assert go_on.wait(10)
            return super().open(path, size_bytes)

    blobs = Slow(parts.directory, "slow")
    metadata = service(parts, blobs)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(metadata.series, STUDY, SERIES)
        assert started.acquire(timeout=10)
        others = [pool.submit(metadata.series, STUDY, SERIES) for _ in range(3)]
        go_on.set()
        assert {one.result(10).etag for one in (first, *others)} == {first.result().etag}
    assert blobs.opened == 1


def test_a_lost_file_is_told(parts: Parts) -> None:
    uid = keep(parts, 1)
    stored = parts.index.lookup(uid)
    assert stored is not None
    (parts.directory / "objects" / stored.path).unlink()
    with pytest.raises(BlobNotFoundError):
        service(parts).series(STUDY, SERIES)
    parts.blobs.put(stored.path, b"other bytes")
    with pytest.raises(IntegrityError, match="has 11 bytes"):
        service(parts).series(STUDY, SERIES)


def test_what_changes_while_it_is_read_is_read_again(parts: Parts) -> None:
    uids = [keep(parts, number) for number in range(40)]

    class Removing(CountingBlobs):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            if self.opened == 20:
                self.opened += 1
                removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
                removal.remove_instance(STUDY, SERIES, uids[30])
                removal.close()
                parts.blobs.delete(path_of[uids[30]])
            return super().open(path, size_bytes)

    path_of = {uid: stored.path for uid in uids if (stored := parts.index.lookup(uid))}
    metadata = service(parts, Removing(parts.directory, "removing"))
    assert numbers(metadata.series(STUDY, SERIES)) == [number for number in range(40) if number != 30]


def test_an_instance_removed_right_before_it_is_read_is_not_found(parts: Parts) -> None:
    uid = keep(parts, 1)

    class Removing(CountingBlobs):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            parts.index.remove([uid])
            self.delete(path)
            return super().open(path, size_bytes)

    with pytest.raises(NotFoundError):
        service(parts, Removing(parts.directory, "removing")).instance(STUDY, SERIES, uid)


def test_files_are_let_go_of(parts: Parts) -> None:
    for number in range(30):
        keep(parts, number)
    readers: list[FileReader] = []

    class Noting(CountingBlobs):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            readers.append(super().open(path, size_bytes))
            return readers[-1]

    class Failing(Noting):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            if self.opened == 25:
                raise BlobNotFoundError(path)
            return super().open(path, size_bytes)

    service(parts, Noting(parts.directory, "noting")).series(STUDY, SERIES)
    parts.derived.forget_metadata(STUDY)
    with pytest.raises(BlobNotFoundError):
        service(parts, Failing(parts.directory, "failing")).series(STUDY, SERIES)
    assert len(readers) == 55
    for reader in readers:
        with pytest.raises(OSError, match="descriptor"):
            reader.read(0, 1)


def test_pages_of_instances_are_all_there(parts: Parts) -> None:
    class Paged:
        """An index whose pages are of one row."""

        def __getattr__(self, name: str) -> Any:
            return getattr(parts.index, name)

        def instances(self, query: Any) -> Iterator[Sequence[StoredInstance]]:
            for page in parts.index.instances(query):
                for one in page:
                    yield [one]

    for number in range(5):
        keep(parts, number)
    cache = FilesystemCache(parts.directory / "cache", 1 << 20)
    assert numbers(MetadataService(Paged(), parts.blobs, cache).series(STUDY, SERIES)) == [0, 1, 2, 3, 4]


def test_every_real_file_is_the_same_through_the_archive_and_its_references_lead_to_values(parts: Parts) -> None:
    metadata, frames = service(parts), FrameService(parts.index, parts.blobs)
    stored: dict[str, Path] = {}
    for path in WHOLE:
        meta, data = real_dataset(path)
        uid = meta.media_storage_sop_instance_uid
        with suppress(ArchimageError):  # some lack UIDs, some are others under the same one
            expected = Expected(meta.transfer_syntax_uid, meta.media_storage_sop_class_uid, uid)
            parts.service.store(expected, [data])
            stored.setdefault(uid, path)
    assert len(stored) > 100
    for uid, path in stored.items():
        meta, data = inflated_dataset(path)
        model = orjson.loads(metadata_json(data, meta.transfer_syntax_uid, format_bulk_path))
        study, series = (model[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        (found,) = models(metadata.instance(study, series, uid))
        assert found.pop("00083002")["Value"] == [meta.transfer_syntax_uid]
        start = f"/dicom-web/studies/{study}/series/{series}/instances/{uid}"
        for uri in bulk_data_uris(found):
            if uri != f"{start}/frames":
                named = parse_bulk_path(uri.removeprefix(f"{start}/bulkdata/"))
                with frames.bulk(frames.instance(study, series, uid), named) as value:
                    assert value.size_bytes > 1024
                    assert len(value.read(0, value.size_bytes)) == value.size_bytes
        text = orjson.dumps(found).decode().replace(f"{start}/bulkdata/", "").replace(f"{start}/frames", "7FE00010")
        assert orjson.loads(text) == model
