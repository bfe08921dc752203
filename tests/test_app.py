"""The archive as a whole: it listens, ends at once, keeps what it took, and tells what is wrong with its settings."""

import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TypeVar
from urllib.request import urlopen

import pytest
import uvloop

from archimage import server
from archimage.app import build
from archimage.config import Config, HttpConfig
from archimage.dicom.demo import demo_files
from archimage.errors import ArchimageError, ConfigError
from archimage.index.sqlite import SqliteIndex
from archimage.listeners import Addresses
from archimage.protocol.pdu import Abort
from archimage.protocol.status import Status
from archimage.protocol.uids import RLE_LOSSLESS
from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import running, wait_until
from tests.attacks.wire import Peer
from tests.processes import config, played
from tests.services.compressing import image

Returned = TypeVar("Returned")
_STUDY = "1.2.826.0.1.3680043.8.499.1"
_STUDY_DATE = 0x00080020
_TRIES = 5


def _play(settings: Config, play: Callable[[int], Returned], number: signal.Signals = signal.SIGTERM) -> Returned:
    return played(lambda ready: uvloop.run(server.serve(build(settings), ready)), play, number)[0]


def _store(port: int, *objects: tuple[str, bytes]) -> list[int]:
    with Peer.associated(port) as peer:
        statuses = [peer.store(uid, data) for uid, data in objects]
        peer.release()
    return statuses


def _paths(directory: Path) -> list[str]:
    """List the kept objects, which files and rows agree on."""
    files = sorted(str(path.relative_to(directory / "objects")) for path in (directory / "objects").rglob("*.dcm"))
    with closing(SqliteIndex(directory / "index.db")) as index:
        assert sorted(stored.path for page in index.all_instances() for stored in page) == files
    assert [path for path in (directory / "incoming").rglob("*") if path.is_file()] == []
    return files


def _data(directory: Path, sop_instance_uid: str) -> bytes:
    with closing(SqliteIndex(directory / "index.db")) as index:
        stored = index.lookup(sop_instance_uid)
    assert stored is not None
    return (directory / "objects" / stored.path).read_bytes()[stored.data_set_offset :]


# Serving and ending.


def test_a_start_removes_what_was_left_of_objects_that_were_being_transcoded(tmp_path: Path) -> None:
    left = tmp_path / "data" / "cache" / "transcoded" / "ab" / "ab12.34.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    build(config(tmp_path / "data")).close()
    assert not left.exists()


def test_a_start_that_fails_at_whichever_file_lets_go_of_everything(tmp_path: Path) -> None:
    build(config(tmp_path)).close()
    running = _threads()
    for _ in range(_TRIES):  # a thread of the start opens files too, and may have one in place of the last
        reasons = list(_failing_starts(tmp_path, running))
        assert _threads() == running
        if any("boot_id" in reason for reason in reasons):  # the last file that is opened, when all threads run
            return
    pytest.fail(f"no start failed at the last of its files: {reasons}")


def _failing_starts(directory: Path, running: set[int | None]) -> Iterator[str]:
    """Start with more and more files allowed until that works; yield why it did not, all threads being gone."""
    files, limits = len(list(Path("/proc/self/fd").iterdir())), resource.getrlimit(resource.RLIMIT_NOFILE)
    for more in count():
        resource.setrlimit(resource.RLIMIT_NOFILE, (files + more, limits[1]))
        try:
            app = build(config(directory))
        except ArchimageError as error:
            reason = str(error)
        else:
            break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert _threads() == running
        build(config(directory), alone=True).close()
        yield reason
    app.close()
    app.close()  # whoever serves has closed it already


def _threads() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_addresses_are_told_when_both_listen(tmp_path: Path, number: signal.Signals) -> None:
    told: list[Addresses] = []

    def play(port: int) -> bytes:
        with Peer.associated(port) as peer:
            assert peer.echo() == 0
            peer.release()
        with socket.create_connection(told[0].http) as http:
            http.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return http.recv(1_000)

    def serve(ready: Callable[[Addresses], None]) -> None:
        def tell(addresses: Addresses) -> None:
            told.append(addresses)
            ready(addresses)

        uvloop.run(server.serve(build(config(tmp_path)), tell))

    answer, _ = played(serve, play, number)
    assert answer.startswith(b"HTTP/1.1 200")
    (addresses,) = told
    assert (addresses.dicom or ("", 0))[0] == addresses.http[0] == "127.0.0.1"
    assert addresses.dicom_tls is None


