"""Two archives compared, ours a real index and the other one that a test tells, and what is copied."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from archimage.index.sqlite import SqliteIndex
from archimage.model.exchange import Missing
from archimage.model.jobs import JobState
from archimage.model.nodes import Node
from archimage.model.peers import Wanted
from archimage.services import syncing
from archimage.services.node_archive import NodeArchive
from archimage.services.syncing import KIND, STUDY_KIND, Direction, SyncService
from tests.services.routing import NotedJobs, Sink

NOW = datetime(2024, 1, 10, tzinfo=UTC).timestamp()


class Quiet:
    """Lets everything go on."""

    def check(self) -> None:
        """Let it go on."""

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Let it go on."""


class Pair:
    """Our archive of 1.0 to 1.3, and another: 1.0 is the same, 1.1 has one more, 1.2 lacks, 1.9 is there alone."""

    def __init__(self, index: SqliteIndex) -> None:
        self.sink, self.jobs = Sink(), NotedJobs()
        self.service = SyncService(index, self.archive, self.jobs, lambda: NOW)
        self.jobs.register(KIND, self.service.work)
        self.jobs.register(STUDY_KIND, self.service.copy_work)
        self.sink.kept["STUDY"] = [
            self._study("1.0", "20240101", 3), self._study("1.1", "20240102", 4), self._study("1.3", "20240104", 3),
            self._study("1.9", "20240105", 2),
        ]  # fmt: skip
        series = {"1.0": "1.0.1", "1.1": "1.1.1", "1.3": "1.3.1", "1.9": "1.9.1"}
        self.sink.kept["SERIES"] = [
            {"StudyInstanceUID": study, "SeriesInstanceUID": uid} for study, uid in series.items()
        ]
        self.sink.kept["IMAGE"] = [
            *(self._image("1.0", number) for number in range(3)),
            *(self._image("1.1", number) for number in range(1, 5)),
            *(self._image("1.3", number) for number in (0, 1, 7)), *(self._image("1.9", number) for number in range(2)),
        ]  # fmt: skip

    def archive(self, name: str) -> NodeArchive:
        """Return the other one."""
        return NodeArchive(Node(name, "h", 1), self.sink)

    @staticmethod
    def _study(uid: str, date: str, instances: int) -> Mapping[str, object]:
        return {"StudyInstanceUID": uid, "StudyDate": date, "NumberOfStudyRelatedInstances": str(instances)}

    @staticmethod
    def _image(study: str, number: int) -> Mapping[str, object]:
        return {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": f"{study}.1",
            "SOPInstanceUID": f"{study}.1.{number}",
        }


@pytest.fixture
def pair(index: SqliteIndex) -> Pair:
    """Both."""
    return Pair(index)


def test_a_comparison_tells_what_is_only_here_only_there_and_what_differs(pair: Pair) -> None:
    found = pair.service.compare("OTHER", Quiet())
    assert [one.study_instance_uid for one in found.only_here] == ["1.2"]
    assert [one.study_instance_uid for one in found.only_there] == ["1.9"]
    assert [(one.study_instance_uid, one.here, one.there) for one in found.differing] == [("1.1", 3, 4)]
    assert (found.studies_here, found.studies_there, found.same, found.remark) == (4, 4, 2, "")


def test_a_deep_one_finds_other_instances_of_the_same_number(pair: Pair) -> None:
    found = pair.service.compare("OTHER", Quiet(), deep=True)
    assert [one.study_instance_uid for one in found.differing] == ["1.1", "1.3"]


def test_a_node_that_tells_no_numbers_is_asked_for_instances(pair: Pair) -> None:
    pair.sink.kept["STUDY"] = [{**row, "NumberOfStudyRelatedInstances": ""} for row in pair.sink.kept["STUDY"]]
    found = pair.service.compare("OTHER", Quiet())
    assert [one.study_instance_uid for one in found.differing] == ["1.1", "1.3"]


def test_the_last_days_alone_are_compared(pair: Pair) -> None:
    found = pair.service.compare("OTHER", Quiet(), days=7)
    assert [one.study_instance_uid for one in (*found.only_here, *found.only_there)] == ["1.2", "1.9"]
    assert found.studies_here == 2


def test_a_node_with_too_much_for_one_answer_is_asked_by_dates(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pair.service.compare("OTHER", Quiet())
    monkeypatch.setattr(syncing, "PER_ANSWER", 1)
    found = pair.service.compare("OTHER", Quiet())
    assert found.studies == whole.studies
    assert "without a date" in found.remark
    assert len([asked for asked in pair.sink.asked if asked.get("StudyDate")]) > 4


@pytest.mark.parametrize(
    ("direction", "sent", "retrieved"),
    [
        ("both", ["1.1.1.0"], [Wanted("1.1", "1.1.1", ("1.1.1.3", "1.1.1.4"))]),
        ("push", ["1.1.1.0"], []),
        ("pull", [], [Wanted("1.1", "1.1.1", ("1.1.1.3", "1.1.1.4"))]),
    ],
)
def test_what_either_lacks_is_copied_the_ways_that_are_wanted(
    pair: Pair, direction: Direction, sent: list[str], retrieved: list[Wanted]
) -> None:
    copied = pair.service.copy("OTHER", "1.1", direction, Quiet())
    assert (pair.sink.uids, pair.sink.retrieved) == (sent, retrieved)
    assert (copied.sent, copied.fetched, copied.problem) == (len(sent), len(retrieved), "")


def test_whole_studies_are_copied_whole(pair: Pair) -> None:
    pair.service.copy("OTHER", "1.2", "both", Quiet())
    pair.service.copy("OTHER", "1.9", "both", Quiet())
    assert pair.sink.uids == ["1.2.1.0", "1.2.1.1", "1.2.1.2"]
    assert pair.sink.retrieved == [Wanted("1.9")]


def test_what_a_node_does_not_take_is_told(pair: Pair) -> None:
    pair.sink.is_down = True
    assert "is down" in pair.service.copy("OTHER", "1.2", "both", Quiet()).problem


def test_by_itself_a_comparison_makes_a_job_of_each_study_that_differs(pair: Pair) -> None:
    pair.service.schedule("OTHER", days=0, direction="both")
    pair.service.schedule("OTHER", days=0, direction="both")
    assert len(pair.jobs.jobs) == 1
    pair.jobs.run()
    assert sorted(str(job.payload) for job in pair.jobs.waiting) == [
        str({"study": uid, "direction": "both"}) for uid in ("1.1", "1.2", "1.9")
    ]
    assert pair.jobs.run() == []
    assert {job.state for job in pair.jobs.jobs} == {JobState.DONE}
    assert pair.sink.uids == ["1.2.1.0", "1.2.1.1", "1.2.1.2", "1.1.1.0"]


def test_nothing_is_missing_of_what_is_the_same(pair: Pair) -> None:
    assert pair.service.missing(pair.archive("OTHER"), "1.0") == Missing()
