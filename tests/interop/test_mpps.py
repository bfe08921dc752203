"""Performed procedure steps with pynetdicom and dcmjs-dimse: they report to us, and we to them.

Ref: PS3.4 Annexes F, R.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE, evt
from pynetdicom.association import Association

from archimage.dicom.demo import demo_files
from archimage.protocol.uids import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    MPPS,
    MPPS_NOTIFICATION,
    MPPS_RETRIEVE,
    STUDY_ROOT_FIND,
)
from archimage.services.datasets import Model
from tests.attacks.server import Server, launch, running, stop, wait_until
from tests.interop.javascript import DCMJS, listening, outcome
from tests.interop.peers import free_port, run
from tests.services.stepping import ended, step

_SCRIPT: Final = Path(__file__).with_name("dcmjs_mpps.cjs")
_WITHIN_S: Final = 30.0


class Hospital:
    """A node by pynetdicom that takes what it is told; `answers` are statuses to give first, in order."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.answers: list[int] = []
        self._lock = threading.Lock()
        entity = AE("RIS")
        for uid in (MPPS, INSTANCE_AVAILABILITY_NOTIFICATION):
            entity.add_supported_context(uid)
        entity.add_supported_context(MPPS_NOTIFICATION, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_EVENT_REPORT, self._event),
        ]
        self._server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]

    def close(self) -> None:
        """End."""
        assert self._server is not None
        for association in self._server.active_associations:
            association.abort()
        self._server.shutdown()

    def _hear(self, what: str, uid: str, told: Any) -> int:
        with self._lock:
            if self.answers:
                return self.answers.pop(0)
            self.heard.append((what, str(uid), told))
            return 0

    def _create(self, event: Any) -> tuple[int, Dataset]:
        request = event.request
        told = event.attribute_list
        return self._hear(str(request.AffectedSOPClassUID), request.AffectedSOPInstanceUID, told), told

    def _set(self, event: Any) -> tuple[int, Dataset]:
        told = event.modification_list
        return self._hear("set", event.request.RequestedSOPInstanceUID, told), told

    def _event(self, event: Any) -> tuple[int, None]:
        return self._hear("event", event.request.AffectedSOPInstanceUID, event.event_type), None


@contextmanager
def hospital(port: int) -> Iterator[Hospital]:
    """Run the node until the end of the block."""
    node = Hospital(port)
    try:
        yield node
    finally:
        node.close()


@pytest.fixture
def port() -> int:
    """A port where the hospital will listen."""
    return free_port()


def _settings(**more: object) -> dict[str, object]:
    return {"storage__durability": "full", **more}


def _telling(port: int) -> tuple[Sequence[str], dict[str, object]]:
    """Return the options of a server that tells the hospital everything."""
    told = {"mpps__forward": "RIS", "mpps__notify": "RIS", "availability__notify": "RIS", "availability__quiet_s": 0.5}
    return ("--node", f"RIS=127.0.0.1:{port}"), _settings(**told)


def _dataset(model: Model) -> Dataset:
    return Dataset.from_json(model)


@contextmanager
def _associated(server: Server, *uids: str) -> Iterator[Association]:
    entity = AE("MR1")
    for uid in uids:
        entity.add_requested_context(uid)
    association = entity.associate("127.0.0.1", server.port, ae_title="PACS_SCP")
    assert association.is_established
    try:
        yield association
    finally:
        association.release()
        if association.dul.socket is not None:
            association.dul.socket.close()


def test_pynetdicom_reports_what_it_does_and_reads_it_back(tmp_path: Path) -> None:
    with (
        running(tmp_path / "archive" / "data") as server,
        _associated(server, MPPS, MPPS_RETRIEVE) as association,
    ):
        status, _ = association.send_n_create(_dataset(step()), MPPS, "1.2.3.9")
        assert status.Status == 0
        status, _ = association.send_n_create(_dataset(step()), MPPS, "1.2.3.9")
        assert status.Status == 0x0111
        status, _ = association.send_n_set(_dataset(ended(["1.2.3.4.1.1"])), MPPS, "1.2.3.9")
        assert status.Status == 0
        status, _ = association.send_n_set(_dataset(ended(["1.2.3.4.1.1"])), MPPS, "1.2.3.9")
        assert (status.Status, status.ErrorID) == (0x0110, 0xA710)
        status, _ = association.send_n_set(_dataset(ended(["1.2"])), MPPS, "1.2.3.10")
        assert status.Status == 0x0112
        status, found = association.send_n_get([], MPPS_RETRIEVE, "1.2.3.9")
        assert found is not None
        assert (status.Status, found.PerformedProcedureStepStatus, found.PatientName) == (0, "COMPLETED", "Demo^MR")
        assert found.PerformedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.1.1"
        status, found = association.send_n_get([Tag(0x00400252), Tag(0x00080018)], MPPS_RETRIEVE, "1.2.3.9")
        assert found is not None
        assert (status.Status, len(found), found.PerformedProcedureStepStatus) == (0x0107, 1, "COMPLETED")
        status, _ = association.send_n_get([], MPPS_RETRIEVE, "1.2.3.10")
        assert status.Status == 0x0112


