"""What a server tells the audit trail of real traffic; and what it does when that cannot be kept."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from lxml import etree

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset, identifier, new_uid
from tests.attacks.faults import Faults, compile_faults
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT, Peer, querying, request
from tests.audit.schema import problems

_WITHIN_S: Final = 20.0
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_STUDY, _SERIES = 0x0020000D, 0x0020000E


def _get(
    server: Server,
    path: str,
    method: str = "GET",
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] = _NONE,
) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=_WITHIN_S)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


def _object(uid: str, study: str) -> bytes:
    return dataset(uid, replaced={_STUDY: study.encode(), _SERIES: f"{study}.1".encode()})


def _command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "archimage", "audit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _entries(server: Server, **wanted: str) -> list[dict[str, Any]]:
    _, body = _get(server, "/api/v1/audit?" + urlencode({"limit": "1000", **wanted}))
    return list(json.loads(body)["items"])


def _has(server: Server, **wanted: str) -> bool:
    return wait_until(lambda: bool(_entries(server, **wanted)), _WITHIN_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server."""
    with running(tmp_path_factory.mktemp("audit") / "data") as server:
        yield server


def _store(server: Server, study: str, count: int) -> list[str]:
    uids = [new_uid() for _ in range(count)]
    with Peer.associated(server.port) as peer:
        for uid in uids:
            assert peer.store(uid, _object(uid, study)) == Status.SUCCESS
        peer.release()
    return uids


def test_what_an_association_stores_of_a_study_is_one_message(server: Server) -> None:
    studies = [new_uid(), new_uid()]
    uids = [new_uid() for _ in range(6)]
    with Peer.associated(server.port) as peer:
        for number, uid in enumerate(uids):
            assert peer.store(uid, _object(uid, studies[number % 2])) == Status.SUCCESS
        peer.release()
    for study in studies:
        assert _has(server, event="110104", study_instance_uid=study)
        (found,) = _entries(server, event="110104", study_instance_uid=study)
        message: Any = etree.fromstring(found["xml"])
        assert [one.get("NumberOfInstances") for one in message.iter("SOPClass")] == ["3"]
        assert found["outcome"] == "0"
        assert found["patient_ids"]
        assert len(_entries(server, event="110102", study_instance_uid=study)) == 1


def test_an_object_that_is_refused_is_a_message_of_its_own(server: Server) -> None:
    study, uid = new_uid(), new_uid()
    with Peer.associated(server.port) as peer:
        assert peer.store(new_uid(), _object(uid, study)) != Status.SUCCESS
        peer.release()
    assert _has(server, event="110104", outcome="4")


def test_a_query_is_told_with_its_identifier(server: Server) -> None:
    asked = identifier("STUDY", {_STUDY: ("UI", b""), 0x00100010: ("PN", b"Nobody*")})
    with Peer.associated(server.port, querying()) as peer:
        peer.find(asked)
        peer.release()
    assert _has(server, event="110112")
    message: Any = etree.fromstring(_entries(server, event="110112")[-1]["xml"])
    assert len(message.findtext(".//ParticipantObjectQuery")) >= len(asked)


def test_what_is_fetched_and_looked_at_and_deleted_is_told(server: Server) -> None:
    study = new_uid()
    _store(server, study, 3)
    base = f"/dicom-web/studies/{study}"
    assert _get(server, base)[0] == 200
    assert _get(server, f"{base}/metadata")[0] == 200
    assert _get(server, f"/dicom-web/archive?StudyInstanceUID={study}")[0] == 200
    assert _get(server, f"/dicom-web/studies?StudyInstanceUID={study}")[0] == 200
    assert _get(server, base, "DELETE")[0] in {200, 204}
    assert _has(server, event="110105", study_instance_uid=study)
    for event in ("110103", "110106"):
        assert _has(server, event=event, study_instance_uid=study), event
    deleted, *_ = _entries(server, event="110105", study_instance_uid=study)
    assert deleted["patient_ids"]
    fetched = [one for one in _entries(server, event="110104", study_instance_uid=study) if one["action"] == "R"]
    assert ['SOPClass NumberOfInstances="3"' in one["xml"] for one in fetched] == [True]
    assert any(study in one["xml"] or "/dicom-web/studies" in one["xml"] for one in _entries(server, event="110112"))


def test_what_is_sent_over_associations_is_told_with_what_went_wrong(server: Server) -> None:
    study = new_uid()
    uids = _store(server, study, 3)
    asked = identifier("STUDY", {_STUDY: ("UI", study.encode())})
    with Peer.associated(server.port, querying()) as peer:
        assert peer.get(asked)[1] == Status.SUCCESS
        assert peer.move(asked, "NOWHERE") == Status.MOVE_DESTINATION_UNKNOWN
        peer.release()

    def sent(outcome: str) -> list[dict[str, Any]]:
        found = _entries(server, event="110104", study_instance_uid=study, outcome=outcome)
        return [one for one in found if one["action"] == "R"]

    assert wait_until(lambda: bool(sent("0") and sent("4")), _WITHIN_S)
    (fetched,), (failed,) = sent("0"), sent("4")
    assert f'NumberOfInstances="{len(uids)}"' in fetched["xml"]
    assert "NOWHERE" in failed["users"]
    assert failed["description"]


