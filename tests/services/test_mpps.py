"""Performed procedure steps: what may be made and changed, and who hears of it; over a real index."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from archimage.dicom.dictionary import dictionary_vr
from archimage.errors import InvalidInstanceUIDError, NotAuthorisedError, NotFoundError, RefusedOperationError
from archimage.index.deliveries import DeliveryTable
from archimage.index.mpps import PerformedStepTable
from archimage.index.sqlite import SqliteIndex
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.mpps import PerformedStep, StepFilter, StepKeys, StepState
from archimage.protocol.status import Status
from archimage.services.datasets import Model, attribute, made, text
from archimage.services.mpps import CREATE, NOTIFY, SET, MppsService, Receivers
from archimage.services.mpps_rules import MAX_REFERENCES, RULES
from tests.services.stepping import MR_STORAGE, SERIES, STUDY, ended, step, without

UID = "1.2.3.9"
TYPE_1 = [rule.tag for rule in RULES if rule.type == 1]
FIXED = [rule.tag for rule in RULES if not rule.settable and not rule.inner]
TEXTS = {"DA": "20200101", "TM": "0101", "SQ": {}}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """An empty index."""
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        yield index


@pytest.fixture
def steps(index: SqliteIndex) -> MppsService:
    """The service, that tells two nodes."""
    return MppsService(PerformedStepTable(index), Receivers(("RIS", "MR1"), ("DESK",)), lambda: None)


def _refused(steps: MppsService, changes: Model, uid: str = UID) -> RefusedOperationError:
    """Return how a change was refused, which has changed nothing."""
    before = steps.get(uid)
    with pytest.raises(RefusedOperationError) as refused:
        steps.change(uid, changes)
    assert steps.get(uid) == before
    return refused.value


def test_a_step_is_made_changed_and_completed(steps: MppsService) -> None:
    assert steps.create(UID, step(), "MR1").state is StepState.IN_PROGRESS
    steps.change(UID, made(attribute(0x00400254, "Head, plain and with contrast")))
    done = steps.change(UID, ended(["1.2.3.4.1.1"]))
    assert (done.state, done.revision, text(done.dataset, 0x00400254)) == (
        StepState.COMPLETED,
        3,
        "Head, plain and with contrast",
    )
    assert steps.get(UID).dataset == done.dataset
    assert steps.counts() == {"COMPLETED": 1}


def test_a_step_without_a_uid_gets_one(steps: MppsService) -> None:
    first, second = steps.create("", step()), steps.create("", step())
    assert first.sop_instance_uid.startswith("2.25.")
    assert first.sop_instance_uid != second.sop_instance_uid


def test_a_uid_is_a_uid_and_used_once(steps: MppsService) -> None:
    with pytest.raises(InvalidInstanceUIDError):
        steps.create("../x", step())
    steps.create(UID, step())
    with pytest.raises(RefusedOperationError) as refused:
        steps.create(UID, step(T00100010="Demo^Other"))
    assert refused.value.status == Status.DUPLICATE_SOP_INSTANCE
    assert text(steps.get(UID).dataset, 0x00100010) == "Demo^MR"


def test_what_is_not_there_is_not_changed(steps: MppsService) -> None:
    for call in (lambda: steps.get(UID), lambda: steps.change(UID, ended()), lambda: steps.series(UID)):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize("tag", TYPE_1)
def test_a_step_begins_with_every_attribute_that_it_needs(steps: MppsService, tag: int) -> None:
    with pytest.raises(RefusedOperationError) as refused:
        steps.create(UID, without(step(), tag))
    assert (refused.value.status, refused.value.offending) == (Status.MISSING_ATTRIBUTE, (tag,))
    with pytest.raises(RefusedOperationError) as refused:
        steps.create(UID, step() | made(attribute(tag)))
    assert (refused.value.status, refused.value.offending) == (Status.MISSING_ATTRIBUTE_VALUE, (tag,))
    with pytest.raises(NotFoundError):
        steps.get(UID)


def test_what_a_modality_leaves_out_is_kept_as_empty(steps: MppsService) -> None:
    optional = [rule.tag for rule in RULES if rule.type == 2]
    kept = steps.create(UID, without(step(), *optional)).dataset
    assert {f"{tag:08X}" for tag in optional} <= kept.keys()


def test_a_scheduled_step_needs_its_study(steps: MppsService) -> None:
    with pytest.raises(RefusedOperationError) as refused:
        steps.create(UID, step() | made(attribute(0x00400270, made(attribute(0x00080050, "A-1")))))
    assert (refused.value.status, refused.value.offending) == (Status.MISSING_ATTRIBUTE, (0x00400270, 0x0020000D))


@pytest.mark.parametrize(
    "wrong",
    [
        made(attribute(0x00400252, "COMPLETED")),
        made(attribute(0x00400252, "SCHEDULED")),
        made(attribute(0x00400244, "yesterday")),
        made(attribute(0x00400245, "25 o'clock")),
        {"00400270": {"vr": "LO", "Value": ["A-1"]}},
        made(attribute(0x00400270, made(attribute(0x0020000D, "../../x")))),
    ],
)
def test_a_step_does_not_begin_with_what_cannot_be(steps: MppsService, wrong: Model) -> None:
    with pytest.raises(RefusedOperationError) as refused:
        steps.create(UID, step() | wrong)
    assert refused.value.status == Status.INVALID_ATTRIBUTE_VALUE
    assert refused.value.offending[0] == int(next(iter(wrong)), 16)


@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED"])
def test_a_final_step_may_no_longer_be_updated(steps: MppsService, state: str) -> None:
    steps.create(UID, step())
    steps.change(UID, ended(["1.2.3.4.1.1"], state))
    for changes in (ended(["1.2"], "COMPLETED"), made(attribute(0x00400252, "IN PROGRESS")), {}):
        refused = _refused(steps, changes)
        assert (refused.status, refused.error_id) == (Status.PROCESSING_FAILURE, 0xA710)


@pytest.mark.parametrize("tag", FIXED)
def test_what_was_said_at_the_beginning_stays(steps: MppsService, tag: int) -> None:
    steps.create(UID, step())
    refused = _refused(steps, made(attribute(tag, TEXTS.get(dictionary_vr(tag), "OTHER"))))
    assert (refused.status, refused.offending) == (Status.NO_SUCH_ATTRIBUTE, (tag,))
    steps.change(UID, {name: value for name, value in step().items() if name == f"{tag:08X}"})


@pytest.mark.parametrize("tag", [0x00400252, 0x00400250, 0x00400251, 0x00400340])
def test_a_completed_step_has_an_end_and_series(steps: MppsService, tag: int) -> None:
    steps.create(UID, step())
    refused = _refused(steps, ended(["1.2"]) | made(attribute(tag)))
    assert (refused.status, refused.offending) == (Status.MISSING_ATTRIBUTE_VALUE, (tag,))


def test_a_step_that_is_discontinued_may_have_made_nothing(steps: MppsService) -> None:
    steps.create(UID, step())
    assert steps.change(UID, without(ended((), "DISCONTINUED"), 0x00400340)).state is StepState.DISCONTINUED


@pytest.mark.parametrize(
    ("tag", "status"), [(0x0020000E, Status.MISSING_ATTRIBUTE), (0x00181030, Status.MISSING_ATTRIBUTE)]
)
def test_a_series_has_a_uid_and_a_protocol(steps: MppsService, tag: int, status: Status) -> None:
    steps.create(UID, step())
    changes = ended(["1.2"])
    changes["00400340"]["Value"] = [without(changes["00400340"]["Value"][0], tag)]
    refused = _refused(steps, changes)
    assert (refused.status, refused.offending) == (status, (0x00400340, tag))


def test_a_step_may_not_refer_to_any_number_of_instances(steps: MppsService) -> None:
    steps.create(UID, step())
    uids = [f"1.2.{number}" for number in range(MAX_REFERENCES + 1)]
    assert _refused(steps, ended(uids)).status == Status.RESOURCE_LIMITATION
    steps.change(UID, ended(uids[1:]))


def test_a_change_and_what_others_hear_of_it_are_kept_together(index: SqliteIndex, steps: MppsService) -> None:
    steps.create(UID, step(), "MR1")
    steps.change(UID, made(attribute(0x00400254, "Head")))
    steps.change(UID, ended(["1.2"]))
    found = list(reversed(DeliveryTable(index).find(limit=100)))
    assert [(one.kind, one.destination, one.about) for one in found] == [
        (CREATE, "RIS", UID),  # MR1 has told it, and does not hear it back
        (NOTIFY, "DESK", UID),
        (SET, "RIS", UID),
        (NOTIFY, "DESK", UID),
        (SET, "RIS", UID),
        (NOTIFY, "DESK", UID),
    ]
    assert [one.payload for one in found if one.kind == NOTIFY] == ["1", "4", "2"]
    assert orjson.loads(found[2].payload) == made(attribute(0x00400254, "Head"))
    assert len({one.lane for one in found}) == 2


def test_a_refusal_tells_nobody(index: SqliteIndex, steps: MppsService) -> None:
    steps.create(UID, step())
    before = len(DeliveryTable(index).find(limit=100))
    _refused(steps, made(attribute(0x00400252, "LATER")))
    with pytest.raises(RefusedOperationError):
        steps.create(UID, step())
    assert len(DeliveryTable(index).find(limit=100)) == before


def test_of_two_who_change_it_at_once_both_are_heard(index: SqliteIndex) -> None:
    class Racing(PerformedStepTable):
        """Has somebody else change the step between the look and the change, once."""

        raced = False

        def get(self, sop_instance_uid: str) -> PerformedStep | None:
            found = super().get(sop_instance_uid)
            if found is not None and not self.raced:
                self.raced = True
                other.change(UID, made(attribute(0x00400255, "by another")))
            return found

    other = MppsService(PerformedStepTable(index), Receivers(), lambda: None)
    other.create(UID, step())
    MppsService(Racing(index), Receivers(), lambda: None).change(UID, made(attribute(0x00400254, "by one")))
    kept = other.get(UID)
    assert (text(kept.dataset, 0x00400254), text(kept.dataset, 0x00400255), kept.revision) == (
        "by one",
        "by another",
        3,
    )


def test_steps_are_found_by_what_they_tell(steps: MppsService) -> None:
    steps.create("1.1", step(T00100020="D-2"))
    steps.create("1.2", step(study="1.2.3.5", T00080060="CT"))
    steps.change("1.2", ended(["1.2.3"], "DISCONTINUED"))

    def found(wanted: StepFilter) -> list[str]:
        return [one.sop_instance_uid for one in steps.find(wanted)]

    assert found(StepFilter()) == ["1.2", "1.1"]
    assert found(StepFilter(limit=1)) == ["1.2"]
    assert found(StepFilter(before=steps.find(StepFilter())[0].id)) == ["1.1"]
    assert found(StepFilter(state=StepState.DISCONTINUED)) == ["1.2"]
    assert found(StepFilter(keys=StepKeys(patient_id="D-2"))) == ["1.1"]
    assert found(StepFilter(keys=StepKeys(modality="CT", study_instance_uid="1.2.3.5"))) == ["1.2"]
    assert found(StepFilter(keys=StepKeys(accession_number="A-2"))) == []


def test_of_several_pages_only_what_may_be_seen_is_shown(steps: MppsService) -> None:
    for number in range(6):
        steps.create(f"1.{number}", step(study=f"1.2.{number % 2}"))
    with callers.under(Grant(within=((Scope(studies=frozenset({"1.2.0"})),),))):
        assert [one.sop_instance_uid for one in steps.find(StepFilter(limit=2))] == ["1.4", "1.2"]
        with pytest.raises(NotAuthorisedError):
            steps.get("1.1")
        with pytest.raises(NotAuthorisedError):
            steps.change("1.1", ended(["1.2"]))
        with pytest.raises(NotAuthorisedError):
            steps.create("1.9", step(study="1.2.1"))


def test_it_is_told_what_of_a_step_is_here(index: SqliteIndex, steps: MppsService) -> None:
    steps.create(UID, step())
    steps.change(UID, ended(["1.2.3.4.1.1", "1.2.3.4.1.2"]))
    (series,) = steps.series(UID)
    assert (series.series_instance_uid, series.instances, series.kept) == (SERIES, 2, 0)
    assert series.missing == ["1.2.3.4.1.1", "1.2.3.4.1.2"]
    summary = steps.summary(UID)
    assert (summary.study_instance_uid, summary.instances, summary.kept) == (STUDY, 2, 0)
    assert MR_STORAGE in {one.reference.sop_class_uid for one in PerformedStepTable(index).arrivals(UID)}
