"""Objects in other transfer syntaxes: what comes out, what is kept of it and for how long, and what failures leave."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from archimage.dicom.codecs.description import Quality
from archimage.dicom.codecs.syntaxes import (
    DEFLATED_LITTLE_ENDIAN,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
    JPEG_XL_RECOMPRESSION,
    NATIVE,
    RLE,
    VIDEO,
)
from archimage.dicom.part10 import FileMeta
from archimage.dicom.transcode import Transcoding
from archimage.errors import (
    ArchimageError,
    DicomError,
    ExcessiveDatasetError,
    InvalidPixelDataError,
    NotAcceptableError,
    NotFoundError,
    StorageError,
)
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.records import StoredInstance
from archimage.ports.pixels import JsonValue
from archimage.services.frames import FrameService
from archimage.services.store import Expected
from archimage.services.transcoding import Transcoded, TranscodingService, has_way, substitutes
from archimage.storage.cache import FilesystemCache
from tests.dicom.files import real_dataset, real_file
from tests.dicom.images import Stored, real_images, stored
from tests.services.parts import Open, Parts

ROOM = 256 << 20


class Counted:
    """Hands tasks on to the pool, and counts them."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self.tasks = 0

    def submit(
        self,
        task: str,
        options: Mapping[str, JsonValue],
        data: Sequence[bytes | memoryview],
        *,
        native_bytes: int | None = None,
    ) -> Future[tuple[dict[str, Any], bytes]]:
        self.tasks += 1
        return self._pool.submit(task, options, data, native_bytes=native_bytes)

    def close(self) -> None:
        self._pool.close()


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Two workers for the module."""
    with closing(WorkerPool(2, WorkerSettings())) as pool:
        yield pool


@pytest.fixture
def work(pool: WorkerPool) -> Counted:
    return Counted(pool)


@pytest.fixture
def cache(tmp_path: Path) -> FilesystemCache:
    return FilesystemCache(tmp_path / "cache", ROOM)


@pytest.fixture
def service(parts: Parts, work: Counted, cache: FilesystemCache) -> TranscodingService:
    """The service over an empty archive."""
    return TranscodingService(FrameService(parts.index, parts.blobs), work, cache)


def keep(parts: Parts, name: str) -> StoredInstance:
    """Store a real file."""
    return keep_data(parts, *real_dataset(real_file(name)))


def keep_data(parts: Parts, meta: FileMeta, data: bytes) -> StoredInstance:
    """Store a data set."""
    uid = meta.media_storage_sop_instance_uid
    parts.service.store(Expected(meta.transfer_syntax_uid, meta.media_storage_sop_class_uid, uid), [data])
    found = parts.index.lookup(uid)
    assert found is not None
    return found


def kept(parts: Parts, image: Stored) -> StoredInstance | None:
    """Store a real image; None where the archive does not take it."""
    try:
        return keep(parts, image.name)
    except ArchimageError:
        return None


def transcoded_here(image: Stored, target: str) -> bytes:
    """Transcode an image in this process, all frames at once."""
    element = (image.pixel.tag, "OW" if image.syntax == IMPLICIT_LITTLE_ENDIAN else image.pixel.vr)
    transcoding = Transcoding(image.header, image.syntax, target, pixel=element)
    frames = [transcoding.transcode_frame(frame) for frame in image.frames]
    lengths = None if target in NATIVE else [*map(len, frames)]
    return b"".join(transcoding.pieces(frames, lengths, image.trailing))


def whole(transcoded: Transcoded) -> bytes:
    """Read a file and close it."""
    with transcoded.file as file:
        return file.read(0, file.size_bytes)


def read(transcoded: Transcoded, directory: Path) -> pydicom.Dataset:
    """Read a file as others do."""
    path = directory / "transcoded.dcm"
    path.write_bytes(whole(transcoded))
    return pydicom.dcmread(path)


def files(tmp_path: Path) -> list[Path]:
    """Return what is in the cache."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("target", [EXPLICIT_LITTLE_ENDIAN, HTJ2K_LOSSLESS])
def test_every_real_image_is_transcoded_as_if_it_were_done_here_or_refused_alike(
    opened: Open, work: Counted, cache: FilesystemCache, target: str
) -> None:
    parts = opened(replace=True)
    service = TranscodingService(FrameService(parts.index, parts.blobs), work, cache)
    made = 0
    for image in real_images():
        instance = kept(parts, image)
        if instance is None or image.syntax == target:
            continue
        try:
            expected = transcoded_here(image, target)
        except (DicomError, NotAcceptableError) as error:
            with pytest.raises(type(error)):
                service.transcode(instance, target)
            continue
        found = service.transcode(instance, target)
        assert whole(found)[found.data_set_offset :] == expected, image.name
        made += 1
    assert made > 60


