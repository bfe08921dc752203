"""Compressing and exporting studies as jobs, where something goes wrong on the way."""

import zipfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from archimage.dicom.codecs.syntaxes import RLE
from archimage.errors import CancelledError, UnavailableError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.index.changes import ChangeTable
from archimage.index.holds import HoldTable
from archimage.index.jobs import JobTable
from archimage.model.holds import Hold
from archimage.model.jobs import Job, JobState, JsonValue
from archimage.services.compress_jobs import CompressJobs
from archimage.services.compressor import Compressor
from archimage.services.events import EventHub
from archimage.services.export_jobs import ExportJobs
from archimage.services.frames import FrameService
from archimage.services.jobs import JobService
from archimage.services.removal import RemovalService
from archimage.services.replacement import ReplacementService
from archimage.services.store import Expected
from archimage.services.visible import VisibleIndex
from archimage.storage.exports import ExportDirectory
from archimage.web.errors import explain
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, new_uid
from tests.attacks.wire import CT
from tests.services.compressing import image
from tests.services.parts import Parts

PLAIN: Final = "1.2.840.10008.1.2.1"
STUDIES: Final = ("1.2.3.1", "1.2.3.2", "1.2.3.3")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with closing(WorkerPool(1, WorkerSettings())) as made:
        yield made


@pytest.fixture
def jobs(parts: Parts) -> Iterator[JobService]:
    with closing(JobService(JobTable(parts.index), EventHub(), explain)) as made:
        yield made


@pytest.fixture
def replacement(parts: Parts) -> Iterator[ReplacementService]:
    removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
    with closing(ReplacementService(parts.intake, removal, readers_s=0.0)) as made:
        yield made


class Steps:
    """Keeps what a job reaches; is to end once it has reached so much."""

    def __init__(self, ends_after: int = -1) -> None:
        self.reached: list[Any] = []
        self._ends_after = ends_after

    def check(self) -> None:
        if len(self.reached) == self._ends_after:
            raise CancelledError("enough")

    def tell(self, done: int, total: int = 0, message: str = "") -> None:  # noqa: ARG002
        assert 0 <= done <= total
        self.check()

    def reach(self, reached: JsonValue) -> None:
        self.check()
        self.reached.append(reached)


def fill(parts: Parts) -> dict[str, str]:
    """Store an image in each study; return the UIDs by study."""
    found = {study: new_uid() for study in STUDIES}
    for study, uid in found.items():
        other = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: f"{study}.1".encode()}
        parts.service.store(Expected(PLAIN, CT, uid, "SENDER"), [image(uid, side=64, replaced=other)])
    return found


def job(kind: str, reached: JsonValue = None) -> Job:
    payload: JsonValue = {"studies": list(STUDIES), "objects": len(STUDIES), "to": RLE}
    return Job(7, kind, "", payload, "", 5, "", JobState.RUNNING, 0.0, 0.0, 1, reached=reached)


def compressing(parts: Parts, work: WorkerPool, replacement: ReplacementService, jobs: JobService) -> CompressJobs:
    compressor = Compressor(FrameService(parts.index, parts.blobs), parts.blobs, work, flush=True)
    return CompressJobs(ChangeTable(parts.index), compressor, replacement, jobs)


def exporting(parts: Parts, jobs: JobService, told: list[tuple[str, int]] | None = None) -> ExportJobs:
    frames = FrameService(VisibleIndex(parts.index), parts.blobs)
    made = ExportJobs(frames, ExportDirectory(parts.directory / "exports", 60), int, jobs)
    if told is not None:
        made.told = lambda study, counts, _: told.append((study, sum(counts.values())))
    return made


def syntaxes(parts: Parts) -> list[str]:
    return sorted(one.transfer_syntax_uid for page in parts.index.all_instances() for one in page)


def names(parts: Parts) -> set[str]:
    with zipfile.ZipFile(parts.directory / "exports" / "export-7.zip") as found:
        assert found.testzip() is None
        return set(found.namelist())


def damage(parts: Parts, uid: str) -> None:
    stored = parts.index.lookup(uid)
    assert stored is not None
    path = parts.directory / "objects" / stored.path
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")


