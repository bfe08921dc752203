"""What somebody types finds studies and patients, in every index; subclasses give a fixture `index`, which is empty."""

from dataclasses import replace
from operator import itemgetter

import pytest

from archimage.errors import InvalidQueryError
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.query import OrderBy, Query
from archimage.ports.index import Index
from tests.contract.index_contract import record


def found(index: Index, text: str, level: Level = Level.STUDY) -> str:
    """Return the last digits of the studies that are found, in their order, or how many patients."""
    query = Query(level, text=text, limit=10)
    rows = [row for page in index.find(query) for row in page]
    keys = index.some(query, 10)
    assert index.count(query) == len(rows) == len(keys)
    assert len(index.some(query, 1)) == min(1, len(rows))
    key = UNIQUE_KEYS[level]
    walked = [row for page in index.find(replace(query, order_by=(OrderBy(key),))) for row in page]
    assert walked == sorted(rows, key=itemgetter(key.column))
    known = Query(level, among=tuple(reversed(keys)), limit=10)
    assert [row for page in index.find(known) for row in page] == rows
    return "".join(row["study_instance_uid"][-1] for row in rows) if level is Level.STUDY else str(len(rows))


class FreeTextContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _three_studies(self, index: Index) -> None:
        about = [
            {"patient_name": "Müller^Jörg", "accession_number": "ACC-100%", "study_description": "CT Schädel"},
            {
                "patient_name": "Smith^Jane",
                "patient_id": "XQ77-1.2.840.10008.1.2.4.201.1.3",
                "study_description": "SMITH_PROTOCOL",
            },
            {"patient_name": "Yamada^Tarou=山田^太郎", "study_description": "MR knee"},
        ]
        for number, values in enumerate(about, 1):
            made = record(f"P{number}", number, 1, 1)
            made.values.update(values)  # type: ignore[attr-defined]
            index.add([made])

    @pytest.mark.parametrize(
        ("text", "studies"),
        [
            ("mul", "1"),
            ("MUELLER", "1"),
            ("jörg", "1"),
            ("uller", ""),
            ("müller jörg", "1"),
            ("Müller^Jörg", "1"),
            ("müller jane", ""),
            ("smith", "2"),
            ("xq", "2"),
            ("q7", ""),
            ("q77", "2"),
            ("a", "1"),
            ("ac", "1"),
            ("xq77-1.2.840", "2"),
            ("xq77-1.2.840.10008.1.2.4.201.1.3", "2"),
            ("xq77-1.2.840.10008.1.2.4.202", ""),
            (".".join(["1"] * 128), ""),
            ("acc-1", "1"),
            ("00%", "1"),
            ("0%", ""),
            ("_pr", "2"),
            ("%", ""),
            ('"a"', ""),
            ("kn", "3"),
            ("ne", ""),
            ("SCH", "1"),
            ("schä", "1"),
            ("hÄD", "1"),
            ("3M", ""),
            ("ct schädel", "1"),
            ("ct SCHÄDEL", "1"),
            ("山田", "3"),
            ("knee tarou", "3"),
            ("1.2", "2"),
            ("   ", "123"),
            ("^", ""),
            ("*", ""),
            ("'", ""),
            ("\0mul", "1"),
        ],
    )
    def test_every_word_is_found_somewhere(self, index: Index, text: str, studies: str) -> None:
        assert found(index, text) == studies

    def test_of_a_text_without_end_the_beginning_is_looked_at(self, index: Index) -> None:
        endless = record("P4", 4, 1, 1)
        endless.values["study_description"] = f"Begins {'x' * 500_000} ends"  # type: ignore[index]
        index.add([endless])
        assert found(index, "begins") == "4"
        assert found(index, "ends") == ""

    def test_what_comes_later_goes_or_is_removed_is_heeded(self, index: Index) -> None:
        bare, described = record("P4", 4, 1, 1), record("P4", 4, 1, 2)
        described.values.update({"study_description": "Zebra", "accession_number": "LATE-7"})  # type: ignore[attr-defined]
        index.add([bare])
        assert found(index, "zebra") == ""
        index.add([described])
        assert found(index, "ebra late-7 p4") == "4"
        index.remove([bare.sop_instance_uid, described.sop_instance_uid])
        assert found(index, "zebra") == found(index, "p4") == found(index, "p4", Level.PATIENT).strip("0") == ""

    @pytest.mark.parametrize(("text", "count"), [("mül", "1"), ("xq", "1"), ("knee", "0"), ("p", "2")])
    def test_patients_are_found_by_name_and_id(self, index: Index, text: str, count: str) -> None:
        assert found(index, text, Level.PATIENT) == count

    def test_too_many_words_are_refused(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError, match="words"):
            index.count(Query(Level.STUDY, text="a " * 9))

    def test_neither_series_nor_instances_are_found_so(self, index: Index) -> None:
        with pytest.raises(InvalidQueryError, match="free text"):
            index.count(Query(Level.SERIES, text="a"))
