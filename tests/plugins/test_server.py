"""Plugins on a real server: told of what comes, asked before something is done, and no harm to it whatever they do."""

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

import pytest

from archimage.net.conversation import RemoteNode
from archimage.protocol.pdu import AssociateAccept, AssociateReject
from archimage.protocol.status import Status
from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset, identifier, new_uid
from tests.attacks.server import Server, launch, running, stop, wait_until
from tests.attacks.wire import Peer, querying, request
from tests.interop.peers import free_port, storescp
from tests.plugins.asking import WITHIN_S, ask, is_in_state, labels, plugin
from tests.plugins.authored import write

_STUDY: Final = "1.2.826.0.1.3680043.8.499.1"
_OTHER: Final = "1.2.826.0.1.3680043.8.499.77"
_RULES: Final = """
    from archimage.plugin import Label, Narrow, Refuse

    def on_instance_stored(instance):
        return Label(f"{instance.modality} of {instance.dataset().PatientID}")

    def on_study_complete(study):
        return Label(f"complete with {len(list(study.instances()))}")

    def on_query(query):
        if "FORBIDDEN" in (query.keys.get("PatientID"), query.text):
            return Refuse("nobody asks for this patient")
        return Narrow({"StudyInstanceUID": "1.2.826.0.1.3680043.8.499.1"})

    def on_association(association):
        if association.calling_ae_title == "INTRUDER":
            return Refuse("it is not on the list of the day")
"""
_FRAGILE: Final = """
    import os
    import time

    def on_instance_stored(instance):
        if instance.patient_id == "ATTACK":
            os._exit(3)

    def on_query(query):
        time.sleep(600)

    def on_association(association):
        raise RuntimeError
"""


@contextmanager
def _served(tmp_path: Path, **settings: object) -> Iterator[Server]:
    told = {"plugins__directory": tmp_path / "plugins", "plugins__study_complete_after_s": 0.3, **settings}
    with running(tmp_path / "archive" / "data", settings=told) as server:
        yield server


def _store(server: Server, study: str = _STUDY) -> int:
    uid = new_uid()
    data = dataset(uid, replaced={STUDY_INSTANCE_UID: study.encode()})
    with Peer.associated(server.port) as peer:
        status = peer.store(uid, data)
        peer.release()
    return status


def _found(server: Server, patient: bytes = b"") -> tuple[int, int]:
    with Peer.associated(server.port, querying()) as peer:
        found, status = peer.find(identifier("STUDY", {0x00100020: ("LO", patient), STUDY_INSTANCE_UID: ("UI", b"")}))
        peer.release()
    return len(found), status


def _counted(server: Server, hook: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=20) as answer:
        found = re.findall(rf'pacs_plugin_calls_total{{[^}}]*{hook}[^}}]*"done"[^}}]*}} (\S+)', answer.read().decode())
    return sum(map(float, found))


def test_plugins_are_told_and_their_answers_done(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "rules", _RULES)
    with _served(tmp_path) as server:
        assert is_in_state(server, "rules", "ready")
        assert [_store(server) for _ in range(3)] == [0, 0, 0]
        wanted = {"CT of ATTACK", "complete with 3"}
        assert wait_until(lambda: wanted <= labels(server, _STUDY), WITHIN_S), server.log
        assert wait_until(lambda: _counted(server, "on_instance_stored") == 3, WITHIN_S)
        assert plugin(server, "rules")["failures"] == 0
        told = ask(server, "/health")["parts"]["plugins"]
        assert told == {"state": "ok", "plugins": 1, "not_called": 0, "waiting": 0}


def test_a_query_is_narrowed_and_refused(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "rules", _RULES)
    with _served(tmp_path) as server:
        assert is_in_state(server, "rules", "ready")
        assert [_store(server), _store(server, _OTHER)] == [0, 0]
        assert _found(server) == (1, Status.SUCCESS)
        (study,) = ask(server, "/dicom-web/studies")
        assert study["0020000D"]["Value"] == [_STUDY]
        assert _found(server, b"FORBIDDEN") == (0, 0x0124)
        with pytest.raises(HTTPError, match="403"):
            ask(server, "/dicom-web/studies?PatientID=FORBIDDEN")


