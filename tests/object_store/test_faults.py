"""An object store that fails under a running server: who sends is refused soon or not at all, and nothing is lost."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, get_args

import pytest

from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.object_store.serving import Archive, archive
from tests.servers.faulty import Fault, FaultyProxy, faulty
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, image, store

ANSWERED_WITHIN_S: Final = 5.0
HEALED_WITHIN_S: Final = 10.0
OUT_OF_RESOURCES: Final = 0xA700
FAULTS: Final = [fault for fault in get_args(Fault) if fault != "none"]


@pytest.fixture
def proxy(s3: SeaweedFS) -> Iterator[FaultyProxy]:
    """What stands before the object store."""
    with faulty(s3.port) as proxy:
        yield proxy


def took(what: Callable[[], object]) -> tuple[object, float]:
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
        proxy.fail(fault)
        for uid in (during, new_uid()):
            status, took_s = took(lambda uid=uid: run.send(uid, dataset(uid)))  # type: ignore[misc]
            assert status == OUT_OF_RESOURCES
            assert took_s < ANSWERED_WITHIN_S
        answer, took_s = took(lambda: store(run.server.http_port, [image(new_uid())]))
        assert answer.status in {409, 503, 507}  # type: ignore[attr-defined]
        assert took_s < ANSWERED_WITHIN_S
        (status, _), took_s = took(lambda: run.get(before, accept="application/dicom"))  # type: ignore[misc]
        assert status in {503, 507}
        assert took_s < ANSWERED_WITHIN_S
        proxy.heal()
        assert wait_until(lambda: run.send(during, dataset(during)) == 0, HEALED_WITHIN_S)
        assert run.send(after, dataset(after)) == 0
        uids = [before, during, after]
        assert all_are_there(run, uids)
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
            status, took_s = took(lambda uid=uid: run.send(uid, dataset(uid)))  # type: ignore[misc]
            assert status == 0
            assert took_s < ANSWERED_WITHIN_S
        assert all_are_there(run, uids)
        (status, _), took_s = took(lambda: run.get(before, accept="application/dicom"))  # type: ignore[misc]
        assert status in {503, 507}
        assert took_s < ANSWERED_WITHIN_S
        assert wait_until(lambda: len(proxy.requests) > 3, HEALED_WITHIN_S)  # it has been tried
        proxy.heal()
        wanted = {f"{STUDY}/1.2.826.0.1.3680043.8.499.2/{uid}.dcm" for uid in (before, *uids)}
        assert wait_until(lambda: run.keys() == wanted and not run.waiting(), HEALED_WITHIN_S)
        assert all_are_there(run, [before, *uids])


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
