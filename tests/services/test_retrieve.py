"""Unique keys select instances; counts add up."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import BlobNotFoundError, InvalidQueryError
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import Level
from archimage.model.records import StoredInstance
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import Root
from archimage.services.retrieve import Outcome, RetrieveService, Tally, Verdict, batches
from archimage.services.visible import VisibleIndex
from archimage.storage.filesystem import FilesystemBlobStore

PATIENT, STUDY, SERIES, INSTANCE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018


@pytest.fixture
def service(index: SqliteIndex, tmp_path: Path) -> RetrieveService:
    """The service over the invented archive, whose files are not there."""
    return RetrieveService(VisibleIndex(index), FilesystemBlobStore(tmp_path, "lane"))


def _keys(**values: str) -> tuple[Key, ...]:
    tags = {"patient": PATIENT, "study": STUDY, "series": SERIES, "instance": INSTANCE}
    return tuple(Key(tags[name], "LO" if name == "patient" else "UI", value) for name, value in values.items())


@pytest.mark.parametrize(
    ("root", "level", "keys", "count"),
    [
        (Root.PATIENT, Level.PATIENT, _keys(patient="P0"), 6),
        (Root.PATIENT, Level.STUDY, _keys(patient="P0", study="1.0"), 3),
        (Root.PATIENT, Level.STUDY, _keys(patient="P1", study="1.0"), 0),
        (Root.PATIENT, Level.STUDY, _keys(study="1.0"), 3),
        (Root.STUDY, Level.STUDY, _keys(study="1.0\\1.3"), 6),
        (Root.STUDY, Level.SERIES, _keys(study="1.0", series="1.0.1"), 3),
        (Root.STUDY, Level.IMAGE, _keys(instance="1.0.1.0\\1.0.1.2\\1.2.1.1"), 3),
        (Root.STUDY, Level.STUDY, (*_keys(study="1.0"), Key(0x00080060, "CS", "MR")), 3),
        (Root.PATIENT_STUDY_ONLY, Level.STUDY, _keys(patient="P0", study="1.1"), 3),
    ],
)
def test_the_unique_keys_say_what_is_sent(
    service: RetrieveService, root: Root, level: Level, keys: tuple[Key, ...], count: int
) -> None:
    assert len(service.select(root, Identifier(level, keys))) == count


@pytest.mark.parametrize(
    ("root", "level", "keys"),
    [
        (Root.STUDY, Level.STUDY, ()),
        (Root.STUDY, Level.STUDY, _keys(study="")),
        (Root.STUDY, Level.STUDY, _keys(study="*")),
        (Root.STUDY, Level.STUDY, _keys(study="1.*")),
        (Root.STUDY, Level.SERIES, _keys(study="1.0")),
        (Root.PATIENT, Level.PATIENT, _keys(patient="*")),
        (Root.PATIENT, Level.PATIENT, _keys(patient="P?")),
        (Root.PATIENT, Level.STUDY, _keys(patient="P*", study="1.0")),
        (Root.STUDY, Level.PATIENT, _keys(patient="P0")),
        (Root.PATIENT_STUDY_ONLY, Level.SERIES, _keys(series="1.0.1")),
    ],
)
def test_too_vague_a_choice_is_refused(
    service: RetrieveService, root: Root, level: Level, keys: tuple[Key, ...]
) -> None:
    with pytest.raises(InvalidQueryError):
        service.select(root, Identifier(level, keys))


def test_a_lost_file_is_reported(service: RetrieveService) -> None:
    (instance,) = service.select(Root.STUDY, Identifier(Level.IMAGE, _keys(instance="1.0.1.0")))
    with pytest.raises(BlobNotFoundError):
        service.open(instance)


@given(st.lists(st.sampled_from(Outcome)))
def test_counts_add_up_to_a_verdict(outcomes: list[Outcome]) -> None:
    tally = Tally(len(outcomes))
    for number, outcome in enumerate(outcomes):
        assert tally.remaining == len(outcomes) - number
        tally.count(str(number), outcome)
    assert (tally.remaining, tally.completed + tally.warning + tally.failed) == (0, len(outcomes))
    assert tally.failed_uids == [str(i) for i, outcome in enumerate(outcomes) if outcome is Outcome.FAILED]
    if set(outcomes) <= {Outcome.COMPLETED}:
        assert tally.verdict is Verdict.SUCCESS
    elif set(outcomes) == {Outcome.FAILED}:
        assert tally.verdict is Verdict.ALL_FAILED
    else:
        assert tally.verdict is Verdict.SOME_FAILED


def _instance(kind: int) -> StoredInstance:
    return StoredInstance("1.2", f"1.{kind}", "1.2.840.10008.1.2", "x", 1, 0, b"")


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_batches_keep_the_order_and_need_few_kinds_each(kinds: list[int], size: int) -> None:
    instances = [_instance(kind) for kind in kinds]
    found = list(batches(instances, size))
    assert [instance for batch in found for instance in batch] == instances
    assert all(1 <= len({instance.sop_class_uid for instance in batch}) <= size for batch in found)
