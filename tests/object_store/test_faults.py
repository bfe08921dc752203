"""An object store that fails under a running server: who sends is refused soon or not at all, and nothing is lost."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, get_args

import pytest

from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import launch, stop, wait_until
from tests.attacks.wire import Peer
from tests.crash.storm import kill
from tests.object_store.serving import FRAME_BYTES, UPLOADED_WITHIN_S, Archive, archive, frames_of, settings_of
from tests.servers.faulty import Fault, FaultyProxy, faulty
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, image, store

ANSWERED_WITHIN_S: Final = 5.0
HEALED_WITHIN_S: Final = 10.0
OUT_OF_RESOURCES: Final = 0xA700
LARGE_FRAMES: Final = 5
"""So many make an object that is sent piece by piece."""
WHOLE: Final = "application/dicom"
Found = TypeVar("Found")
FAULTS: Final = [fault for fault in get_args(Fault) if fault != "none"]


@pytest.fixture
def proxy(s3: SeaweedFS) -> Iterator[FaultyProxy]:
    """What stands before the object store."""
    with faulty(s3.port) as proxy:
        yield proxy


def took(what: Callable[[], Found]) -> tuple[Found, float]:
    """Do something; return what came of it, and the seconds that it took."""
    started = time.monotonic()
    return what(), time.monotonic() - started


def all_are_there(run: Archive, uids: list[str]) -> bool:
    """Tell whether the archive gives each object as it was sent, of which nothing is kept here."""
    return all(dataset(uid) in run.get(uid, accept="application/dicom")[1] for uid in uids)


@pytest.mark.parametrize("fault", FAULTS)
def test_writing_through_refuses_within_five_seconds_and_goes_on_once_the_store_is_back(
    tmp_path: Path, s3: SeaweedFS, proxy: FaultyProxy, fault: Fault
) -> None:
    with archive(tmp_path / "data", s3, endpoint=proxy.endpoint, mode="write-through", cache_bytes=0) as run:
        before, during, after = new_uid(), new_uid(), new_uid()
        assert run.send(before, dataset(before)) == 0
        large, data = frames_of(bytes(LARGE_FRAMES * FRAME_BYTES))
        assert wait_until(lambda: run.send(large, data) == 0, UPLOADED_WITHIN_S)
        proxy.fail(fault)
        for uid in (during, new_uid()):
            status, took_s = took(partial(run.send, uid, dataset(uid)))
            assert status == OUT_OF_RESOURCES
            assert took_s < ANSWERED_WITHIN_S
        answer, took_s = took(lambda: store(run.server.http_port, [image(new_uid())]))
        assert answer.status in {409, 503, 507}
        assert took_s < ANSWERED_WITHIN_S
        for uid, accept in ((before, WHOLE), (large, WHOLE), (large, "*/*"), (large, "application/zip")):
            (status, _), took_s = took(lambda uid=uid, accept=accept: run.get(uid, accept=accept))  # type: ignore[misc]
            assert status in {503, 507}, accept
            assert took_s < ANSWERED_WITHIN_S
        proxy.heal()
        assert wait_until(lambda: run.send(during, dataset(during)) == 0, HEALED_WITHIN_S)
        assert run.send(after, dataset(after)) == 0
        assert all_are_there(run, [before, during, after])
        assert data in run.get(large, accept=WHOLE)[1]
        uids = [before, during, after, large]
        assert {row.sop_instance_uid for row in run.server.rows()} == set(uids)
        assert wait_until(lambda: len(run.keys()) == len(uids), 2 * HEALED_WITHIN_S)


@pytest.mark.parametrize("fault", FAULTS)
def test_writing_back_takes_everything_and_uploads_it_once_the_store_is_back(
    tmp_path: Path, s3: SeaweedFS, proxy: FaultyProxy, fault: Fault
) -> None:
    with archive(tmp_path / "data", s3, endpoint=proxy.endpoint, cache_bytes=0) as run:
        before = new_uid()
        assert run.send(before, dataset(before)) == 0
        assert run.is_uploaded(before)
        proxy.fail(fault)
        uids = [new_uid() for _ in range(6)]
        for uid in uids:
            status, took_s = took(partial(run.send, uid, dataset(uid)))
            assert status == 0
            assert took_s < ANSWERED_WITHIN_S
        assert all_are_there(run, uids)
        (status, _), took_s = took(lambda: run.get(before, accept="application/dicom"))
        assert status in {503, 507}
        assert took_s < ANSWERED_WITHIN_S
        assert wait_until(lambda: len(proxy.requests) > 3, HEALED_WITHIN_S)  # it has been tried
        proxy.heal()
        wanted = {f"{STUDY}/1.2.826.0.1.3680043.8.499.2/{uid}.dcm" for uid in (before, *uids)}
        assert wait_until(lambda: run.keys() == wanted and not run.waiting(), HEALED_WITHIN_S)
        assert all_are_there(run, [before, *uids])


def test_a_start_after_a_crash_waits_for_a_store_that_comes_up_later(
    tmp_path: Path, s3: SeaweedFS, proxy: FaultyProxy
) -> None:
    """What was written through and is too large for the journal can be told to be whole only by the store."""
    store = s3.settings("late", endpoint=proxy.endpoint, mode="write-through", cache_bytes=0)
    server = launch(tmp_path / "data", settings=settings_of(store))
    server.wait_until_ready()
    uid, data = frames_of(bytes(LARGE_FRAMES * FRAME_BYTES))
    with Peer.associated(server.port) as peer:
        assert wait_until(lambda: peer.store(uid, data) == 0, UPLOADED_WITHIN_S)
    kill(server)
    proxy.fail("500")
    server = launch(tmp_path / "data", settings=settings_of(store))
    try:
        assert wait_until(lambda: "waits for the object store" in server.log, UPLOADED_WITHIN_S), server.log
        proxy.heal()
        server.wait_until_ready(HEALED_WITHIN_S)
        assert [row.sop_instance_uid for row in server.rows()] == [uid]
    finally:
        stop(server)


def test_an_archive_starts_while_the_store_does_not_answer(tmp_path: Path, s3: SeaweedFS, proxy: FaultyProxy) -> None:
    uid, other = new_uid(), new_uid()
    endpoint = proxy.endpoint
    proxy.fail("hang")
    with archive(tmp_path / "data", s3, "starting", endpoint=endpoint, cache_bytes=0) as run:
        assert run.send(uid, dataset(uid)) == 0
    with archive(tmp_path / "data", s3, "starting", endpoint=endpoint, cache_bytes=0) as run:
        assert run.send(other, dataset(other)) == 0
        proxy.heal()
        assert wait_until(lambda: len(run.keys()) == 2, 2 * HEALED_WITHIN_S)
        assert all_are_there(run, [uid, other])
