"""What the log of a real server says of real traffic: categories, details, associations, and nothing about patients."""

import json
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from archimage import logger
from tests.attacks.datasets import PATIENT_ID, PATIENT_NAME, dataset, identifier, new_uid, one_image
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, querying, request
from tests.interop.managing import Api
from tests.web.stowing import STUDY, ask, part10, post, store

SOURCES: Final = Path(logger.__file__).parent
MARK: Final = "Zx9Secret"
SECRET: Final = {
    PATIENT_NAME: f"{MARK}^Demo".encode(),
    PATIENT_ID: f"{MARK}-1".encode(),
    0x00080050: MARK.encode(),
    0x00081030: f"{MARK} study".encode(),
}
WITHIN_S: Final = 10.0
DETAILS: Final = {"log__level": "debug", "log__format": "json"}


def lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


def told(server: Server, event: str, **values: object) -> list[Mapping[str, Any]]:
    """Wait for lines of an event with these values."""
    found: list[Mapping[str, Any]] = []

    def came() -> bool:
        found[:] = [line for line in lines(server) if line["event"] == event and values.items() <= line.items()]
        return bool(found)

    assert wait_until(came, WITHIN_S), (event, values, server.log[-3_000:])
    return found


def exchange(server: Server) -> str:
    """Send what is right and what is wrong through every door, each time with a patient; return an instance's UID."""
    uid, wrong = new_uid(), new_uid()
    more = tuple((tag, "LO", value) for tag, value in SECRET.items() if tag not in {PATIENT_NAME, PATIENT_ID})
    secret = dataset(uid, replaced=SECRET, more=more)
    with Peer.associated(server.port, querying()) as peer:
        assert peer.store(uid, secret) == 0
        assert peer.store(uid, dataset(uid, replaced=SECRET, pixels=b"other")) != 0
        assert peer.store(wrong, dataset(new_uid(), replaced=SECRET)) != 0
        assert peer.store(wrong, dataset(wrong, replaced={0x0020000D: MARK.encode()})) != 0
        keys = {PATIENT_NAME: ("PN", f"{MARK}*".encode()), 0x0020000D: ("UI", b"")}
        assert len(peer.find(identifier("STUDY", keys))[0]) == 1
        assert peer.find(identifier("STUDY", {0x00080020: ("DA", MARK.encode())}))[1] != 0
        assert peer.find(identifier(MARK.upper(), keys))[1] != 0
        assert peer.get(one_image(uid))[1] == 0
        peer.release()
    stowed = new_uid()
    assert store(server.http_port, [part10(dataset(stowed, replaced=SECRET, more=more), stowed)]).stored() == [stowed]
    post(server.http_port, MARK.encode(), "application/dicom")
    for path in (
        f"/studies?PatientName={MARK}*",
        f"/studies?StudyDate={MARK}",
        f"/studies?{MARK}=1",
        f"/studies/{MARK}/metadata",
        f"/studies/{STUDY}/metadata",
        f"/{MARK}",
    ):
        ask(server.http_port, "GET", path)
    api = Api(f"http://127.0.0.1:{server.http_port}")
    api.ask("GET", f"/studies?q={MARK}")
    api.ask("GET", f"/patients/{MARK}")
    api.ask("PUT", f"/studies/{STUDY}/labels/{MARK}")
    change = {
        "kind": "correct-study",
        "study_instance_uid": STUDY,
        "reason": MARK,
        "attributes": {"StudyDescription": MARK},
    }
    assert api.ask("POST", "/changes", change).status < 300
    assert wait_until(lambda: "change ended" in server.log, WITHIN_S), server.log[-2_000:]
    return uid


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tells details."""
    with running(tmp_path_factory.mktemp("logs") / "data", settings=DETAILS) as found:
        yield found


def test_no_line_holds_anything_about_a_patient(server: Server) -> None:
    exchange(server)
    told(server, "association closed")
    assert len(lines(server)) > 20
    assert MARK.lower() not in server.log.lower()


def test_patients_are_told_of_to_who_asks_for_that(tmp_path: Path) -> None:
    with running(tmp_path / "data", settings={**DETAILS, "log__patient_data": "true"}) as server:
        uid = exchange(server)
        (kept,) = told(server, "object stored", sop_instance_uid=uid)
        assert (kept["patient_id"], kept["patient_name"]) == (f"{MARK}-1", f"{MARK}^Demo")
        assert any("PatientName" in line["patient_sought"] and MARK in line["patient_sought"]
                   for line in told(server, "query"))  # fmt: skip


def test_details_of_every_category(server: Server) -> None:
    uid = new_uid()
    with Peer.associated(server.port, querying()) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        assert peer.find(identifier("STUDY", {0x0020000D: ("UI", STUDY.encode())}))[1] == 0
        peer.release()
    (kept,) = told(server, "object stored", sop_instance_uid=uid)
    association = kept["association"]
    assert kept["category"] == "storage"
    answered = told(server, "operation answered", association=association)
    assert [(line["command"], line["status"], line["category"]) for line in answered] == [
        ("C-STORE-RQ", "0x0000", "dimse"),
        ("C-FIND-RQ", "0x0000", "dimse"),
    ]
    assert all(0 < line["duration_s"] < WITHIN_S for line in answered)
    (asked,) = told(server, "query", association=association)
    assert (asked["category"], asked["query_level"], asked["keys"]) == ("index", "STUDY", 1)
    assert told(server, "association closed", association=association)[0]["category"] == "association"
    ask(server.http_port, "GET", "/studies/1.2.3/metadata")
    route = "/dicom-web/studies/{study}/metadata"
    answered = told(server, "request answered", route=route, status=404)
    assert (answered[-1]["category"], answered[-1]["method"], answered[-1]["client"]) == ("web", "GET", "127.0.0.1")
    with Peer(server.port) as peer:
        peer.associate(request(called="NOBODY"))
    assert told(server, "association rejected")[0]["category"] == "security"


def test_every_line_between_two_ends_of_an_association_carries_its_id(server: Server) -> None:
    before = len(lines(server))
    closed = sum(line["event"] == "association closed" for line in lines(server))
    uid = new_uid()
    with Peer.associated(server.port, querying()) as peer:
        assert peer.store(uid, dataset(uid, pixels=bytes(300_000))) == 0
        assert peer.store(new_uid(), dataset(new_uid())) != 0
        assert peer.find(identifier("STUDY", {0x00080020: ("DA", b"nonsense")}))[1] != 0
        assert peer.get(one_image(uid))[1] == 0
        peer.release()
    assert wait_until(lambda: len(told(server, "association closed")) > closed, WITHIN_S)
    association = told(server, "association closed")[-1]["association"]
    came = lines(server)[before:]
    assert len(came) >= 8
    assert {line.get("association") for line in came} == {association}


def test_one_category_is_turned_up_alone_and_while_the_archive_runs(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[log]\nformat = "json"\nlevels = { dimse = "debug", association = "error" }\n')
    with running(tmp_path / "data", ("--config", str(file))) as server:
        for level in ("debug", "info"):
            with Peer.associated(server.port) as peer:
                assert peer.echo() == 0
                peer.release()
            ask(server.http_port, "GET", "/studies")
            if level == "debug":
                told(server, "operation answered", command="C-ECHO-RQ")
                file.write_text('[log]\nformat = "json"\nlevels = { web = "debug" }\n')
                server.process.send_signal(signal.SIGHUP)
                told(server, "the settings were read again", category="security")
        told(server, "request answered")
        told(server, "association closed")
        events = [line["event"] for line in lines(server)]
        assert events.count("operation answered") == 1
        assert events.count("association closed") == 1
        assert events.count("request answered") == 1


def test_a_category_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    settings = {"log__levels": '{"nonsense": "info"}'}
    with pytest.raises(TimeoutError, match=r"levels.*security"), running(tmp_path / "data", settings=settings):
        pass


def test_every_logger_of_ours_has_a_category() -> None:
    used = re.compile(r"structlog\.get_logger|logging\.getLogger\(__name__\)")
    others = [path for path in SOURCES.rglob("*.py") if used.search(path.read_text("utf-8"))]
    assert others == [SOURCES / "logger.py"]
