"""What every table of legal holds does, and no index does to what is held; fixtures `index` and `holds`, empty."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from archimage.errors import HeldError
from archimage.model.attributes import Level
from archimage.model.changes import PatientKey
from archimage.model.holds import Hold
from archimage.model.query import Query
from archimage.ports.hold import Holds
from archimage.ports.index import Index, IndexWriter
from tests.contract.index_contract import record, values

HELD = Hold("1.1", "ann", "Case 7 (ä)", 5.0)
FORBIDDEN: dict[str, Callable[[IndexWriter], object]] = {
    "removing the study": lambda writer: writer.remove("1.1"),
    "removing a series": lambda writer: writer.remove("1.1", "1.1.1"),
    "removing an instance": lambda writer: writer.remove("1.1", "1.1.1", "1.1.1.1"),
    "other bytes": lambda writer: writer.add([replace(record("P", 1, 1, 1), digest=b"\2" * 16)]),
    "other bytes of another study": lambda writer: writer.add(
        [replace(record("P", 3, 1, 1, sop_instance_uid="1.1.1.1"), digest=b"\2" * 16)]
    ),
    "another patient": lambda writer: writer.assign("1.1", {"patient_id": "Q"}),
    "another name of its patient": lambda writer: writer.set_patient(PatientKey("P"), {"patient_name": "X"}),
    "another description": lambda writer: writer.set_study("1.1", {"study_description": "X"}),
    "another description of a series": lambda writer: writer.set_series("1.1", "1.1.1", {"series_description": "X"}),
}


class HoldsContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _two_studies(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 1, 1, 2), record("Q", 2, 1, 1)])

    def test_a_hold_is_found_by_its_study_until_it_is_released(self, holds: Holds) -> None:
        assert holds.get("1.1") is None
        assert holds.place(HELD) == HELD
        assert holds.get("1.1") == HELD
        assert holds.release("1.1") == HELD
        assert holds.get("1.1") is None
        assert holds.release("1.1") is None

    def test_a_hold_that_is_placed_again_keeps_its_time(self, holds: Holds) -> None:
        holds.place(HELD)
        again = replace(HELD, placed_by="bob", reason="Case 8", since=9.0)
        assert holds.place(again) == holds.get("1.1") == replace(again, since=5.0)

    def test_a_study_that_is_not_kept_cannot_be_held(self, holds: Holds) -> None:
        assert holds.place(replace(HELD, study_instance_uid="9.9")) is None
        assert holds.list(10, 0) == ([], 0)

    def test_holds_are_listed_the_newest_first(self, holds: Holds) -> None:
        newer = Hold("1.2", "ann", "Case 9", 6.0)
        holds.place(HELD)
        holds.place(newer)
        assert holds.list(10, 0) == ([newer, HELD], 2)
        assert holds.list(1, 1) == ([HELD], 2)

    @pytest.mark.parametrize("deed", FORBIDDEN, ids=lambda name: name.replace(" ", "-"))
    def test_nothing_of_a_held_study_goes_or_changes(self, index: Index, holds: Holds, deed: str) -> None:
        before = values(index, Level.IMAGE, "study_instance_uid", "sop_instance_uid", "patient_id")
        holds.place(HELD)
        with pytest.raises(HeldError), index.writing() as writer:
            FORBIDDEN[deed](writer)
        assert values(index, Level.IMAGE, "study_instance_uid", "sop_instance_uid", "patient_id") == before
        holds.release("1.1")
        with index.writing() as writer:
            assert FORBIDDEN[deed](writer) is not False

    def test_what_one_transaction_does_is_undone_where_it_meets_a_held_study(self, index: Index, holds: Holds) -> None:
        holds.place(HELD)
        with pytest.raises(HeldError):
            index.remove(["1.2.1.1", "1.1.1.1"])
        assert index.count(Query(Level.IMAGE)) == 3

    def test_other_studies_are_removed_and_replaced_as_ever(self, index: Index, holds: Holds) -> None:
        holds.place(HELD)
        with index.writing() as writer:
            writer.add([replace(record("Q", 2, 1, 1), digest=b"\2" * 16)])
            assert writer.remove("1.2").instances == 1

    def test_a_held_study_grows_and_takes_the_same_bytes_again(self, index: Index, holds: Holds) -> None:
        holds.place(HELD)
        index.add([record("P", 1, 1, 1), record("P", 1, 1, 3)])
        assert index.count(Query(Level.IMAGE)) == 4

    def test_a_writer_tells_which_instances_are_held(self, index: Index, holds: Holds) -> None:
        holds.place(HELD)
        with index.writing() as writer:
            assert writer.held(["1.1.1.1", "1.2.1.1", "9"]) == {"1.1.1.1"}
            writer.check_held(["1.2", "9.9"])
            with pytest.raises(HeldError, match=r"1\.1"):
                writer.check_held(["1.2", "1.1"])

    def test_what_is_held_is_not_compressed(self, index: Index, holds: Holds) -> None:
        waiting = [replace(record(*of, 1, 1), compress_to="1.2.840.10008.1.2.4.90") for of in (("P", 1), ("Q", 2))]
        index.add(waiting)
        holds.place(HELD)
        assert [one.stored.sop_instance_uid for one in index.awaiting_compression(9)] == ["1.2.1.1"]
        holds.release("1.1")
        assert len(index.awaiting_compression(9)) == 2