@pytest.mark.parametrize("target", [IMPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, RLE])
def test_others_read_the_file_and_find_the_same_pixels(
    parts: Parts, service: TranscodingService, tmp_path: Path, target: str
) -> None:
    instance = keep(parts, "CT_small.dcm")
    before = pydicom.dcmread(real_file("CT_small.dcm"))
    found = service.transcode(instance, target)
    assert (found.sop_instance_uid, found.transfer_syntax_uid) == (instance.sop_instance_uid, target)
    after = read(found, tmp_path)
    assert after.file_meta.TransferSyntaxUID == target
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == before.SOPInstanceUID
    assert np.array_equal(after.pixel_array, before.pixel_array)


def test_an_object_of_many_frames_has_them_in_their_order_with_an_offset_table(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path
) -> None:
    instance = keep(parts, "emri_small.dcm")
    before = pydicom.dcmread(real_file("emri_small.dcm"))
    after = read(service.transcode(instance, JPEG_2000_LOSSLESS), tmp_path)
    assert work.tasks == before.NumberOfFrames == 10
    assert np.array_equal(after.pixel_array, before.pixel_array)
    assert len(pydicom.encaps.parse_basic_offsets(after.PixelData)) == 10


def test_a_lossy_copy_is_another_object_and_each_quality_its_own(
    parts: Parts, service: TranscodingService, tmp_path: Path
) -> None:
    instance = keep(parts, "CT_small.dcm")
    qualities = (None, Quality(ratio=10), Quality(ratio=20))
    found = [read(service.transcode(instance, JPEG_2000, quality), tmp_path) for quality in qualities]
    assert found[0].SOPInstanceUID == instance.sop_instance_uid
    assert len({image.SOPInstanceUID for image in found}) == 3
    assert [image.get("LossyImageCompression", "00") for image in found] == ["00", "01", "01"]
    assert len(found[2].PixelData) < len(found[1].PixelData) < len(found[0].PixelData)
    assert all(image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID for image in found)


def test_an_object_without_pixels_changes_its_encoding(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path
) -> None:
    instance = keep(parts, "reportsi.dcm")
    after = read(service.transcode(instance, EXPLICIT_BIG_ENDIAN), tmp_path)
    assert after == pydicom.dcmread(real_file("reportsi.dcm"))
    assert work.tasks == 0
    with pytest.raises(NotAcceptableError, match="without pixels"):
        service.transcode(instance, RLE)
    with pytest.raises(NotAcceptableError, match="no pixels"):
        service.frame(instance, 1, EXPLICIT_BIG_ENDIAN)


def test_what_is_asked_for_as_it_is_stored_is_the_stored_file(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path
) -> None:
    instance = keep(parts, "CT_small.dcm")
    found = service.transcode(instance, instance.transfer_syntax_uid)
    assert found.data_set_offset == instance.data_set_offset
    assert whole(found) == (parts.directory / "objects" / instance.path).read_bytes()
    assert (
        service.frame(instance, 1, instance.transfer_syntax_uid) == pydicom.dcmread(real_file("CT_small.dcm")).PixelData
    )
    assert (files(tmp_path), work.tasks) == ([], 0)


def test_one_frame_takes_one_task_and_writes_no_file(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path
) -> None:
    instance = keep(parts, "emri_small_jpeg_ls_lossless.dcm")
    frames = pydicom.dcmread(real_file("emri_small.dcm")).pixel_array
    assert service.frame(instance, 7, EXPLICIT_LITTLE_ENDIAN) == frames[6].tobytes()
    assert (work.tasks, files(tmp_path)) == (1, [])
    with pytest.raises(NotFoundError, match="no frame 11"):
        service.frame(instance, 11, EXPLICIT_LITTLE_ENDIAN)


# What is kept


def test_the_second_time_the_file_is_there(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path
) -> None:
    instance = keep(parts, "JPEG-LL.dcm")
    first = whole(service.transcode(instance, RLE))
    tasks = work.tasks
    assert whole(service.transcode(instance, RLE)) == first
    assert work.tasks == tasks
    assert len(files(tmp_path)) == 1


def test_an_instance_that_has_changed_is_made_again(opened: Open, work: Counted, cache: FilesystemCache) -> None:
    parts = opened(replace=True)
    service = TranscodingService(FrameService(parts.index, parts.blobs), work, cache)
    meta, data = real_dataset(real_file("MR_small.dcm"))
    image = stored(data, meta.transfer_syntax_uid)
    assert image is not None
    start = image.pixel.value_offset
    for value in (b"\1", b"\2"):
        instance = keep_data(parts, meta, data[:start] + value * 8192 + image.trailing)
        assert value * 8192 in whole(service.transcode(instance, IMPLICIT_LITTLE_ENDIAN))


def test_what_was_kept_before_the_machine_stopped_is_not_used(
    parts: Parts, work: Counted, cache: FilesystemCache
) -> None:
    instance = keep(parts, "JPEG-LL.dcm")
    for epoch in ("one", "two"):
        service = TranscodingService(FrameService(parts.index, parts.blobs), work, cache, epoch)
        whole(service.transcode(instance, RLE))
    assert work.tasks == 2


