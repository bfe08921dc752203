"""Compression by rule: nothing is lost, what cannot be verified stays as it came, and the rest becomes smaller."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.part10 import FileMeta
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.errors import DuplicateInstanceError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.records import Original, StoredInstance
from archimage.protocol.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from archimage.services.compression import CompressionService
from archimage.services.compression_rules import TARGETS, CompressionRules
from archimage.services.compressor import Compressor
from archimage.services.consistency import rebuild
from archimage.services.frames import FrameService
from archimage.services.original import original_in, private_information
from archimage.services.removal import RemovalService
from archimage.services.replacement import ReplacementService
from archimage.services.store import Expected
from archimage.storage.lanes import Turn
from tests.attacks.datasets import new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT
from tests.services.compressing import image
from tests.services.parts import Open, Parts

NAMES = sorted(set(TARGETS) - {"none"})
STUDY, SERIES = "1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2"
Start = Callable[..., CompressionService]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Worker processes that are kept for all tests."""
    with closing(WorkerPool(2, WorkerSettings())) as made:
        yield made


@pytest.fixture
def start(pool: WorkerPool) -> Iterator[Start]:
    """Start the compression of an archive; it ends with the test."""
    with ExitStack() as held:

        def started(parts: Parts, work: WorkerPool = pool, readers_s: float = 0.0) -> CompressionService:
            compressor = Compressor(FrameService(parts.index, parts.blobs), parts.blobs, work, flush=True)

            def take() -> Turn | None:
                return Turn.take(parts.directory / "compressing.lock")

            removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
            replacement = held.enter_context(closing(ReplacementService(parts.intake, removal, readers_s=readers_s)))
            service = CompressionService(parts.index, compressor, replacement, take, back_off_s=0.02)
            held.enter_context(closing(service))
            service.start()
            return service

        yield started