def _status(server: Server, path: str, body: object = None) -> int:
    try:
        _request(server, path, body)
    except HTTPError as error:
        return error.code
    return 200


def _request(server: Server, path: str, body: object = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", data)
    with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


def _count(found: object) -> int:
    """Return how many matches an answer tells of."""
    match found:
        case {"count": int(count)} | {"total": int(count)}:
            return count
        case list():
            return len(found)
    raise AssertionError(found)


def test_every_way_of_searching_is_asked_about(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "rules", _RULES)
    with _served(tmp_path) as server:
        assert is_in_state(server, "rules", "ready")
        assert [_store(server), _store(server, _OTHER)] == [0, 0]
        wanted = {"Level": "Study", "Query": {}}
        searches = (
            ("/api/v1/studies", None), ("/dicom-web/studies/count", None), ("/fhir/ImagingStudy", None),
            ("/fhir/ImagingStudy?_summary=count", None), ("/studies", None), ("/tools/find", wanted),
        )  # fmt: skip
        assert {path: _count(json.loads(_request(server, path, body))) for path, body in searches} == {
            path: 1 for path, _ in searches
        }
        page = _request(server, "/").decode()
        assert (_STUDY in page, _OTHER in page) == (True, False)
        forbidden = (
            ("/api/v1/studies?patient_id=FORBIDDEN", None), ("/api/v1/patients?patient_id=FORBIDDEN", None),
            ("/dicom-web/studies/count?PatientID=FORBIDDEN", None), ("/?q=FORBIDDEN", None),
            ("/fhir/ImagingStudy?patient.identifier=FORBIDDEN", None), ("/fhir/Patient?identifier=FORBIDDEN", None),
            ("/tools/find", {"Level": "Study", "Query": {"PatientID": "FORBIDDEN"}}),
        )  # fmt: skip
        assert {path: _status(server, path, body) for path, body in forbidden} == {path: 403 for path, _ in forbidden}
        assert ask(server, f"/api/v1/studies/{_OTHER}")["study_instance_uid"] == _OTHER  # opened, and not searched for


def test_what_a_plugin_sends_arrives_at_the_node(tmp_path: Path) -> None:
    node = RemoteNode("RECEIVER", "127.0.0.1", free_port())
    hooks = ("on_instance_stored", "on_study_complete")
    text = "".join(f"def {hook}(told): return archimage.plugin.Send('RECEIVER')\n" for hook in hooks)
    write(tmp_path / "plugins", "sends", f"import archimage.plugin\n{text}")
    nodes = {"nodes": f"RECEIVER={node.host}:{node.port}"}
    with storescp(node, tmp_path / "there"), _served(tmp_path, **nodes) as server:
        assert [_store(server) for _ in range(2)] == [0, 0]
        assert wait_until(lambda: len(list((tmp_path / "there").iterdir())) == 2, WITHIN_S), server.log
        titles = ["Send 1 objects to RECEIVER"] * 2 + ["Send 2 objects to RECEIVER"]
        assert wait_until(lambda: _done(server) == titles, WITHIN_S), server.log


def _done(server: Server) -> list[str]:
    """Return the titles of the jobs that were done."""
    return sorted(job["title"] for job in ask(server, "/api/v1/jobs?state=done"))


def test_an_association_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "rules", _RULES)
    with _served(tmp_path) as server:
        assert is_in_state(server, "rules", "ready")
        with Peer(server.port) as peer:
            assert isinstance(peer.associate(request(calling="INTRUDER")), AssociateReject)
        with Peer(server.port) as peer:
            assert isinstance(peer.associate(request(calling="CT1")), AssociateAccept)
            peer.release()
        assert "it is not on the list of the day" in server.log