def test_those_who_ask_at_once_share_the_work(parts: Parts, service: TranscodingService, work: Counted) -> None:
    instance = keep(parts, "emri_small.dcm")
    barrier = threading.Barrier(6)

    def ask() -> bytes:
        barrier.wait(10)
        return whole(service.transcode(instance, RLE))

    with ThreadPoolExecutor(6) as threads:
        answers = {future.result(60) for future in [threads.submit(ask) for _ in range(6)]}
    assert len(answers) == 1
    assert work.tasks == 10


def test_there_is_no_more_than_allowed_and_what_is_open_can_be_read(
    parts: Parts, work: Counted, tmp_path: Path
) -> None:
    service = TranscodingService(
        FrameService(parts.index, parts.blobs), work, FilesystemCache(tmp_path / "cache", 50_000)
    )
    instance = keep(parts, "CT_small.dcm")
    first = service.transcode(instance, IMPLICIT_LITTLE_ENDIAN)
    expected = first.file.read(0, first.file.size_bytes)
    for target in (EXPLICIT_BIG_ENDIAN, RLE, JPEG_LS):
        service.transcode(instance, target).file.close()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 50_000
    assert whole(first) == expected


# What goes wrong


def test_a_codestream_that_cannot_be_decoded_leaves_nothing(
    parts: Parts, service: TranscodingService, tmp_path: Path
) -> None:
    meta, data = real_dataset(real_file("JPEG-LL.dcm"))
    image = stored(data, meta.transfer_syntax_uid)
    assert image is not None
    start, length = image.pixel.fragments[0]
    broken = data[: start + 2] + bytes(length - 2) + data[start + length :]
    instance = keep_data(parts, meta, broken)
    for _ in range(2):
        with pytest.raises(InvalidPixelDataError):
            service.transcode(instance, EXPLICIT_LITTLE_ENDIAN)
    with pytest.raises(InvalidPixelDataError):
        service.frame(instance, 1, EXPLICIT_LITTLE_ENDIAN)
    assert files(tmp_path) == []


@pytest.mark.parametrize("target", [EXPLICIT_LITTLE_ENDIAN, ENCAPSULATED_UNCOMPRESSED])
def test_a_little_object_that_would_fill_the_disk_is_refused(
    parts: Parts, service: TranscodingService, work: Counted, tmp_path: Path, target: str
) -> None:
    image = pydicom.dcmread(real_file("JPEG-LL.dcm"))
    image.Rows = image.Columns = 65_535
    image.save_as(tmp_path / "large.dcm")
    instance = keep_data(parts, *real_dataset(tmp_path / "large.dcm"))
    with pytest.raises(ExcessiveDatasetError, match="8191 MiB"):
        service.transcode(instance, target)
    assert (work.tasks, files(tmp_path)) == (0, [])


def test_a_disk_that_refuses_is_told_and_nothing_stays(
    parts: Parts, service: TranscodingService, tmp_path: Path
) -> None:
    instance = keep(parts, "CT_small.dcm")
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(StorageError):
        service.transcode(instance, RLE)
    (tmp_path / "cache").unlink()
    assert whole(service.transcode(instance, RLE))


def test_an_instance_that_was_removed_is_not_found(parts: Parts, service: TranscodingService) -> None:
    instance = keep(parts, "CT_small.dcm")
    parts.index.remove([instance.sop_instance_uid])
    parts.blobs.delete(instance.path)
    with pytest.raises(NotFoundError):
        service.transcode(instance, RLE)


# Ways


def test_there_is_a_way_between_all_that_can_be_decoded_and_encoded() -> None:
    assert has_way(JPEG_LS, EXPLICIT_LITTLE_ENDIAN)
    assert has_way(JPEG_BASELINE, JPEG_XL_RECOMPRESSION)
    assert not has_way(RLE, JPEG_XL_RECOMPRESSION)
    for video in VIDEO:
        assert not has_way(video, EXPLICIT_LITTLE_ENDIAN)
        assert not has_way(EXPLICIT_LITTLE_ENDIAN, video)
        assert has_way(video, video)


def test_whether_to_try_is_told_without_a_look_at_the_file(parts: Parts, service: TranscodingService) -> None:
    instance = keep(parts, "CT_small.dcm")
    parts.blobs.delete(instance.path)
    assert service.can(instance, RLE)
    assert not service.can(instance, "1.2.840.10008.1.2.4.102")


def test_of_what_is_taken_the_uncompressed_come_first_and_the_lossy_never() -> None:
    accepted = [JPEG_BASELINE, RLE, IMPLICIT_LITTLE_ENDIAN, JPEG_LS, EXPLICIT_LITTLE_ENDIAN]
    assert substitutes(HTJ2K_LOSSLESS, accepted) == (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, JPEG_LS, RLE)
    assert substitutes(next(iter(VIDEO)), accepted) == ()
    assert substitutes(RLE, [RLE]) == ()