def test_the_end_takes_a_moment_with_associations_open_and_objects_on_their_way(tmp_path: Path) -> None:
    kept, cut = new_uid(), new_uid()
    peers: list[Peer] = []

    def play(port: int) -> None:
        peers.extend(Peer.associated(port) for _ in range(20))
        assert peers[0].store(kept, dataset(kept)) == Status.SUCCESS
        peers[1].begin_store(cut)
        peers[1].send_dataset(3, dataset(cut, pixels=bytes(500_000))[:300_000], whole=False)

    _, took_s = played(lambda ready: uvloop.run(server.serve(build(config(tmp_path)), ready)), play)
    assert took_s < 1.0
    assert [peer.receive() for peer in peers] == [Abort(0, 0)] * 20
    for peer in peers:
        peer.close()
    assert _paths(tmp_path) == [f"{_STUDY}/1.2.826.0.1.3680043.8.499.2/{kept}.dcm"]


def test_what_was_kept_is_there_the_next_time(tmp_path: Path) -> None:
    uids = [new_uid() for _ in range(3)]
    for uid in uids:
        assert _play(config(tmp_path), lambda port, uid=uid: _store(port, (uid, dataset(uid)))) == [0]  # type: ignore[misc]
    assert len(_paths(tmp_path)) == 3
    assert [_data(tmp_path, uid) for uid in uids] == [dataset(uid) for uid in uids]


