"""Corrections, merges and moves: what objects and index say after, what stays, and what the trail tells of it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.encode import encode_dataset
from archimage.errors import (
    CancelledError,
    ConflictError,
    DuplicateInstanceError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from archimage.index.hashed import HashedTable
from archimage.index.labels import LabelTable
from archimage.model.attributes import Level
from archimage.model.changes import ChangeKind, ChangeRequest, ChangeState, PatientKey, PatientRef
from archimage.model.hashed import Named
from archimage.model.tasks import TaskState
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.change_work import ChangeWork
from archimage.services.consistency import rebuild, verify
from archimage.services.metadata import MetadataService
from archimage.services.tasks import Progress
from archimage.storage.cache import FilesystemCache
from archimage.storage.lanes import Turn
from tests.attacks.server import wait_until
from tests.attacks.wire import CT
from tests.services.changing import ASKER, Changing, Start, changing, correct, kept, received_fresh, rows, store
from tests.services.parts import Open, Parts

A, B = PatientRef("A"), PatientRef("B")


@pytest.fixture
def start() -> Iterator[Start]:
    """Make what changes an archive; it ends with the test."""
    with ExitStack() as held:

        def started(parts: Parts, **options: Any) -> Changing:
            return changing(held, parts, **options)

        yield started


def dataset(number: int, study: int, patient: str = "A", **values: Any) -> Dataset:
    """Make a small object: number tells it from all others."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT, f"1.2.3.{study}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"1.2.3.{study}", f"1.2.3.{study}.1"
    made.Modality, made.StudyDate = "CT", "20240101"
    made.PatientName, made.PatientID, made.PatientBirthDate = f"Demo^{patient}", patient, "19600101"
    made.PatientSex = "O"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def put(parts: Parts, *made: Dataset) -> list[str]:
    """Store objects."""
    return [store(parts, encode_dataset(one, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN) for one in made]


def assert_as_received_fresh(parts: Parts, opened: Open) -> None:
    """Compare the index with that of an archive to which the same objects came."""
    assert rows(parts) == received_fresh(parts, opened("fresh"))
    assert wait_until(
        lambda: {one.path for page in parts.index.all_instances() for one in page} == set(parts.blobs.paths()), 10
    )
    parts.assert_agreement()


def test_a_patient_is_corrected_in_all_of_his_studies(parts: Parts, start: Start, opened: Open) -> None:
    uids = put(parts, dataset(1, 1), dataset(2, 1, PatientComments="first"), dataset(1, 2), dataset(1, 3, "B"))
    trail = start(parts).do(correct(A, PatientName="Demo^Corrected", PatientBirthDate="19700131"))
    assert (trail.change.state, trail.change.done, trail.change.failed) == (ChangeState.DONE, 3, 0)
    for uid in uids[:3]:
        found = kept(parts, uid)
        assert (found.PatientName, found.PatientBirthDate, found.PatientID) == ("Demo^Corrected", "19700131", "A")
        (item,) = found.OriginalAttributesSequence
        (before,) = item.ModifiedAttributesSequence
        assert (before.PatientName, before.PatientBirthDate, len(before)) == ("Demo^A", "19600101", 2)
        told = (item.ModifyingSystem, item.SourceOfPreviousValues, item.ReasonForTheAttributeModification)
        assert told == ("PACS_SCP", "SENDER", "CORRECT")
        assert item.AttributeModificationDateTime.endswith("+0000")
    assert "OriginalAttributesSequence" not in kept(parts, uids[3])
    assert_as_received_fresh(parts, opened)


def test_the_trail_tells_who_asked_when_why_and_what_was_before(parts: Parts, start: Start) -> None:
    put(parts, dataset(1, 1), dataset(1, 2, PatientName="Demo^Otherwise"))
    change = start(parts)
    trail = change.do(correct(A, PatientName="Demo^Corrected"))
    assert (trail.change.asker, trail.change.reason) == (ASKER, "typing error")
    assert trail.change.new_values == {"PatientName": "Demo^Corrected"}
    before = {one.study_instance_uid: one.old_values for one in trail.studies}
    assert before == {"1.2.3.1": {"PatientName": "Demo^A"}, "1.2.3.2": {"PatientName": "Demo^Otherwise"}}
    change.do(replace(correct(A, PatientSex="F"), reason="again"))
    assert [one.reason for one in change.service.list(9, 0).items] == ["again", "typing error"]
    assert change.service.list(1, 1).total == 2
    assert change.service.list(9, 0, "1.2.3.9").items == []


@pytest.mark.parametrize("values", [{"PatientID": "NEW"}, {"PatientID": "NEW", "IssuerOfPatientID": "WARD"}])
def test_a_patient_gets_another_id(parts: Parts, start: Start, opened: Open, values: dict[str, str]) -> None:
    put(parts, dataset(1, 1, EthnicGroup="x"), dataset(1, 2, PatientComments="late"), dataset(1, 3, "B"))
    LabelTable(parts.index).add("1.2.3.2", "urgent", 9)
    hashed = HashedTable(parts.index)
    for level in Level:
        hashed.note_new(level)
    start(parts).do(correct(A, **values))
    assert_as_received_fresh(parts, opened)
    assert LabelTable(parts.index).of(["1.2.3.2"]) == {"1.2.3.2": ["urgent"]}
    for names in (
        ("NEW",),
        ("NEW", "1.2.3.2"),
        ("NEW", "1.2.3.2", "1.2.3.2.1"),
        ("NEW", "1.2.3.2", "1.2.3.2.1", "1.2.3.2.1"),
    ):
        after, before = Named(names), Named(("A", *names[1:]))
        hashed.note_new(after.level)
        assert after in hashed.find(after.level, after.key)
        assert before not in hashed.find(before.level, before.key)
    assert Named(("B", "1.2.3.3")) in hashed.find(Level.STUDY, Named(("B", "1.2.3.3")).key)


def test_a_patient_without_an_id_gets_one(parts: Parts, start: Start, opened: Open) -> None:
    put(parts, dataset(1, 1, PatientID=""), dataset(2, 1, PatientID=""), dataset(1, 2, PatientID=""))
    ref = PatientRef(study_instance_uid="1.2.3.1")
    change = start(parts)
    change.do(correct(ref, PatientSex="F"))
    assert_as_received_fresh(parts, opened)
    change.do(correct(ref, PatientID="FOUND"))
    assert change.table.patient_of("1.2.3.1") == PatientKey("FOUND")
    assert change.table.patient_of("1.2.3.2") == PatientKey("", "", "1.2.3.2")


def test_a_study_is_corrected_and_a_series(parts: Parts, start: Start, opened: Open) -> None:
    second = dataset(2, 1, SeriesInstanceUID="1.2.3.1.2", AccessionNumber="LATE", SeriesDescription="other")
    uids = put(parts, dataset(1, 1, StudyDescription="wrong"), second, dataset(1, 2))
    change = start(parts)
    values = {
        "StudyDate": "20230303",
        "StudyDescription": "",
        "ReferringPhysicianName": "Demo^Referrer",
        "AccessionNumber": "",
    }
    change.do(ChangeRequest(ChangeKind.CORRECT_STUDY, studies=("1.2.3.1",), attributes=values, reason="r"))
    found = kept(parts, uids[1])
    assert (found.StudyDate, found.AccessionNumber, "StudyDescription" in found) == ("20230303", "", False)
    request = ChangeRequest(
        ChangeKind.CORRECT_SERIES,
        studies=("1.2.3.1",),
        series_instance_uid="1.2.3.1.2",
        attributes={"SeriesDescription": "right", "OperatorsName": "Demo^One\\Demo^Two", "SeriesNumber": "7"},
        reason="r",
    )
    trail = change.do(request)
    assert trail.change.objects == 1
    assert [str(name) for name in kept(parts, uids[1]).OperatorsName] == ["Demo^One", "Demo^Two"]
    assert "SeriesNumber" not in kept(parts, uids[0])
    assert_as_received_fresh(parts, opened)


def test_patients_are_merged(parts: Parts, start: Start, opened: Open) -> None:
    others = Dataset()
    others.PatientID = "A-OLD"
    mine = dataset(1, 1, OtherPatientIDsSequence=[others], PatientComments="of A", PatientTelephoneNumbers="123")
    uids = put(parts, mine, dataset(1, 2), dataset(1, 3, "B", EthnicGroup="b", PatientSex="F"))
    trail = start(parts).do(ChangeRequest(ChangeKind.MERGE, A, into=B, reason="twice"))
    assert (trail.change.state, trail.change.patient) == (ChangeState.DONE, PatientKey("A"))
    found = kept(parts, uids[0])
    assert (found.PatientID, found.PatientName, found.EthnicGroup, found.PatientSex) == ("B", "Demo^B", "b", "F")
    for keyword in ("OtherPatientIDsSequence", "PatientComments", "PatientTelephoneNumbers"):
        assert keyword not in found
    (before,) = found.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert before.OtherPatientIDsSequence[0].PatientID == "A-OLD"
    assert (before.PatientID, before.PatientTelephoneNumbers) == ("A", "123")
    assert_as_received_fresh(parts, opened)


def test_studies_are_moved_to_a_patient_who_is_there_or_to_a_new_one(parts: Parts, start: Start, opened: Open) -> None:
    put(
        parts,
        dataset(1, 1, PatientComments="only here", PatientSex=""),
        dataset(1, 2),
        dataset(1, 3),
        dataset(1, 4, "B"),
    )
    change = start(parts)
    change.do(ChangeRequest(ChangeKind.MOVE, studies=("1.2.3.1",), into=B, reason="mixed up"))
    person = change.table.person(PatientKey("A"))
    assert person is not None
    assert (person.get("patient_comments"), person["patient_sex"]) == (None, "O")
    values = {"PatientID": "C", "PatientName": "Demo^C"}
    change.do(ChangeRequest(ChangeKind.MOVE, studies=("1.2.3.2",), attributes=values, reason="split"))
    assert change.table.person(PatientKey("C")) == {"patient_id": "C", "patient_name": "Demo^C"}
    assert change.table.studies_of(PatientKey("A")) == ["1.2.3.3"]
    assert_as_received_fresh(parts, opened)


def test_what_is_corrected_may_be_sent_again_and_the_correction_stays(parts: Parts, start: Start) -> None:
    data = encode_dataset(dataset(1, 1), EXPLICIT_VR_LITTLE_ENDIAN)
    uid = store(parts, data, EXPLICIT_VR_LITTLE_ENDIAN)
    change = start(parts)
    for name in ("Demo^Once", "Demo^Twice"):
        change.do(correct(A, PatientName=name))
    store(parts, data, EXPLICIT_VR_LITTLE_ENDIAN)
    assert kept(parts, uid).PatientName == "Demo^Twice"
    assert len(kept(parts, uid).OriginalAttributesSequence) == 2
    other = encode_dataset(dataset(1, 1, PatientComments="another"), EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(DuplicateInstanceError):
        store(parts, other, EXPLICIT_VR_LITTLE_ENDIAN)
    row = parts.index.lookup(uid)
    assert row is not None
    assert len(Path(row.path).name) < len(uid) + 24


def test_an_object_that_has_the_values_already_is_left_alone(parts: Parts, start: Start) -> None:
    (uid,) = put(parts, dataset(1, 1))
    before = parts.index.lookup(uid)
    request = correct(A, PatientName="Demo^A", PatientComments="")
    change = start(parts)
    assert change.service.preview(request).warnings == ["the first objects have these values already"]
    assert change.do(request).change.done == 1
    assert parts.index.lookup(uid) == before


def test_what_was_made_of_an_object_is_made_anew(parts: Parts, start: Start, tmp_path: Path) -> None:
    put(parts, dataset(1, 1))
    metadata = MetadataService(parts.index, parts.blobs, FilesystemCache(tmp_path / "data" / "cache", 1 << 20))
    before = metadata.study("1.2.3.1")
    start(parts).do(correct(A, PatientName="Demo^Corrected"))
    after = metadata.study("1.2.3.1")
    assert before.etag != after.etag
    assert b"Demo^Corrected" in b"".join(after.json())


def test_the_index_made_anew_is_the_same(parts: Parts, start: Start) -> None:
    put(parts, dataset(1, 1), dataset(1, 2), dataset(1, 3, "B"))
    change = start(parts)
    change.do(ChangeRequest(ChangeKind.MERGE, A, into=B, reason="twice"))
    assert wait_until(lambda: len(set(parts.blobs.paths())) == 3, 10)
    before = rows(parts)
    list(rebuild(parts.index, parts.blobs))
    assert rows(parts) == before
    *_, findings = verify(parts.index, parts.blobs, digests=True)
    assert (findings.missing, findings.damaged, findings.orphans) == ([], [], [])
    assert change.service.list(9, 0).total == 1


# What is refused before anything begins


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"PatientName": "x" * 65}, "attributes.PatientName: it has more than 64 characters in a group"),
        ({"PatientBirthDate": "19700231"}, "attributes.PatientBirthDate: it is no day of the calendar"),
        ({"PatientBirthDate": "1970-01-31"}, "attributes.PatientBirthDate: it is longer than 8 characters"),
        ({"PatientSex": "X"}, "attributes.PatientSex: it is none of F, M, O"),
        ({"PatientID": "a\\b"}, "attributes.PatientID: it may have one value only"),
        ({"PatientID": ""}, "attributes.PatientID: a patient cannot do without"),
        ({"StudyDate": "20240101"}, "attributes.StudyDate: it is none of PatientID"),
        ({}, "attributes: name at least one"),
    ],
)
def test_a_wrong_value_is_refused_by_name(parts: Parts, start: Start, values: dict[str, str], words: str) -> None:
    put(parts, dataset(1, 1))
    change = start(parts)
    for ask in (change.service.preview, lambda request: change.service.begin(request, ASKER)):
        with pytest.raises(InvalidRequestError, match=words):
            ask(correct(A, **values))
    assert change.service.list(9, 0).total == 0


