"""Legal holds: placed with a reason, told, and in the way of everything that would remove, replace or correct."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from archimage.errors import HeldError, InvalidInstanceUIDError, InvalidRequestError, NotFoundError
from archimage.index.holds import HoldTable
from archimage.model.access import Principal
from archimage.model.callers import Caller, DoneFor
from archimage.model.changes import ChangeState, PatientRef
from archimage.model.events import HoldChanged
from archimage.model.holds import Hold
from archimage.services.consistency import rebuild
from archimage.services.events import EventHub
from archimage.services.holds import REASON_LENGTH, HoldService
from archimage.services.intake import Outcome
from archimage.services.removal import RemovalService
from archimage.storage.journal import replay
from tests.attacks.datasets import dataset, new_uid
from tests.services.changing import changing, correct
from tests.services.parts import LIMIT, Open, Parts, expected, recovered
from tests.services.test_intake import kept_row, store_all, supersede

STUDY = "1.2.826.0.1.3680043.8.499.1"
SERIES = "1.2.826.0.1.3680043.8.499.2"


@pytest.fixture
def events() -> EventHub:
    """Where holds are told."""
    return EventHub()


def service(parts: Parts, events: EventHub | None = None) -> HoldService:
    """The service over an archive, at a time of its own."""
    return HoldService(HoldTable(parts.index), events or EventHub(), lambda: 7.0)


def store(parts: Parts, pixels: bytes = b"1" * 100, uid: str = "") -> str:
    """Store an object of the study; return its UID."""
    uid = uid or new_uid()
    parts.service.store(expected(uid), [dataset(uid, pixels=pixels)])
    return uid


def files(parts: Parts) -> dict[Path, bytes]:
    """Read every file that is kept."""
    return {path: path.read_bytes() for path in (parts.directory / "objects").rglob("*.dcm")}


@pytest.fixture
def held(opened: Open) -> tuple[Parts, HoldService, str]:
    """An archive that replaces what comes again, with one study of one object, on hold."""
    parts = opened(replace=True)
    uid = store(parts)
    holds = service(parts)
    holds.place(STUDY, "Case 7")
    return parts, holds, uid


def test_who_why_and_when_are_kept_and_told(parts: Parts, events: EventHub) -> None:
    store(parts)
    holds, told = service(parts, events), list[tuple[str, str]]()
    holds.told = lambda study, what: told.append((study, what))
    before = events.last
    with DoneFor(Caller("web", "r", Principal(user="ann", address="192.0.2.1"))):
        assert holds.place(STUDY, "  Case\n 7 ") == Hold(STUDY, "ann", "Case 7", 7.0)
        assert holds.release(STUDY, "closed").reason == "Case 7"
    assert told == [(STUDY, "legal hold placed: Case 7"), (STUDY, "legal hold released: closed; it was: Case 7")]
    assert [one.event for one in events.since(before).told] == [HoldChanged(STUDY, True), HoldChanged(STUDY, False)]
    assert holds.list(10, 0).total == 0


@pytest.mark.parametrize("reason", ["", " \n", "x" * (REASON_LENGTH + 1), "a\x07"])
def test_no_hold_is_placed_or_released_without_a_reason(parts: Parts, reason: str) -> None:
    store(parts)
    holds = service(parts)
    with pytest.raises(InvalidRequestError):
        holds.place(STUDY, reason)
    holds.place(STUDY, "x" * REASON_LENGTH)
    with pytest.raises(InvalidRequestError):
        holds.release(STUDY, reason)
    assert holds.get(STUDY) is not None


def test_what_is_not_there_is_neither_held_nor_released(parts: Parts) -> None:
    holds = service(parts)
    with pytest.raises(NotFoundError):
        holds.place("9.9", "Case 7")
    with pytest.raises(NotFoundError):
        holds.release("9.9", "closed")
    with pytest.raises(InvalidInstanceUIDError):
        holds.place("9.x", "Case 7")


def test_nothing_of_a_held_study_is_removed_until_it_is_released(held: tuple[Parts, HoldService, str]) -> None:
    parts, holds, uid = held
    before = files(parts)
    with closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))) as removal:
        for remove in (
            lambda: removal.remove_study(STUDY),
            lambda: removal.remove_series(STUDY, SERIES),
            lambda: removal.remove_instance(STUDY, SERIES, uid),
        ):
            with pytest.raises(HeldError):
                remove()
        assert files(parts) == before
        holds.release(STUDY, "closed")
        assert removal.remove_study(STUDY).instances == 1
        assert files(parts) == {}


@pytest.mark.parametrize("size", [100, 2 * LIMIT], ids=["journalled", "streamed"])
def test_other_bytes_do_not_take_the_place_of_what_is_held(held: tuple[Parts, HoldService, str], size: int) -> None:
    parts, holds, uid = held
    before = files(parts)
    with pytest.raises(HeldError):
        store(parts, b"2" * size, uid)
    assert files(parts) == before
    assert parts.service.store(expected(uid), [dataset(uid, pixels=b"1" * 100)]).kind == "duplicate"
    other = store(parts, b"3" * size)
    assert parts.kept(other) is not None
    holds.release(STUDY, "closed")
    assert parts.service.store(expected(uid), [dataset(uid, pixels=b"2" * size)]).kind == "replaced"
    parts.assert_agreement()


def test_who_comes_together_with_a_refused_replacement_is_kept(held: tuple[Parts, HoldService, str]) -> None:
    parts, _, uid = held
    kept, fresh = kept_row(parts, uid), [new_uid() for _ in range(7)]
    answers = store_all(parts, [(uid, dataset(uid, pixels=b"2")), *((one, dataset(one)) for one in fresh)])
    assert answers == [HeldError, *["stored"] * 7]
    assert kept_row(parts, uid) == kept


def test_another_form_does_not_take_the_place_of_what_is_held(held: tuple[Parts, HoldService, str]) -> None:
    parts, holds, uid = held
    kept, before = kept_row(parts, uid), files(parts)
    assert isinstance(supersede(parts, uid, kept, b"smaller"), HeldError)
    assert (kept_row(parts, uid), files(parts)) == (kept, before)
    holds.release(STUDY, "closed")
    assert isinstance(supersede(parts, uid, kept, b"smaller"), Outcome)


def test_a_change_that_met_a_hold_on_its_way_fails_and_changes_nothing(held: tuple[Parts, HoldService, str]) -> None:
    parts, holds, uid = held
    before = files(parts)
    with ExitStack() as opened:
        changes = changing(opened, parts)
        trail = changes.do(correct(PatientRef(study_instance_uid=STUDY), PatientName="Other^Name"))
        assert trail.change.state is ChangeState.FAILED
        assert files(parts) == before
        changes.service.check = holds.check
        with pytest.raises(HeldError):
            changes.service.preview(correct(PatientRef(study_instance_uid=STUDY), PatientName="Other^Name"))
        holds.release(STUDY, "closed")
        changes.service.resume(trail.change.number)
        assert changes.ended(trail.change.number)
        assert b"Other^Name" in (parts.kept(uid) or b"")


def test_a_replacement_that_was_never_answered_is_dropped_where_its_study_is_held_since(opened: Open) -> None:
    parts = opened(replace=True)
    uid = new_uid()
    old = parts.service.store(expected(uid), [dataset(uid, pixels=b"11")]).record
    before = files(parts)
    new = parts.service.store(expected(uid), [dataset(uid, pixels=b"22")]).record
    # As if the process had ended when the journal was flushed, and the index had not committed.
    (parts.directory / "objects" / new.path).unlink()
    for path, data in before.items():
        path.write_bytes(data)
    parts.index.add([old])
    service(parts).place(STUDY, "Case 7")
    assert recovered([replay(parts.journal_directory)], parts.blobs, parts.index) == 0
    assert files(parts) == before
    assert kept_row(parts, uid).path == old.path


def test_an_index_made_anew_keeps_the_rows_of_what_is_held(held: tuple[Parts, HoldService, str]) -> None:
    parts, holds, uid = held
    other = store(parts)
    path = parts.directory / "objects" / kept_row(parts, uid).path
    lost = parts.directory / "objects" / kept_row(parts, other).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    lost.unlink()
    *_, done = rebuild(parts.index, parts.blobs)
    objects = parts.directory / "objects"
    assert {name for name, _ in done.unreadable} == {str(one.relative_to(objects)) for one in (path, lost)}
    assert (done.indexed, done.dropped) == (0, 0)
    assert parts.index.lookup(uid) is not None
    assert parts.index.lookup(other) is not None
    path.write_bytes(whole)
    holds.release(STUDY, "closed")
    *_, done = rebuild(parts.index, parts.blobs)
    assert (done.indexed, done.dropped, done.unreadable) == (1, 1, [])
