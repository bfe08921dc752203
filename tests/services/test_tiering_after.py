"""What happens to studies after they were moved: scrubbed, mended, corrected, compressed, sent again."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from archimage.automation.backups import backup_service
from archimage.automation.scrubbing import Scrubbable, Scrubbing
from archimage.config_scrub import ScrubConfig
from archimage.errors import DuplicateInstanceError, IntegrityError, UnavailableError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.changes import ChangeState, PatientRef
from archimage.model.records import StoredInstance
from archimage.model.tiers import tier_of
from archimage.ports.storage import BlobReader
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.compression import CompressionService
from archimage.services.compression_rules import TARGETS, CompressionRules
from archimage.services.compressor import Compressor
from archimage.services.frames import FrameService
from archimage.services.intake import Intake
from archimage.services.replacement import ReplacementService
from archimage.services.store import Expected
from archimage.storage.backups import BackupDirectory
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.lanes import Turn
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT
from tests.services.changing import changing, correct, kept
from tests.services.compressing import image
from tests.services.keeping import DAMAGES
from tests.services.parts import Parts, expected
from tests.services.test_scrub import DAY_S, Heard, once, round_of
from tests.services.test_tiering import Tiered
from tests.web.stowing import STUDY

OBJECTS = 4
COMPRESSED = "jpeg-ls-lossless"


class Archive(Tiered):
    """An archive all of whose parts know its tiers."""

    def __init__(self, parts: Parts, directory: Path, held: ExitStack) -> None:
        super().__init__(parts, directory, held)
        self.intake = Intake(self.blobs, parts.journal, self.index, parts.derived, replace=False)
        held.callback(self.intake.close)
        rules = CompressionRules({"CT": COMPRESSED})
        self.service = replace(parts.service, blobs=self.blobs, intake=self.intake, compression=rules)
        blobs = cast("FilesystemBlobStore", self.blobs)
        self.everything = replace(parts, blobs=blobs, intake=self.intake, service=self.service)

    def send(self, uid: str, data: bytes) -> str:
        """Send an object; return what became of it."""
        return self.service.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid, "SENDER"), [data]).kind

    def move(self, tier: str) -> None:
        """Move everything; nobody reads the old files."""
        assert self.mover.move(STUDY, tier).problem == ""
        self.forget_old()

    def files(self, tier: Path) -> list[Path]:
        """Return the files of objects that lie in a tier."""
        return sorted(tier.rglob("*.dcm"))

    def scrubbing(self, clock: list[float] | None = None, **settings: object) -> tuple[Scrubbing, Heard]:
        """Return what scrubs it, and what the audit trail would hear."""
        heard, now = Heard(), clock or [0.0]
        turn = partial(Turn.take, self.parts.directory / "scrubbing.lock")
        config = ScrubConfig.model_validate({"bytes_per_s": 0, **settings})
        scrubbable = Scrubbable(self.index, self.index, self.blobs, turn)
        return Scrubbing(config, scrubbable, heard, clock=lambda: now[0]), heard


@pytest.fixture
def archive(parts: Parts, tmp_path: Path) -> Iterator[Archive]:
    """An empty archive with tiers."""
    with ExitStack() as held:
        yield Archive(parts, tmp_path, held)


@contextmanager
def away(tier: Path) -> Iterator[None]:
    """Leave an empty mount point of a tier."""
    elsewhere = tier.rename(tier.with_name("unmounted"))
    tier.mkdir()
    try:
        yield
    finally:
        tier.rmdir()
        elsewhere.rename(tier)


def fill(archive: Archive, count: int = OBJECTS) -> list[StoredInstance]:
    """Store objects that stay as they are; return their rows."""
    for _ in range(count):
        uid = new_uid()
        archive.parts.service.store(expected(uid), [dataset(uid, pixels=os.urandom(256))])
    return archive.rows()


def back_up(archive: Archive, target: Path) -> None:
    """Make a backup."""
    service = backup_service(archive.index, archive.blobs, archive.parts.directory)
    with closing(BackupDirectory.make(target).begin()) as draft:
        for _ in service.run(draft):
            pass


def found(part: Scrubbing, directory: Path | None = None) -> tuple[int, int, int, int]:
    """Scrub everything; return how many objects were read, damaged, mended, and not read."""
    seen = once(part, directory)
    return seen.objects, seen.damaged, seen.mended, seen.unread


@pytest.mark.parametrize("damage", ["a bit of the pixels", "the end", "the file"])
def test_what_is_damaged_in_a_tier_is_found_told_and_mended_there_of_a_backup(
    archive: Archive, tmp_path: Path, damage: str
) -> None:
    fill(archive)
    archive.move("warm")
    back_up(archive, tmp_path / "backups")
    rows, whole = archive.rows(), {file: file.read_bytes() for file in archive.files(archive.warm)}
    part, heard = archive.scrubbing()
    assert found(part) == (OBJECTS, 0, 0, 0)
    DAMAGES[damage](archive.warm / rows[1].path)
    assert found(part) == (OBJECTS, 1, 0, 0)
    assert heard.damage == [rows[1].sop_instance_uid]
    with pytest.raises(IntegrityError, match=rows[1].path):
        part.check()
    assert found(part, tmp_path / "backups") == (OBJECTS, 1, 1, 0)
    assert heard.mending == heard.damage
    assert {file: file.read_bytes() for file in archive.files(archive.warm)} == whole
    assert (archive.rows(), list(archive.blobs.incoming())) == (rows, [])
    archive.assert_agreement()


@pytest.mark.parametrize("where", ["before it moved", "in its hot tier"])
def test_it_is_mended_of_another_archive_that_moves_nothing(archive: Archive, tmp_path: Path, where: str) -> None:
    fill(archive)
    other = tmp_path / "other"
    if where == "before it moved":
        shutil.copytree(archive.parts.directory / "objects", other / "objects")
    archive.move("warm")
    if where == "in its hot tier":
        shutil.copytree(archive.warm / "warm", other / "objects")
    DAMAGES["the end"](archive.warm / archive.rows()[0].path)
    part, _ = archive.scrubbing()
    assert found(part, other) == (OBJECTS, 1, 1, 0)
    archive.assert_agreement()


def test_a_tier_that_is_away_is_not_damaged_and_all_else_is_read(archive: Archive) -> None:
    fill(archive)
    archive.move("warm")
    hot = [row for row in fill(archive, 2) if tier_of(row.path) == "hot"]
    DAMAGES["the end"](archive.parts.directory / "objects" / hot[0].path)
    clock = [0.0]
    part, heard = archive.scrubbing(clock, every_days=1)
    part.work()
    with away(archive.warm):
        seen = once(part)
        assert (seen.objects, seen.damaged, seen.unread) == (2, 1, OBJECTS)
        assert "warm is away" in seen.away["warm"]
        assert heard.damage == [hot[0].sop_instance_uid]
        clock[0] += 2 * DAY_S
        part.work()
        assert (round_of(part).objects, round_of(part).ended_at) == (2, clock[0])
    assert found(part) == (2 + OBJECTS, 1, 0, 0)
    assert heard.damage == [hot[0].sop_instance_uid]


def test_a_tier_that_is_away_is_tried_once_for_many_objects_and_its_damage_stays_known(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(archive, 70)  # more than a page
    archive.move("cold")
    DAMAGES["the end"](archive.cold / archive.rows()[2].path)
    part, heard = archive.scrubbing()
    assert found(part) == (70, 1, 0, 0)
    tries, opens = list[str](), archive.blobs.open

    def counted(path: str) -> BlobReader:
        tries.append(path)
        return opens(path)

    monkeypatch.setattr(archive.blobs, "open", counted)
    with away(archive.cold):
        assert found(part) == (0, 0, 0, 70)
    assert len(tries) == len(part.damaged()) == len(heard.damage) == 1


def test_a_disk_that_fails_to_answer_is_away_and_not_damaged(archive: Archive) -> None:
    fill(archive)
    archive.move("warm")
    part, _ = archive.scrubbing()
    elsewhere = archive.warm.rename(archive.warm.with_name("unmounted"))
    archive.warm.symlink_to(archive.warm)  # whatever is asked for there is answered with an error
    assert found(part) == (0, 0, 0, OBJECTS)
    archive.warm.unlink()
    elsewhere.rename(archive.warm)
    assert found(part) == (OBJECTS, 0, 0, 0)


def test_a_full_tier_keeps_nothing_else_from_being_mended(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(archive)
    archive.move("warm")
    fill(archive, 1)
    back_up(archive, tmp_path / "backups")
    warm, hot = sorted(archive.rows(), key=lambda row: tier_of(row.path) == "hot")[-2:]
    DAMAGES["the end"](archive.warm / warm.path)
    DAMAGES["the end"](archive.parts.directory / "objects" / hot.path)
    part, heard = archive.scrubbing()
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert found(part, tmp_path / "backups") == (OBJECTS + 1, 2, 1, 0)
    assert (heard.damage, heard.mending) == ([warm.sop_instance_uid], [hot.sop_instance_uid])


def test_what_is_corrected_is_hot_and_follows_its_study_again(archive: Archive) -> None:
    fill(archive)
    archive.move("warm")
    with ExitStack() as held:
        made = changing(held, archive.everything)
        change = made.do(correct(PatientRef("ATTACK"), PatientName="Right^Name")).change
        assert (change.state, change.failed) == (ChangeState.DONE, 0)
    archive.forget_old()
    assert (archive.tiers(), archive.files(archive.warm)) == ({"hot"}, [])
    for row in archive.rows():
        assert str(kept(archive.everything, row.sop_instance_uid).PatientName) == "Right^Name"
    archive.assert_agreement()
    archive.move("cold")
    assert archive.tiers() == {"cold"}
    archive.assert_agreement()


def test_what_is_compressed_is_hot_and_was_what_came(archive: Archive) -> None:
    sent = {uid: image(uid, side=64) for uid in (new_uid(), new_uid())}
    for uid, data in sent.items():
        assert archive.send(uid, data) == "stored"
    archive.move("warm")
    with ExitStack() as held:
        pool = held.enter_context(closing(WorkerPool(1, WorkerSettings())))
        compressor = Compressor(FrameService(archive.index, archive.blobs), archive.blobs, pool, flush=True)
        replacement = held.enter_context(closing(ReplacementService(archive.intake, archive.removal, readers_s=0.0)))
        take = partial(Turn.take, archive.parts.directory / "compressing.lock")
        service = held.enter_context(closing(CompressionService(archive.index, compressor, replacement, take)))
        service.start()
        assert wait_until(lambda: not archive.index.awaiting_compression(1), 20)
    archive.forget_old()
    assert archive.files(archive.warm) == []
    assert {(tier_of(row.path), row.transfer_syntax_uid) for row in archive.rows()} == {("hot", TARGETS[COMPRESSED])}
    archive.assert_agreement()
    archive.move("cold")
    assert {archive.send(uid, data) for uid, data in sent.items()} == {"duplicate"}
    assert archive.tiers() == {"cold"}


def test_what_is_sent_again_is_compared_with_what_lies_in_the_tier(archive: Archive) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(256))
    archive.send(uid, data)
    archive.move("cold")
    rows = archive.rows()
    assert archive.send(uid, data) == "duplicate"
    with pytest.raises(DuplicateInstanceError, match=uid):
        archive.send(uid, dataset(uid, pixels=bytes(255) + b"\1"))
    assert (archive.rows(), list(archive.blobs.incoming())) == (rows, [])
    with away(archive.cold):
        with pytest.raises(UnavailableError, match="cold is away"):
            archive.send(uid, data)
        fill(archive, 1)
    assert archive.send(uid, data) == "duplicate"
    archive.assert_agreement()


def test_what_takes_the_place_of_a_moved_object_is_hot(archive: Archive) -> None:
    (row,) = fill(archive, 1)
    archive.move("cold")
    other = dataset(row.sop_instance_uid, pixels=bytes(256))
    parts = archive.everything
    with closing(Intake(parts.blobs, parts.journal, parts.index, parts.derived, replace=True)) as intake:
        service = replace(archive.service, intake=intake)
        assert service.store(expected(row.sop_instance_uid), [other]).kind == "replaced"
    assert archive.data(archive.rows()[0]).endswith(other)
    archive.forget_old()
    assert (archive.tiers(), archive.files(archive.cold)) == ({"hot"}, [])
    archive.assert_agreement()
