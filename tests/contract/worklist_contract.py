"""What every adapter of `ports.department.Worklist` does; a test module derives and gives it an empty table."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from archimage.model.query import Exact, Match, Range, Wildcard
from archimage.model.worklist import SEARCHED, Sought, StepState, WorklistItem, WorklistQuery, WorklistRow
from archimage.ports.department import Worklist
from archimage.services.datasets import attribute, made

_BLANK = {one.column: "" for one in SEARCHED}
_BY_COLUMN = {one.column: one for one in SEARCHED}


_ANNA = {"patient_id": "D1", "patient_name": "Müller^Anna", "performing_physician": "Demo^Doctor"}
_BERT = {"patient_id": "D2", "patient_name": "Schmidt^Bert", "study_uid": "1.2.3"}


def _of(day: str, hour: str, modality: str, stations: str) -> dict[str, str]:
    return {"start_date": day, "start_time": hour, "modality": modality, "station_ae_title": stations}


def _row(key: str, **columns: str) -> WorklistRow:
    item = WorklistItem(key, made(attribute(0x00080050, key)), StepState.SCHEDULED, "test", 1, 2, 100)
    return WorklistRow(item, {**_BLANK, **columns}, f"description of {key}")


def _until(row: WorklistRow, expires_at: float) -> WorklistRow:
    return replace(row, item=replace(row.item, expires_at=expires_at))


def _query(column: str, match: Match, *, fuzzy: bool = False) -> WorklistQuery:
    return WorklistQuery((Sought(_BY_COLUMN[column], match),), fuzzy=fuzzy)


def _found(worklist: Worklist, query: WorklistQuery | None = None, at: float = 0) -> Sequence[str]:
    return [item.key for _, item in worklist.find(query or WorklistQuery(), alive_at=at, limit=100)]


class WorklistContract:
    """The tests."""

    def test_what_was_put_is_there(self, worklist: Worklist) -> None:
        row = _row("a", patient_name="Demo^Anna")
        worklist.put(row)
        assert worklist.get("a") == row.item
        assert worklist.get("b") is None
        assert worklist.count(WorklistQuery()) == 1

    def test_it_takes_the_place_of_the_one_of_its_key_with_all_that_that_was_found_by(self, worklist: Worklist) -> None:
        worklist.put(_row("a", patient_name="Demo^Anna", station_ae_title="ONE"))
        worklist.put(_row("a", patient_name="Demo^Berta", station_ae_title="TWO"))
        assert worklist.count(WorklistQuery()) == 1
        assert _found(worklist, _query("station_ae_title", Exact("ONE"))) == []
        assert _found(worklist, _query("station_ae_title", Exact("TWO"))) == ["a"]
        assert _found(worklist, _query("patient_name", Exact("demo^anna"))) == []

    def test_pages_follow_the_order_of_starts(self, worklist: Worklist) -> None:
        for number, (day, hour) in enumerate([("20261202", "08"), ("20261201", "10"), ("20261201", "0900"), ("", "")]):
            worklist.put(_row(str(number), start_date=day, start_time=hour))
        (first,) = worklist.find(WorklistQuery(), alive_at=0, limit=1)
        rest = worklist.find(WorklistQuery(), alive_at=0, after=first[0], limit=10)
        assert [first[1].key, *(item.key for _, item in rest)] == ["3", "2", "1", "0"]
        assert [item.key for item in worklist.newest(WorklistQuery(), offset=1, limit=2)] == ["1", "2"]

    @pytest.mark.parametrize(
        ("column", "match", "expected"),
        [
            ("start_date", Range("20261201", "20261201"), ["a"]),
            ("start_date", Range(None, "20261202"), ["a", "b"]),
            ("start_time", Range("1000", None), ["b"]),
            ("modality", Exact("MR"), ["b"]),
            ("station_ae_title", Exact("CT2"), ["a"]),
            ("station_ae_title", Wildcard("?R*"), ["b"]),
            ("patient_id", Wildcard("D*"), ["a", "b"]),
            ("patient_id", Exact("D1"), ["a"]),
            ("patient_name", Exact("MUELLER^ANNA"), ["a"]),
            ("patient_name", Wildcard("s*"), ["b"]),
            ("performing_physician", Exact("demo^doctor"), ["a"]),
            ("performing_physician", Exact("Müller^Anna"), []),
            ("study_uid", Exact("1.2.3"), ["b"]),
        ],
    )
    def test_it_is_found_by_what_is_searched(
        self, worklist: Worklist, column: str, match: Match, expected: Sequence[str]
    ) -> None:
        worklist.put(_row("a", **_of("20261201", "0900", "CT", "CT1\\CT2"), **_ANNA))
        worklist.put(_row("b", **_of("20261202", "1030", "MR", "MR1"), **_BERT))
        assert _found(worklist, _query(column, match)) == expected

    def test_names_are_found_by_sound_where_that_is_asked_for(self, worklist: Worklist) -> None:
        worklist.put(_row("a", patient_name="Schmidt^Anna"))
        assert _found(worklist, _query("patient_name", Exact("Smith"))) == []
        assert _found(worklist, _query("patient_name", Exact("Smith"), fuzzy=True)) == ["a"]

    def test_states_and_expiry_narrow(self, worklist: Worklist) -> None:
        worklist.put(_until(_row("a"), 10))
        worklist.put(_row("b"))
        assert _found(worklist, at=9) == ["a", "b"]
        assert _found(worklist, at=10) == ["b"]
        assert worklist.set_state("b", StepState.COMPLETED, 7)
        assert not worklist.set_state("c", StepState.COMPLETED, 7)
        found = worklist.get("b")
        assert found is not None
        assert (found.state, found.changed_at) == (StepState.COMPLETED, 7)
        assert _found(worklist, WorklistQuery(states=(StepState.SCHEDULED, StepState.STARTED))) == ["a"]

    def test_a_part_of_a_text_is_found_in_any_case(self, worklist: Worklist) -> None:
        worklist.put(_row("a", patient_name="Demo^Anna", accession_number="A_1"))
        worklist.put(_row("b", patient_name="Demo^Berta", accession_number="A%1"))
        assert _found(worklist, WorklistQuery(text="ANNA")) == ["a"]
        assert _found(worklist, WorklistQuery(text="a%1")) == ["b"]
        assert _found(worklist, WorklistQuery(text="N OF B")) == ["b"]

    def test_what_is_removed_or_forgotten_is_gone(self, worklist: Worklist) -> None:
        worklist.put(_until(_row("a", patient_name="Demo^Anna"), 10))
        worklist.put(_until(_row("b", patient_name="Demo^Berta"), 20))
        assert (worklist.forget(10), worklist.forget(11)) == (0, 1)
        assert (worklist.remove("b"), worklist.remove("b")) == (True, False)
        assert worklist.count(WorklistQuery()) == 0

    def test_no_text_is_a_danger(self, worklist: Worklist) -> None:
        nasty = "'; DROP TABLE worklist; --\0 \ud800 \N{SNOWMAN}"
        worklist.put(_row("a", patient_id=nasty, station_ae_title=nasty, patient_name=nasty))
        assert _found(worklist, _query("patient_id", Exact(nasty))) == ["a"]
        assert _found(worklist, _query("station_ae_title", Wildcard("';*"))) == ["a"]
