"""Workers: equal processes on one port, which a death does not end and which agree on what is kept."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from archimage import workers
from archimage.config import Config, DicomConfig
from archimage.errors import ArchimageError, ConfigError
from archimage.index.sqlite import SqliteIndex
from archimage.listeners import Addresses
from archimage.net.server import bind
from archimage.protocol.status import Status
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import launch, running, wait_until
from tests.attacks.wire import Peer
from tests.processes import config, played

Returned = TypeVar("Returned")
_TRIES = 64


def _play(settings: Config, play: Callable[[int], Returned]) -> Returned:
    return played(lambda ready: workers.serve(settings, ready), play)[0]


def _workers() -> list[psutil.Process]:
    """List the workers that this process has, without those that have just died."""
    return [child for child in psutil.Process().children() if "spawn_main" in _command(child)]


def _command(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def _owner(port: int, local_port: int) -> int:
    """Tell which worker holds the connection from a local port."""
    for child in _workers():
        with suppress(psutil.NoSuchProcess):
            for connection in child.net_connections("tcp"):
                if connection.raddr and connection.raddr.port == local_port and connection.laddr.port == port:
                    return int(child.pid)
    raise LookupError(local_port)


def _is_gone(process: psutil.Process) -> bool:
    """Tell whether a process has ended, and so has nothing open any more."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _associated_with(port: int, wanted: int) -> Peer:
    """Associate with one of the workers; the kernel chooses, so again and again."""
    for _ in range(_TRIES):
        peer = Peer.associated(port)
        if _owner(port, peer.socket.getsockname()[1]) == wanted:
            return peer
        peer.release()
    raise LookupError(wanted)


def _kept(directory: Path, sop_instance_uid: str) -> bytes | None:
    """Return the data set that is on disk."""
    with closing(SqliteIndex(directory / "index.db")) as index:
        stored = index.lookup(sop_instance_uid)
    if stored is None:
        return None
    return (directory / "objects" / stored.path).read_bytes()[stored.data_set_offset :]


def test_connections_reach_every_worker_and_all_write_to_one_archive(tmp_path: Path) -> None:
    uids = [new_uid() for _ in range(2)]

    def play(port: int) -> None:
        for worker, uid in zip(_workers(), uids, strict=True):
            with _associated_with(port, worker.pid) as peer:
                assert peer.store(uid, dataset(uid)) == Status.SUCCESS
                peer.release()

    _play(config(tmp_path, workers=2), play)
    assert [_kept(tmp_path, uid) for uid in uids] == [dataset(uid) for uid in uids]
    assert _workers() == []


def test_a_worker_that_is_killed_is_replaced_and_nothing_it_acknowledged_is_lost(tmp_path: Path) -> None:
    uids: list[str] = []

    def play(port: int) -> None:
        victim, survivor = _workers()
        with _associated_with(port, victim.pid) as peer:
            for _ in range(20):
                uids.append(new_uid())
                assert peer.store(uids[-1], dataset(uids[-1])) == Status.SUCCESS
            victim.kill()
            assert peer.ended()
        assert wait_until(lambda: _is_gone(victim), 10.0)  # until then the kernel may give it new connections
        with _associated_with(port, survivor.pid) as peer:
            assert peer.echo() == 0
        assert wait_until(lambda: len({worker.pid for worker in _workers()} - {victim.pid}) == 2, 10.0)
        (successor,) = {worker.pid for worker in _workers()} - {victim.pid, survivor.pid}
        assert wait_until(lambda: _answers_at(port, successor), 20.0)

    _play(config(tmp_path, workers=2), play)
    assert [_kept(tmp_path, uid) for uid in uids] == [dataset(uid) for uid in uids]
    assert [path for path in (tmp_path / "incoming").rglob("*") if path.is_file()] == []


def _answers_at(port: int, worker: int) -> bool:
    try:
        with _associated_with(port, worker) as peer:
            return peer.echo() == 0
    except LookupError:
        return False


def test_of_two_objects_with_one_uid_sent_to_both_workers_one_is_kept(tmp_path: Path) -> None:
    uids = [new_uid() for _ in range(30)]
    answers: dict[str, list[int]] = {uid: [0, 0] for uid in uids}

    def play(port: int) -> None:
        together = threading.Barrier(2)
        peers = [_associated_with(port, worker.pid) for worker in _workers()]

        def send(side: int) -> None:
            for uid in uids:
                together.wait(10)
                answers[uid][side] = peers[side].store(uid, dataset(uid, pixels=bytes([side]) * 5_000))

        senders = [threading.Thread(target=send, args=(side,)) for side in range(2)]
        for sender in senders:
            sender.start()
        for sender, peer in zip(senders, peers, strict=True):
            sender.join()
            peer.release()

    _play(config(tmp_path, workers=2), play)
    for uid in uids:
        assert sorted(answers[uid]) == [Status.SUCCESS, Status.DUPLICATE_SOP_INSTANCE]
        assert _kept(tmp_path, uid) == dataset(uid, pixels=bytes([answers[uid].index(0)]) * 5_000)
    assert len(list((tmp_path / "objects").rglob("*.dcm"))) == len(uids)


