"""Parts of a web request go straight to the store, or wait for what they belong to; their bounds hold."""

import json
from typing import Any

import pytest

from archimage.errors import (
    ArchimageError,
    DuplicateInstanceError,
    ExcessiveRequestError,
    IndexUnavailableError,
    InvalidDatasetError,
    OutOfResourcesError,
    UnsupportedTransferSyntaxError,
)
from archimage.protocol.status import Status
from archimage.services import stow
from archimage.services.stow import DICOM, PartHead, Upload
from archimage.services.stow_object import Answer, Failed, Stored, Submission, failure_reason
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT
from tests.services.parts import LIMIT, Parts
from tests.storage.faults import divert
from tests.web.stowing import part10

_JSON = "application/dicom+json"
_BYTES = "application/octet-stream"


def put(upload: Upload, head: PartHead, *pieces: bytes) -> Submission | None:
    """Send one part."""
    upload.begin(head)
    for piece in pieces:
        upload.write(memoryview(piece))
    return upload.end()


def submit(parts: Parts, *submissions: Submission | None) -> list[Answer]:
    """Submit, and close the intake so that all are answered."""
    answers: list[Answer] = []
    for submission in submissions:
        assert submission is not None
        submission.submit(answers.append)
    parts.intake.close()
    return answers


def model(uid: str, uri: str) -> bytes:
    """Describe a CT whose pixels stand elsewhere."""
    values = {"00080016": CT, "00080018": uid, "0020000D": "1.2.3", "0020000E": "1.2.4"}
    attributes: dict[str, Any] = {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}
    return json.dumps(attributes | {"7FE00010": {"vr": "OW", "BulkDataURI": uri}}).encode()


@pytest.mark.parametrize("step", [1, 1_000, 1 << 20])
@pytest.mark.parametrize("pixels", [b"ab" * 50, bytes(LIMIT * 2)], ids=["small", "large"])
def test_an_object_is_kept_whatever_its_pieces(parts: Parts, step: int, pixels: bytes) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=pixels)
    file = part10(data, uid)
    step = step if len(file) < 2_000 else max(step, 1_000)
    upload = Upload(parts.service, DICOM)
    whole = put(upload, PartHead(DICOM), *(file[at : at + step] for at in range(0, len(file), step)))
    assert whole is not None
    assert whole.is_quick == (len(pixels) == 100)
    (answer,) = submit(parts, whole)
    assert isinstance(answer, Stored)
    assert (answer.sop_instance_uid, answer.preamble) == (uid, False)
    assert parts.kept(uid) == data
    parts.assert_agreement()


def test_the_data_set_counts_and_not_the_file_meta_information(parts: Parts) -> None:
    uid = new_uid()
    (answer,) = submit(parts, put(Upload(parts.service, DICOM), PartHead(DICOM), part10(dataset(uid), "1.2.3")))
    assert isinstance(answer, Stored)
    assert answer.sop_instance_uid == uid


def test_what_is_discarded_in_the_middle_leaves_nothing(parts: Parts) -> None:
    uid = new_uid()
    upload = Upload(parts.service, DICOM)
    upload.begin(PartHead(DICOM))
    upload.write(memoryview(part10(dataset(uid, pixels=bytes(LIMIT * 2)), uid)))
    assert list(parts.blobs.incoming())
    upload.discard()
    upload.discard()
    parts.assert_agreement()


def test_bulk_values_are_read_back_from_a_file_that_is_gone_afterwards(parts: Parts) -> None:
    uid = new_uid()
    upload = Upload(parts.service, _JSON)
    assert put(upload, PartHead(_BYTES, names=("a",)), b"12" * 300_000, b"34") is None
    assert put(upload, PartHead(_BYTES, names=("b",)), b"no one's") is None
    assert put(upload, PartHead(_JSON), model(uid, "a")) is None
    assert len(list(parts.blobs.incoming())) == 1
    (answer,) = submit(parts, *upload.finish())
    upload.discard()
    assert isinstance(answer, Stored)
    assert (parts.kept(uid) or b"").endswith(b"12" * 300_000 + b"34")
    parts.assert_agreement()


def test_a_disk_that_takes_no_bulk_values_is_told_with_each_object(parts: Parts) -> None:
    upload = Upload(parts.service, _JSON)
    upload.begin(PartHead(_BYTES, names=("a",)))
    upload.write(memoryview(b"12"))
    (name,) = parts.blobs.incoming()
    divert(parts.directory / "incoming" / "0" / name, "/dev/full")
    for _ in range(3):
        upload.write(memoryview(bytes(2 << 20)))
    upload.end()
    put(upload, PartHead(_JSON), model(new_uid(), "a"))
    (answer,) = submit(parts, *upload.finish())
    upload.discard()
    assert isinstance(answer, Failed)
    assert isinstance(answer.error, OutOfResourcesError)
    parts.assert_agreement()


def test_too_much_metadata_is_refused_in_all_parts_together(parts: Parts) -> None:
    upload = Upload(parts.service, _JSON)
    put(upload, PartHead(_JSON), bytes(stow.MAX_METADATA_BYTES))
    with pytest.raises(ExcessiveRequestError, match="metadata"):
        put(upload, PartHead(_JSON), b"x")


@pytest.mark.parametrize("head", [PartHead(DICOM), PartHead("text/plain")])
def test_too_much_of_what_cannot_be_stored_is_refused(
    parts: Parts, head: PartHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stow, "MAX_REFUSED_BYTES", 1 << 20)
    upload = Upload(parts.service, DICOM)
    put(upload, head, bytes(100_000))
    upload.begin(head)
    for _ in range(9):
        upload.write(memoryview(bytes(100_000)))
    with pytest.raises(ExcessiveRequestError, match="cannot be stored"):
        upload.write(memoryview(bytes(200_000)))
    upload.discard()
    parts.assert_agreement()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ArchimageError(""), Status.PROCESSING_FAILURE),
        (InvalidDatasetError(""), Status.CANNOT_UNDERSTAND),
        (UnsupportedTransferSyntaxError(""), 0xC122),
        (DuplicateInstanceError(""), Status.DUPLICATE_SOP_INSTANCE),
        (OutOfResourcesError(""), Status.OUT_OF_RESOURCES),
        (IndexUnavailableError(""), Status.OUT_OF_RESOURCES),
    ],
)
def test_the_nearest_class_of_an_error_gives_the_reason(error: ArchimageError, reason: int) -> None:
    assert failure_reason(error) == reason