def test_what_is_not_there_is_not_changed(parts: Parts, start: Start) -> None:
    put(parts, dataset(1, 1), dataset(1, 2, "B"))
    preview = start(parts).service.preview
    series = ChangeRequest(ChangeKind.CORRECT_SERIES, studies=("1.2.3.1",), series_instance_uid="9",
                           attributes={"SeriesNumber": "1"})  # fmt: skip
    for request in (
        correct(PatientRef("Z"), PatientSex="F"),
        correct(PatientRef(study_instance_uid="9"), PatientSex="F"),
        series,
    ):
        with pytest.raises(NotFoundError):
            preview(request)
    with pytest.raises(InvalidRequestError, match="several patients"):
        preview(ChangeRequest(ChangeKind.MOVE, studies=("1.2.3.1", "1.2.3.2"), attributes={"PatientID": "C"}))
    with pytest.raises(InvalidRequestError, match="named by"):
        preview(correct(PatientRef(), PatientSex="F"))


def test_two_who_would_become_one_by_a_correction_are_an_obstacle(parts: Parts, start: Start) -> None:
    put(
        parts,
        dataset(1, 1),
        dataset(1, 2, "B", PatientBirthDate="19990101"),
        dataset(1, 3, "B", IssuerOfPatientID="WARD"),
    )
    change = start(parts)
    shown = change.service.preview(correct(A, PatientID="B"))
    assert shown.obstacle == "Patient ID B is that of Demo^B already: merge with, or move to, that patient"
    assert shown.warnings == ["Patient ID B exists with another issuer too: WARD"]
    with pytest.raises(ConflictError, match="merge with"):
        change.service.begin(correct(A, PatientID="B"), ASKER)
    merge = change.service.preview(ChangeRequest(ChangeKind.MERGE, A, into=PatientRef("B")))
    assert "the other patient has another birth date: 19990101 instead of 19600101" in merge.warnings
    assert change.service.preview(ChangeRequest(ChangeKind.MERGE, A, into=A)).obstacle
    assert change.service.list(9, 0).total == 0


