"""The commands that back up, restore and scrub, beside a server that works meanwhile."""

import shutil
import subprocess
import sys
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from archimage.storage.backups import BackupDirectory
from tests.attacks.datasets import dataset, identifier, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import QUERY_CONTEXTS, Peer, request
from tests.cli.conftest import Invoke
from tests.services.keeping import DAMAGES, dump_of, objects_of

_PIXELS = bytes(range(256)) * 1024
_STUDY, _SERIES = "1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2"


@pytest.fixture
def data(archimage: Invoke, studies: Path, tmp_path: Path) -> Path:
    """An archive of ten objects."""
    archimage("import", studies, "--data", tmp_path / "data")
    return tmp_path / "data"


def test_a_backup_is_made_listed_verified_and_restored(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    target, new = tmp_path / "backups", tmp_path / "new"
    made = archimage("backup", target, "--data", data, "--json")
    assert (made.code, made.json["objects"], made.json["copied"]) == (0, 10, 10)
    again = archimage("backup", "make", target, "--data", data)
    assert (again.code, "copied        0" in again.out) == (0, True)
    listed = archimage("backup", "list", target, "--json").json
    assert [one["backup"] for one in listed][-1] == made.json["backup"]
    assert made.json["backup"] in archimage("backup", "list", target).out
    assert archimage("backup", "verify", target, "--json").json["damaged"] == 0
    assert archimage("restore", target, "--data", new, "--at", made.json["backup"]).code == 0
    assert objects_of(new) == objects_of(data)
    assert archimage("index", "verify", "--digests", "--data", new).code == 0
    assert archimage("audit", "verify", "--data", new).code == 0
    assert archimage("backup", "prune", target, "--keep", 1, "--json").json["backups"] == 1


def test_a_backup_is_told_to_the_audit_trail(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    archimage("backup", tmp_path / "backups", "--data", data)
    told = archimage("audit", "search", "--data", data, "--event", "Export", "--json").json["entries"]
    assert ["a backup of 10 objects" in entry["description"] for entry in told] == [True]


def test_what_cannot_be_is_refused_in_words(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    within = archimage("backup", data / "backups", "--data", data)
    assert (within.code, "lies within the archive" in within.err) == (2, True)
    none = archimage("restore", tmp_path, "--data", tmp_path / "new")
    assert (none.code, "holds no backups" in none.err) == (2, True)
    archimage("backup", tmp_path / "backups", "--data", data)
    before = objects_of(data)
    full = archimage("restore", tmp_path / "backups", "--data", data)
    assert (full.code, "is not empty" in full.err) == (2, True)
    assert objects_of(data) == before
    unknown = archimage("restore", tmp_path / "backups", "--data", tmp_path / "new", "--at", "yesterday")
    assert (unknown.code, "no backup yesterday" in unknown.err) == (1, True)


def test_damage_ends_with_1_until_it_is_mended(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    target, before = tmp_path / "backups", objects_of(data)
    archimage("backup", target, "--data", data)
    assert archimage("scrub", "--data", data).code == 0
    flipped, short, gone, *_ = sorted((data / "objects").rglob("*.dcm"))
    for damage, file in (("a bit of the pixels", flipped), ("the end", short), ("the file", gone)):
        DAMAGES[damage](file)
    found = archimage("scrub", "--data", data, "--json")
    assert (found.code, found.json["damaged"], found.json["remaining"]) == (1, 3, 3)
    assert archimage("backup", tmp_path / "late", "--data", data).code == 1
    mended = archimage("scrub", "--data", data, "--repair-from", target, "--json")
    assert (mended.code, mended.json["mended"], mended.json["remaining"]) == (0, 3, 0)
    assert objects_of(data) == before
    entries = archimage("audit", "search", "--data", data, "--json", "--text", "the stored object").json["entries"]
    assert len(entries) == 6


def test_a_damaged_backup_ends_with_1(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    archimage("backup", target, "--data", data)
    kept = next(BackupDirectory(target).open().objects())
    DAMAGES["the end"](BackupDirectory(target).content(kept.sha256))
    verified = archimage("backup", "verify", target, "--json")
    assert (verified.code, verified.json["damaged"]) == (1, 1)
    assert archimage("restore", target, "--data", tmp_path / "new").code == 1
    assert len(objects_of(tmp_path / "new")) == 9


def test_an_archive_that_is_being_written_is_backed_up_and_serves_the_same_bytes_again(
    archimage: Invoke, tmp_path: Path
) -> None:
    """A server takes objects and removes some while three backups are made; each row has its file in all of them."""
    target = tmp_path / "backups"
    with running(tmp_path / "data") as server:
        sent, ended = list[str](), threading.Event()
        workers = [threading.Thread(target=_send, args=(server.port, sent, ended)) for _ in range(2)]
        workers.append(threading.Thread(target=_remove, args=(server, sent, ended)))
        for worker in workers:
            worker.start()
        try:
            assert wait_until(lambda: len(sent) > 20, 20.0)
            made = [archimage("backup", target, "--data", tmp_path / "data", "--json") for _ in range(3)]
            acknowledged = len(sent)
        finally:
            ended.set()
            for worker in workers:
                worker.join()
        kept = [uid for uid in sent[:20] if any(path.endswith(f"/{uid}.dcm") for path in server.files())][:3]
        before = [_answers(server, uid) for uid in kept]
        whole = objects_of(tmp_path / "data")
    assert [result.code for result in made] == [0, 0, 0], made
    assert acknowledged > made[0].json["objects"] > 10  # it went on storing
    for number, result in enumerate(made):
        new = tmp_path / f"new{number}"
        assert archimage("restore", target, "--data", new, "--at", result.json["backup"]).code == 0
        objects = objects_of(new)
        assert len(objects) == result.json["objects"]
        assert all(whole.get(path, content) == content for path, content in objects.items())
        assert archimage("index", "verify", "--digests", "--data", new).code == 0
    with running(tmp_path / "new2") as server:
        assert [_answers(server, uid) for uid in kept] == before
    assert len(kept) == 3


def test_a_backup_that_is_killed_leaves_the_former_one_and_the_next_goes_on(
    archimage: Invoke, data: Path, tmp_path: Path
) -> None:
    target = tmp_path / "backups"
    first = archimage("backup", target, "--data", data, "--json").json["backup"]
    with running(data) as server, Peer.associated(server.port) as peer:
        for _ in range(40):
            uid = new_uid()
            assert peer.store(uid, dataset(uid, pixels=_PIXELS)) == 0
        peer.release()
    for delay_s in (0.7, 1.0, 1.3):
        _kill_after(target, data, delay_s)
        assert archimage("backup", "verify", target, "--at", first).code == 0
    last = archimage("backup", target, "--data", data, "--json").json
    assert last["objects"] == 50
    assert not list((target / "incoming").iterdir())
    assert archimage("restore", target, "--data", tmp_path / "new").code == 0
    assert objects_of(tmp_path / "new") == objects_of(data)
    assert dump_of(tmp_path / "new") == dump_of(data)


def test_a_restoration_that_is_killed_is_begun_again(archimage: Invoke, data: Path, tmp_path: Path) -> None:
    target, new = tmp_path / "backups", tmp_path / "new"
    archimage("backup", target, "--data", data)
    command = [sys.executable, "-m", "archimage", "restore", str(target), "--data", str(new)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: (new / "restoring").exists() or process.poll() is not None, 20.0)
    process.kill()
    process.wait(10)
    again = archimage("restore", target, "--data", new)
    if again.code == 2:  # it had ended before it was killed
        shutil.rmtree(new)
        again = archimage("restore", target, "--data", new)
    assert again.code == 0
    assert objects_of(new) == objects_of(data)
    assert dump_of(new) == dump_of(data)


def _send(port: int, sent: list[str], ended: threading.Event) -> None:
    """Store one object after the other."""
    with Peer.associated(port) as peer:
        while not ended.is_set():
            uid = new_uid()
            assert peer.store(uid, dataset(uid, pixels=_PIXELS)) == 0
            sent.append(uid)
        peer.release()


def _remove(server: Server, sent: list[str], ended: threading.Event) -> None:
    """Remove every fourth object soon after it was stored."""
    next_one = 0
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection:
        while not ended.wait(0.005):
            if len(sent) > next_one:
                connection.request("DELETE", f"/dicom-web/studies/{_STUDY}/series/{_SERIES}/instances/{sent[next_one]}")
                response = connection.getresponse()
                assert (response.status, response.read()[:1]) == (200, b"{")
                next_one += 4


def _answers(server: Server, uid: str) -> tuple[bytes, list[bytes]]:
    """Retrieve an instance by WADO-URI, as it is stored, and find it by C-FIND."""
    keys = f"requestType=WADO&contentType=application/dicom&transferSyntax=*&studyUID={_STUDY}&seriesUID={_SERIES}"
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection:
        connection.request("GET", f"/wado?{keys}&objectUID={uid}")
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content
    wanted = {0x0020000D: ("UI", _STUDY.encode()), 0x0020000E: ("UI", _SERIES.encode()), 0x00100010: ("PN", b"")}
    with Peer.associated(server.port, request(QUERY_CONTEXTS)) as peer:
        matches, status = peer.find(identifier("IMAGE", {**wanted, 0x00080018: ("UI", uid.encode())}))
        assert (status, len(matches)) == (0, 1)
        peer.release()
    return content, matches


def _kill_after(target: Path, data: Path, delay_s: float) -> None:
    """Begin a backup, and kill it after a while, wherever it is then."""
    command = [sys.executable, "-m", "archimage", "backup", str(target), "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay_s)
    process.kill()
    process.wait(10)
