"""What every adapter of `ports.Index` finds; a test module derives from MatchingContract and gives it an empty `index`.

Ref: PS3.4 §C.2.2.2.
"""

import pytest

from archimage.errors import InvalidQueryError
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import DateTimeRange, Empty, Exact, Match, Query, Range, UIDList, Universal, Wildcard
from archimage.ports.index import Index
from tests.contract.index_contract import CT, SR, condition, record, rows, uids


class MatchingContract:
    """The suite."""

    def test_a_count_cannot_be_matched(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError):
            uids(index, condition("number_of_study_related_series", Exact("1")))

    def test_a_universal_key_matches_absent_values(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1)])
        for match in (Universal(), Wildcard("*"), Wildcard("**")):
            assert uids(index, condition("accession_number", match), condition("rows", match)) == {"1.1"}

    def test_what_is_absent_has_no_value_at_whatever_level_it_would_stand(self, index: Index) -> None:
        named = {"patient_name": "Doe", "accession_number": "A", "request_requested_procedure_id": "R", "rows": "7"}
        index.add([record("P", 1, 1, 1, **named), record("Q", 2, 1, 1)])
        for column in named:
            assert uids(index, condition(column, Empty())) == {"1.2"}, column
            assert uids(index, condition(column, Empty()), level=Level.IMAGE) == {"1.2.1.1"}, column
        assert uids(index, condition("modalities_in_study", Empty())) == set()
        index.add([record("P", 3, 1, 1, modality=None)])
        assert uids(index, condition("modalities_in_study", Empty())) == {"1.3"}
        assert uids(index, condition("other_patient_ids", Empty()), condition("rows", Exact("7"))) == {"1.1"}

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

    def test_a_study_with_several_series_of_a_modality_is_one_match_on_one_page(self, index: Index) -> None:
        index.add([record("P", study, number, 1) for number in (1, 2, 3) for study in (3, 1, 2)])
        index.add([record("P", 2, 4, 1, modality="MR"), record("Q", 4, 1, 1, modality="MR")])
        for column, value in (("modalities_in_study", "CT"), ("sop_classes_in_study", CT)):
            match = condition(column, Exact(value))
            others = 1 if column == "sop_classes_in_study" else 0
            assert index.count(Query(Level.STUDY, (match,))) == 3 + others
            pages = [rows(index, Query(Level.STUDY, (match,), limit=2, offset=offset)) for offset in (0, 2, 4)]
            assert [len(page) for page in pages] == [2, 1 + others, 0]
            assert [row["study_instance_uid"] for page in pages for row in page][:3] == ["1.3", "1.1", "1.2"]
            assert index.count(Query(Level.STUDY, (match, condition("patient_id", Exact("Q"))))) == others

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