# Interruptions


def test_one_change_is_at_work_at_a_time_and_one_that_waits_can_be_cancelled(parts: Parts, start: Start) -> None:
    (uid,) = put(parts, dataset(1, 1))
    change = start(parts)
    turn = Turn.take(parts.directory / "changing.lock")
    assert turn is not None
    begun = change.service.begin(correct(A, PatientName="Demo^Late"), ASKER)
    with pytest.raises(ConflictError, match="still at work"):
        change.service.begin(correct(A, PatientName="Demo^Other"), ASKER)
    assert change.service.cancel(begun.change.number).state is ChangeState.CANCELLED
    assert change.ended(begun.change.number)
    assert change.tasks.get(begun.task.id).state is TaskState.CANCELLED
    assert kept(parts, uid).PatientName == "Demo^A"
    turn.close()
    change.service.resume(begun.change.number)
    assert change.ended(begun.change.number)
    assert kept(parts, uid).PatientName == "Demo^Late"
    with pytest.raises(ConflictError, match="is done"):
        change.service.resume(begun.change.number)
    with pytest.raises(ConflictError, match="ended already"):
        change.service.cancel(begun.change.number)


def test_too_many_changes_at_once_are_refused(parts: Parts, start: Start) -> None:
    put(parts, *(dataset(1, number, f"P{number}") for number in range(1, 5)))
    change = start(parts)
    turn = Turn.take(parts.directory / "changing.lock")
    assert turn is not None
    for number in range(1, 4):
        change.service.begin(correct(PatientRef(f"P{number}"), PatientSex="F"), ASKER)
    with pytest.raises(UnavailableError):
        change.service.begin(correct(PatientRef("P4"), PatientSex="F"), ASKER)
    turn.close()
    assert change.ended(3)
    assert {one.state for one in change.service.list(9, 0).items} == {ChangeState.DONE}


