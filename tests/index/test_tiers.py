"""What lies in which tier, over every database; and rows that name other paths."""

import pytest

from archimage.errors import HeldError
from archimage.index.arrivals import ArrivalTable
from archimage.index.holds import HoldTable
from archimage.index.relational import RelationalIndex
from archimage.index.retention import RetentionTable
from archimage.index.tiers import TierTable
from archimage.model.holds import Hold
from archimage.model.tiers import Share, TierUse, copy_path
from tests.contract.index_contract import record


def moved(index: RelationalIndex, number: int, tier: str) -> tuple[str, str]:
    """Have the row of an instance name a path in a tier; return it, and the old one."""
    (row,) = [row for page in index.all_instances() for row in page if row.sop_instance_uid == f"1.1.1.{number}"]
    path = copy_path(row.path, tier)
    with index.writing() as writer:
        writer.note_copies([path])
        assert writer.copies(9) == [path]
        number = writer.relocate(row.sop_instance_uid, row.path, path)
        writer.forget_copies([path])
        assert writer.copies(9) == []
        assert writer.due(number - 1, 9) == [(number, row.sop_instance_uid, row.path)]
        assert writer.is_removed(row.sop_instance_uid, number - 1)
    assert index.lookup(row.sop_instance_uid).path == path  # type: ignore[union-attr]
    return path, row.path


@pytest.fixture(autouse=True)
def _filled(index: RelationalIndex) -> None:
    index.add([record("P", 1, 1, 1), record("P", 1, 1, 2), record("P", 2, 1, 3)])


def test_shares_follow_the_paths(index: RelationalIndex) -> None:
    table, sizes = TierTable(index), ArrivalTable(index)
    every = sizes.hot_bytes()
    (size,) = {row.size_bytes for page in index.all_instances() for row in page if row.sop_instance_uid == "1.1.1.1"}
    moved(index, 1, "warm")
    assert table.shares("1.1")["warm"] == Share(1, size)
    assert table.shares("1.1")["hot"].instances == 1
    assert table.shares("9.9") == {}
    facts = RetentionTable(index).facts("1.1")
    assert facts is not None
    assert facts.shares == table.shares("1.1")
    assert facts.outside("hot") == Share(1, size)
    assert sizes.hot_bytes() == every - size


def test_what_is_held_is_not_moved(index: RelationalIndex) -> None:
    HoldTable(index).place(Hold("1.1", "ann", "Case 7", 1.0))
    with pytest.raises(HeldError):
        moved(index, 1, "warm")
    assert set(TierTable(index).shares("1.1")) == {"hot"}


def test_tiers_are_counted_and_forgotten(index: RelationalIndex) -> None:
    table = TierTable(index)
    table.begin("warm")
    table.begin("warm")
    assert [use.tier for use in table.uses()] == ["warm"]
    path, _ = moved(index, 1, "warm")
    table.count(5.0)
    (hot, warm) = table.uses()
    assert (hot.tier, hot.studies, hot.instances) == ("hot", 2, 2)
    assert (warm.tier, warm.studies, warm.instances, warm.counted_at) == ("warm", 1, 1, 5.0)
    assert not table.is_empty("warm")
    moved(index, 1, "hot")
    assert not table.is_empty("warm")  # the old file is due to be deleted
    with index.writing() as writer:
        writer.settle([number for number, _, due in writer.due(0, 9) if due == path])
    assert table.is_empty("warm")
    table.count(6.0)
    assert table.uses()[1] == TierUse("warm", 0, 0, 0, 6.0)
    table.forget("warm")
    assert [use.tier for use in table.uses()] == ["hot"]


def test_copies_that_are_being_made_are_known(index: RelationalIndex) -> None:
    table = TierTable(index)
    assert not table.has_copies
    with index.writing() as writer:
        writer.note_copies(["warm/1/2/3.dcm"])
    assert table.has_copies
    assert not table.is_empty("warm")


def test_all_is_brought_home(index: RelationalIndex) -> None:
    path, _ = moved(index, 1, "warm")
    table = TierTable(index)
    table.begin("warm")
    moved(index, 2, "cold")
    assert table.bring_home() == 2
    assert set(table.shares("1.1")) == {"hot"}
    row = index.lookup("1.1.1.1")
    assert row is not None
    assert f"warm/{row.path}" == path
    assert table.uses() == []


def test_deletions_in_the_object_store_are_noted_anew_and_forgotten(index: RelationalIndex) -> None:
    paths = [f"1/2/{number}.dcm" for number in range(1, 4)]
    with index.writing() as writer:
        writer.note_deletions(paths[:2], 10.0)
        writer.note_deletions([], 10.0)
        assert writer.deletions(paths) == set(paths[:2])
        assert writer.deletions([]) == set()
    with index.writing() as writer:
        writer.note_deletions(paths[1:], 20.0)
        writer.forget_deletions(20.0)
        assert writer.deletions(paths) == set(paths[1:])