def test_a_study_that_is_held_meanwhile_and_one_that_is_damaged_stay_as_they_are(
    parts: Parts, pool: WorkerPool, replacement: ReplacementService, jobs: JobService
) -> None:
    uids = fill(parts)
    damage(parts, uids[STUDIES[1]])
    assert HoldTable(parts.index).place(Hold(STUDIES[0], "ann", "court", 1.0)) is not None
    result: Any = compressing(parts, pool, replacement, jobs).work(job("compress"), Steps())
    assert (result["studies"], result["objects"], result["compressed"], result["failed"]) == (3, 3, 1, 2)
    assert "hold" in result["problems"][uids[STUDIES[0]]]
    assert "not what was stored" in result["problems"][uids[STUDIES[1]]]
    assert syntaxes(parts) == sorted([PLAIN, PLAIN, RLE])


class _Busy:
    """Workers for whom too much waits."""

    def submit(self, *_arguments: object, **_named: object) -> Any:
        raise UnavailableError("too many images wait")

    def close(self) -> None:
        """Do nothing."""


def test_where_workers_are_busy_the_job_is_to_be_tried_again(
    parts: Parts, replacement: ReplacementService, jobs: JobService
) -> None:
    fill(parts)
    compressor = Compressor(FrameService(parts.index, parts.blobs), parts.blobs, _Busy(), flush=True)
    steps = Steps()
    with pytest.raises(UnavailableError):
        CompressJobs(ChangeTable(parts.index), compressor, replacement, jobs).work(job("compress"), steps)
    assert steps.reached == []
    assert syntaxes(parts) == [PLAIN] * 3


def test_who_goes_on_begins_with_the_first_study_that_is_left(
    parts: Parts, pool: WorkerPool, replacement: ReplacementService, jobs: JobService
) -> None:
    fill(parts)
    compress, steps = compressing(parts, pool, replacement, jobs), Steps(ends_after=1)
    with pytest.raises(CancelledError):
        compress.work(job("compress"), steps)
    assert syntaxes(parts).count(RLE) == 1
    result: Any = compress.work(job("compress", steps.reached[-1]), Steps())
    assert (result["studies"], result["compressed"], result["as_they_were"]) == (3, 3, 0)
    again: Any = compress.work(job("compress"), Steps())
    assert (again["compressed"], again["as_they_were"], again["saved_bytes"]) == (0, 3, 0)


def test_what_is_damaged_is_left_out_of_an_export_and_named(parts: Parts, jobs: JobService) -> None:
    uids, told = fill(parts), list[tuple[str, int]]()
    damage(parts, uids[STUDIES[1]])
    result: Any = exporting(parts, jobs, told).work(job("export"), Steps())
    assert (result["studies"], result["objects"], result["failed"]) == (3, 2, 1)
    assert list(result["problems"]) == [uids[STUDIES[1]]]
    assert names(parts) == {f"{study}/{uids[study]}.dcm" for study in (STUDIES[0], STUDIES[2])}
    assert told == [(STUDIES[0], 1), (STUDIES[1], 0), (STUDIES[2], 1)]


def test_an_export_goes_on_in_its_file_and_anew_where_that_is_gone(parts: Parts, jobs: JobService) -> None:
    uids, told = fill(parts), list[tuple[str, int]]()
    export, steps = exporting(parts, jobs, told), Steps(ends_after=2)
    with pytest.raises(CancelledError):
        export.work(job("export"), steps)
    whole = {f"{study}/{uid}.dcm" for study, uid in uids.items()}
    export.work(job("export", steps.reached[-1]), Steps())
    assert [study for study, _ in told] == list(STUDIES)
    assert names(parts) == whole
    (parts.directory / "exports" / "export-7.zip").unlink()
    result: Any = export.work(job("export", steps.reached[-1]), Steps())
    assert (result["studies"], result["objects"]) == (3, 3)
    assert names(parts) == whole


def test_a_study_that_is_removed_meanwhile_is_left_out(parts: Parts, jobs: JobService) -> None:
    uids = fill(parts)
    removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
    with closing(removal):
        removal.remove_study(STUDIES[0])
    result: Any = exporting(parts, jobs).work(job("export"), Steps())
    assert (result["objects"], result["failed"]) == (2, 0)
    assert names(parts) == {f"{study}/{uids[study]}.dcm" for study in STUDIES[1:]}