def test_what_is_sent_while_the_end_comes_is_whole_or_absent(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    senders: list[threading.Thread] = []

    def send(port: int) -> None:
        peer = Peer.associated(port)
        try:
            while True:
                uid = new_uid()
                if peer.store(uid, dataset(uid, pixels=bytes(30_000))) == Status.SUCCESS:
                    acknowledged.append(uid)
        except ConnectionError:
            peer.close()

    def play(port: int) -> None:
        senders.extend(threading.Thread(target=send, args=(port,)) for _ in range(3))
        for sender in senders:
            sender.start()
        assert wait_until(lambda: len(acknowledged) > 50, 10.0)

    _play(config(tmp_path), play)
    for sender in senders:
        sender.join()
    names = {Path(path).stem for path in _paths(tmp_path)}
    assert names >= set(acknowledged)
    assert len(names) <= len(acknowledged) + len(senders)


def test_a_server_loads_no_codec_and_no_pydicom_to_store_to_find_and_to_describe(tmp_path: Path) -> None:
    uid = new_uid()
    private = ((0x00090010, "LO", b"GEMS_IDEN_01"), (0x00091002, "SH", b"CT01"))
    with running(tmp_path / "data") as server:
        with Peer.associated(server.port) as peer:
            assert peer.store(uid, dataset(uid, more=private)) == Status.SUCCESS
            peer.release()
        for path in ("studies", f"studies/{_STUDY}/metadata", f"studies/{_STUDY}/instances?SOPInstanceUID={uid}"):
            with urlopen(f"http://127.0.0.1:{server.http_port}/dicom-web/{path}", timeout=10) as answer:
                assert uid in answer.read().decode() or path == "studies"
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text("utf-8")
    libraries = {line.rpartition("/site-packages/")[2].partition("/")[0] for line in mapped.splitlines()}
    assert "uvloop" in libraries  # so that what is mapped tells what is loaded, of pydicom too: it loads most codecs
    assert libraries & {"numpy", "PIL", "_gdcm", "openjpeg", "imagecodecs", "rle"} == set()


# Settings.


@pytest.mark.parametrize("section", ["dicom", "http"])
def test_a_port_in_use_is_named(tmp_path: Path, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        base = config(tmp_path)
        sections = {"dicom": base.dicom.model_copy(update={"port": port}), "http": HttpConfig(port=port)}
        settings = base.model_copy(update={section: sections[section]})
        running = _threads()
        with pytest.raises(ConfigError) as told:
            _play(settings, lambda _: None)
        assert _threads() == running
    assert str(told.value) == (
        f"{section}.port = {port}: cannot listen on 127.0.0.1:{port}: Address already in use; choose another port, or 0"
    )


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_text("in the way")
    with pytest.raises(ConfigError, match=rf"storage\.directory = {tmp_path}: .*; choose one that can be written"):
        build(config(tmp_path))


@pytest.mark.parametrize("durability", ["full", "os"])
def test_either_durability_keeps_what_was_acknowledged(tmp_path: Path, durability: str) -> None:
    uids = [new_uid() for _ in range(5)]
    objects = [(uid, dataset(uid)) for uid in uids]
    assert _play(config(tmp_path, durability=durability), lambda port: _store(port, *objects)) == [0] * 5
    assert [_data(tmp_path, uid) for uid in uids] == [data for _, data in objects]


@pytest.mark.parametrize("date", [b"20240131", b"", b"2024.1.3"], ids=["date", "without", "no date"])
def test_the_date_layout_sorts_by_study_date_and_else_by_the_day_of_arrival(tmp_path: Path, date: bytes) -> None:
    uid = new_uid()
    data = dataset(uid, more=((_STUDY_DATE, "DA", date),))
    assert _play(config(tmp_path, layout="date"), lambda port: _store(port, (uid, data))) == [0]
    (path,) = _paths(tmp_path)
    assert path == f"2024/01/31/{uid}.dcm" if date == b"20240131" else path.count("/") == 3


# Duplicates.


@pytest.mark.parametrize("layout", ["uid", "date"])
def test_another_object_under_a_uid_is_refused(tmp_path: Path, layout: str) -> None:
    uid = new_uid()
    first, other = dataset(uid), dataset(uid, pixels=b"others")
    sent = ((uid, first), (uid, first), (uid, other), (uid, first))
    statuses = _play(config(tmp_path, layout=layout), lambda port: _store(port, *sent))
    assert statuses == [0, 0, Status.DUPLICATE_SOP_INSTANCE, 0]
    assert len(_paths(tmp_path)) == 1
    assert _data(tmp_path, uid) == first


@pytest.mark.parametrize("layout", ["uid", "date"])
def test_another_object_under_a_uid_takes_its_place_by_setting(tmp_path: Path, layout: str) -> None:
    uid = new_uid()
    first, second = dataset(uid), dataset(uid, pixels=b"others")
    moved = dataset(uid, replaced={STUDY_INSTANCE_UID: b"1.2.3.4"})
    settings = config(tmp_path, layout=layout, duplicates="replace")
    for sent in (first, second, second, moved, first):
        assert _play(settings, lambda port, sent=sent: _store(port, (uid, sent))) == [0]  # type: ignore[misc]
        assert len(_paths(tmp_path)) == 1
        assert _data(tmp_path, uid) == sent


# Two processes on one archive.


def test_an_import_beside_a_running_server_is_found_by_it(tmp_path: Path) -> None:
    directory, folder = tmp_path / "data", tmp_path / "folder"
    folder.mkdir()
    for number, data in enumerate(demo_files(slices=2)):
        (folder / f"{number}.dcm").write_bytes(data)
    uids = [new_uid() for _ in range(100)]

    def play(port: int) -> list[int]:
        importing = subprocess.Popen(
            [sys.executable, "-m", "archimage", "import", str(folder), "--data", str(directory)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        statuses = _store(port, *((uid, dataset(uid)) for uid in uids))
        assert importing.wait(30) == 0
        return statuses

    assert _play(config(directory), play) == [0] * len(uids)
    assert len(_paths(directory)) == len(uids) + len(list(folder.iterdir()))


def test_two_servers_on_one_archive_see_each_others_objects(tmp_path: Path) -> None:
    uid = new_uid()

    def play(port: int) -> list[int]:
        second = build(config(tmp_path))
        try:
            statuses = _store(port, (uid, dataset(uid)))
            assert second.index.lookup(uid) is not None
        finally:
            second.close()
        return statuses

    assert _play(config(tmp_path), play) == [0]
    assert len(_paths(tmp_path)) == 1


# After a crash.


def test_a_start_completes_what_a_crash_has_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uids = [new_uid() for _ in range(5)]
    program = f"""
import os, sys
from archimage.app import build
from archimage.services.store import Expected
from tests.attacks.datasets import dataset
from tests.processes import config
from pathlib import Path
app = build(config(Path({str(tmp_path)!r})))
for uid in {uids!r}:
    expected = Expected("1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.2", uid)
    app.services.store.store(expected, [dataset(uid)])
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    for path in sorted((tmp_path / "objects").rglob("*.dcm"))[:3]:
        path.unlink()
    build(config(tmp_path)).close()
    assert len(_paths(tmp_path)) == 5
    assert [_data(tmp_path, uid) for uid in uids] == [dataset(uid) for uid in uids]
    assert "objects=3" in capsys.readouterr().out
    build(config(tmp_path)).close()
    assert "objects=" not in capsys.readouterr().out


# Compression by rule.


def test_what_a_rule_fits_is_compressed_while_the_archive_serves(tmp_path: Path) -> None:
    uid = new_uid()

    def syntax() -> str:
        with closing(SqliteIndex(tmp_path / "index.db")) as index:
            return (index.lookup(uid) or pytest.fail("not stored")).transfer_syntax_uid

    def play(port: int) -> tuple[list[int], bool]:
        statuses = _store(port, (uid, image(uid)))
        done = wait_until(lambda: syntax() == RLE_LOSSLESS, 20)
        build(config(tmp_path)).close()  # another process
        assert len(list((tmp_path / "objects").rglob("*.dcm"))) == 2  # the server reads the original perhaps
        return [*statuses, *_store(port, (uid, image(uid)))], done

    assert _play(config(tmp_path, compress={"CT": "rle-lossless"}), play) == ([0, 0], True)
    build(config(tmp_path)).close()  # alone, it deletes what was kept for those who read
    assert len(_paths(tmp_path)) == 1
