"""The machine's crash, played with copies: whatever was not flushed is missing, cut, or zeros; recovery makes it anew.

After a kill the page cache is still there, so killing proves nothing about flushes. Here an archive is put together
from the ingest journal as it was flushed and, for the rest, what had reached the disk by the last checkpoint.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.dicom.part10 import decode_file_meta
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.journal_record import JournalRecord
from archimage.services.store import Expected
from archimage.storage.journal import replay
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT

_LIMIT: Final = 256 << 10
_SEEDS: Final = range(5)
_STUDY: Final = "1.2.826.0.1.3680043.8.499.1"
_SERIES: Final = "1.2.826.0.1.3680043.8.499.2"


@contextmanager
def _opened(directory: Path) -> Iterator[App]:
    storage = StorageConfig(directory=directory, journal_limit_bytes=_LIMIT, journal_segment_bytes=16 << 20)
    with closing(build(Config(storage=storage))) as app:
        yield app


def _store(app: App, count: int, random_: random.Random) -> dict[str, bytes]:
    """Store objects, some of them beyond the journal's limit; return what was acknowledged."""
    kept = {}
    for number in range(count):
        uid = new_uid()
        size = 300_000 if number % 5 == 4 else random_.randrange(100, 40_000) & ~1
        data = dataset(uid, pixels=random_.randbytes(size))
        app.services.store.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid), [data])
        kept[uid] = data
    return kept