def test_the_archive_goes_on_while_a_plugin_fails_and_disables_it(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "fragile", _FRAGILE)
    with _served(tmp_path, plugins__failures_allowed=3, plugins__answer_timeout_s=0.3) as server:
        assert [_store(server) for _ in range(2)] == [0, 0]
        assert _found(server) == (1, Status.SUCCESS)
        assert is_in_state(server, "fragile", "disabled"), server.log
        told = plugin(server, "fragile")
        assert told["failures"] >= 3
        assert "failures in a row" in told["reason"]
        assert ask(server, "/health")["parts"]["plugins"] == {
            "state": "ok",
            "plugins": 1,
            "not_called": 1,
            "waiting": 0,
        }
        assert _found(server) == (1, Status.SUCCESS)
        assert _store(server) == 0
        assert "Attack^Test" not in server.log
        assert "=ATTACK " not in server.log


def test_a_plugin_is_enabled_again_and_loaded_anew(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "wrong", "def on_instance_stored(instance):\n    1 / 0\n")
    with _served(tmp_path, plugins__failures_allowed=1) as server:
        assert _store(server) == 0
        assert is_in_state(server, "wrong", "disabled")
        write(
            tmp_path / "plugins",
            "wrong",
            "from archimage.plugin import Label\ndef on_instance_stored(instance):\n    return Label('mended')\n",
        )
        assert ask(server, "/api/v1/plugins/wrong/enable", "POST")["state"] in {"starting", "ready"}
        assert is_in_state(server, "wrong", "ready")
        assert _store(server) == 0
        assert wait_until(lambda: labels(server, _STUDY) == {"mended"}, WITHIN_S), server.log


def test_what_a_required_plugin_is_not_there_for_does_not_go_on(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "guard", "def on_association(association):\n    1 / 0\n")
    with _served(tmp_path, plugins__required="guard", plugins__failures_allowed=2) as server:
        for _ in range(4):
            with Peer(server.port) as peer:
                assert isinstance(peer.associate(request()), AssociateReject)
        assert is_in_state(server, "guard", "disabled")
        with Peer(server.port) as peer:
            assert isinstance(peer.associate(request()), AssociateReject)
        with pytest.raises(HTTPError, match="503"):
            ask(server, "/health")


def test_a_study_that_was_complete_when_the_server_was_killed_is_told_of_by_the_next(tmp_path: Path) -> None:
    write(
        tmp_path / "plugins",
        "slow",
        """
        import os
        import time
        from archimage.plugin import Label

        def on_study_complete(study):
            if os.environ.get("HANGS"):
                time.sleep(600)
            return Label("told")
        """,
    )
    told = {"plugins__directory": tmp_path / "plugins", "plugins__study_complete_after_s": 0.3}
    first = launch(tmp_path / "archive" / "data", settings=told, HANGS="1")
    try:
        first.wait_until_ready()
        assert is_in_state(first, "slow", "ready")
        assert _store(first) == 0
        deliveries = "/api/v1/deliveries?kind=plugin-slow"
        assert wait_until(lambda: len(ask(first, deliveries)) == 1, WITHIN_S), first.log
    finally:
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(20)
    second = launch(tmp_path / "archive" / "data", settings=told)
    second.wait_until_ready()
    try:
        assert wait_until(lambda: labels(second, _STUDY) == {"told"}, WITHIN_S), second.log
    finally:
        assert stop(second) == 0


def test_an_archive_whose_plugins_hang_ends_at_once(tmp_path: Path) -> None:
    text = "import time\ndef on_instance_stored(instance):\n    time.sleep(600)\n"
    write(tmp_path / "plugins", "hangs", text)
    write(tmp_path / "plugins", "sleeps", "import time\ntime.sleep(600)\n")
    with _served(tmp_path) as server:
        assert is_in_state(server, "hangs", "ready")
        assert _store(server) == 0
        server.process.terminate()
        assert server.process.wait(10) == 0