def test_an_upload_is_an_import_and_a_correction_is_told_with_its_reason(server: Server) -> None:
    study, uid = new_uid(), new_uid()
    body = encode_file_meta(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN)) + _object(uid, study)
    headers = {"Content-Type": "application/dicom"}
    assert _get(server, "/api/v1/upload", "POST", body=body, headers=headers)[0] in {200, 202}
    assert _has(server, event="110107", study_instance_uid=study)
    change = {
        "kind": "correct-study",
        "study_instance_uid": study,
        "attributes": {"StudyDescription": "Chest"},
        "reason": "it was the wrong one",
    }
    asked = json.dumps(change).encode()
    status, answer = _get(server, "/api/v1/changes", "POST", body=asked, headers={"Content-Type": "application/json"})
    assert status == 202, answer
    assert _has(server, event="110110", text="it was the wrong one")
    assert _has(server, event="110110", outcome="0", text="correct-study ended, done")


def test_labels_that_a_study_is_given_and_loses_are_told(server: Server) -> None:
    study = new_uid()
    _store(server, study, 1)
    address = f"/api/v1/studies/{study}/labels/urgent"
    assert _get(server, address, "PUT")[0] == 200
    assert _has(server, event="110103", study_instance_uid=study, text="labels: urgent")
    assert _get(server, address, "DELETE")[0] == 200
    assert _has(server, event="110103", study_instance_uid=study, text="labels: none")
    given, taken = _entries(server, event="110103", study_instance_uid=study, text="labels: ")
    assert given["action"] == taken["action"] == "U"
    assert given["patient_ids"]


def test_what_orthancs_identifiers_name_is_told_with_study_and_patient(server: Server) -> None:
    study = new_uid()
    (uid,) = _store(server, study, 1)
    (instance,) = json.loads(_get(server, "/tools/lookup", "POST", body=uid.encode())[1])
    (above,) = json.loads(_get(server, "/tools/lookup", "POST", body=study.encode())[1])
    for path in (f"{instance['Path']}/file", f"{instance['Path']}/tags", f"{above['Path']}/archive"):
        assert _get(server, path)[0] == 200
        assert _has(server, event="110103", study_instance_uid=study, text=path)
        (found,) = _entries(server, event="110103", study_instance_uid=study, text=path)
        assert found["patient_ids"]
        assert problems(found["xml"].encode()) == ""
    patient = json.loads(_get(server, above["Path"])[1])["ParentPatient"]
    assert _get(server, f"/patients/{patient}/studies")[0] == 200
    assert _has(server, event="110103", text=f"/patients/{patient}/studies")
    (entry,) = _entries(server, event="110103", text=f"/patients/{patient}/studies")
    assert entry["patient_ids"] == found["patient_ids"]


def test_requests_by_a_foreign_name_or_page_are_security_alerts(server: Server) -> None:
    assert _get(server, "/dicom-web/studies", headers={"Host": "rebound.example"})[0] == 400
    assert _has(server, event="110113", outcome="8", text="rebound.example")
    assert _get(server, "/dicom-web/studies", headers={"Origin": "https://elsewhere.example"})[0] == 400
    assert _has(server, event="110113", outcome="8", text="elsewhere.example")


def test_who_is_not_let_in_and_what_is_changed_are_security_alerts(server: Server) -> None:
    with Peer(server.port) as peer:
        peer.associate(request(called="SOMEBODY"))
    assert _has(server, event="110113", outcome="8", text="association rejected")
    (rejected,) = _entries(server, event="110113", outcome="8", text="association rejected")
    assert rejected["description"].startswith("association rejected")
    body = json.dumps({"ae_title": "NEW", "host": "192.0.2.7", "port": 104}).encode()
    assert _get(server, "/api/v1/nodes", "POST", body=body, headers={"Content-Type": "application/json"})[0] == 201
    assert _has(server, event="110113", text="Network Configuration")
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert _get(server, "/api/v1/nodes/NEW", "DELETE", headers=elsewhere)[0] == 403
    assert _has(server, event="110113", text="HTTP status 403")


def test_of_a_long_address_only_the_beginning_is_told(server: Server) -> None:
    assert _get(server, f"/instances/{'long' * 10_000}/preview")[0] == 404
    assert _has(server, event="110103", outcome="4", text="/instances/long")
    (entry,) = _entries(server, event="110103", outcome="4", text="/instances/long")
    assert len(entry["xml"]) < 8_000


