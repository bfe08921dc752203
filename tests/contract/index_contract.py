"""What every adapter of `ports.Index` does; a test module derives from IndexContract and gives it an empty `index`."""

from collections.abc import Iterable

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
    Range,
    UIDList,
    Universal,
    Wildcard,
)
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.ports import Index

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

    def test_a_count_cannot_be_matched(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError):
            uids(index, condition("number_of_study_related_series", Exact("1")))

    def test_a_universal_key_matches_absent_values(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        for match in (Universal(), Wildcard("*"), Wildcard("**")):
            assert uids(index, condition("accession_number", match), condition("rows", match)) == {"1.1"}

    @pytest.mark.parametrize(
        "value", ["%", "_", "a_b", "a\\b", "[a]", "[^a]*", "'", '"', "' OR 1=1 --", "a%", "]", "{}"]
    )
    def test_metacharacters_of_the_database_are_literal(self, index: Index, value: str) -> None:
        index.add([record("P", 1, 1, 1, accession_number=value), record("P", 2, 1, 1, accession_number="axb")])
        index.add([record("P", 1, 2, 1, request_requested_procedure_id=value.replace("\\", "/"))])
        expected = {"1.1"} if "*" not in value else set()
        assert uids(index, condition("accession_number", Exact(value))) == {"1.1"}
        assert uids(index, condition("accession_number", UIDList((value, "other")))) == {"1.1"}
        assert uids(index, condition("accession_number", Wildcard(value))) == expected | (
            {"1.1"} if value == "[^a]*" else set()
        )
        procedure = Exact(value.replace("\\", "/"))
        assert uids(index, condition("request_requested_procedure_id", procedure)) == {"1.1"}

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("CHEST", "a"),
            ("chest", ""),
            ("CH**", "ab"),
            ("*T", "ac"),
            ("C?EST", "a"),
            ("?", ""),
            ("*E*", "abc"),
            ("???*", "abc"),
        ],
    )
    def test_wildcards_in_texts_heed_case(self, index: Index, pattern: str, found: str) -> None:
        texts = {"a": "CHEST", "b": "CHEEK", "c": "FEET"}
        for study, text in enumerate(texts.values()):
            index.add([record("P", study, 1, 1, study_description=text)])
        expected = {f"1.{list(texts).index(letter)}" for letter in found}
        assert uids(index, condition("study_description", Wildcard(pattern))) == expected

    def test_texts_have_ranges_too(self, index: Index) -> None:
        index.add([record("P", study, 1, 1, accession_number=f"A{study}") for study in (1, 2, 3)])
        assert uids(index, condition("accession_number", Range("A2", None))) == {"1.2", "1.3"}
        assert uids(index, condition("accession_number", Range("A", "A2"))) == {"1.1", "1.2"}

    def test_a_hostile_pattern_ends_in_time(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, study_description="a" * 64, image_type="\\".join(["a" * 16] * 50))])
        for column in ("study_description", "image_type"):
            assert uids(index, condition(column, Wildcard("*a" * 40 + "b"))) == set()
        assert uids(index, condition("study_description", Wildcard("?" * 100_000))) == set()

    @pytest.mark.parametrize(
        ("low", "high", "found"),
        [
            ("20200102", "20200103", {"1.2", "1.3"}),
            ("20200103", None, {"1.3"}),
            (None, "20200101", {"1.1"}),
            ("2020", "202001", {"1.1", "1.2", "1.3"}),
            ("20200104", None, set()),
            (None, None, {"1.1", "1.2", "1.3"}),
        ],
    )
    def test_date_ranges_take_in_both_ends(
        self, index: Index, low: str | None, high: str | None, found: set[str]
    ) -> None:
        index.add([record("P", study, 1, 1, study_date=f"2020010{study}") for study in (1, 2, 3)])
        index.add([record("P", 4, 1, 1)])
        assert uids(index, condition("study_date", Range(low, high))) == found

    @pytest.mark.parametrize(
        ("match", "found"),
        [
            (Exact("10"), "10 1000 1030 103059.9 105959.999999"),
            (Exact("1030"), "1030 103059.9"),
            (Exact("100000"), "10 1000"),
            (Range("1000", "1030"), "10 1000 1030 103059.9"),
            (Range("103000.000", None), "1030 103059.9 105959.999999 11"),
            (Range(None, "09"), "095959.999999"),
            (Range(None, "103059.8"), "095959.999999 10 1000 1030"),
            (UIDList(("09", "11")), "095959.999999 11"),
            (Wildcard("103*"), "1030 103059.9"),
        ],
    )
    def test_partial_times_cover_all_that_they_name(self, index: Index, match: Match, found: str) -> None:
        times = ["095959.999999", "10", "1000", "1030", "103059.9", "105959.999999", "11"]
        index.add([record("P", number, 1, 1, study_time=time) for number, time in enumerate(times)])
        assert uids(index, condition("study_time", match)) == {f"1.{times.index(time)}" for time in found.split()}

    @pytest.mark.parametrize(
        ("match", "found"),
        [
            (Exact("2020"), {"1", "2", "3", "4"}),
            (Exact("202001011200"), {"1", "2"}),
            (Range("20200101110000+0000", "20200101110000+0000"), {"3"}),
            (Range("20200101130000+0100", "20200101130000+0100"), {"1"}),
            (Range("2020010112", None), {"1", "2", "4"}),
            (Range(None, "202001-0500"), {"1", "2", "3", "4"}),
            (Range("2020010200+0000", None), set()),
        ],
    )
    def test_date_times_are_compared_in_utc(self, index: Index, match: Match, found: set[str]) -> None:
        taken = {
            "1": "20200101120000",
            "2": "20200101130059.5+0100",
            "3": "20200101060000-0500",
            "4": "20200101235959+0000",
        }
        index.add([record("P", 1, 1, int(number), acquisition_date_time=text) for number, text in taken.items()])
        matched = uids(index, condition("acquisition_date_time", match), level=Level.IMAGE)
        assert matched == {f"1.1.1.{number}" for number in found}

    def test_date_and_time_are_matched_as_one(self, index: Index) -> None:
        moments = [
            ("20200101", "22"),
            ("20200101", "2330"),
            ("20200102", None),
            ("20200102", "0045"),
            ("20200103", "01"),
        ]
        for number, (day, time) in enumerate(moments):
            index.add([record("P", number, 1, 1, study_date=day, study_time=time)])
        index.add([record("P", 9, 1, 1, study_time="2330")])

        def found(low: str | None, high: str | None) -> set[str]:
            return uids(index, DateTimeRange(BY_COLUMN["study_date"], BY_COLUMN["study_time"], Range(low, high)))

        assert found("20200101230000", "202001020030") == {"1.1", "1.2"}
        assert found("20200102", None) == {"1.2", "1.3", "1.4"}
        assert found(None, "20200101") == {"1.0", "1.1"}

    def test_a_date_and_a_time_of_two_levels_are_refused(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError):
            uids(index, DateTimeRange(BY_COLUMN["study_date"], BY_COLUMN["series_time"], Range("2020", None)))

    @pytest.mark.parametrize(
        ("match", "found"),
        [
            (Exact("7"), {"1.1.1.1", "1.1.1.2"}),
            (Exact("+7.0"), {"1.1.1.1", "1.1.1.2"}),
            (Exact("seven"), set()),
            (Exact("nan"), set()),
            (Wildcard("7*"), set()),
            (UIDList(("7", "x", "70")), {"1.1.1.1", "1.1.1.2", "1.1.1.3"}),
            (Range("7", "60"), {"1.1.1.1", "1.1.1.2"}),
            (Range("8", None), {"1.1.1.3"}),
            (Range(None, "-1"), set()),
        ],
    )
    def test_numbers_are_compared_by_value(self, index: Index, match: Match, found: set[str]) -> None:
        texts = ["7", "007", "70", "none", None]
        index.add([record("P", 1, 1, number, acquisition_number=text) for number, text in enumerate(texts, 1)])
        assert uids(index, condition("acquisition_number", match), level=Level.IMAGE) == found

    def test_a_range_that_is_no_number_is_refused(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError):
            uids(index, condition("rows", Range("many", None)), level=Level.IMAGE)

    def test_one_of_several_values_is_enough(self, index: Index) -> None:
        index.add(
            [record("P", 1, 1, 1, image_type="ORIGINAL\\PRIMARY"), record("P", 1, 1, 2, image_type="DERIVED\\\\AXIAL")]
        )

        def found(match: Match) -> set[str]:
            return uids(index, condition("image_type", match), level=Level.IMAGE)

        assert found(Exact("PRIMARY")) == {"1.1.1.1"}
        assert found(Wildcard("*L")) == {"1.1.1.1", "1.1.1.2"}
        assert found(Wildcard("O*P*")) == set()
        assert found(UIDList(("AXIAL", "PRIM"))) == {"1.1.1.2"}
        assert found(Exact("ORIGINAL\\PRIMARY")) == set()

    def test_attributes_of_sequences_are_matched(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, request_accession_number="A1\\A2", accession_number="A3")])
        assert uids(index, condition("request_accession_number", Exact("A2"))) == {"1.1"}
        assert uids(index, condition("request_accession_number", Exact("A3"))) == set()

    def test_modalities_and_sop_classes_in_study_match_any(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 2, 1, modality="SR", sop_class_uid=SR), record("P", 2, 1, 1)])
        assert uids(index, condition("modalities_in_study", Exact("SR"))) == {"1.1"}
        assert uids(index, condition("modalities_in_study", UIDList(("CT", "US")))) == {"1.1", "1.2"}
        assert uids(index, condition("modalities_in_study", Wildcard("S*"))) == {"1.1"}
        assert uids(index, condition("sop_classes_in_study", Exact(SR)), level=Level.SERIES) == {"1.1.1", "1.1.2"}
        assert uids(index, condition("modalities_in_study", Exact("SR")), level=Level.PATIENT) == {"P"}

    def test_a_long_list_of_uids_is_matched(self, index: Index) -> None:
        index.add([record("P", study, 1, 1) for study in range(3)])
        wanted = tuple(f"1.{study}" for study in range(1, 10_000))
        assert uids(index, condition("study_instance_uid", UIDList(wanted))) == {"1.1", "1.2"}
        assert uids(index, condition("study_instance_uid", UIDList(()))) == set()

    @pytest.mark.parametrize(
        "pattern",
        [
            "Müller*",
            "MULLER*",
            "mueller*",
            "müller^j?rg*",
            "*jorg",
            "山田*",
            "山田^太郎",
            "やまだ*",
            "ヤマダ*",
            "yamada^t*",
        ],
    )
    def test_names_are_found_in_every_script_and_spelling(self, index: Index, pattern: str) -> None:
        index.add([record("P", 1, 1, 1, patient_name="Müller^Jörg^^Dr.=山田^太郎=やまだ^たろう")])
        index.add([record("Q", 2, 1, 1, patient_name="Miller^George=田山")])
        pattern = pattern.replace("*jorg", "*jorg^^dr.")
        assert uids(index, condition("patient_name", Wildcard(pattern))) == {"1.1"}

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("doe^john", {"1.1"}),
            ("DOE ^ John^^", {"1.1"}),
            ("doe", {"1.2"}),
            ("Doe^John=ドウ", {"1.1"}),
            ("Doe^John=other", set()),
            ("иванов", {"1.3"}),
            ("Ivanov", {"1.3"}),
            ("^", set()),
        ],
    )
    def test_a_whole_name_matches_a_whole_component_group(self, index: Index, value: str, found: set[str]) -> None:
        for study, name in enumerate(("Doe^John=ドウ", "Doe^^", "ИВАНОВ"), 1):
            index.add([record(f"P{study}", study, 1, 1, patient_name=name)])
        assert uids(index, condition("patient_name", Exact(value))) == found

    def test_names_with_several_values_and_lists_of_names_match_any(self, index: Index) -> None:
        index.add(
            [record("P", 1, 1, 1, operators_name="Doe^John\\Roe^Jane"), record("P", 2, 1, 1, operators_name="Poe")]
        )
        assert uids(index, condition("operators_name", Exact("roe^jane"))) == {"1.1"}
        assert uids(index, condition("operators_name", UIDList(("ROE^jane", "poe")))) == {"1.1", "1.2"}
        with pytest.raises(InvalidQueryError):
            uids(index, condition("operators_name", Range("a", "b")))

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("Smith", {"1.1", "1.2"}),
            ("john", {"1.1", "1.2"}),
            ("jon smyth", {"1.1", "1.2"}),
            ("Jo^Sch", {"1.2"}),
            ("*mid*", {"1.2"}),
            ("Johann Smith", {"1.1", "1.2"}),
            ("Nobody", set()),
        ],
    )
    def test_fuzzy_names_match_words_by_beginning_or_sound_in_any_order(
        self, index: Index, value: str, found: set[str]
    ) -> None:
        index.add(
            [record("P", 1, 1, 1, patient_name="Smith^John"), record("Q", 2, 1, 1, patient_name="Schmidt^Johann")]
        )
        match = Wildcard(value) if "*" in value else Exact(value)
        assert uids(index, condition("patient_name", match), fuzzy=True) == found

    def test_a_fuzzy_name_without_words_matches_as_it_stands(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1, patient_name="Doe^John")])
        assert uids(index, condition("patient_name", Wildcard("*^*")), fuzzy=True) == {"1.1"}

    def test_conditions_below_the_level_are_met_by_one_child(self, index: Index) -> None:
        index.add(
            [record("P", 1, 1, 1, series_description="A"), record("P", 1, 2, 1, modality="SR", series_description="B")]
        )
        index.add([record("Q", 2, 1, 1, modality="SR", series_description="A")])
        both = (condition("modality", Exact("SR")), condition("series_description", Exact("A")))
        assert uids(index, *both) == {"1.2"}
        assert uids(index, *both, level=Level.PATIENT) == {"Q"}
        assert uids(index, condition("sop_instance_uid", Exact("1.1.2.1")), both[0]) == {"1.1"}
        assert uids(index, condition("instance_number", Exact("1")), level=Level.PATIENT) == {"P", "Q"}

    def test_conditions_above_the_level_hold_for_all_below(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 1, 2), record("Q", 2, 1, 1)])
        assert uids(index, condition("patient_id", Exact("P")), level=Level.IMAGE) == {"1.1.1.1", "1.1.1.2"}
        assert index.count(Query(Level.IMAGE, (condition("patient_id", Exact("P")),))) == 2

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

    def test_synced_rows_are_still_there(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        index.sync()
        index.sync()
        assert index.lookup("1.1.1.1") is not None
