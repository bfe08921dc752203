"""Identifiers become queries; responses come in pages, within the limit."""

import pytest

from archimage.errors import InvalidQueryError, OutOfResourcesError
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import Condition, DateTimeRange, Exact, Range, UIDList, Wildcard
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import QueryOptions, QueryService, Root

STUDY_UID = Key(0x0020000D, "UI", "")
NAME = Key(0x00100010, "PN", "Mul*")
DATES = Key(0x00080020, "DA", "20240101-20240102")
TIMES = Key(0x00080030, "TM", "10-11")


def _service(index: SqliteIndex, max_results: int | None = None) -> QueryService:
    return QueryService(index, max_results=max_results)


def test_keys_with_a_value_are_matched_and_all_are_requested(index: SqliteIndex) -> None:
    find = _service(index).prepare(Root.STUDY, Identifier(Level.STUDY, (STUDY_UID, NAME)))
    assert find.query.conditions == (Condition(BY_COLUMN["patient_name"], Wildcard("Mul*")),)
    assert find.query.requested == (BY_COLUMN["study_instance_uid"], BY_COLUMN["patient_name"])
    assert not find.unsupported


@pytest.mark.parametrize(
    ("root", "level"),
    [(Root.STUDY, Level.PATIENT), (Root.PATIENT_STUDY_ONLY, Level.SERIES), (Root.PATIENT_STUDY_ONLY, Level.IMAGE)],
)
def test_a_level_that_the_model_lacks_is_refused(index: SqliteIndex, root: Root, level: Level) -> None:
    with pytest.raises(InvalidQueryError, match=level.value):
        _service(index).prepare(root, Identifier(level, ()))


def test_a_key_below_the_level_is_matched_but_cannot_be_returned(index: SqliteIndex) -> None:
    modality = Key(0x00080060, "CS", "CT\\MR")
    find = _service(index).prepare(Root.STUDY, Identifier(Level.STUDY, (modality,)))
    assert find.query.conditions == (Condition(BY_COLUMN["modality"], UIDList(("CT", "MR"))),)
    assert find.query.requested == ()
    assert find.unsupported


def test_counts_and_the_time_zone_are_returned_and_not_matched(index: SqliteIndex) -> None:
    keys = (Key(0x00201208, "IS", "3"), Key(0x00080201, "SH", "+0100"))
    find = _service(index).prepare(Root.STUDY, Identifier(Level.STUDY, keys))
    assert find.query.conditions == ()
    assert len(find.query.requested) == 2


def test_an_unknown_key_is_reported_as_unsupported(index: SqliteIndex) -> None:
    assert _service(index).prepare(Root.STUDY, Identifier(Level.STUDY, (Key(0x00091001, "LO", ""),))).unsupported


def test_an_item_of_a_sequence_key_is_matched_and_an_empty_one_asks_for_all(index: SqliteIndex) -> None:
    step = BY_COLUMN["request_scheduled_procedure_step_id"]
    one = Key(0x00400275, "SQ", "", ((Key(step.tag, "SH", "S2"),),))
    find = _service(index).prepare(Root.STUDY, Identifier(Level.SERIES, (one,)))
    assert (find.query.conditions, find.query.requested) == ((Condition(step, Exact("S2")),), (step,))
    everything = _service(index).prepare(Root.STUDY, Identifier(Level.SERIES, (Key(0x00400275, "SQ", ""),)))
    assert len(everything.query.requested) == 3


def test_date_and_time_ranges_are_combined_only_when_agreed(index: SqliteIndex) -> None:
    identifier = Identifier(Level.STUDY, (DATES, TIMES, NAME))
    apart = _service(index).prepare(Root.STUDY, identifier)
    assert len(apart.query.conditions) == 3
    joined = _service(index).prepare(Root.STUDY, identifier, QueryOptions(combined_date_time=True, fuzzy_names=True))
    span = Range("2024010110", "2024010211")
    assert DateTimeRange(BY_COLUMN["study_date"], BY_COLUMN["study_time"], span) in joined.query.conditions
    assert len(joined.query.conditions) == 2
    assert joined.query.fuzzy


def test_pages_hold_every_match(index: SqliteIndex) -> None:
    service = _service(index)
    find = service.prepare(Root.STUDY, Identifier(Level.STUDY, (NAME,)))
    found = [row["study_instance_uid"] for page in service.pages(find.query) for row in page]
    assert sorted(found) == ["1.0", "1.1"]


@pytest.mark.parametrize("limit", [1, 3])
def test_more_matches_than_the_limit_end_in_an_error_after_as_many(index: SqliteIndex, limit: int) -> None:
    service = _service(index, limit)
    find = service.prepare(Root.STUDY, Identifier(Level.STUDY, ()))
    found: list[object] = []
    with pytest.raises(OutOfResourcesError, match=f"more than {limit}"):
        found.extend(row for page in service.pages(find.query) for row in page)
    assert len(found) == limit


def test_as_many_matches_as_the_limit_are_no_error(index: SqliteIndex) -> None:
    service = _service(index, 4)
    find = service.prepare(Root.STUDY, Identifier(Level.STUDY, ()))
    assert sum(len(page) for page in service.pages(find.query)) == 4