def store(parts: Parts, uid: str, data: bytes, rule: str, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> str:
    """Store an object under a rule; return what became of it."""
    service = replace(parts.service, compression=CompressionRules({"CT": rule}))
    return service.store(Expected(syntax, CT, uid, "SENDER"), [data]).kind


def settled(parts: Parts) -> bool:
    """Wait until nothing waits to be compressed and no file is due to be deleted."""

    def done() -> bool:
        with parts.index.writing() as index:
            return not index.due(0, 1) and not parts.index.awaiting_compression(1) and not list(parts.blobs.incoming())

    return wait_until(done, 20)


def row(parts: Parts, uid: str) -> StoredInstance:
    """Return the row of an instance."""
    found = parts.index.lookup(uid)
    assert found is not None
    return found


def samples(parts: Parts, uid: str) -> np.ndarray[Any, Any]:
    """Decode all frames of what is kept."""
    frames, stored = FrameService(parts.index, parts.blobs), row(parts, uid)
    header = decode_identifier(frames.header(stored), stored.transfer_syntax_uid, DEFAULT_LIMITS)
    description = PixelDescription.of(header, (frames.pixel(stored) or pytest.fail("no pixels")).vr)
    count = range(1, frames.frame_count(stored) + 1)
    return np.stack(
        [decode_frame(one.data, one.transfer_syntax_uid, description)[0] for one in frames.frames(stored, count)]
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [{}, {"frames": 3}, {"samples": 3, "bits": 8}, {"stored": 12}, {"side": 9}])
def test_an_object_is_compressed_without_loss(parts: Parts, start: Start, name: str, shape: dict[str, Any]) -> None:
    uid = new_uid()
    data = image(uid, **{"side": 64, **shape})
    assert store(parts, uid, data, name) == "stored"
    original, before = row(parts, uid), samples(parts, uid)
    version = parts.index.series_version(STUDY, SERIES)
    start(parts)
    assert settled(parts)
    parts.assert_agreement()
    kept = row(parts, uid)
    assert np.array_equal(samples(parts, uid), before)
    if shape != {"side": 9}:  # so small that it need not become smaller
        assert kept.transfer_syntax_uid == TARGETS[name]
        assert kept.size_bytes < original.size_bytes
        assert parts.index.series_version(STUDY, SERIES) != version
    assert store(parts, uid, data, name) == "duplicate"
    with pytest.raises(DuplicateInstanceError):
        store(parts, uid, image(uid, noise=1), name)


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_an_object_of_any_native_syntax_is_compressed(parts: Parts, start: Start, syntax: str) -> None:
    uid = new_uid()
    data = image(uid, side=64, frames=2, syntax=syntax)
    store(parts, uid, data, "jpeg-ls-lossless", syntax)
    before = samples(parts, uid)
    start(parts)
    assert settled(parts)
    assert row(parts, uid).transfer_syntax_uid == TARGETS["jpeg-ls-lossless"]
    assert np.array_equal(samples(parts, uid), before)
    assert store(parts, uid, data, "jpeg-ls-lossless", syntax) == "duplicate"


def test_what_waits_is_found_after_a_restart(opened: Open, start: Start) -> None:
    parts = opened()
    uids = [new_uid() for _ in range(70)]
    for uid in uids:
        store(parts, uid, image(uid), "rle-lossless")
    start(parts)
    assert settled(parts)
    assert {row(parts, uid).transfer_syntax_uid for uid in uids} == {TARGETS["rle-lossless"]}
    parts.assert_agreement()


def test_an_index_made_anew_still_knows_what_was_compressed(opened: Open, start: Start) -> None:
    parts, uid = opened(), new_uid()
    data, other = image(uid), image(uid, noise=1)
    store(parts, uid, data, "rle-lossless")
    start(parts)
    assert settled(parts)
    with parts.index.writing() as index:
        known = index.original(uid)
    parts.index.remove([uid])
    *_, rebuilt = rebuild(parts.index, parts.blobs)
    assert (rebuilt.indexed, rebuilt.unreadable) == (1, [])
    with parts.index.writing() as index:
        assert index.original(uid) == known
    assert store(parts, uid, data, "none") == "duplicate"
    with pytest.raises(DuplicateInstanceError):
        store(parts, uid, other, "none")


@pytest.mark.parametrize(
    "said", [b"", b"{}", b"[]", b"not JSON", b'{"transfer_syntax_uid":"1.2","size_bytes":1,"sha256":"x"}']
)
def test_what_a_file_says_of_its_original_in_no_way_that_is_ours_is_passed_over(said: bytes) -> None:
    meta = FileMeta(CT, "1.2", "1.2.840.10008.1.2.5", private_creator_uid=IMPLEMENTATION_CLASS_UID)
    assert original_in(replace(meta, private_information=said)) is None
    ours = replace(meta, private_information=private_information(Original("1.2", 3, bytes(32))))
    assert original_in(ours) == Original("1.2", 3, bytes(32))
    assert original_in(replace(ours, private_creator_uid="1.2.3")) is None


def test_what_is_stored_later_is_compressed_as_soon_as_it_is_told(parts: Parts, start: Start) -> None:
    service = start(parts)
    uid = new_uid()
    store(parts, uid, image(uid), "rle-lossless")
    for event in parts.events:
        service.notice(event)
    assert settled(parts)
    assert row(parts, uid).transfer_syntax_uid == TARGETS["rle-lossless"]


@pytest.mark.parametrize(
    "data",
    [
        image("1.2.3.1", side=64, noise=1),
        image("1.2.3.1", replaced={0x00280010: b"\1\0"}),
        image("1.2.3.1", replaced={0x00280100: b"\x0d\0"}),
        image("1.2.3.1", replaced={0x00280101: b"\x40\0"}),
    ],
    ids=["not smaller", "more pixels than described", "13 bits allocated", "more bits stored than allocated"],
)
def test_what_cannot_be_compressed_stays_as_it_came(parts: Parts, start: Start, data: bytes) -> None:
    store(parts, "1.2.3.1", data, "htj2k-lossless")
    start(parts)
    assert settled(parts)
    assert parts.kept("1.2.3.1") == data
    parts.assert_agreement()


@pytest.mark.parametrize("tasks", ["FORGING", "REFUSING"])
def test_what_a_codec_gets_wrong_never_takes_the_place_of_the_original(
    parts: Parts, start: Start, tasks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    uid = new_uid()
    store(parts, uid, image(uid, side=64), "htj2k-lossless")
    with closing(WorkerPool(1, WorkerSettings(tasks=f"tests.services.compressing:{tasks}"))) as wrong:
        start(parts, wrong)
        assert settled(parts)
    assert parts.kept(uid) == image(uid, side=64)
    parts.assert_agreement()


def test_a_damaged_file_is_left_alone(parts: Parts, start: Start) -> None:
    uid = new_uid()
    store(parts, uid, image(uid, side=64), "htj2k-lossless")
    path = parts.directory / "objects" / row(parts, uid).path
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    start(parts)
    assert settled(parts)
    assert row(parts, uid).transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN


def test_those_who_have_begun_to_read_the_original_may_end(parts: Parts, start: Start) -> None:
    uid = new_uid()
    store(parts, uid, image(uid, side=64), "htj2k-lossless")
    frames, stored = FrameService(parts.index, parts.blobs), row(parts, uid)
    service = start(parts, readers_s=600)
    assert wait_until(lambda: row(parts, uid).path != stored.path, 20)
    assert frames.frame(stored, 1).data == image(uid, side=64)[-(64 * 64 * 2) :]
    assert frames.frame(row(parts, uid), 1).transfer_syntax_uid == TARGETS["htj2k-lossless"]
    service.close()


def test_an_object_without_its_file_does_not_hold_up_others(parts: Parts, start: Start) -> None:
    lost, uid = new_uid(), new_uid()
    for one in (lost, uid):
        store(parts, one, image(one), "rle-lossless")
    (parts.directory / "objects" / row(parts, lost).path).unlink()
    start(parts)
    assert settled(parts)
    assert row(parts, uid).transfer_syntax_uid == TARGETS["rle-lossless"]


def test_only_one_process_at_a_time_compresses(parts: Parts, start: Start) -> None:
    uid = new_uid()
    store(parts, uid, image(uid), "rle-lossless")
    other = Turn.take(parts.directory / "compressing.lock")
    assert other is not None
    service = start(parts)
    assert not wait_until(lambda: not parts.index.awaiting_compression(1), 0.3)
    other.close()
    for event in parts.events:
        service.notice(event)
    assert settled(parts)


def test_workers_that_are_gone_only_delay(parts: Parts, start: Start) -> None:
    uid = new_uid()
    store(parts, uid, image(uid), "rle-lossless")
    gone = WorkerPool(1, WorkerSettings())
    gone.close()
    start(parts, gone).close()
    assert len(parts.index.awaiting_compression(2)) == 1
    assert parts.kept(uid) == image(uid)
    start(parts)
    assert settled(parts)
    assert row(parts, uid).transfer_syntax_uid == TARGETS["rle-lossless"]
