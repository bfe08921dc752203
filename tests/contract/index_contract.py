"""What every adapter of `ports.Index` does; a test module derives from IndexContract and gives it an empty `index`."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from archimage.errors import InvalidQueryError
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN, Level
from archimage.model.query import (
    Condition,
    DateTimeRange,
    Exact,
    Match,
    OrderBy,
    Query,
    UIDList,
    Wildcard,
)
from archimage.model.records import FrameTable, InstanceRecord, Kept, Original, Removed, StoredInstance
from archimage.ports.index import Index

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.22"


def record(patient: str, study: int, series: int, instance: int, **values: str | None) -> InstanceRecord:
    """Make a record; values that are None are left out."""
    uid = f"1.{study}.{series}.{instance}"
    given: dict[str, str | None] = {
        "patient_id": patient,
        "study_instance_uid": f"1.{study}",
        "series_instance_uid": f"1.{study}.{series}",
        "sop_instance_uid": uid,
        "sop_class_uid": CT,
        "modality": "CT",
        "series_number": str(series),
        "instance_number": str(instance),
        **values,
    }
    kept = {column: value for column, value in given.items() if value is not None}
    return InstanceRecord(kept, "1.2.840.10008.1.2.1", f"{uid}.dcm", 1000 + instance, 300, b"\1" * 16, 1e9, "MOD")


def condition(column: str, match: Match) -> Condition:
    """Make a condition on a column."""
    return Condition(BY_COLUMN[column], match)


def rows(index: Index, query: Query) -> list[dict[str, str]]:
    """Collect the matches of a query."""
    return [dict(row) for page in index.find(query) for row in page]


def uids(
    index: Index, *conditions: Condition | DateTimeRange, level: Level = Level.STUDY, fuzzy: bool = False
) -> set[str]:
    """Collect the unique keys of the matches."""
    column = "patient_id" if level is Level.PATIENT else _KEYS[level]
    return {row[column] for row in rows(index, Query(level, conditions, fuzzy=fuzzy))}


_KEYS = {Level.STUDY: "study_instance_uid", Level.SERIES: "series_instance_uid", Level.IMAGE: "sop_instance_uid"}


def values(index: Index, level: Level, *columns: str) -> list[tuple[str | None, ...]]:
    """Collect some columns of everything at a level."""
    asked = tuple(BY_COLUMN[column] for column in columns)
    return sorted(
        (tuple(row.get(column) for column in columns) for row in rows(index, Query(level, requested=asked))), key=repr
    )


def paths(pages: Iterable[Iterable[StoredInstance]]) -> list[str]:
    """Collect the SOP Instance UIDs of pages."""
    return [stored.sop_instance_uid for page in pages for stored in page]


class IndexContract:
    """The suite."""

    def test_a_writer_sees_what_he_has_added(self, index: Index) -> None:
        added = record("P1", 1, 1, 1)
        with index.writing([added]) as writer:
            writer.add([added])
            assert set(writer.lookup([added.sop_instance_uid])) == {added.sop_instance_uid}

    def test_what_was_added_is_looked_up_by_its_uid(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        expected = StoredInstance("1.1.1.1", CT, "1.2.840.10008.1.2.1", "1.1.1.1.dcm", 1001, 300, b"\1" * 16)
        assert index.lookup("1.1.1.1") == expected
        assert index.lookup("1.1.1.2") is None

    def test_a_writer_sees_what_is_there_and_adds_all_or_nothing(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        with index.writing() as writer:
            assert list(writer.lookup(["1.1.1.1", "1.1.1.2", "none"])) == ["1.1.1.1"]
            writer.add([record("P", 1, 1, 2)])
            assert writer.lookup(["1.1.1.2"])["1.1.1.2"].path == "1.1.1.2.dcm"

        def fail() -> None:
            with index.writing() as writer:
                writer.add([record("Q", 2, 1, 1)])
                raise OSError("the borrower's own")

        with pytest.raises(OSError, match="the borrower's own"):
            fail()
        assert uids(index, level=Level.IMAGE) == {"1.1.1.1", "1.1.1.2"}

    def test_adding_nothing_changes_nothing(self, index: Index) -> None:
        index.add([])
        index.remove([])
        assert index.count(Query(Level.PATIENT)) == 0

    def test_of_several_records_of_one_uid_the_last_stays(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, rows="1"), record("P", 1, 1, 1, rows="2")])
        assert values(index, Level.IMAGE, "rows") == [("2",)]

    def test_a_replaced_instance_is_counted_once(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        index.add([record("P", 1, 1, 1, rows="2")])
        assert values(index, Level.STUDY, "number_of_study_related_instances") == [("1",)]

    def test_replacing_an_instance_may_move_it_and_removes_the_parents_that_become_empty(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        moved = record("Q", 2, 1, 1, sop_instance_uid="1.1.1.1")
        index.add([moved])
        assert values(index, Level.IMAGE, "patient_id", "study_instance_uid", "sop_instance_uid") == [
            ("Q", "1.2", "1.1.1.1")
        ]
        assert (
            index.count(Query(Level.PATIENT))
            == index.count(Query(Level.STUDY))
            == index.count(Query(Level.SERIES))
            == 1
        )

    def test_the_first_value_of_a_parent_wins_and_gaps_are_filled(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, study_description="first", patient_name=None)])
        index.add([record("P", 1, 1, 2, study_description="second", patient_name="Doe^Jane", study_date="20200101")])
        assert values(index, Level.STUDY, "study_description", "study_date", "patient_name") == [
            ("first", "20200101", "Doe^Jane")
        ]
        assert uids(index, condition("patient_name", Exact("doe^jane"))) == {"1.1"}

    def test_gaps_are_filled_once_for_every_series_of_a_study(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 2, 1)])
        index.add([record("P", 1, 1, 2, study_date="20200101")])
        index.add([record("P", 1, 2, 2, study_date="20210101")])
        assert values(index, Level.STUDY, "study_date") == [("20200101",)]

    def test_a_study_stays_with_the_patient_that_it_first_came_with(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        index.add([record("Q", 1, 1, 2, patient_name="Stranger")])
        assert values(index, Level.IMAGE, "patient_id", "patient_name", "sop_instance_uid") == [
            ("P", None, "1.1.1.1"),
            ("P", None, "1.1.1.2"),
        ]

    def test_one_id_of_two_issuers_is_two_patients(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, issuer_of_patient_id="A"), record("P", 2, 1, 1, issuer_of_patient_id="B")])
        assert values(index, Level.PATIENT, "patient_id", "issuer_of_patient_id") == [("P", "A"), ("P", "B")]

    def test_studies_without_a_patient_id_have_a_patient_each(self, index: Index) -> None:
        index.add([record("", 1, 1, 1, patient_id=None), record("", 2, 1, 1, patient_id=None, patient_name="Doe")])
        index.add([record("", 1, 1, 2, patient_id=None)])
        assert values(index, Level.PATIENT, "patient_id", "patient_name") == [(None, "Doe"), (None, None)]

    def test_one_series_uid_in_two_studies_is_two_series(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 2, 1, 1, series_instance_uid="1.1.1")])
        assert values(index, Level.SERIES, "study_instance_uid", "series_instance_uid") == [
            ("1.1", "1.1.1"),
            ("1.2", "1.1.1"),
        ]

    def test_removing_forgets_what_becomes_empty_and_nothing_else(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 2, 1), record("Q", 2, 1, 1, patient_name="Doe")])
        index.remove(["1.1.2.1", "1.2.1.1", "9.9"])
        assert values(index, Level.IMAGE, "patient_id", "sop_instance_uid") == [("P", "1.1.1.1")]
        assert values(index, Level.PATIENT, "number_of_patient_related_series") == [("1",)]
        assert index.lookup("1.2.1.1") is None

    def test_what_was_removed_can_come_back(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, patient_name="Doe")])
        index.remove(["1.1.1.1"])
        index.add([record("P", 1, 1, 1, patient_name="Doe")])
        assert uids(index, condition("patient_name", Wildcard("d*"))) == {"1.1"}

    def test_every_attribute_comes_back_as_it_went_in(self, index: Index) -> None:
        given = {a.column: f"{a.column} ü '%_" for a in ATTRIBUTES if not a.computed and "uid" not in a.column}
        sent = record("P", 1, 1, 1, **given)
        index.add([sent])
        kept = tuple(attribute for attribute in ATTRIBUTES if not attribute.computed)
        assert rows(index, Query(Level.IMAGE, requested=kept)) == [dict(sent.values)]

    def test_only_what_was_asked_for_and_the_unique_keys_come_back(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, study_date="20200101", study_time="10")])
        query = Query(Level.SERIES, requested=(BY_COLUMN["study_date"], BY_COLUMN["rows"]))
        assert rows(index, query) == [
            {"patient_id": "P", "study_instance_uid": "1.1", "series_instance_uid": "1.1.1", "study_date": "20200101"}
        ]

    def test_counts_and_gathered_values_follow_what_is_there(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 1, 2), record("P", 2, 1, 1)])
        index.add([record("P", 1, 2, 1, modality="SR", sop_class_uid=SR), record("P", 1, 3, 1, modality=None)])
        asked = tuple(attribute for attribute in ATTRIBUTES if attribute.computed)
        (first, second) = sorted(rows(index, Query(Level.STUDY, requested=asked)), key=repr)
        assert {column: first[column] for column in sorted(set(first) - {"patient_id", "study_instance_uid"})} == {
            "modalities_in_study": "CT\\SR",
            "number_of_patient_related_instances": "5",
            "number_of_patient_related_series": "4",
            "number_of_patient_related_studies": "2",
            "number_of_study_related_instances": "4",
            "number_of_study_related_series": "3",
            "sop_classes_in_study": f"{CT}\\{SR}",
        }
        assert second["number_of_study_related_instances"] == "1"
        assert values(index, Level.SERIES, "number_of_series_related_instances") == [("1",), ("1",), ("1",), ("2",)]

    def test_matches_are_sorted_and_cut(self, index: Index) -> None:
        index.add(
            [record(f"P{n % 2}", n, 1, 1, study_date=f"2020010{n % 3}", series_number=str(n * 7)) for n in range(9)]
        )
        by_date = (OrderBy(BY_COLUMN["study_date"], descending=True), OrderBy(BY_COLUMN["patient_id"]))
        asked = (BY_COLUMN["study_date"],)
        everything = rows(index, Query(Level.STUDY, requested=asked, order_by=by_date))
        assert everything == sorted(everything, key=lambda row: (-int(row["study_date"]), row["patient_id"]))
        pages = [rows(index, Query(Level.STUDY, (), asked, by_date, 4, offset)) for offset in (0, 4, 8, 12)]
        assert [row for page in pages for row in page] == everything
        assert [len(page) for page in pages] == [4, 4, 1, 0]
        numbers = rows(
            index, Query(Level.SERIES, (), (BY_COLUMN["series_number"],), (OrderBy(BY_COLUMN["series_number"]),))
        )
        assert [row["series_number"] for row in numbers] == [str(n * 7) for n in range(9)]

    def test_pages_without_an_order_do_not_overlap(self, index: Index) -> None:
        index.add([record("P", n, 1, 1, accession_number="A") for n in range(10)])
        key = (condition("accession_number", Exact("A")),)
        found = [
            row["study_instance_uid"]
            for at in range(0, 12, 3)
            for row in rows(index, Query(Level.STUDY, key, limit=3, offset=at))
        ]
        assert sorted(found) == [f"1.{n}" for n in range(10)]
        assert index.count(Query(Level.STUDY, key, limit=3, offset=1)) == 10
        assert len(rows(index, Query(Level.STUDY, key, offset=4))) == 6

    def test_counts_can_be_sorted_by_and_what_stands_below_cannot(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 2, 1, 1), record("P", 2, 1, 2)])
        by_size = OrderBy(BY_COLUMN["number_of_study_related_instances"], descending=True)
        assert [row["study_instance_uid"] for row in rows(index, Query(Level.STUDY, order_by=(by_size,)))] == [
            "1.2",
            "1.1",
        ]
        with pytest.raises(InvalidQueryError):
            rows(index, Query(Level.STUDY, order_by=(OrderBy(BY_COLUMN["modality"]),)))

    def test_retrieval_gets_all_that_stands_below_the_matches_in_order(self, index: Index) -> None:
        order = [(1, 2, 3), (1, 1, 10), (1, 1, 9), (2, 1, 1)]
        index.add([record("P", *numbers) for numbers in order])
        index.add([record("Q", 3, 1, 1)])
        all_of_p = Query(Level.PATIENT, (condition("patient_id", Exact("P")),))
        assert paths(index.instances(all_of_p)) == ["1.1.1.9", "1.1.1.10", "1.1.2.3", "1.2.1.1"]
        one_series = Query(Level.SERIES, (condition("series_instance_uid", Exact("1.1.1")),))
        assert paths(index.instances(one_series)) == ["1.1.1.9", "1.1.1.10"]
        one = Query(Level.IMAGE, (condition("sop_instance_uid", UIDList(("1.1.1.10", "1.3.1.1"))),))
        assert paths(index.instances(one)) == ["1.1.1.10", "1.3.1.1"]
        assert len(paths(index.instances(Query(Level.STUDY, limit=1)))) == 3
        assert paths(index.instances(Query(Level.STUDY, (condition("study_id", Exact("none")),)))) == []

    def test_pages_join_to_the_whole(self, index: Index) -> None:
        index.add([record("P", 1, 1, number) for number in range(1, 501)])
        numbers = [f"1.1.1.{number}" for number in range(1, 501)]
        assert paths(index.all_instances()) == numbers
        assert paths(index.instances(Query(Level.STUDY))) == numbers
        pages = list(index.find(Query(Level.IMAGE)))
        assert len(pages) > 1
        assert sum(map(len, pages)) == 500

    def test_what_is_removed_between_pages_is_left_out(self, index: Index) -> None:
        index.add([record("P", 1, 1, number) for number in range(1, 501)])
        for pages in (index.instances(Query(Level.STUDY)), index.all_instances()):
            first = len(next(iter(pages)))
            index.remove([f"1.1.1.{number}" for number in range(1, 501)])
            assert paths(pages) == []
            index.add([record("P", 1, 1, number) for number in range(1, 501)])
            assert first < 500

    def test_a_search_sees_the_index_as_it_was_and_can_be_given_up(self, index: Index) -> None:
        index.add([record("P", 1, 1, number) for number in range(1, 501)])
        pages = iter(index.find(Query(Level.IMAGE)))
        seen = len(next(pages))
        index.remove([f"1.1.1.{number}" for number in range(1, 501)])
        assert seen + sum(map(len, pages)) == 500
        index.add([record("P", 1, 1, 1)])
        given_up = index.find(Query(Level.IMAGE))
        assert len(next(iter(given_up))) == 1
        del given_up

    def test_characters_that_no_database_takes_are_replaced(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, study_description="a\0b\ud800c", content_label="x\0y")])
        assert uids(index, condition("study_description", Exact("ab?c"))) == {"1.1"}
        assert uids(index, condition("content_label", Exact("x\0y"))) == {"1.1"}
        assert index.lookup("1\ud800") is None

    def test_an_instance_is_looked_up_where_it_belongs(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 2, 1, 1)])
        found = index.lookup("1.1.1.1")
        assert found is not None
        assert index.lookup("1.1.1.1", study_instance_uid="1.1") == found
        assert index.lookup("1.1.1.1", study_instance_uid="1.1", series_instance_uid="1.1.1") == found
        for study, series in (("1.2", None), ("1.2", "1.1.1"), ("1.1", "1.2.1"), ("1\ud800", "1.1.1")):
            assert index.lookup("1.1.1.1", study_instance_uid=study, series_instance_uid=series) is None

    def test_any_change_of_a_series_gives_it_another_version(self, index: Index) -> None:
        def versions() -> tuple[str | None, str | None]:
            both = dict(index.series_versions("1.1"))
            assert {uid: index.series_version("1.1", uid) for uid in both} == both
            return both.get("1.1.1"), both.get("1.1.2")

        seen = [versions()]
        for change in (
            lambda: index.add([record("P", 1, 1, 1)]),
            lambda: index.add([record("P", 1, 1, 2)]),
            lambda: index.add([record("P", 1, 1, 2)]),
            lambda: index.add([record("P", 1, 1, 3, sop_class_uid=SR)]),
            lambda: index.remove(["1.1.1.3"]),
            lambda: index.remove(["1.1.1.1"]),
            lambda: index.add([record("P", 1, 1, 1)]),
        ):
            change()
            seen.append(versions())
        changed = [version for version, _ in seen]
        assert len(set(changed)) == len(changed) - 1
        assert changed[5] == changed[3]  # without the third instance it is what it was before
        index.add([record("P", 1, 2, 1), record("P", 2, 1, 1)])
        assert versions()[0] == changed[-1]
        assert versions()[1] is not None
        assert index.series_version("1.1", "1.2.1") is None

    def test_a_removal_takes_what_is_below_and_tells_how_much(self, index: Index) -> None:
        index.add([record("P", 1, series, number) for series in (1, 2, 3) for number in (1, 2)])
        index.add([record("P", 2, 1, 1)])
        with index.writing() as writer:
            assert writer.removals == 0
            assert writer.remove("1.1", "1.1.1", "1.1.1.2") == Removed(0, 0, 1)
            assert writer.remove("1.1", "1.1.1", "1.1.2.1") == Removed(0, 0, 0)
            assert writer.remove("1.1", "1.1.2") == Removed(0, 1, 2)
            assert writer.lookup(["1.1.2.1"]) == {}
            assert writer.removals == 3
            assert writer.remove("1.1") == Removed(1, 2, 3)
        assert values(index, Level.IMAGE, "sop_instance_uid") == [("1.2.1.1",)]

    def test_removals_are_numbered_and_their_files_due_until_they_are_settled(self, index: Index) -> None:
        index.add([record("P", 1, 1, number) for number in (1, 2, 3)])
        with index.writing() as writer:
            writer.remove("1.1", "1.1.1", "1.1.1.2")
            writer.remove("1.1")
        index.add([record("P", 1, 1, 2)])
        with index.writing() as writer:
            assert [writer.is_removed("1.1.1.2", after) for after in (0, 1, 3)] == [True, False, False]
            assert [writer.is_removed("1.1.1.3", after) for after in (0, 1, 2, 3)] == [True, True, True, False]
            assert not writer.is_removed("1.9", 0)
            everything = writer.due(0, 10)
            assert everything[0] == (1, "1.1.1.2", None)  # stored again under the same path
            assert {path for _, _, path in everything[1:]} == {"1.1.1.1.dcm", "1.1.1.3.dcm"}
            assert writer.due(1, 1) == everything[1:2]
            writer.settle([1, 3])
            assert [number for number, *_ in writer.due(0, 10)] == [2]
            writer.forget_removals(3)
            assert writer.is_removed(everything[1][1], 0)
            assert writer.removals == 3
            writer.settle([2])
            writer.forget_removals(3)
            assert not writer.is_removed("1.1.1.2", 0)
            assert writer.removals == 3

    def test_what_waits_to_be_compressed_is_found_until_it_is_settled(self, index: Index) -> None:
        waiting = [
            replace(record("P", 1, 1, number), compress_to="1.2.3", called_ae_title="ALIAS") for number in (1, 2, 3)
        ]
        index.add([*waiting, record("P", 1, 1, 4)])
        assert len(index.awaiting_compression(2)) == 2
        found = index.awaiting_compression(10)
        stored = index.lookup("1.1.1.1") or found[1].stored
        assert found[0] == Kept(stored, "1.2.3", 1e9, "MOD", called_ae_title="ALIAS")
        with index.writing() as writer:
            writer.keep_uncompressed("1.1.1.1", "another.dcm")
            writer.keep_uncompressed("1.1.1.2", "1.1.1.2.dcm")
        assert {one.stored.sop_instance_uid for one in index.awaiting_compression(10)} == {"1.1.1.1", "1.1.1.3"}

    def test_what_an_instance_was_before_it_was_compressed_is_kept(self, index: Index) -> None:
        original = Original("1.2.840.10008.1.2", 99, b"\2" * 32)
        index.add([replace(record("P", 1, 1, 1), original=original), record("P", 1, 1, 2)])
        with index.writing() as writer:
            assert [writer.original(f"1.1.1.{number}") for number in (1, 2, 3)] == [original, None, None]

    def test_frames_are_those_of_the_object_that_is_meant(self, index: Index) -> None:
        table = FrameTable(False, (10,), (20,), 5, 1, 160)
        index.add([replace(record("P", 1, 1, 1), frames=table)])
        assert [index.frames("1.1.1.1", path=path) for path in ("1.1.1.1.dcm", "old.dcm")] == [table, None]

    def test_the_old_file_of_a_replaced_object_may_be_due(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        with index.writing() as writer:
            assert writer.note_replaced("1.1.1.1", due="old.dcm") == 1
            assert writer.note_replaced("1.1.1.1") == 2
            assert writer.due(0, 10) == [(1, "1.1.1.1", "old.dcm")]

    def test_a_removal_hastens_what_was_due_of_the_same_instances(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 2, 1)])
        with index.writing() as writer:
            writer.note_replaced("1.1.1.1", due="old.dcm")
            writer.note_replaced("1.1.2.1", due="other.dcm")
            writer.note_replaced("1.1.1.1")
            writer.remove("1.1", "1.1.1")
            assert [(uid, path) for _, uid, path in writer.due(3, 10)] == [
                ("1.1.1.1", "old.dcm"),
                ("1.1.1.1", "1.1.1.1.dcm"),
            ]
            assert writer.due(0, 1) == [(2, "1.1.2.1", "other.dcm")]

    def test_study_and_series_of_an_instance_are_told(self, index: Index) -> None:
        index.add([record("P", 1, 2, 3)])
        with index.writing() as writer:
            assert [writer.series_of(uid) for uid in ("1.1.2.3", "1.1.2.4")] == [("1.1", "1.1.2"), None]

    def test_an_undone_removal_has_not_happened(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])

        def undone() -> None:
            with index.writing() as writer:
                writer.remove("1.1")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            undone()
        index.add([record("P", 1, 1, 2)])
        with index.writing() as writer:
            assert writer.removals == 0
        assert index.count(Query(Level.IMAGE)) == 2

    def test_synced_rows_are_still_there(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        index.sync()
        index.sync()
        assert index.lookup("1.1.1.1") is not None