def _ended(children: list[psutil.Process]) -> bool:
    """Wait for processes to end, and kill those that do not."""
    _, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:
        child.kill()
    return not alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_with_0(tmp_path: Path, number: signal.Signals) -> None:
    server = launch(tmp_path / "data", ["--workers", "2"])
    server.wait_until_ready()
    children = psutil.Process(server.process.pid).children(recursive=True)
    peer = Peer.associated(server.port)
    server.process.send_signal(number)
    assert server.process.wait(10) == 0
    peer.close()
    assert _ended(children)


def test_a_signal_while_workers_start_ends_all_too(tmp_path: Path) -> None:
    server = launch(tmp_path / "data", ["--workers", "2"])
    parent = psutil.Process(server.process.pid)
    assert wait_until(lambda: len(parent.children()) >= 2, 20.0)
    children = parent.children(recursive=True)
    server.process.terminate()
    assert server.process.wait(10) == 0
    assert "ready" not in server.log
    assert _ended(children)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    server = launch(tmp_path / "data", ["--workers", "2"])
    server.wait_until_ready()
    children = psutil.Process(server.process.pid).children()
    server.process.kill()
    server.process.wait(10)
    assert _ended(children)


def test_a_signal_while_the_first_worker_starts_is_heard(tmp_path: Path) -> None:
    def interrupt() -> None:
        assert wait_until(lambda: bool(_workers()), 20.0)
        os.kill(os.getpid(), signal.SIGTERM)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    workers.serve(config(tmp_path, workers=2), _never)
    interrupter.join()
    assert _workers() == []


def test_a_signal_before_a_dead_worker_is_replaced_is_heard(tmp_path: Path) -> None:
    def play(_port: int) -> int:
        victim = _workers()[0]
        victim.kill()
        victim.wait(10)
        return int(victim.pid)

    victim, took_s = played(lambda ready: workers.serve(config(tmp_path, workers=2), ready), play)
    assert took_s < 5.0
    assert not psutil.pid_exists(victim)
    assert _workers() == []


def test_a_worker_that_does_not_listen_to_signals_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archimage.workers._STOP_TIMEOUT_S", 0.5)
    _play(config(tmp_path, workers=2), lambda _port: _workers()[0].suspend())
    assert _workers() == []


def _never(_addresses: Addresses) -> None:
    raise AssertionError("it was ready")


def test_a_port_that_another_archive_shares_is_not_taken(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0, shared=True) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"dicom\.port = {port}: cannot listen on 127\.0\.0\.1:{port}: Address"):
            workers.serve(config(tmp_path, dicom=DicomConfig(port=port, workers=2)), _never)


def test_a_worker_that_does_not_start_ends_all(tmp_path: Path) -> None:
    def murder() -> None:
        assert wait_until(lambda: bool(_workers()), 20.0)
        _workers()[0].kill()

    murderer = threading.Thread(target=murder)
    murderer.start()
    with pytest.raises(ArchimageError, match=r"worker \d+ did not start"):
        workers.serve(config(tmp_path, workers=2), _never)
    murderer.join()
    assert _workers() == []


def test_what_a_killed_server_counted_in_is_removed_by_the_next_start_alone(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / "archimage-metrics-link").symlink_to(elsewhere)

    def directories() -> set[Path]:
        return {path for path in temporary.glob("archimage-metrics-*") if not path.is_symlink()}

    options, there = ("--workers", "2"), str(temporary)
    with running(tmp_path / "running" / "data", options, TMPDIR=there):
        mine = directories()
        killed = launch(tmp_path / "killed" / "data", options, TMPDIR=there)
        killed.wait_until_ready()
        left = directories() - mine
        children = psutil.Process(killed.process.pid).children(recursive=True)
        killed.process.kill()
        killed.process.wait(20)
        assert _ended(children)
        assert len(mine) == len(left) == 1
        assert directories() == mine | left
        with running(tmp_path / "third" / "data", options, TMPDIR=there):
            assert left & directories() == set()
            assert mine < directories()
    assert directories() == set()
    assert (elsewhere / "kept").exists()