def test_looking_into_the_trail_is_told(server: Server) -> None:
    assert _get(server, "/api/v1/audit?patient_id=P0")[0] == 200
    assert _has(server, event="110101")


def test_the_whole_trail_is_valid_and_verifies_and_commands_show_it(tmp_path: Path) -> None:
    directory, study = tmp_path / "data", new_uid()
    with running(directory) as server:
        _store(server, study, 2)
        live = _command("verify", "--data", directory)
        assert live.returncode == 0, live.stderr
    exported = _command("export", "--data", directory).stdout.splitlines()
    assert all(problems(line.encode()) == "" for line in exported)
    kinds = Counter(etree.fromstring(line).find(".//EventID").get("csd-code") for line in exported)
    assert kinds["110100"] == kinds["110108"] == 2
    found = json.loads(_command("search", "--data", directory, "--study", study, "--json").stdout)
    assert {entry["event"] for entry in found["entries"]} == {"110102", "110104"}
    key = tmp_path / "key.pem"
    key.write_text(_command("key", "--data", directory).stdout, "utf-8")
    assert (directory / "audit" / "signing.key").stat().st_mode & 0o777 == 0o600
    verified = _command("verify", "--data", directory, "--public-key", key, "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["0"]["bad"] is None
    (journal,) = (directory / "audit" / "0").glob("*.audit")
    journal.write_bytes(journal.read_bytes().replace(b"Application Start", b"Application Stop ", 1))
    changed = _command("verify", "--data", directory, "--public-key", key)
    assert changed.returncode == 1
    assert "record 3 is bad: it was changed" in changed.stderr


def test_worker_processes_have_a_journal_each(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with running(directory, ["--workers", "2"]) as server:
        for _ in range(4):
            _store(server, new_uid(), 1)
    verified = json.loads(_command("verify", "--data", directory, "--json").stdout)
    assert len(verified) >= 2
    assert all(one["bad"] is None for one in verified.values())
    exported = _command("export", "--data", directory, "--event", "110104").stdout.splitlines()
    assert len(exported) == 4


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """Faults of the disk that the journals are on."""
    return compile_faults(tmp_path, tmp_path / "data" / "audit")


def _part(server: Server) -> str:
    return str(json.loads(_get(server, "/health")[1])["parts"]["audit"]["state"])


def test_a_trail_that_cannot_be_written_is_told_and_holds_nobody_up(tmp_path: Path, faults: Faults) -> None:
    study = new_uid()
    with running(tmp_path / "data", settings={}, **faults.environment) as server:
        faults.begin(28, "wo")
        _store(server, study, 2)
        assert wait_until(lambda: _part(server) == "failing", _WITHIN_S)
        assert _get(server, "/ready")[0] == 200
        assert "the audit journal cannot be written" in server.log
        assert b"pacs_audit_failing 1.0" in _get(server, "/metrics")[1]
        _store(server, study, 1)
        faults.end()
        assert wait_until(lambda: _part(server) == "ok", _WITHIN_S)
        assert wait_until(lambda: len(_entries(server, event="110104", study_instance_uid=study)) == 2, _WITHIN_S)
    assert _command("verify", "--data", tmp_path / "data").returncode == 0


def test_where_the_trail_is_required_nothing_is_done_without_it(tmp_path: Path, faults: Faults) -> None:
    settings = {"audit__required": "true"}
    with running(tmp_path / "data", settings=settings, **faults.environment) as server:
        uid = new_uid()
        faults.begin(5, "wos")
        with Peer.associated(server.port) as peer:
            peer.store(uid, dataset(uid))
            peer.release()
        assert wait_until(lambda: _get(server, "/ready")[0] == 503, _WITHIN_S)
        uid = new_uid()
        with Peer.associated(server.port) as peer:
            assert peer.store(uid, dataset(uid)) == Status.OUT_OF_RESOURCES
            peer.release()
        asked = identifier("STUDY", {_STUDY: ("UI", b"")})
        with Peer.associated(server.port, querying()) as peer:
            assert peer.find(asked)[1] == Status.OUT_OF_RESOURCES
            assert peer.get(asked)[1] == Status.UNABLE_TO_PERFORM_SUBOPERATIONS
            assert peer.move(asked, "NOWHERE") == Status.UNABLE_TO_PERFORM_SUBOPERATIONS
            peer.release()
        assert _get(server, "/dicom-web/studies")[0] == 503
        assert _get(server, "/live")[0] == 200
        faults.end()
        assert wait_until(lambda: _get(server, "/ready")[0] == 200, _WITHIN_S)
        assert wait_until(lambda: _get(server, "/dicom-web/studies")[0] == 200, _WITHIN_S)
    assert _command("verify", "--data", tmp_path / "data").returncode == 0
