"""A disk that is full, read-only or failing: 0xA700, reads still served, and no restart when it is well again."""

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NoReturn

import pytest

from archimage.protocol.status import Status
from tests.attacks.datasets import dataset, new_uid, one_image
from tests.attacks.faults import Faults, compile_faults
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT_CONTEXT, Peer, querying

_SETTINGS = {"storage__journal_segment_bytes": 4 << 20, "storage__reserve_bytes": 0}
_SMALL = b"\1\2" * 2_000
_LARGE = b"\3\4" * 200_000  # beyond the journal's limit: its own file counts
_REFUSED_WITHIN_S = 3.0
_TRIES = 12  # more than there are journal segments to use up


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's server keeps its archive."""
    return tmp_path_factory.mktemp("disk") / "one" / "two" / "data"


@pytest.fixture(scope="module")
def faults(ground: Path) -> Faults:
    """The faults of this module's server."""
    return compile_faults(ground.parents[2], ground)


@pytest.fixture(scope="module")
def process(ground: Path, faults: Faults) -> Iterator[Server]:
    """A server whose disk can be made to fail."""
    with running(ground, settings=_SETTINGS, **faults.environment) as server:
        yield server


@contextmanager
def _failing(faults: Faults, number: int, kinds: str) -> Iterator[None]:
    faults.begin(number, kinds)
    try:
        yield
    finally:
        faults.end()


def _store(server: Server, uid: str, pixels: bytes) -> int:
    with Peer.associated(server.port) as peer:
        status = peer.store(uid, dataset(uid, pixels=pixels))
        peer.release()
        return status


def _assert_reads(server: Server, uid: str) -> None:
    """Assert that an instance is found and comes back as it was sent."""
    with Peer.associated(server.port, querying()) as peer:
        assert peer.echo() == 0
        matches, found = peer.find(one_image(uid))
        assert (len(matches), found) == (1, 0)
        came, got = peer.get(one_image(uid))
        assert (came, got) == ([dataset(uid, pixels=_SMALL)], 0)


@pytest.mark.parametrize("pixels", [_SMALL, _LARGE], ids=["journalled", "own file"])
@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (errno.ENOSPC, "w"),
        (errno.EDQUOT, "w"),
        (errno.EROFS, "wscno"),
        (errno.EIO, "sc"),
        (errno.EIO, "wsc"),
        (errno.ENOSPC, "sc"),
    ],
    ids=["full", "quota", "read-only", "failing flush", "failing disk", "full at flush"],
)
def test_a_failing_disk_is_told_and_nothing_else_suffers(
    server: Server, faults: Faults, number: int, kinds: str, pixels: bytes
) -> None:
    kept = new_uid()
    assert _store(server, kept, _SMALL) == 0
    refused = [new_uid() for _ in range(_TRIES)]
    with _failing(faults, number, kinds):
        for uid in refused:
            started = time.monotonic()
            assert _store(server, uid, pixels) == Status.OUT_OF_RESOURCES
            assert time.monotonic() - started <= _REFUSED_WITHIN_S
        _assert_reads(server, kept)
    assert wait_until(lambda: _store(server, refused[0], pixels) == 0, 10.0)
    assert _store(server, new_uid(), pixels) == 0
    assert not {row.sop_instance_uid for row in server.rows()} & set(refused[1:])


def test_a_store_that_a_disk_turned_read_only_interrupts_is_refused(server: Server, faults: Faults) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=_LARGE * 8)
    begun = len(data) // 2
    with Peer.associated(server.port) as peer:
        peer.begin_store(uid)
        peer.send_dataset(CT_CONTEXT, data[:begun], whole=False)
        assert wait_until(lambda: len(server.incoming()) == 1, 2.0)
        with _failing(faults, errno.EROFS, "wsco"):
            peer.send_dataset(CT_CONTEXT, data[begun:])
            assert peer.status() == Status.OUT_OF_RESOURCES
        assert peer.echo() == 0


def test_checkpoints_that_fail_for_ever_end_in_refusals_and_not_in_silence(server: Server, faults: Faults) -> None:
    refused = []
    with _failing(faults, errno.EIO, "c"):
        for _ in range(800):
            uid = new_uid()
            started = time.monotonic()
            status = _store(server, uid, b"\5\6" * 30_000)
            assert time.monotonic() - started <= _REFUSED_WITHIN_S
            assert status in (Status.SUCCESS, Status.OUT_OF_RESOURCES)
            if status:
                refused.append(uid)
            if len(refused) == _TRIES:
                break
    assert len(refused) == _TRIES
    assert wait_until(lambda: _store(server, refused[0], _SMALL) == 0, 10.0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    place = tmp_path / "one" / "two"
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "archimage-test", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small tmpfs is not allowed here: {mounted.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def _fill(file: FileIO) -> NoReturn:
    while True:
        file.write(bytes(1 << 16))


def test_a_disk_that_is_really_full_takes_objects_again_once_there_is_room(small_disk: Path) -> None:
    with running(small_disk / "data", settings=_SETTINGS) as server:
        kept = new_uid()
        assert _store(server, kept, _SMALL) == 0
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            _fill(file)
        statuses = [_store(server, new_uid(), _LARGE) for _ in range(_TRIES)]
        statuses += [_store(server, new_uid(), _SMALL) for _ in range(_TRIES)]
        assert Status.OUT_OF_RESOURCES in statuses
        assert set(statuses) <= {Status.OUT_OF_RESOURCES, Status.SUCCESS}
        _assert_reads(server, kept)
        ballast.unlink()
        assert wait_until(lambda: _store(server, new_uid(), _LARGE) == 0, 10.0)
        assert _store(server, new_uid(), _SMALL) == 0
        assert not server.incoming()
        assert {row.path for row in server.rows()} == server.files()
