"""Which earlier studies are fetched, from where, and that nothing is fetched twice."""

from typing import Any

import pytest

from archimage.config_routing import PrefetchConfig
from archimage.model.exchange import Reason
from archimage.model.nodes import Node
from archimage.services.prefetch import KIND, Prefetching
from tests.services.routing import NotedJobs, Sink

NOW = 1_767_225_600.0  # 2026-01-01


def row(uid: str, date: str, modalities: object = "CT", instances: int = 2, patient: str = "P1") -> dict[str, object]:
    """Return a study as a node tells it."""
    return {
        "StudyInstanceUID": uid, "StudyDate": date, "ModalitiesInStudy": modalities, "PatientID": patient,
        "NumberOfStudyRelatedInstances": str(instances),
    }  # fmt: skip


class Fetching:
    """What fetches from one node, and what is here already."""

    def __init__(self, here: dict[str, int] | None = None, **settings: Any) -> None:
        self.sink, self.jobs = Sink(), NotedJobs()
        found = PrefetchConfig(nodes=("OLD",), **settings)
        here = here or {}
        self.service = Prefetching(
            found, self.jobs, lambda title: Node(title, "h", 1), self.sink, lambda uid: here.get(uid, 0), lambda: NOW
        )
        self.jobs.register(KIND, self.service.work)
        self.sink.kept["STUDY"] = [
            row("1.1", "20251201"), row("1.2", "20240101", ["CT", "SR"]), row("1.3", "20250601", "MR"),
            row("1.4", "20100101"), row("1.5", "20251225", patient="P2"), row("1.6", "20251231"),
        ]  # fmt: skip

    def fetched(self, reason: Reason) -> list[str]:
        """Return what is fetched for a reason."""
        self.service.want(reason)
        assert self.jobs.run() == []
        return [wanted.study_instance_uid for wanted in self.sink.retrieved]


@pytest.mark.parametrize(
    ("settings", "fetched"),
    [
        ({}, ["1.1", "1.3", "1.2"]),
        ({"studies": 2}, ["1.1", "1.3"]),
        ({"modalities": "CT"}, ["1.1", "1.2"]),
        ({"modalities": "SR"}, ["1.2"]),
        ({"age_days": 10_000}, ["1.1", "1.3", "1.2", "1.4"]),
    ],
)
def test_the_newest_that_fit_are_fetched_but_never_the_study_itself(
    settings: dict[str, Any], fetched: list[str]
) -> None:
    assert Fetching(**settings).fetched(Reason("P1", "1.6")) == fetched


def test_what_is_here_in_full_is_not_fetched_and_what_is_not_in_full_is() -> None:
    assert Fetching({"1.1": 2, "1.3": 1}).fetched(Reason("P1", "1.6")) == ["1.3", "1.2"]


def test_done_again_while_it_waits_it_is_one_job() -> None:
    fetching = Fetching()
    for _ in range(3):
        fetching.service.want(Reason("P1", "1.6"))
    assert len(fetching.jobs.jobs) == 1


def test_only_what_shows_the_same_part_of_the_body_is_fetched() -> None:
    fetching = Fetching(same_body_part=True)
    fetching.sink.kept["SERIES"] = [
        {"StudyInstanceUID": "1.1", "BodyPartExamined": "CHEST"},
        {"StudyInstanceUID": "1.3", "BodyPartExamined": "head"},
        {"StudyInstanceUID": "1.2", "BodyPartExamined": ""},
    ]
    assert fetching.fetched(Reason("P1", "1.6", "HEAD")) == ["1.3", "1.2"]


@pytest.mark.parametrize("patient", ["", "P*", "P?", r"P1\P2"])
def test_nobody_is_asked_for_whom_a_key_would_name_with_others(patient: str) -> None:
    fetching = Fetching()
    fetching.service.want(Reason(patient))
    assert not fetching.jobs.jobs


def test_the_worklist_alone_may_have_them_fetched() -> None:
    fetching = Fetching(on=("worklist",))
    fetching.service.scheduled(Reason("P1"))
    assert [job.destination for job in fetching.jobs.jobs] == ["OLD"]
