"""What somebody may bring in who may bring in a part of the archive: what it says of itself, and what is there."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import NotAuthorisedError
from archimage.index.labels import LabelTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.access import Scope, Within
from archimage.services.bounds import StoreBounds
from tests.contract.index_contract import record


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """An index of two patients, one study each."""
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        index.add([record("A", 1, 1, 1), record("B", 2, 1, 1)])
        yield index


def _may(index: SqliteIndex, scopes: tuple[Scope, ...], **values: str) -> bool:
    within: Within = (scopes,)
    new = {"patient_id": "A", "study_instance_uid": "1.9", "series_instance_uid": "1.9.1", "modality": "CT"}
    try:
        StoreBounds(index, LabelTable(index)).check(within, {**new, "sop_instance_uid": "1.9.1.1", **values})
    except NotAuthorisedError:
        return False
    return True


def _some(name: str, *values: str) -> Scope:
    return Scope(**{name: frozenset(values)})


def test_what_an_object_says_of_itself_decides_of_what_is_new(index: SqliteIndex) -> None:
    assert _may(index, (_some("patients", "A"),))
    assert not _may(index, (_some("patients", "A"),), patient_id="B")
    assert not _may(index, (_some("patients", "A"),), patient_id="")
    assert _may(index, (_some("studies", "1.9"),))
    assert not _may(index, (_some("studies", "1.8"),))
    assert _may(index, (_some("modalities", "MR"), _some("modalities", "CT")))
    assert not _may(index, (_some("modalities", "MR"),))
    assert not _may(index, ())


def test_a_study_of_somebody_else_takes_nothing(index: SqliteIndex) -> None:
    assert _may(index, (_some("patients", "A"),), study_instance_uid="1.1")
    assert not _may(index, (_some("patients", "A"),), study_instance_uid="1.2")


def test_what_is_kept_under_the_same_uid_must_be_in_reach_too(index: SqliteIndex) -> None:
    kept = {row.sop_instance_uid for page in index.all_instances() for row in page}
    assert {_may(index, (_some("patients", "A"),), sop_instance_uid=uid) for uid in kept} == {True, False}


def test_labels_are_those_that_the_study_has(index: SqliteIndex) -> None:
    labelled = (_some("labels", "trial"),)
    assert not _may(index, labelled)
    assert not _may(index, labelled, study_instance_uid="1.1")
    LabelTable(index).add("1.1", "trial", 9)
    assert _may(index, labelled, study_instance_uid="1.1")
    assert not _may(index, labelled, study_instance_uid="1.1", sop_instance_uid="1.2.1.1")


def test_everything_may_be_brought_in_where_one_scope_is_all(index: SqliteIndex) -> None:
    assert _may(index, (_some("patients", "A"), Scope()), patient_id="B", study_instance_uid="1.2")
