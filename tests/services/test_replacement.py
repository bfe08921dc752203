"""Other forms of objects put in place: who reads the old file may end, and nobody's file goes but one's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from archimage.dicom.encode import encode_dataset
from archimage.dicom.part10 import FileMeta
from archimage.errors import IntegrityError, NotFoundError
from archimage.model.records import Kept
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.frames import FrameService
from archimage.services.removal import RemovalService
from archimage.services.replacement import Form, Replacement, ReplacementService, read_original, write_replacement
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT
from tests.services.changing import parsed, store
from tests.services.parts import Parts

Start = Callable[[float], ReplacementService]


@pytest.fixture
def removal(parts: Parts) -> RemovalService:
    """What deletes files."""
    return RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))


@pytest.fixture
def start(parts: Parts, removal: RemovalService) -> Iterator[Start]:
    """Make what puts in place, with so many seconds for readers; it ends with the test."""
    with ExitStack() as held:

        def started(readers_s: float) -> ReplacementService:
            return held.enter_context(closing(ReplacementService(parts.intake, removal, readers_s=readers_s)))

        yield started


def kept(parts: Parts, uid: str) -> Kept:
    """Return what is known of an instance."""
    stored = parts.index.lookup(uid)
    assert stored is not None
    return Kept(stored, "", 1e9, "SENDER")


def other_form(parts: Parts, uid: str) -> Replacement:
    """Write an object with another name of the patient."""
    before = kept(parts, uid)
    found = parsed(parts.kept(uid) or b"", EXPLICIT_VR_LITTLE_ENDIAN)
    found.PatientName = f"{found.PatientName}^Again"
    data = encode_dataset(found, EXPLICIT_VR_LITTLE_ENDIAN)
    original = read_original(FrameService(parts.index, parts.blobs), before)
    form = Form(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN), original)
    return write_replacement(parts.blobs, before, form, [data[:9], data[9:]], flush=True)


def keep(parts: Parts) -> str:
    """Store an object."""
    return store(parts, dataset(new_uid()), EXPLICIT_VR_LITTLE_ENDIAN)


def test_the_old_file_stays_for_those_who_read_it_and_goes_then(parts: Parts, start: Start) -> None:
    uid = keep(parts)
    before = kept(parts, uid).stored.path
    start(0.3).replace([other_form(parts, uid)])
    assert kept(parts, uid).stored.path != before
    assert before in set(parts.blobs.paths())
    assert wait_until(lambda: set(parts.blobs.paths()) == {kept(parts, uid).stored.path}, 10)


def test_what_is_left_when_it_ends_is_deleted_by_the_next_start(
    parts: Parts, start: Start, removal: RemovalService
) -> None:
    uid = keep(parts)
    service = start(300)
    service.replace([other_form(parts, uid)])
    service.close()
    assert len(set(parts.blobs.paths())) == 2
    removal.resume()
    parts.assert_agreement()


def test_files_that_others_replaced_meanwhile_are_left_to_them(parts: Parts, start: Start) -> None:
    ours, theirs = (keep(parts), keep(parts)), keep(parts)
    read = kept(parts, theirs).stored.path
    service, other = start(0.5), start(300)
    service.replace([other_form(parts, ours[0])])
    other.replace([other_form(parts, theirs)])
    service.replace([other_form(parts, ours[1])])
    rows = {kept(parts, uid).stored.path for uid in (*ours, theirs)}
    assert wait_until(lambda: set(parts.blobs.paths()) == rows | {read}, 10)


def test_an_object_that_is_gone_is_not_brought_back(parts: Parts, start: Start, removal: RemovalService) -> None:
    uid = keep(parts)
    made = other_form(parts, uid)
    removal.remove_study("1.2.826.0.1.3680043.8.499.1")
    (answer,) = start(0).replace([made])
    assert isinstance(answer, NotFoundError)
    parts.assert_agreement()


def test_what_the_disk_has_damaged_is_not_made_another_form_of(parts: Parts) -> None:
    uid = keep(parts)
    path = parts.directory / "objects" / kept(parts, uid).stored.path
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(IntegrityError):
        other_form(parts, uid)
