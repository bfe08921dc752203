"""How far scrubbing is and what it found, in every database."""

import pytest

from archimage.index.relational import RelationalIndex
from archimage.index.scrubs import ScrubTable
from archimage.model.scrub import Damage, Round
from tests.contract.index_contract import record


@pytest.fixture
def scrubs(index: RelationalIndex) -> ScrubTable:
    """Return the empty tables of an index of three instances."""
    index.add([record("P", 1, 1, number) for number in (1, 2, 3)])
    return ScrubTable(index)


def damage(index: RelationalIndex, uid: str, found_at: float = 1.0) -> Damage:
    """Return the damage of an instance."""
    stored = index.lookup(uid)
    assert stored is not None
    return Damage(uid, stored.path, "it has no file", found_at)


def test_instances_come_in_pages_after_a_row(scrubs: ScrubTable) -> None:
    (first, one), (second, _) = scrubs.page(0, 2)
    assert one.sop_instance_uid == "1.1.1.1"
    assert first < second
    ((third, other),) = scrubs.page(second, 2)
    assert other.sop_instance_uid == "1.1.1.3"
    assert scrubs.page(third, 2) == []


def test_a_round_is_kept(scrubs: ScrubTable) -> None:
    assert scrubs.round() is None
    for kept in (Round(due_at=1.5), Round(2.5, 3.5, 1 << 40, 7, 1 << 50, 9.5)):
        scrubs.keep(kept)
        assert scrubs.round() == kept


def test_damage_is_new_once_and_is_over_when_it_is_settled(scrubs: ScrubTable, index: RelationalIndex) -> None:
    later, sooner = damage(index, "1.1.1.1", 5.0), damage(index, "1.1.1.2", 4.0)
    assert [scrubs.note(later), scrubs.note(sooner), scrubs.note(later)] == [True, True, False]
    assert (scrubs.damaged(9), scrubs.damaged(1), scrubs.count()) == ([sooner, later], [sooner], 2)
    assert [scrubs.settle("1.1.1.2"), scrubs.settle("1.1.1.2")] == [True, False]
    assert scrubs.damaged(9) == [later]


def test_damage_of_what_is_gone_is_not_told(scrubs: ScrubTable, index: RelationalIndex) -> None:
    scrubs.note(damage(index, "1.1.1.1"))
    index.remove(["1.1.1.1"])
    assert (scrubs.damaged(9), scrubs.count()) == ([], 0)
