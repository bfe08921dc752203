"""Of which studies that arrive the earlier ones are fetched: each once, and none is lost by the end of a process."""

from dataclasses import replace
from typing import Final

import pytest

from archimage.errors import IndexUnavailableError
from archimage.index.routing import FetchedForTable, RoutedTable, RoutingArrivals
from archimage.model.events import InstanceStored
from archimage.model.exchange import Reason
from archimage.services.prefetch_arrivals import OVERLAP_S, ArrivingStudies
from tests.attacks.datasets import PATIENT_ID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import wait_until
from tests.services.parts import Parts, expected

NOW: Final = 1_767_225_600.0
STUDY: Final = "1.2.826.0.1.3680043.8.499.6"
OTHER: Final = "1.2.826.0.1.3680043.8.499.7"


class Archive:
    """An archive whose jobs are noted, and its clock."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.now = NOW
        self.wanted: list[Reason] = []
        self.is_down = False
        self.begin()

    def begin(self) -> None:
        """Be as a new process is, which remembers nothing."""
        index = self.parts.index
        fetched = FetchedForTable(RoutedTable(index))
        self.service = ArrivingStudies(RoutingArrivals(index), fetched, self._want, ("OLD",), lambda: self.now)

    def _want(self, reason: Reason) -> None:
        if self.is_down:
            raise IndexUnavailableError("it is down")
        self.wanted.append(reason)

    def store(self, study: str = STUDY, source: str = "CT1") -> InstanceStored:
        """Store an object that comes now, without telling of it."""
        uid = new_uid()
        replaced = {STUDY_INSTANCE_UID: study.encode(), PATIENT_ID: b"P1"}
        record = self.parts.service.store(expected(uid), [dataset(uid, replaced=replaced)]).record
        values = {"at": self.now, "uid": uid, "source": source}
        with self.parts.index.transaction() as cursor:
            cursor.execute(
                "UPDATE instance SET received_at = :at, source_ae_title = :source WHERE sop_instance_uid = :uid", values
            )
        return InstanceStored(replace(record, received_at=self.now, source_ae_title=source), replaced=False)

    def looks(self) -> list[str]:
        """Look, and return for which studies others are wanted since the last time."""
        self.service.look()
        found = [reason.study_instance_uid for reason in self.wanted]
        self.wanted.clear()
        return found


@pytest.fixture
def archive(parts: Parts) -> Archive:
    return Archive(parts)


def test_the_first_object_of_a_study_has_others_fetched_unless_it_was_fetched_itself(archive: Archive) -> None:
    events = [archive.store(), archive.store(), archive.store(OTHER, "OLD")]
    archive.service.start()
    try:
        for event in events:
            archive.service.hear(event)
        assert wait_until(lambda: bool(archive.wanted), 5)
    finally:
        archive.service.close()
    assert archive.wanted == [Reason("P1", STUDY)]


def test_what_came_before_any_was_fetched_has_none_fetched(archive: Archive) -> None:
    archive.store()
    archive.now += 2 * OVERLAP_S
    assert archive.looks() == []


def test_what_nobody_told_of_is_found_once_and_so_it_is_after_the_end_of_a_process(archive: Archive) -> None:
    assert archive.looks() == []
    archive.store()
    archive.store(OTHER, "OLD")
    assert (archive.looks(), archive.looks()) == ([STUDY], [])
    archive.now += 100
    third = new_uid()
    archive.store(third)
    archive.begin()
    archive.now += 10_000
    assert (archive.looks(), archive.looks()) == ([third], [])
    archive.store()
    archive.begin()
    assert archive.looks() == []


def test_what_could_not_be_made_a_job_is_tried_again(archive: Archive) -> None:
    assert archive.looks() == []
    archive.store()
    archive.is_down = True
    with pytest.raises(IndexUnavailableError):
        archive.service.look()
    archive.now += 1_000
    archive.is_down = False
    archive.begin()
    assert archive.looks() == [STUDY]


def test_what_grows_by_what_was_fetched_and_then_by_what_was_not_has_others_fetched(archive: Archive) -> None:
    assert archive.looks() == []
    archive.store(source="OLD")
    assert archive.looks() == []
    archive.store()
    assert archive.looks() == [STUDY]