def test_a_cancelled_task_is_a_cancelled_change(parts: Parts, start: Start) -> None:
    put(parts, dataset(1, 1))
    change = start(parts)
    turn = Turn.take(parts.directory / "changing.lock")
    assert turn is not None
    begun = change.service.begin(correct(A, PatientName="Demo^Late"), ASKER)
    change.tasks.cancel(begun.task.id)
    assert change.ended(begun.change.number)
    assert wait_until(lambda: change.service.get(1).change.state is ChangeState.CANCELLED, 5)
    turn.close()


def test_what_a_stop_interrupts_goes_on_with_the_next_start(opened: Open, start: Start) -> None:
    parts = opened()
    uids = put(parts, *(dataset(number, 1) for number in range(1, 41)))
    with ExitStack() as held:
        change = changing(held, parts)
        change.service.begin(correct(A, PatientName="Demo^Corrected"), ASKER)
        wait_until(lambda: change.service.get(1).change.done > 0, 10)
    after = start(parts)
    after.service.start()
    assert after.ended(1)
    assert after.service.get(1).change.state is ChangeState.DONE
    assert {str(kept(parts, uid).PatientName) for uid in uids} == {"Demo^Corrected"}
    assert all(len(kept(parts, uid).OriginalAttributesSequence) == 1 for uid in uids)
    assert_as_received_fresh(parts, opened)