def test_what_does_not_keep_to_the_rules_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "archive" / "data") as server, _associated(server, MPPS) as association:
        lacking = _dataset(step())
        del lacking.PerformedStationAETitle
        assert association.send_n_create(lacking, MPPS, "1.2.3.9")[0].Status == 0x0120
        lacking.PerformedStationAETitle = ""
        assert association.send_n_create(lacking, MPPS, "1.2.3.9")[0].Status == 0x0121
        lacking.PerformedStationAETitle = "MR1"
        assert association.send_n_create(lacking, MPPS, "1.2.3.9")[0].Status == 0
        moved = Dataset()
        moved.PerformedStationAETitle = "MR2"
        assert association.send_n_set(moved, MPPS, "1.2.3.9")[0].Status == 0x0105


def test_steps_are_told_on_in_order_once_the_receiver_is_there(tmp_path: Path, port: int) -> None:
    options, settings = _telling(port)
    with running(tmp_path / "archive" / "data", options, settings) as server:
        with _associated(server, MPPS) as association:
            for number in range(3):
                uid = f"1.2.3.9.{number}"
                assert association.send_n_create(_dataset(step()), MPPS, uid)[0].Status == 0
                assert association.send_n_set(_dataset(ended([f"{uid}.1"])), MPPS, uid)[0].Status == 0
        assert wait_until(lambda: "a delivery is tried again later" in server.log, _WITHIN_S), server.log
        with hospital(port) as ris:
            ris.answers = [0x0110]
            assert wait_until(lambda: len(ris.heard) >= 12, _WITHIN_S + 30), server.log
            for number in range(3):
                uid = f"1.2.3.9.{number}"
                steps = [what for what, about, _ in ris.heard if about == uid and what != "event"]
                events = [told for what, about, told in ris.heard if about == uid and what == "event"]
                assert (steps, events) == ([MPPS, "set"], [1, 2])
            created = next(told for what, _, told in ris.heard if what == MPPS)
            assert created.ScheduledStepAttributesSequence[0].AccessionNumber == "A-1"


def test_nothing_is_lost_when_the_server_is_killed_between_begin_and_end(tmp_path: Path, port: int) -> None:
    options, settings = _telling(port)
    directory = tmp_path / "archive" / "data"
    server = launch(directory, options, settings)
    try:
        server.wait_until_ready()
        with _associated(server, MPPS) as association:
            assert association.send_n_create(_dataset(step()), MPPS, "1.2.3.9")[0].Status == 0
    finally:
        server.process.kill()
        server.process.wait(20)
    server = launch(directory, options, settings)
    try:
        server.wait_until_ready()
        with hospital(port) as ris, _associated(server, MPPS) as association:
            assert association.send_n_set(_dataset(ended(["1.2.3.9.1"])), MPPS, "1.2.3.9")[0].Status == 0
            assert wait_until(lambda: len(ris.heard) >= 4, _WITHIN_S), server.log
            assert [what for what, _, _ in ris.heard if what != "event"] == [MPPS, "set"]
    finally:
        stop(server)


def test_instances_are_told_of_when_all_of_a_step_are_here(tmp_path: Path, port: int) -> None:
    files = []
    for number, data in enumerate(demo_files(slices=2)):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(data)
        files.append(file)
    from pydicom import dcmread

    objects = [dcmread(file, stop_before_pixels=True) for file in files]
    study = objects[0].StudyInstanceUID
    of_study = [(file, one) for file, one in zip(files, objects, strict=True) if one.StudyInstanceUID == study]
    options, settings = _telling(port)
    settings["availability__quiet_s"] = 3_600
    with running(tmp_path / "archive" / "data", options, settings) as server, hospital(port) as ris:
        with _associated(server, MPPS) as association:
            assert association.send_n_create(_dataset(step(study=study)), MPPS, "1.2.3.9")[0].Status == 0
            done = ended([one.SOPInstanceUID for _, one in of_study], series=objects[0].SeriesInstanceUID)
            assert association.send_n_set(_dataset(done), MPPS, "1.2.3.9")[0].Status == 0
        for file, _ in of_study:
            stored = run("storescu", "-xs", "-R", "-aec", "PACS_SCP", "127.0.0.1", server.port, file)
            assert stored.returncode == 0, stored.stdout

        def told() -> list[Dataset]:
            return [told for what, _, told in ris.heard if what == INSTANCE_AVAILABILITY_NOTIFICATION]

        assert wait_until(lambda: bool(told()), _WITHIN_S), server.log
        notice = told()[0]
        assert notice.StudyInstanceUID == study
        assert notice.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == "1.2.3.9"
        instances = [one for series in notice.ReferencedSeriesSequence for one in series.ReferencedSOPSequence]
        assert {one.ReferencedSOPInstanceUID for one in instances} == {one.SOPInstanceUID for _, one in of_study}
        assert {(one.InstanceAvailability, one.RetrieveAETitle) for one in instances} == {("ONLINE", "PACS_SCP")}
        assert _found_availability(server, study) == {"STUDY": "ONLINE", "SERIES": "ONLINE", "IMAGE": "ONLINE"}


