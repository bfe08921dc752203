"""What every table of Orthanc's identifiers does; subclasses give fixtures `index` and `hashed`, both empty."""

from collections.abc import Sequence

from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.model.query import Query
from archimage.model.records import InstanceRecord
from archimage.ports.index import HashedIds, Index
from tests.contract.index_contract import record


def named(one: InstanceRecord, level: Level = Level.IMAGE) -> Named:
    """Return what a record is of."""
    columns = ("patient_id", "study_instance_uid", "series_instance_uid", "sop_instance_uid")
    return Named(tuple(one.values.get(column, "") for column in columns)).above(level)


def found(hashed: HashedIds, wanted: Sequence[Named]) -> list[Named]:
    """Note what came; return those that are found by their key."""
    hashed.note_new(wanted[0].level)
    assert not hashed.note_new(wanted[0].level)
    return [one for one in wanted if one in hashed.find(one.level, one.key)]


class HashedContract:
    """The suite."""

    def test_each_level_is_found_by_its_key(self, index: Index, hashed: HashedIds) -> None:
        records = [record("P", study, 1, number) for study in (1, 2) for number in (1, 2)]
        index.add(records)
        for level in Level:
            wanted = [named(one, level) for one in records]
            assert found(hashed, wanted) == wanted
        assert hashed.find(Level.IMAGE, 1) == []
        assert hashed.find(Level.STUDY, wanted[0].key) == []

    def test_what_came_since_is_found_and_what_went_is_not(self, index: Index, hashed: HashedIds) -> None:
        records = [record("P", 1, 1, number) for number in range(1, 6)]
        everything = [named(one) for one in records]
        index.add(records[:3])
        assert found(hashed, everything) == everything[:3]
        index.add(records[3:])
        index.remove([one.sop_instance_uid for one in records[1:3]])
        assert found(hashed, everything) == [everything[0], *everything[3:]]

    def test_what_takes_the_key_of_a_row_that_went_is_found(self, index: Index, hashed: HashedIds) -> None:
        before, after = record("P", 1, 1, 1), record("Q", 2, 1, 1)
        for _ in range(2):
            for here, gone in ((before, after), (after, before)):
                index.add([here])
                for level in Level:
                    assert found(hashed, [named(here, level), named(gone, level)]) == [named(here, level)]
                with index.writing() as writer:
                    writer.remove(here.values["study_instance_uid"])

    def test_what_is_given_to_another_patient_has_other_names_and_nothing_else_is_lost(
        self, index: Index, hashed: HashedIds
    ) -> None:
        records = [record("P", study, 1, number) for study in (1, 2, 3) for number in (1, 2)]
        index.add(records)
        for level in Level:
            found(hashed, [named(one, level) for one in records])
        with index.writing() as writer:
            writer.assign("1.2", {"patient_id": "Q"})
        after = [record("Q" if one.values["study_instance_uid"] == "1.2" else "P", *_numbers(one)) for one in records]
        for level in Level:
            wanted = [named(one, level) for one in after]
            assert found(hashed, wanted) == wanted
            gone = named(records[2], level)
            assert level is Level.PATIENT or gone not in hashed.find(level, gone.key)

    def test_an_instance_that_is_replaced_is_found_where_it_is_now(self, index: Index, hashed: HashedIds) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 1, 2)])
        assert found(hashed, [named(record("P", 1, 1, 1))])
        moved = record("P", 1, 2, 1)
        moved = InstanceRecord(
            {**moved.values, "sop_instance_uid": record("P", 1, 1, 1).sop_instance_uid},
            *(moved.transfer_syntax_uid, moved.path, moved.size_bytes, moved.data_set_offset, moved.digest),
            *(moved.received_at, moved.source_ae_title),
        )
        index.add([moved])
        assert found(hashed, [named(moved), named(record("P", 1, 1, 1))]) == [named(moved)]

    def test_more_are_noted_than_one_transaction_takes(self, index: Index, hashed: HashedIds) -> None:
        records = [record("P", 1, 1, number) for number in range(1, 4_500)]
        index.add(records)
        wanted = [named(records[place]) for place in (0, 1_999, 2_000, 4_498)]
        assert found(hashed, wanted) == wanted

    def test_the_first_instance_and_the_last_arrival_are_told(self, index: Index, hashed: HashedIds) -> None:
        records = [record("P", study, series, 1) for study in (1, 2) for series in (1, 2)]
        index.add(records)
        for level in Level:
            told = hashed.extent(named(records[2], level))
            assert told is not None
            first = records[0] if level is Level.PATIENT else records[2]
            assert told[0] == first.sop_instance_uid
        assert hashed.extent(named(record("P", 3, 1, 1))) is None

    def test_patients_of_one_id_are_listed_as_one(self, index: Index) -> None:
        strangers = [record("", study, 1, 1) for study in (1, 2)]
        index.add([*strangers, record("P", 3, 1, 1), record("P", 4, 1, 1), record("Q", 5, 1, 1)])
        query = Query(Level.PATIENT, merged=True, limit=10)
        rows = [row.get("patient_id", "") for page in index.find(query) for row in page]
        assert (rows, index.count(query)) == (["", "P", "Q"], 3)
        assert [row for page in index.find(Query(Level.PATIENT, merged=True, limit=1, offset=1)) for row in page] == [
            {"patient_id": "P"}
        ]


def _numbers(one: InstanceRecord) -> tuple[int, int, int]:
    """Return what `record` made the UIDs of."""
    _, study, series, instance = one.sop_instance_uid.split(".")
    return int(study), int(series), int(instance)