class Disk:
    """What a crash found: the archive at its last checkpoint, and as it was when the power went."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - damage, no secret
        self.live = directory / "live"
        self.flushed = directory / "flushed"
        self.found = directory / "found"
        with _opened(self.live) as app:
            self.acknowledged = _store(app, 5, self.random)
        shutil.copytree(self.live, self.flushed)
        with _opened(self.live) as app:
            self.acknowledged |= _store(app, 20, self.random)
            shutil.copytree(self.live, self.found)
        self.fresh = set(self.files(self.found)) - set(self.files(self.flushed))

    def assert_recovers(self) -> None:
        """Open what was found, twice: everything acknowledged is there as it was sent, and nothing else."""
        for _ in range(2):
            with _opened(self.found) as app:
                rows = {row.sop_instance_uid: row for page in app.index.all_instances() for row in page}
                assert rows.keys() == self.acknowledged.keys()
                for uid, data in self.acknowledged.items():
                    kept = (self.found / "objects" / rows[uid].path).read_bytes()
                    assert kept[decode_file_meta(kept)[1] :] == data
                assert {row.path for row in rows.values()} == set(self.files(self.found))
                assert [path for path in (self.found / "incoming").rglob("*") if path.is_file()] == []

    def lose_index(self) -> None:
        """Put the index back to the last checkpoint."""
        for path in self.found.glob("index.db*"):
            path.unlink()
        for path in self.flushed.glob("index.db*"):
            shutil.copy(path, self.found)

    def tear_log(self) -> None:
        """Keep any part of the index's write-ahead log."""
        log = self.found / "index.db-wal"
        with log.open("r+b") as file:
            file.truncate(self.random.randrange(log.stat().st_size + 1))

    def damage_files(self) -> None:
        """Lose, cut or zero any of the files that no checkpoint has flushed; a large object's was flushed by itself."""
        for name in sorted(self.fresh):
            path = self.found / "objects" / name
            size = path.stat().st_size
            damage = self.random.choice(("none", "lose", "empty", "cut", "zeros", "rename"))
            if size > _LIMIT or damage == "rename":
                if damage not in {"none", "zeros"}:
                    self.unrename(path)
            elif damage == "lose":
                path.unlink()
            elif damage != "none":
                path.write_bytes({"empty": b"", "cut": path.read_bytes()[: size // 2], "zeros": bytes(size)}[damage])

    def unrename(self, path: Path) -> None:
        """Lose a rename: the file is still where it was written; that of a small object under a name nobody knows."""
        records = (JournalRecord.decode(payload) for payload, _ in replay(self.found / "journal" / "0"))
        name = next(one.name for one in records if path.match(f"*/{one.record.path}"))
        path.rename(self.found / "incoming" / "0" / (name or path.stem))

    @staticmethod
    def files(directory: Path) -> Iterator[str]:
        objects = directory / "objects"
        return (str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file())


def _files_only(disk: Disk) -> None:
    disk.damage_files()


def _index_only(disk: Disk) -> None:
    disk.lose_index()


def _torn_index_and_files(disk: Disk) -> None:
    disk.tear_log()
    disk.damage_files()


def _everything(disk: Disk) -> None:
    """Lose all that the journal does not hold: files, names, directories and rows."""
    disk.lose_index()
    for name in sorted(disk.fresh):
        path = disk.found / "objects" / name
        if path.stat().st_size > _LIMIT:
            disk.unrename(path)
        else:
            path.unlink()


@pytest.mark.parametrize("seed", _SEEDS)
@pytest.mark.parametrize("lose", [_files_only, _index_only, _torn_index_and_files, _everything])
def test_what_was_acknowledged_survives_the_loss_of_what_was_not_flushed(
    tmp_path: Path, lose: Callable[[Disk], None], seed: int
) -> None:
    disk = Disk(tmp_path, seed)
    lose(disk)
    disk.assert_recovers()


def test_a_second_crash_during_recovery_costs_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 7)
    _everything(disk)
    halfway = tmp_path / "halfway"
    shutil.copytree(disk.found, halfway)
    disk.assert_recovers()
    # The first recovery had placed the files and lost the rows, which it had no time to flush.
    shutil.rmtree(halfway / "objects")
    shutil.copytree(disk.found / "objects", halfway / "objects")
    disk.found = halfway
    disk.assert_recovers()


@pytest.mark.parametrize("seed", _SEEDS)
def test_what_was_removed_stays_away_and_what_came_since_is_there(tmp_path: Path, seed: int) -> None:
    disk = Disk(tmp_path, seed)
    shutil.rmtree(disk.found)
    with _opened(disk.live) as app:
        disk.acknowledged |= _store(app, 10, disk.random)
        removed = disk.random.sample(sorted(disk.acknowledged), 12)
        with app.index.writing() as writer:
            for uid in removed:
                writer.remove(_STUDY, _SERIES, uid)
        app.index.sync()
        # The last that reaches the disk, but for the journal: neither the files' removal nor what comes after.
        shutil.rmtree(disk.flushed)
        shutil.copytree(disk.live, disk.flushed)
        app.services.removal.resume()
        for uid in removed[:4]:
            app.services.store.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid), [disk.acknowledged[uid]])
        for uid in removed[4:]:
            del disk.acknowledged[uid]
        disk.acknowledged |= _store(app, 5, disk.random)
        shutil.copytree(disk.live, disk.found)
    disk.fresh = set(disk.files(disk.found)) - set(disk.files(disk.flushed))
    disk.lose_index()
    disk.damage_files()
    shutil.copytree(disk.flushed / "objects", disk.found / "objects", dirs_exist_ok=True)
    disk.assert_recovers()


def test_a_large_object_that_came_again_after_its_removal_is_not_lost_to_the_record_of_the_first(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path, 1)
    shutil.rmtree(disk.found)
    with _opened(disk.live) as app:
        disk.acknowledged |= _store(app, 5, disk.random)
        uid = [uid for uid, data in disk.acknowledged.items() if len(data) > _LIMIT][-1]
        with app.index.writing() as writer:
            writer.remove(_STUDY, _SERIES, uid)
        app.index.sync()
        shutil.rmtree(disk.flushed)
        shutil.copytree(disk.live, disk.flushed)
        app.services.store.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid), [disk.acknowledged[uid]])
        shutil.copytree(disk.live, disk.found)
    disk.lose_index()
    disk.assert_recovers()
