"""Tests of services.store: what one reception accepts, refuses and leaves behind."""

import pytest

from archimage.dicom.part10 import decode_file_meta
from archimage.errors import (
    DicomError,
    IdentityMismatchError,
    InvalidDatasetError,
    InvalidInstanceUIDError,
    OutOfResourcesError,
    UnsupportedTransferSyntaxError,
)
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.protocol.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.intake import Outcome
from archimage.services.store import HELD_TOGETHER_BYTES, Expected
from archimage.storage.journal import replay
from tests.attacks.datasets import SOP_CLASS_UID, dataset, new_uid
from tests.attacks.wire import CT
from tests.services.parts import LIMIT, Parts, expected
from tests.storage.faults import divert

_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("piece_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize("pixels", [b"ab" * 50, bytes(LIMIT + 2)], ids=["small", "large"])
def test_an_object_is_kept_as_received_whatever_its_pieces(parts: Parts, piece_bytes: int, pixels: bytes) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=pixels)
    step = piece_bytes if len(data) < 2_000 else max(piece_bytes, 1_000)
    outcome = parts.service.store(expected(uid), [data[at : at + step] for at in range(0, len(data), step)])
    assert outcome.kind == "stored"
    assert parts.kept(uid) == data
    assert isinstance(parts.events[0], InstanceStored)
    parts.assert_agreement()


def test_the_file_says_what_was_announced_under_a_preamble_of_zeros(parts: Parts) -> None:
    uid = new_uid()
    outcome = parts.service.store(expected(uid), [dataset(uid)])
    with parts.blobs.open(outcome.record.path) as reader:
        head = reader.read(0, reader.size_bytes)
    meta, offset = decode_file_meta(head)
    assert head[:128] == bytes(128)
    assert (meta.media_storage_sop_class_uid, meta.media_storage_sop_instance_uid) == (CT, uid)
    assert (meta.transfer_syntax_uid, meta.source_ae_title) == (EXPLICIT_VR_LITTLE_ENDIAN, "SENDER")
    assert (offset, len(head)) == (outcome.record.data_set_offset, outcome.record.size_bytes)


def test_a_deflated_object_is_kept_without_a_frame_table(parts: Parts) -> None:
    uid = new_uid()
    data = dataset(uid, transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    outcome = parts.service.store(Expected(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, CT, uid), [data])
    assert outcome.record.frames is None
    assert parts.kept(uid) == data


@pytest.mark.parametrize(
    ("announced", "error"),
    [
        (Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, "../x"), InvalidInstanceUIDError),
        (Expected(EXPLICIT_VR_LITTLE_ENDIAN, "x", "1.2"), InvalidInstanceUIDError),
        (Expected("1.2.3", CT, "1.2"), UnsupportedTransferSyntaxError),
    ],
)
def test_what_is_announced_wrongly_is_refused_before_any_data(
    parts: Parts, announced: Expected, error: type[Exception]
) -> None:
    with pytest.raises(error):
        parts.service.begin(announced)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([], DicomError),
        ([b"\xff" * 1_000], InvalidDatasetError),
        ([dataset("1.2.3")[:-10]], InvalidDatasetError),
        ([dataset("1.2.4")], IdentityMismatchError),
        ([dataset("1.2.3", replaced={SOP_CLASS_UID: b"1.2"})], IdentityMismatchError),
    ],
    ids=["nothing", "noise", "cut", "other instance", "other class"],
)
def test_a_wrong_object_is_read_to_its_end_refused_and_leaves_nothing(
    parts: Parts, data: list[bytes], error: type[Exception]
) -> None:
    with pytest.raises((error, IdentityMismatchError)):
        parts.service.store(expected("1.2.3"), [*data, *data[1:]])
    assert isinstance(parts.events[0], InstanceRefused)
    parts.assert_agreement()


def test_after_the_first_fault_the_rest_is_not_even_looked_at(parts: Parts) -> None:
    reception = parts.service.begin(expected("1.2.3"))
    reception.write([b"\xff" * 1_000])
    reception.write([b"\xff" * 1_000])
    parts.assert_agreement()


def test_an_association_that_ends_early_leaves_nothing(parts: Parts) -> None:
    reception = parts.service.begin(expected("1.2.3"))
    reception.discard()
    reception.write([dataset("1.2.3")[:200]])
    reception.discard()
    parts.assert_agreement()


def test_a_full_disk_in_the_last_bytes_is_told(parts: Parts) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(LIMIT + 2))
    reception = parts.service.begin(expected(uid))
    reception.write([data[:LIMIT]])
    (name,) = parts.blobs.incoming()
    divert(parts.directory / "incoming" / "0" / name, "/dev/full")
    answers: list[object] = []
    reception.finish([data[LIMIT:]], answers.append)
    parts.intake.close()
    assert isinstance(answers[0], OutOfResourcesError)
    parts.assert_agreement()


def test_a_small_object_is_held_until_it_is_whole_however_it_comes(parts: Parts) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(LIMIT // 2))
    reception = parts.service.begin(expected(uid))
    for at in range(0, 60_000, 10_000):
        reception.write([data[at : at + 10_000]])
    assert list(parts.blobs.incoming()) == []
    answers: list[object] = []
    reception.finish([data[60_000:]], answers.append)
    parts.intake.close()
    assert isinstance(answers[0], Outcome)
    assert parts.kept(uid) == data
    parts.assert_agreement()


def test_what_is_held_together_is_bounded_and_the_rest_goes_through_files(parts: Parts) -> None:
    together = parts.service.durability.together
    assert together.take(HELD_TOGETHER_BYTES)
    uid = new_uid()
    data = dataset(uid, pixels=bytes(LIMIT * 3 // 4))
    assert parts.service.store(expected(uid), [data]).kind == "stored"
    assert [payload for _, payload in replay(parts.journal_directory)] == [b""]
    together.give(HELD_TOGETHER_BYTES)
    other = new_uid()
    assert parts.service.store(expected(other), [dataset(other, pixels=bytes(LIMIT * 3 // 4))]).kind == "stored"
    assert together.take(HELD_TOGETHER_BYTES)  # all was given back
    assert parts.kept(uid) == data


def test_what_becomes_too_large_to_be_held_goes_to_its_file_with_what_was_held(parts: Parts) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(LIMIT + 2))
    reception = parts.service.begin(expected(uid))
    for at in range(0, LIMIT, LIMIT // 4):
        reception.write([data[at : at + LIMIT // 4]])
    assert len(list(parts.blobs.incoming())) == 1
    answers: list[object] = []
    reception.finish([data[LIMIT:]], answers.append)
    parts.intake.close()
    assert isinstance(answers[0], Outcome)
    assert parts.kept(uid) == data
    parts.assert_agreement()


def test_only_small_objects_that_need_no_inflating_are_finished_on_the_event_loop(parts: Parts) -> None:
    plain, deflated = (Expected(syntax, CT, new_uid()) for syntax in _SYNTAXES)
    assert parts.service.begin(plain).is_quick(1_000)
    assert not parts.service.begin(plain).is_quick(LIMIT)
    assert not parts.service.begin(plain).is_quick(LIMIT // 2 + 1)  # it would be held, but takes long to scan
    assert not parts.service.begin(deflated).is_quick(1_000)
