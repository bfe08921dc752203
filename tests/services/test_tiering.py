"""Moving studies between tiers: bytes, rows and files agree at every instant, and what is held stays where it is."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from archimage.automation.tiers import begin, tiered
from archimage.config import Config
from archimage.errors import (
    CancelledError,
    HeldError,
    NotAcceptableError,
    OutOfResourcesError,
    UnavailableError,
)
from archimage.index.holds import HoldTable
from archimage.index.jobs import JobTable
from archimage.index.tiers import TierTable
from archimage.model.holds import Hold
from archimage.model.jobs import Job, JobState, JsonValue
from archimage.model.records import StoredInstance
from archimage.model.tiers import Share, copy_path, hot_path, tier_of
from archimage.services import consistency
from archimage.services.events import EventHub
from archimage.services.frames import FrameService
from archimage.services.job_progress import WorkProgress
from archimage.services.jobs import JobService
from archimage.services.layout import sop_instance_uid_of
from archimage.services.removal import RemovalService
from archimage.services.retrieve import RetrieveService
from archimage.services.scrub import Pace
from archimage.services.tier_jobs import TierJobs
from archimage.services.tiering import Mover
from archimage.services.visible import VisibleIndex
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.web.errors import explain
from tests.attacks.datasets import dataset, new_uid
from tests.services.parts import Parts, expected
from tests.web.stowing import STUDY

OBJECTS = 5


class Tiered:
    """An archive with files in its hot tier, and two others in directories."""

    def __init__(self, parts: Parts, directory: Path, held: ExitStack) -> None:
        self.parts, self.index = parts, parts.index
        self.warm, self.cold = directory / "mnt" / "warm", directory / "mnt" / "cold"
        tiers = {"warm": {"directory": str(self.warm)}, "cold": {"directory": str(self.cold)}}
        storage = {"directory": str(parts.directory), "reserve_bytes": 0}
        config = Config.model_validate({"storage": storage, "tiers": tiers})
        hot = FilesystemBlobStore(parts.directory, "0")
        self.blobs = held.enter_context(closing(tiered(config, parts.directory, hot)))
        self.removal = held.enter_context(
            closing(RemovalService(self.index, self.blobs, parts.derived, lambda: iter(())))
        )
        self.records = TierTable(self.index)
        begin(self.blobs, self.records)
        self.told: list[tuple[str, str, int]] = []
        self.mover = Mover(self.index, self.blobs, self.records, Pace(0, lambda _: False))
        self.mover.told = lambda study, tier, moved: self.told.append((study, tier, moved.instances))

    def rows(self) -> list[StoredInstance]:
        """All rows."""
        return [row for page in self.index.all_instances() for row in page]

    def data(self, row: StoredInstance) -> bytes:
        """The bytes of an object."""
        with self.blobs.open(row.path, row.size_bytes) as reader:
            return reader.read(0, row.size_bytes)

    def tiers(self) -> set[str]:
        """Where objects lie."""
        return {tier_of(row.path) for row in self.rows()}

    def forget_old(self) -> None:
        """Delete what nobody reads any more."""
        self.removal.delete_replaced(1, self.removal.last)
        assert self.blobs.delete_due() == 0

    def assert_agreement(self) -> None:
        """Every row has its file, every file its row, and the bytes are those that came."""
        assert set(self.blobs.paths()) == {row.path for row in self.rows()}
        for found in consistency.verify(self.index, self.blobs, digests=True):
            assert found.consistent, found
        assert not self.records.has_copies


@pytest.fixture
def archive(parts: Parts, tmp_path: Path) -> Iterator[Tiered]:
    """An archive with a study."""
    for size in [200] * (OBJECTS - 1) + [300_000]:
        uid = new_uid()
        parts.service.store(expected(uid), [dataset(uid, pixels=os.urandom(size))])
    with ExitStack() as held:
        yield Tiered(parts, tmp_path, held)


def test_paths_tell_the_tier() -> None:
    hot = "1.2/3.4/5.6.dcm"
    assert (tier_of(hot), hot_path(hot)) == ("hot", hot)
    warm = copy_path(hot, "warm")
    again = copy_path(warm, "cold")
    back = copy_path(again, "hot")
    assert [tier_of(one) for one in (warm, again, back)] == ["warm", "cold", "hot"]
    assert len({warm, again, back, copy_path(hot, "warm")}) == 4
    assert {sop_instance_uid_of(one) for one in (hot, warm, again, back)} == {"5.6"}
    assert hot_path(warm).startswith("1.2/3.4/5.6-")


def test_a_study_goes_from_tier_to_tier_and_back(archive: Tiered) -> None:
    came = {row.sop_instance_uid: archive.data(row) for row in archive.rows()}
    for tier in ("warm", "cold", "hot", "warm"):
        moved = archive.mover.move(STUDY, tier)
        assert (moved.instances, moved.problem) == (OBJECTS, "")
        assert moved.size_bytes == sum(map(len, came.values()))
        assert archive.tiers() == {tier}
        archive.forget_old()
        archive.assert_agreement()
        assert {row.sop_instance_uid: archive.data(row) for row in archive.rows()} == came
        assert archive.records.shares(STUDY) == {tier: Share(OBJECTS, moved.size_bytes)}
    assert [entry[1:] for entry in archive.told] == [(tier, OBJECTS) for tier in ("warm", "cold", "hot", "warm")]
    assert archive.mover.move(STUDY, "warm").instances == 0
    assert [path for path in archive.cold.rglob("*") if path.is_file()] == [archive.cold / "archimage-tier"]


def test_what_comes_after_is_hot_and_follows(archive: Tiered) -> None:
    archive.mover.move(STUDY, "cold")
    archive.forget_old()
    uid = new_uid()
    archive.parts.service.store(expected(uid), [dataset(uid)])
    assert archive.tiers() == {"hot", "cold"}
    assert archive.mover.move(STUDY, "cold").instances == 1
    archive.forget_old()
    assert archive.tiers() == {"cold"}
    archive.assert_agreement()


def test_whoever_has_read_the_rows_before_still_finds_the_bytes(archive: Tiered) -> None:
    retrieve = RetrieveService(VisibleIndex(archive.index), archive.blobs)
    before = {row: archive.data(row) for row in archive.rows()}
    archive.mover.move(STUDY, "cold")
    for _ in range(2):
        for row, data in before.items():
            with retrieve.open(row) as reader:
                assert reader.read(0, row.size_bytes) == data
        archive.forget_old()


def test_what_is_held_stays_where_it_is(archive: Tiered) -> None:
    HoldTable(archive.index).place(Hold(STUDY, "ann", "Case 7", 1.0))
    with pytest.raises(HeldError):
        archive.mover.move(STUDY, "warm")
    assert archive.tiers() == {"hot"}
    archive.assert_agreement()


def test_the_index_itself_refuses_to_move_what_is_held(archive: Tiered) -> None:
    row = archive.rows()[0]
    HoldTable(archive.index).place(Hold(STUDY, "ann", "Case 7", 1.0))
    with pytest.raises(HeldError), archive.index.writing() as index:
        index.relocate(row.sop_instance_uid, row.path, copy_path(row.path, "warm"))
    assert row in archive.rows()


def test_a_hold_that_comes_while_it_is_copied_leaves_it_where_it_was(archive: Tiered) -> None:
    looked: list[int] = []

    def look() -> None:
        looked.append(1)
        if len(looked) == OBJECTS:
            HoldTable(archive.index).place(Hold(STUDY, "ann", "Case 7", 1.0))

    with pytest.raises(HeldError):
        archive.mover.move(STUDY, "warm", look)
    assert archive.tiers() == {"hot"}
    assert archive.blobs.delete_due() == 0
    archive.assert_agreement()


def test_what_is_removed_while_it_is_copied_does_not_come_back(archive: Tiered) -> None:
    gone = archive.rows()[2]
    looked: list[int] = []

    def look() -> None:
        looked.append(1)
        if len(looked) == OBJECTS:
            archive.removal.remove_instance(STUDY, "1.2.826.0.1.3680043.8.499.2", gone.sop_instance_uid)

    assert archive.mover.move(STUDY, "warm", look).instances == OBJECTS - 1
    archive.forget_old()
    assert gone.sop_instance_uid not in {row.sop_instance_uid for row in archive.rows()}
    archive.assert_agreement()


def test_a_move_that_is_broken_off_leaves_what_was_moved_and_no_copies(archive: Tiered) -> None:
    def look() -> None:
        raise CancelledError("it is enough")

    with pytest.raises(CancelledError):
        archive.mover.move(STUDY, "warm", look)
    assert archive.blobs.delete_due() == 0
    assert archive.tiers() == {"hot"}
    archive.assert_agreement()


@pytest.mark.parametrize("layer", ["noted", "copied"])
def test_what_a_crash_leaves_of_copies_is_deleted(archive: Tiered, layer: str) -> None:
    row = archive.rows()[0]
    path = copy_path(row.path, "warm")
    with archive.index.writing() as index:
        index.note_copies([path])
    if layer == "copied":
        archive.blobs.copy(path, [archive.data(row)], row.size_bytes)
    for found in consistency.verify(archive.index, archive.blobs):
        assert found.consistent
    assert archive.mover.has_left
    assert archive.mover.clean() == 1
    assert archive.blobs.delete_due() == 0
    assert archive.mover.clean() == 0
    archive.assert_agreement()


def test_a_copy_that_a_row_names_is_no_leftover(archive: Tiered) -> None:
    archive.mover.move(STUDY, "warm")
    paths = [row.path for row in archive.rows()]
    with archive.index.writing() as index:
        index.note_copies(paths)
    archive.mover.clean()
    archive.forget_old()
    archive.assert_agreement()


def test_a_damaged_object_stays_where_it_is_and_is_told(archive: Tiered) -> None:
    bad = archive.rows()[1]
    file = archive.parts.directory / "objects" / bad.path
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    moved = archive.mover.move(STUDY, "warm")
    assert moved.instances == OBJECTS - 1
    assert bad.path in moved.problem
    assert bad in archive.rows()
    archive.forget_old()
    assert set(archive.blobs.paths()) == {row.path for row in archive.rows()}


def test_a_job_tells_what_stays_where_it_is_and_why(archive: Tiered) -> None:
    (damaged, *_) = archive.rows()
    file = archive.parts.directory / "objects" / damaged.path
    file.write_bytes(file.read_bytes()[:-1] + b"\x55")
    frames = FrameService(VisibleIndex(archive.index), archive.blobs)
    with closing(JobService(JobTable(archive.index), EventHub(), explain)) as jobs:
        work = TierJobs(frames, archive.mover.move, ("hot", "warm"), jobs).work

        def done(to: str) -> Any:
            """Do a job."""
            payload: JsonValue = {"studies": [STUDY, "1.2.3.99"], "objects": OBJECTS, "to": to}
            job = Job(7, "tier", "", payload, "", 5, "", JobState.RUNNING, 0.0, 0.0, 1)
            return work(job, WorkProgress(job, lambda _: True))

        found = done("warm")
        told = {name: found[name] for name in ("studies", "objects", "moved", "failed")}
        assert told == {"studies": 2, "objects": OBJECTS, "moved": OBJECTS - 1, "failed": 1}
        assert damaged.path in found["problems"][STUDY]
        HoldTable(archive.index).place(Hold(STUDY, "ann", "Case 7", 1.0))
        found = done("hot")
        assert (found["moved"], "on legal hold" in found["problems"][STUDY]) == (0, True)
        with pytest.raises(NotAcceptableError, match="no tier cold"):
            done("cold")


def test_a_full_tier_takes_nothing_and_loses_nothing(archive: Tiered) -> None:
    free = shutil.disk_usage(archive.parts.directory).free
    with pytest.raises(OutOfResourcesError):
        archive.blobs.room_for("warm", free + (1 << 40))
    with pytest.raises(OutOfResourcesError):
        archive.blobs.copy("warm/1/2/3.dcm", [], free + (1 << 40))
    archive.assert_agreement()


def test_an_empty_mount_point_is_not_taken_for_the_tier(archive: Tiered) -> None:
    archive.mover.move(STUDY, "warm")
    archive.forget_old()
    away = archive.warm.with_name("unmounted")
    archive.warm.rename(away)
    archive.warm.mkdir()
    (row, *_) = archive.rows()
    with pytest.raises(UnavailableError, match="warm is away"):
        archive.blobs.open(row.path)
    with pytest.raises(UnavailableError):
        list(archive.blobs.paths())
    uid = new_uid()
    archive.parts.service.store(expected(uid), [dataset(uid)])
    with pytest.raises(UnavailableError):
        archive.mover.move(STUDY, "warm")
    assert list(archive.blobs.away()) == ["warm"]
    assert list(archive.warm.iterdir()) == []
    archive.removal.remove_study(STUDY)  # is deleted there once the tier is back
    assert archive.blobs.delete_due() == OBJECTS
    archive.warm.rmdir()
    away.rename(archive.warm)
    assert archive.blobs.delete_due() == 0
    assert [path.name for path in archive.warm.rglob("*")] == ["archimage-tier"]


def test_a_tier_that_goes_away_while_it_is_looked_at_is_told_and_the_next_one_is_looked_at(archive: Tiered) -> None:
    archive.mover.move(STUDY, "warm")
    archive.forget_old()
    archive.blobs.put("cold/stray.dcm", b"stray")
    seen: dict[str, UnavailableError] = {}
    walk = archive.blobs.reachable(seen.__setitem__)
    assert next(walk).startswith("warm/")
    archive.warm.rename(archive.warm.with_name("unmounted"))
    assert "cold/stray.dcm" in list(walk)
    assert list(seen) == ["warm"]
    *_, found = consistency.verify(archive.index, archive.blobs)
    assert (found.instances, found.away["warm"].unread, found.missing) == (0, OBJECTS, [])
    assert found.orphans == ["cold/stray.dcm"]


def test_what_is_removed_of_a_tier_goes_there(archive: Tiered) -> None:
    archive.mover.move(STUDY, "cold")
    archive.removal.remove_study(STUDY)
    assert archive.blobs.delete_due() == 0
    assert [path.name for path in archive.cold.rglob("*")] == ["archimage-tier"]
    assert list(archive.blobs.paths()) == []


def test_the_index_can_be_made_anew_of_all_tiers(archive: Tiered) -> None:
    archive.mover.move(STUDY, "cold")
    archive.forget_old()
    before = {row.sop_instance_uid: row.path for row in archive.rows()}
    archive.index.remove(list(before))
    for found in consistency.rebuild(archive.index, archive.blobs):
        rebuilt = found
    assert (rebuilt.indexed, rebuilt.dropped, rebuilt.unreadable) == (OBJECTS, 0, [])
    assert {row.sop_instance_uid: row.path for row in archive.rows()} == before
    archive.assert_agreement()


def test_what_lies_where_is_counted(archive: Tiered) -> None:
    archive.mover.move(STUDY, "warm")
    uid = new_uid()
    archive.parts.service.store(expected(uid), [dataset(uid)])
    archive.records.count(7.0)
    sizes = {tier: share.size_bytes for tier, share in archive.records.shares(STUDY).items()}
    found = {use.tier: (use.studies, use.instances, use.size_bytes, use.counted_at) for use in archive.records.uses()}
    assert found == {
        "hot": (1, 1, sizes["hot"], 7.0),
        "warm": (1, OBJECTS, sizes["warm"], 7.0),
        "cold": (0, 0, 0, 7.0),
    }
    assert not archive.records.is_empty("warm")
    assert archive.records.is_empty("cold")


def test_a_restored_index_has_everything_at_home(archive: Tiered) -> None:
    archive.mover.move(STUDY, "warm")
    paths = {hot_path(row.path) for row in archive.rows()}
    assert TierTable(archive.index).bring_home() == OBJECTS
    assert {row.path for row in archive.rows()} == paths
    assert archive.records.uses() == []
    assert archive.records.is_empty("warm")
