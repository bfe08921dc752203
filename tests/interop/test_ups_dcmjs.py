"""dcmjs-dimse makes, claims, ends and finds work items of ours, hears of them, and keeps those of our commands."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset

from archimage.model.ids import new_uid
from archimage.protocol.uids import (
    UPS_EVENT,
    UPS_GLOBAL_SUBSCRIPTION,
    UPS_PULL,
    UPS_PUSH,
    UPS_QUERY,
    UPS_WATCH,
)
from archimage.services.datasets import Model
from tests.interop.conftest import Watcher
from tests.interop.javascript import DCMJS, Listener, listening, outcome
from tests.interop.peers import Archive, free_port
from tests.workitems import discontinued, new_item, performed

_SCRIPT: Final = Path(__file__).with_name("ups_dcmjs.cjs")
_WITHIN_S: Final = 60.0
_MINE, _OTHER = "1.2.3.4", "1.2.3.5"
Asked = Mapping[str, Any]


def _named(dataset: Dataset) -> Asked:
    """Return a data set as dcmjs has it: values by keyword."""
    return {
        one.keyword: [_named(item) for item in one.value] if one.VR == "SQ" else str(one.value or "") for one in dataset
    }


def _elements(model: Model) -> Asked:
    return _named(Dataset.from_json(model))


def _send(port: int, *requests: Asked, called: str = "PACS_SCP") -> list[Any]:
    """Have dcmjs-dimse ask, one after the other on one association; return what it got."""
    asked = {"port": port, "calling": "SCU", "called": called, "requests": requests}
    answers: list[Any] = outcome(_SCRIPT, asked, DCMJS)
    return answers


def _listening(port: int) -> AbstractContextManager[Listener]:
    return listening(_SCRIPT, {"listen": port}, DCMJS)


def _create(uid: str, **more: str) -> Asked:
    return {"what": "create", "through": UPS_PUSH, "uid": uid, "dataset": _elements(new_item(**more))}


def _set(uid: str, model: Model, transaction: str = _MINE) -> Asked:
    dataset = {**_elements(model), "TransactionUID": transaction}
    return {"what": "set", "through": UPS_PULL, "uid": uid, "dataset": dataset}


def _get(uid: str, *names: str, through: str = UPS_WATCH) -> Asked:
    return {"what": "get", "through": through, "uid": uid, "names": names}


def _act(through: str, uid: str, number: int, **dataset: str) -> Asked:
    return {"what": "action", "through": through, "uid": uid, "number": number, "dataset": dataset}


def _state(uid: str, state: str, transaction: str = _MINE) -> Asked:
    return _act(UPS_PULL, uid, 1, ProcedureStepState=state, TransactionUID=transaction)


def _subscribe(uid: str, number: int = 3) -> Asked:
    return _act(UPS_WATCH, uid, number, ReceivingAE="DESTINATION", DeletionLock="FALSE")


def _statuses(answers: Sequence[Asked]) -> list[int]:
    return [one["status"] for one in answers]


def test_it_makes_claims_and_ends_a_work_item(archive: Archive) -> None:
    uid = new_uid()
    answers = _send(
        archive.node.port,
        _create(uid),
        _create(uid),
        _state(uid, "COMPLETED"),
        _state(uid, "IN PROGRESS"),
        _state(uid, "IN PROGRESS", _OTHER),
        _set(uid, performed(), _OTHER),
        _state(uid, "COMPLETED"),
        _set(uid, performed()),
        _state(uid, "COMPLETED"),
        _state(uid, "COMPLETED"),
        _set(uid, performed()),
        _get(uid),
        _get(uid, "ProcedureStepState", "PatientID"),
        _state("1.2.9", "IN PROGRESS"),
    )
    wrong, over = 0xC301, 0xC300
    ways = [0, 0x0111, 0xC310, 0, wrong, wrong, 0xC304, 0, 0, 0xB306, over]
    assert _statuses(answers) == [*ways, 0, 0, 0xC307]
    whole, part = answers[-3]["dataset"], answers[-2]["dataset"]
    done = whole["UnifiedProcedureStepPerformedProcedureSequence"][0]
    assert done["PerformedStationNameCodeSequence"][0]["CodeValue"] == "READING1"
    assert "TransactionUID" not in whole
    assert (part["ProcedureStepState"], part["PatientID"]) == ("COMPLETED", "DEMO-1")
    assert "ProcedureStepLabel" not in part


def test_it_finds_work_items_through_each_sop_class(archive: Archive) -> None:
    uid = new_uid()
    keys = {
        "PatientID": "FOUND-1",
        "ProcedureStepState": "SCHEDULED",
        "SOPInstanceUID": "",
        "ScheduledStationNameCodeSequence": [{"CodeValue": "READING1"}],
    }
    ways = (UPS_PULL, UPS_WATCH, UPS_QUERY)
    finds = [{"what": "find", "through": through, "dataset": keys} for through in ways]
    made, *answers = _send(archive.node.port, _create(uid, patient_id="FOUND-1"), *finds)
    assert made["status"] == 0
    assert _statuses(answers) == [0xFF00, 0] * 3
    for one in answers[::2]:
        found = one["dataset"]
        assert found["SOPInstanceUID"] == uid
        assert found["ScheduledStationNameCodeSequence"][0]["CodeValue"] == "READING1"


def test_what_a_sop_class_does_not_have_is_refused(archive: Archive) -> None:
    uid = new_uid()
    answers = _send(
        archive.node.port,
        _create(uid),
        _act(UPS_PUSH, uid, 1, ProcedureStepState="IN PROGRESS", TransactionUID=_MINE),
        _act(UPS_PULL, uid, 3, ReceivingAE="DESTINATION"),
        _act(UPS_WATCH, uid, 9, ReceivingAE="DESTINATION"),
        _act(UPS_WATCH, uid, 3, ReceivingAE="NOBODY", DeletionLock="FALSE"),
    )
    assert _statuses(answers) == [0, 0x0123, 0x0123, 0x0123, 0xC308]


def test_it_hears_of_each_step_of_what_it_subscribed_to(archive: Archive) -> None:
    uid = new_uid()
    with _listening(archive.destination.port) as node:
        answers = _send(
            archive.node.port,
            _create(uid),
            _subscribe(uid),
            _state(uid, "IN PROGRESS"),
            _act(UPS_WATCH, uid, 2, ReasonForCancellation="Enough"),
            _set(uid, discontinued()),
            _state(uid, "CANCELED"),
            _subscribe(uid, 4),
        )
        assert _statuses(answers) == [0] * 7
        heard = [node.told() for _ in range(5)]
    assert {(one["sop"], one["uid"], one["status"]) for one in heard} == {(UPS_PUSH, uid, 0)}
    assert [one["number"] for one in heard] == [1, 1, 2, 3, 1]
    states = [one["dataset"]["ProcedureStepState"] for one in heard if one["number"] == 1]
    assert states == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    asked = heard[2]["dataset"]
    assert (asked["RequestingAE"], asked["ReasonForCancellation"]) == ("SCU", "Enough")
    (reason,) = heard[-1]["dataset"]["ProcedureStepDiscontinuationReasonCodeSequence"]
    assert reason["CodeValue"] == "110513"


def test_it_hears_of_all_while_it_is_subscribed_to_all(archive: Archive) -> None:
    first, second = new_uid(), new_uid()
    with _listening(archive.destination.port) as node:
        answers = _send(
            archive.node.port,
            _subscribe(UPS_GLOBAL_SUBSCRIPTION),
            _create(first),
            _subscribe(UPS_GLOBAL_SUBSCRIPTION, 5),
            _create(second),
            _state(first, "IN PROGRESS"),
            _subscribe(UPS_GLOBAL_SUBSCRIPTION, 4),
        )
        assert _statuses(answers) == [0] * 6
        heard = [node.told() for _ in range(3)]
    assert [(one["uid"], one["number"]) for one in heard] == [(first, 1), (first, 5), (first, 1)]
    assert heard[-1]["dataset"]["ProcedureStepState"] == "IN PROGRESS"


def _ups(*arguments: str | int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "archimage", "ups", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, timeout=_WITHIN_S, text=True)


def _done(*arguments: str | int) -> str:
    done = _ups(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _at(port: int, command: str, *arguments: str) -> Sequence[str | int]:
    """Return the arguments of a command at dcmjs-dimse."""
    return (command, "127.0.0.1", port, *arguments, "-aec", "DCMJS")


def test_our_commands_make_claim_and_complete_at_it() -> None:
    port = free_port()
    with _listening(port) as node:
        made = _done(*_at(port, "create", "--uid", "1.2.3.9", "--label", "Read CT", "--patient-id", "DEMO-1"))
        assert made == "1.2.3.9"
        assert node.told() == {"what": "create", "sop": UPS_PUSH, "uid": made, "status": 0}
        assert _done(*_at(port, "claim", made, "--transaction", _MINE)) == _MINE
        told = node.told()
        assert (told["what"], told["sop"], told["uid"], told["number"]) == ("action", UPS_PUSH, made, 1)
        assert told["dataset"] == {"ProcedureStepState": "IN PROGRESS", "TransactionUID": _MINE}
        refused = _ups(*_at(port, "claim", made, "--transaction", _OTHER))
        assert refused.returncode == 1
        assert "the Transaction UID is not that of who has claimed it" in refused.stderr
        assert node.told()["status"] == 0xC301
        _done(*_at(port, "complete", made, "--transaction", _MINE))
        got, changed, ended = (node.told() for _ in range(3))
        assert [one["what"] for one in (got, changed, ended)] == ["get", "set", "action"]
        assert changed["names"] == ["UnifiedProcedureStepPerformedProcedureSequence"]
        assert ended["dataset"] == {"ProcedureStepState": "COMPLETED", "TransactionUID": _MINE}
        shown = _done(*_at(port, "show", made)).splitlines()
        assert {"state: COMPLETED", "patient: DEMO-1", "label: Read CT"} <= set(shown)


def test_our_commands_find_cancel_and_subscribe_at_it() -> None:
    port = free_port()
    with _listening(port) as node:
        uids = [_done(*_at(port, "create", "--uid", f"1.2.3.9.{number}", "--label", "Read")) for number in range(2)]
        _done(*_at(port, "claim", uids[0], "--transaction", _MINE))
        for _ in range(3):
            node.told()
        found = json.loads(_done(*_at(port, "list", "-k", "ProcedureStepState=SCHEDULED", "--json")))
        assert [one["00080018"]["Value"] for one in found] == [[uids[1]]]
        assert node.told() == {"what": "find", "sop": UPS_PULL, "found": 1, "status": 0}
        _done(*_at(port, "cancel", uids[0], "--reason", "Enough"))
        told = node.told()
        assert (told["number"], told["dataset"]) == (2, {"ReasonForCancellation": "Enough"})
        _done(*_at(port, "cancel", uids[0], "--transaction", _MINE))
        assert [node.told()["what"] for _ in range(2)] == ["set", "action"]
        _done(*_at(port, "subscribe", "all", "--receiver", "WATCHER", "--lock"))
        told = node.told()
        assert (told["uid"], told["number"]) == (UPS_GLOBAL_SUBSCRIPTION, 3)
        assert told["dataset"] == {"ReceivingAE": "WATCHER", "DeletionLock": "TRUE"}


def test_our_command_hears_what_it_tells(watcher: Watcher) -> None:
    dataset = {"ProcedureStepState": "IN PROGRESS", "InputReadinessState": "READY"}
    event = {"what": "event", "through": UPS_EVENT, "uid": "1.2.3.9", "number": 1, "dataset": dataset}
    assert _statuses(_send(watcher.port, event, called="WATCHER")) == [0]
    assert watcher.heard() == "1.2.3.9 1 IN PROGRESS\n"