def _found_availability(server: Server, study: str) -> dict[str, str]:
    """Return what C-FIND tells of the availability of a study, at each level."""
    found: dict[str, str] = {}
    with _associated(server, STUDY_ROOT_FIND) as association:
        for level in ("STUDY", "SERIES", "IMAGE"):
            query = Dataset()
            query.QueryRetrieveLevel, query.StudyInstanceUID, query.InstanceAvailability = level, study, ""
            answers = [one for _, one in association.send_c_find(query, STUDY_ROOT_FIND) if one is not None]
            (found[level],) = {one.InstanceAvailability for one in answers}
    return found


def test_a_study_is_told_of_once_it_is_quiet(tmp_path: Path, port: int) -> None:
    options, settings = _telling(port)
    with running(tmp_path / "archive" / "data", options, settings) as server, hospital(port) as ris:
        file = tmp_path / "object.dcm"
        file.write_bytes(next(iter(demo_files(slices=2))))
        assert run("storescu", "-xs", "-R", "-aec", "PACS_SCP", "127.0.0.1", server.port, file).returncode == 0
        assert wait_until(lambda: bool(ris.heard), _WITHIN_S), server.log
        (_, _, notice), *more = ris.heard
        assert (len(notice.ReferencedPerformedProcedureStepSequence), more) == (0, [])


def _dcmjs(port: int, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have dcmjs-dimse ask, one after the other; return the statuses and data sets that it got."""
    answers: list[dict[str, Any]] = outcome(_SCRIPT, {"serve": False, "port": port, "requests": requests}, DCMJS)
    return answers


_BEGUN: Final = {
    "PatientName": "Demo^MR",
    "PatientID": "D-1",
    "ScheduledStepAttributesSequence": [{"StudyInstanceUID": "1.2.3.4", "AccessionNumber": "A-1"}],
    "PerformedProcedureStepID": "PPS-1",
    "PerformedStationAETitle": "MR1",
    "PerformedProcedureStepStartDate": "20261129",
    "PerformedProcedureStepStartTime": "101500",
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "Modality": "MR",
}
_ENDED: Final = {
    "PerformedProcedureStepStatus": "DISCONTINUED",
    "PerformedProcedureStepEndDate": "20261129",
    "PerformedProcedureStepEndTime": "103000",
}


def test_dcmjs_dimse_reports_what_it_does_and_reads_it_back(tmp_path: Path) -> None:
    uid = "1.2.3.9"
    with running(tmp_path / "archive" / "data") as server:
        answers = _dcmjs(
            server.port,
            [
                {"what": "create", "sop": MPPS, "uid": uid, "dataset": _BEGUN},
                {"what": "create", "sop": MPPS, "uid": uid, "dataset": _BEGUN},
                {"what": "set", "sop": MPPS, "uid": uid, "dataset": _ENDED},
                {"what": "set", "sop": MPPS, "uid": uid, "dataset": _ENDED},
                {"what": "get", "sop": MPPS_RETRIEVE, "uid": uid},
            ],
        )
        assert [one["status"] for one in answers] == [0, 0x0111, 0, 0x0110, 0]
        assert answers[-1]["dataset"]["PerformedProcedureStepStatus"] == "DISCONTINUED"


def test_dcmjs_dimse_is_told_of_steps(tmp_path: Path, port: int) -> None:
    options, settings = _telling(port)
    with running(tmp_path / "archive" / "data", options, settings) as server:
        with (
            listening(_SCRIPT, {"serve": True, "port": port}, DCMJS) as receiver,
            _associated(server, MPPS) as association,
        ):
            assert association.send_n_create(_dataset(step()), MPPS, "1.2.3.9")[0].Status == 0
            assert association.send_n_set(_dataset(ended(["1.2.3.9.1"])), MPPS, "1.2.3.9")[0].Status == 0
            heard = [receiver.told() for _ in range(4)]
        assert {one["uid"] for one in heard} == {"1.2.3.9"}
        steps = [one["what"] for one in heard if one["what"] != "event"]
        events = [one["event"] for one in heard if one["what"] == "event"]
        assert (steps, events) == (["create", "set"], [1, 2])