def test_half_a_study_is_completed_and_until_then_lists_show_what_was(parts: Parts, start: Start, opened: Open) -> None:
    uids = put(parts, *(dataset(number, 1) for number in range(1, 41)))
    change, before = start(parts), rows(parts)
    turn = Turn.take(parts.directory / "changing.lock")
    assert turn is not None
    request = correct(A, PatientName="Demo^Corrected", PatientID="NEW")
    number = change.service.begin(request, ASKER).change.number
    made, asked = change.table.get(number), threading.Event()
    assert made is not None
    told: list[Mapping[str, Any]] = []

    def report(news: Mapping[str, Any]) -> None:
        told.append(news)
        asked.set()

    with pytest.raises(CancelledError):
        ChangeWork(change.tools, made, Progress(report, asked)).run()
    names = [str(kept(parts, uid).PatientName) for uid in uids]
    assert 0 < names.count("Demo^Corrected") < 40
    assert [one["total"] for one in told] == [40]
    assert rows(parts)[0] == before[0]
    turn.close()
    assert change.ended(number)
    assert {str(kept(parts, uid).PatientName) for uid in uids} == {"Demo^Corrected"}
    assert change.service.get(number).change.done == 40
    assert_as_received_fresh(parts, opened)


def test_an_object_that_cannot_be_changed_is_told_and_can_be_tried_again(parts: Parts, start: Start) -> None:
    uids = put(parts, dataset(1, 1), dataset(2, 1))
    row = parts.index.lookup(uids[1])
    assert row is not None
    path = parts.directory / "objects" / row.path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    change = start(parts)
    trail = change.do(correct(A, PatientName="Demo^Corrected"))
    assert (trail.change.state, trail.change.done, trail.change.failed) == (ChangeState.FAILED, 1, 1)
    assert trail.studies[0].problems == {uids[1]: "the file is not what was stored"}
    assert trail.change.error == "1 objects could not be changed"
    path.write_bytes(whole)
    change.service.resume(1)
    assert change.ended(1)
    assert change.service.get(1).change.state is ChangeState.DONE
    assert kept(parts, uids[1]).PatientName == "Demo^Corrected"


def test_what_comes_meanwhile_or_later_stays_as_it_came(parts: Parts, start: Start) -> None:
    put(parts, dataset(1, 1))
    start(parts).do(correct(A, PatientName="Demo^Corrected"))
    (late,) = put(parts, dataset(2, 1))
    assert kept(parts, late).PatientName == "Demo^A"
    assert parts.index.fetch("SELECT patient_name FROM patient", {}) == [("Demo^Corrected",)]
