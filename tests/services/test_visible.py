"""What somebody may see, change and delete of what is kept."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import NotAuthorisedError, NotFoundError
from archimage.index.hashed import HashedTable
from archimage.index.sqlite import SqliteIndex
from archimage.model import callers
from archimage.model.access import Grant, Operation, Scope
from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.services.orthanc import OrthancService
from archimage.services.query import QueryService
from archimage.services.visible import VisibleIndex
from tests.contract.index_contract import record

CT = ((Scope(modalities=frozenset({"CT"})),),)
MIXED, ALONE = {Level.STUDY: "1.1"}, {Level.STUDY: "1.2"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """An index of a study of CT and MR, and of one of CT alone."""
    with closing(SqliteIndex(tmp_path / "index.db", durable=False)) as found:
        found.add([record("P", 1, 1, 1), record("P", 1, 2, 1, modality="MR"), record("P", 2, 1, 1)])
        yield found


@pytest.mark.parametrize("operation", [Operation.QUERY, Operation.RETRIEVE])
def test_a_part_of_a_study_is_enough_to_look_at_it(index: SqliteIndex, operation: Operation) -> None:
    with callers.under(Grant(operation, CT)):
        VisibleIndex(index).check(MIXED)


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.MODIFY])
def test_all_of_a_study_is_needed_to_change_it_by_whatever_name(index: SqliteIndex, operation: Operation) -> None:
    visible, nothing_is_removed = VisibleIndex(index), None
    orthanc = OrthancService(HashedTable(index), QueryService(index), nothing_is_removed, visible)  # type: ignore[arg-type]
    with callers.under(Grant(operation, CT)):
        visible.check(ALONE)
        assert orthanc.find(Level.STUDY, Named(("P", "1.2")).hashed_id).names[-1] == "1.2"
        with pytest.raises(NotAuthorisedError):
            visible.check(MIXED)
        with pytest.raises(NotAuthorisedError):
            orthanc.find(Level.STUDY, Named(("P", "1.1")).hashed_id)
        with pytest.raises(NotFoundError):
            orthanc.find(Level.STUDY, Named(("P", "1.9")).hashed_id)
