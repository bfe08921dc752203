"""What every adapter of `ports.print.PrintJobs` does; a test module derives and gives it an empty table."""

from dataclasses import replace

from archimage.model.printing import JobState, PrintJob
from archimage.ports.print import PrintJobs

_JOB = PrintJob("2.25.1", "PRINTER", "MODALITY", "Demo", "MED", 2, 3, 150, 100.0)
_WAITING = (JobState.PENDING, JobState.PRINTING)


def _add(jobs: PrintJobs, *numbers: int) -> None:
    for number in numbers:
        assert jobs.add(replace(_JOB, uid=f"2.25.{number}", created_at=100.0 * number), 100)


class PrintJobsContract:
    """The tests."""

    def test_what_was_added_is_found_the_newest_first(self, jobs: PrintJobs) -> None:
        _add(jobs, 1, 2, 3)
        assert jobs.get("2.25.1") == _JOB
        assert jobs.get("2.25.9") is None
        assert [job.uid for job in jobs.find(limit=2)] == ["2.25.3", "2.25.2"]
        assert [job.uid for job in jobs.find(limit=2, before=200.0)] == ["2.25.1"]

    def test_it_has_another_state_only_where_it_has_one_of_those_that_are_named(self, jobs: PrintJobs) -> None:
        _add(jobs, 1)
        assert jobs.move("2.25.1", _WAITING, JobState.FAILED, 500.0, "no paper")
        assert not jobs.move("2.25.1", _WAITING, JobState.DONE, 600.0, "")
        assert not jobs.move("2.25.9", _WAITING, JobState.DONE, 600.0, "")
        assert jobs.get("2.25.1") == replace(_JOB, state=JobState.FAILED, ended_at=500.0, error="no paper")
        assert [job.uid for job in jobs.find(state=JobState.FAILED, limit=9)] == ["2.25.1"]
        assert list(jobs.find(state=JobState.PENDING, limit=9)) == []

    def test_no_more_wait_than_may(self, jobs: PrintJobs) -> None:
        _add(jobs, 1, 2)
        third = replace(_JOB, uid="2.25.3")
        assert not jobs.add(third, 2)
        assert jobs.get("2.25.3") is None
        jobs.move("2.25.1", _WAITING, JobState.DONE, 1.0, "")
        assert jobs.add(third, 2)

    def test_what_ended_before_a_time_is_found_and_forgotten(self, jobs: PrintJobs) -> None:
        _add(jobs, 1, 2, 3)
        jobs.move("2.25.2", _WAITING, JobState.DONE, 20.0, "")
        jobs.move("2.25.1", _WAITING, JobState.CANCELLED, 10.0, "")
        assert list(jobs.ended(20.5, 9)) == ["2.25.1", "2.25.2"]
        assert list(jobs.ended(20.0, 9)) == ["2.25.1"]
        assert jobs.remove("2.25.1")
        assert not jobs.remove("2.25.1")
        assert list(jobs.ended(99.0, 9)) == ["2.25.2"]
