"""What every trail of changes does, and how rows are put right; subclasses give empty `index` and `changes`."""

from dataclasses import replace

import pytest

from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.changes import (
    Asker,
    Change,
    ChangeCode,
    ChangedStudy,
    ChangeEnd,
    ChangeKind,
    ChangeState,
    PatientKey,
)
from archimage.model.query import Condition, Exact, Query, Wildcard
from archimage.ports.change import Changes
from archimage.ports.index import Index
from tests.contract.index_contract import record

CHANGE = Change(
    number=0,
    kind=ChangeKind.MERGE,
    state=ChangeState.RUNNING,
    asked_at=1.5,
    asker=Asker("192.0.2.1", "äöü"),
    reason="山田",
    code=ChangeCode.COERCE,
    patient=PatientKey("P", "I"),
    person={"patient_id": "Q", "patient_name": "Yamada=山田"},
    new_values={"PatientID": "Q", "PatientComments": ""},
    series_instance_uid="1.2",
)
STUDIES = (ChangedStudy("1.1", {"PatientID": "P"}, 3), ChangedStudy("1.2", {}, 4))


class ChangesContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _some(self, index: Index) -> None:
        values = {"patient_name": "Demo^P", "study_description": "old", "series_description": "first"}
        index.add([record("P", 1, 1, number, **values) for number in (1, 2)])
        index.add([record("P", 2, 1, 1), record("Q", 3, 1, 1, patient_name="Demo^Q")])

    # The trail

    def test_a_change_is_kept_as_it_was_asked_for(self, changes: Changes) -> None:
        number = changes.add(CHANGE, STUDIES)
        assert changes.get(number) == replace(CHANGE, number=number, studies=2, objects=7)
        assert changes.studies(number) == list(STUDIES)
        assert changes.get(number + 1) is None
        assert changes.studies(number + 1) == []

    def test_the_newest_come_first_and_those_of_a_study_can_be_had(self, changes: Changes) -> None:
        numbers = [changes.add(CHANGE, STUDIES[:1]), changes.add(CHANGE, STUDIES), changes.add(CHANGE, STUDIES[1:])]
        found, total = changes.list(2, 0)
        assert ([one.number for one in found], total) == (numbers[:0:-1], 3)
        assert [one.number for one in changes.list(2, 2)[0]] == numbers[:1]
        found, total = changes.list(9, 0, "1.1")
        assert ([one.number for one in found], total) == ([numbers[1], numbers[0]], 2)
        assert changes.list(9, 0, "9.9") == ([], 0)

    def test_it_is_noted_how_far_a_study_is(self, changes: Changes) -> None:
        number = changes.add(CHANGE, STUDIES)
        noted = replace(STUDIES[1], objects=5, done=3, failed=1, problems={"1.2.3": "why"}, is_done=True)
        changes.note(number, noted)
        assert changes.studies(number) == [STUDIES[0], noted]
        found = changes.get(number)
        assert found is not None
        assert (found.objects, found.done, found.failed) == (8, 3, 1)

    def test_a_change_comes_to_its_end_once(self, changes: Changes) -> None:
        number, other = changes.add(CHANGE, STUDIES), changes.add(CHANGE, STUDIES)
        assert changes.running() == [number, other]
        end = ChangeEnd(ChangeState.FAILED, 2.5, "the disk is full")
        assert changes.turn(number, [ChangeState.RUNNING], end)
        assert not changes.turn(number, [ChangeState.RUNNING], end)
        assert changes.running() == [other]
        found = changes.get(number)
        assert found is not None
        assert (found.state, found.ended_at, found.error) == (ChangeState.FAILED, 2.5, "the disk is full")
        again = ChangeEnd(ChangeState.RUNNING)
        assert changes.turn(number, [ChangeState.CANCELLED, ChangeState.FAILED], again)
        found = changes.get(number)
        assert found is not None
        assert (found.state, found.ended_at, found.error) == (ChangeState.RUNNING, None, "")

    # What is there

    def test_a_patient_is_found_by_his_study_and_his_id(self, changes: Changes) -> None:
        assert changes.patient_of("1.1") == PatientKey("P")
        assert changes.patient_of("9.9") is None
        assert changes.studies_of(PatientKey("P")) == ["1.1", "1.2"]
        assert changes.studies_of(PatientKey("P", "another")) == []
        assert changes.person(PatientKey("Q")) == {"patient_id": "Q", "patient_name": "Demo^Q"}
        assert changes.person(PatientKey("Z")) is None
        assert changes.namesakes("P") == [PatientKey("P")]

    def test_instances_are_found_in_the_order_in_which_they_came(self, index: Index, changes: Changes) -> None:
        index.add([replace(record("P", 1, 2, 1), received_at=0.0)])
        assert changes.instances_of("1.1") == ["1.1.2.1", "1.1.1.1", "1.1.1.2"]
        assert changes.instances_of("1.1", "1.1.1") == ["1.1.1.1", "1.1.1.2"]
        kept = changes.kept(["1.1.1.1", "9.9"])
        assert list(kept) == ["1.1.1.1"]
        assert kept["1.1.1.1"].stored == index.lookup("1.1.1.1")

    # Rows put right

    def test_a_study_is_given_to_a_patient_who_is_made_or_is_there(self, index: Index, changes: Changes) -> None:
        with index.writing() as writer:
            assert writer.assign("1.1", {"patient_id": "N", "patient_name": "Demo^New", "patient_sex": "F"})
            assert writer.assign("1.2", {"patient_id": "Q", "patient_name": "ignored"})
            assert not writer.assign("9.9", {"patient_id": "Q"})
        assert changes.person(PatientKey("N")) == {"patient_id": "N", "patient_name": "Demo^New", "patient_sex": "F"}
        assert changes.person(PatientKey("P")) is None
        assert changes.studies_of(PatientKey("Q")) == ["1.2", "1.3"]
        assert _named(index, "Demo^New") == 1
        assert _named(index, "Demo^P") == 0
        assert _named(index, "ignored") == 0

    def test_what_comes_after_belongs_to_the_new_patient(self, index: Index, changes: Changes) -> None:
        with index.writing() as writer:
            writer.assign("1.1", {"patient_id": "N"})
        index.add([record("N", 1, 1, 3, patient_sex="F"), record("P", 4, 1, 1)])
        assert changes.person(PatientKey("N")) == {"patient_id": "N", "patient_sex": "F"}
        assert changes.studies_of(PatientKey("P")) == ["1.2", "1.4"]

    def test_columns_are_set_and_emptied(self, index: Index, changes: Changes) -> None:
        with index.writing() as writer:
            assert writer.set_patient(PatientKey("P"), {"patient_name": "Demo^Other", "patient_sex": "F"})
            assert writer.set_study("1.1", {"study_description": "", "study_date": "20240101"})
            assert writer.set_series("1.1", "1.1.1", {"series_description": "second"})
            assert not writer.set_patient(PatientKey("Z"), {"patient_name": "x"})
            assert not writer.set_study("9.9", {"study_date": "20240101"})
            assert not writer.set_series("1.1", "9.9", {"series_description": "x"})
        columns = ("patient_name", "patient_sex", "study_description", "study_date", "series_description")
        query = Query(Level.SERIES, _study("1.1"), tuple(BY_COLUMN[name] for name in columns))
        ((row,),) = index.find(query)
        assert [row.get(name) for name in columns] == ["Demo^Other", "F", None, "20240101", "second"]
        assert (_named(index, "Demo^Other"), _named(index, "Demo^P")) == (2, 0)
        index.add([record("P", 1, 1, 9, study_description="late")])
        query = Query(Level.STUDY, _study("1.1"), (BY_COLUMN["study_description"],))
        ((row,),) = index.find(query)
        assert row["study_description"] == "late"
        assert changes.patient_of("1.1") == PatientKey("P")

    def test_what_somebody_types_finds_new_texts_and_not_old_ones(self, index: Index, changes: Changes) -> None:
        with index.writing() as writer:
            writer.set_study("1.1", {"study_description": "Demo thorax", "accession_number": "ACC77"})
            writer.assign("1.2", {"patient_id": "FOUND9"})
        typed = {text: index.count(Query(Level.STUDY, text=text)) for text in ("thorax", "acc77", "old", "found9", "q")}
        assert typed == {"thorax": 1, "acc77": 1, "old": 0, "found9": 1, "q": 1}
        assert changes.studies_of(PatientKey("FOUND9")) == ["1.2"]


def _study(uid: str) -> tuple[Condition, ...]:
    return (Condition(BY_COLUMN["study_instance_uid"], Exact(uid)),)


def _named(index: Index, name: str) -> int:
    """Count the studies that a search for a name finds."""
    return index.count(Query(Level.STUDY, (Condition(BY_COLUMN["patient_name"], Wildcard(f"{name}*")),)))
