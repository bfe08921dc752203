"""pynetdicom makes, claims, ends, finds and subscribes to work items, and hears of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from archimage.model.ids import new_uid
from archimage.protocol.uids import (
    UPS_EVENT,
    UPS_FILTERED_GLOBAL_SUBSCRIPTION,
    UPS_GLOBAL_SUBSCRIPTION,
    UPS_PULL,
    UPS_PUSH,
    UPS_QUERY,
    UPS_WATCH,
)
from tests.attacks.server import wait_until
from tests.interop.conftest import Watcher
from tests.interop.peers import Archive
from tests.workitems import discontinued, new_item, performed

_MINE = "1.2.3.4"


@pytest.fixture
def scu(archive: Archive) -> Iterator[Any]:
    """Return an association for all that is done with work items."""
    ae = AE("SCU")
    for uid in (UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_QUERY):
        ae.add_requested_context(uid)
    node = archive.node
    association = ae.associate(node.host, node.port, ae_title=node.ae_title)
    assert association.is_established
    assert len(association.accepted_contexts) == 4
    yield association
    association.release()


class Receiver:
    """A node that hears of work items."""

    def __init__(self, archive: Archive) -> None:
        self.heard: list[tuple[str, int, Dataset]] = []
        ae = AE(archive.destination.ae_title)
        ae.add_supported_context(UPS_EVENT, scu_role=False, scp_role=True)
        place = (archive.destination.host, archive.destination.port)
        handlers: Any = [(evt.EVT_N_EVENT_REPORT, self._hear)]
        self._server: Any = ae.start_server(place, block=False, evt_handlers=handlers)

    def _hear(self, event: evt.Event) -> tuple[int, None]:
        request: Any = event.request
        assert request.AffectedSOPClassUID == UPS_PUSH
        self.heard.append((str(request.AffectedSOPInstanceUID), int(event.event_type or 0), event.event_information))
        return 0, None

    def states(self, uid: str) -> list[str]:
        """Return the states of a work item that it has heard of."""
        return [told.ProcedureStepState for one, kind, told in list(self.heard) if (one, kind) == (uid, 1)]

    def kinds(self, uid: str) -> list[int]:
        """Return the types of the events of a work item."""
        return [kind for one, kind, _ in list(self.heard) if one == uid]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()


@pytest.fixture
def receiver(archive: Archive) -> Iterator[Receiver]:
    """Return a node that the archive knows."""
    opened = Receiver(archive)
    yield opened
    opened.close()


def _dataset(model: Any) -> Dataset:
    return Dataset.from_json(model)


def _create(scu: Any, **more: str) -> str:
    uid = new_uid()
    status, _ = scu.send_n_create(_dataset(new_item(**more)), UPS_PUSH, uid)
    assert status.Status == 0
    return uid


def _act(scu: Any, through: str, uid: str, action: int, **told: str) -> int:
    information = Dataset()
    for keyword, value in told.items():
        setattr(information, keyword, value)
    status, _ = scu.send_n_action(information, action, UPS_PUSH, uid, meta_uid=through)
    return int(status.Status)


def _state(scu: Any, uid: str, state: str, transaction: str = _MINE) -> int:
    return _act(scu, UPS_PULL, uid, 1, ProcedureStepState=state, TransactionUID=transaction)


def _set(scu: Any, uid: str, model: Any, transaction: str = _MINE) -> int:
    changes = _dataset(model)
    changes.TransactionUID = transaction
    status, _ = scu.send_n_set(changes, UPS_PUSH, uid, meta_uid=UPS_PULL)
    return int(status.Status)


def test_a_work_item_goes_its_way(scu: Any) -> None:
    uid = _create(scu)
    assert _state(scu, uid, "COMPLETED") == 0xC310
    assert _state(scu, uid, "IN PROGRESS") == 0
    assert _state(scu, uid, "IN PROGRESS", "1.2.3.5") == 0xC301
    assert _set(scu, uid, performed(), "1.2.3.5") == 0xC301
    assert _state(scu, uid, "COMPLETED") == 0xC304
    assert _set(scu, uid, performed()) == 0
    assert _state(scu, uid, "COMPLETED") == 0
    assert _state(scu, uid, "COMPLETED") == 0xB306
    assert _set(scu, uid, performed()) == 0xC300
    status, got = scu.send_n_get([0x00741000, 0x00100010], UPS_PUSH, uid, meta_uid=UPS_WATCH)
    assert (status.Status, got.ProcedureStepState, got.PatientName) == (0, "COMPLETED", "Demo^CT")


def test_the_transaction_uid_is_told_to_nobody(scu: Any) -> None:
    uid = _create(scu)
    _state(scu, uid, "IN PROGRESS")
    status, got = scu.send_n_get([0x00081195, 0x00741000], UPS_PUSH, uid, meta_uid=UPS_PULL)
    assert (status.Status, "TransactionUID" in got) == (0x0001, False)
    status, got = scu.send_n_get([], UPS_PUSH, uid, meta_uid=UPS_PUSH)
    assert (status.Status, "TransactionUID" in got) == (0, False)


def test_work_items_are_found_through_each_sop_class(scu: Any) -> None:
    uid = _create(scu, patient_id="FOUND-1")
    query = Dataset()
    query.PatientID = "FOUND-1"
    query.ProcedureStepState = "SCHEDULED"
    query.SOPInstanceUID = ""
    query.ScheduledStationNameCodeSequence = [Dataset()]
    for through in (UPS_PULL, UPS_WATCH, UPS_QUERY):
        answers = list(scu.send_c_find(query, through))
        assert [status.Status for status, _ in answers] == [0xFF00, 0]
        found = answers[0][1]
        assert found is not None
        assert (found.SOPInstanceUID, found.ScheduledStationNameCodeSequence[0].CodeValue) == (uid, "READING1")


def test_what_a_sop_class_does_not_have_is_refused(scu: Any) -> None:
    uid = _create(scu)
    assert _act(scu, UPS_PUSH, uid, 1, ProcedureStepState="IN PROGRESS", TransactionUID=_MINE) == 0x0123
    assert _act(scu, UPS_PULL, uid, 3, ReceivingAE="DESTINATION") == 0x0123
    assert _act(scu, UPS_WATCH, uid, 9, ReceivingAE="DESTINATION") == 0x0123
    assert _state(scu, "1.2.9", "IN PROGRESS") == 0xC307


def test_a_subscriber_hears_of_each_step(scu: Any, receiver: Receiver) -> None:
    uid = _create(scu)
    assert _act(scu, UPS_WATCH, uid, 3, ReceivingAE="NOBODY", DeletionLock="FALSE") == 0xC308
    assert _act(scu, UPS_WATCH, uid, 3, ReceivingAE="DESTINATION", DeletionLock="FALSE") == 0
    _state(scu, uid, "IN PROGRESS")
    assert _act(scu, UPS_WATCH, uid, 2, ReasonForCancellation="Enough") == 0
    _set(scu, uid, discontinued())
    _state(scu, uid, "CANCELED")
    assert wait_until(lambda: len(receiver.kinds(uid)) == 5, 15), receiver.heard
    assert receiver.kinds(uid) == [1, 1, 2, 3, 1]
    assert receiver.states(uid) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    asked = next(told for one, kind, told in receiver.heard if (one, kind) == (uid, 2))
    assert (asked.RequestingAE, asked.ReasonForCancellation) == ("SCU", "Enough")
    ended = [told for one, kind, told in receiver.heard if (one, kind) == (uid, 1)][-1]
    assert ended.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110513"


def test_who_subscribes_to_all_hears_until_it_is_suspended(scu: Any, receiver: Receiver) -> None:
    assert _act(scu, UPS_WATCH, UPS_GLOBAL_SUBSCRIPTION, 3, ReceivingAE="DESTINATION", DeletionLock="TRUE") == 0
    first = _create(scu)
    assert wait_until(lambda: receiver.kinds(first) == [1, 5], 15), receiver.heard
    assert _act(scu, UPS_WATCH, UPS_GLOBAL_SUBSCRIPTION, 5, ReceivingAE="DESTINATION") == 0
    second = _create(scu)
    _state(scu, first, "IN PROGRESS")
    assert wait_until(lambda: receiver.states(first) == ["SCHEDULED", "IN PROGRESS"], 15)
    assert _act(scu, UPS_WATCH, UPS_GLOBAL_SUBSCRIPTION, 4, ReceivingAE="DESTINATION") == 0
    assert receiver.kinds(second) == []
    assert _act(scu, UPS_WATCH, first, 5, ReceivingAE="DESTINATION") == 0xC314


def test_who_has_a_filter_hears_of_what_fits_it(scu: Any, receiver: Receiver) -> None:
    told = {"ReceivingAE": "DESTINATION", "DeletionLock": "FALSE", "PatientID": "FILTER-1"}
    assert _act(scu, UPS_WATCH, UPS_FILTERED_GLOBAL_SUBSCRIPTION, 3, **told) == 0
    other, fitting = _create(scu), _create(scu, patient_id="FILTER-1")
    _state(scu, fitting, "IN PROGRESS")
    assert wait_until(lambda: receiver.states(fitting) == ["SCHEDULED", "IN PROGRESS"], 15), receiver.heard
    assert receiver.kinds(other) == []
    assert _act(scu, UPS_WATCH, UPS_FILTERED_GLOBAL_SUBSCRIPTION, 4, ReceivingAE="DESTINATION") == 0


def test_our_command_hears_what_it_tells(watcher: Watcher) -> None:
    ae, told = AE("SCP"), Dataset()
    ae.add_requested_context(UPS_EVENT)
    told.ProcedureStepState, told.InputReadinessState = "IN PROGRESS", "READY"
    roles: Any = [build_role(UPS_EVENT, scp_role=True)]
    association: Any = ae.associate("127.0.0.1", watcher.port, ae_title="WATCHER", ext_neg=roles)
    assert association.is_established
    status, _ = association.send_n_event_report(told, 1, UPS_PUSH, "1.2.3.9", meta_uid=UPS_EVENT)
    association.release()
    assert status.Status == 0
    assert watcher.heard() == "1.2.3.9 1 IN PROGRESS\n"
