"""Subscriptions over HTTP with a real receiver, which fails, is gone, and comes back; and a server that is killed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archimage.dicom.demo import demo_files
from tests.attacks.server import Server, launch, running, stop, wait_until
from tests.web.fhir.answers import matches, refused, valid
from tests.web.fhir.receiver import Receiver
from tests.web.fhir.test_ordering import order, send
from tests.web.fhir.test_reporting import report
from tests.web.serving import Client

PATH = "/fhir/Subscription"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that listens."""
    found = Receiver()
    with found.listening():
        yield found


def settings(receiver: Receiver) -> dict[str, object]:
    """Return the settings of a server that may call a receiver."""
    return {"fhir__hooks": f"http://127.0.0.1:{receiver.port}/hook", "fhir__quiet_s": 0.5}


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[Server]:
    """A server that may call the receiver."""
    with running(tmp_path / "data", settings=settings(receiver)) as found:
        yield found


@pytest.fixture
def client(server: Server) -> Client:
    """Talks to it."""
    return Client(server.http_port)


def subscription(address: str, criteria: str, payload: str = "application/fhir+json", **changed: Any) -> dict[str, Any]:
    """Return a subscription."""
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": address, "header": ["Authorization: Bearer demo"]}
    if payload:
        channel["payload"] = payload
    made = {"resourceType": "Subscription", "status": "requested", "reason": "a test", "criteria": criteria}
    return {**made, "channel": channel, **changed}


def subscribed(client: Client, receiver: Receiver, criteria: str, **changed: Any) -> Any:
    """Subscribe, and wait until the receiver has heard of it."""
    made = valid(send(client, subscription(receiver.address, criteria, **changed), PATH), 201)
    assert made["status"] == "requested"
    assert wait_until(lambda: status(client, made["id"]) == "active", 30), receiver.heard
    return made


def status(client: Client, name: str) -> str:
    """Return where a subscription stands."""
    return str(valid(client.ask(f"{PATH}/{name}"))["status"])


def store(client: Client, modality: str) -> str:
    """Store the demo images of a modality; return the UID of their study."""
    known = {one["id"] for one in matches(client, "ImagingStudy")}
    for file in demo_files(slices=2):
        if modality.encode() in file[:3000]:
            client.ask("/instances", "POST", file)
    return next(
        str(one["id"]) for one in matches(client, f"ImagingStudy?modality={modality}") if one["id"] not in known
    )


def test_a_receiver_is_told_of_studies_that_meet_its_criteria(client: Client, receiver: Receiver) -> None:
    made = subscribed(client, receiver, "ImagingStudy?modality=US")
    handshake = receiver.heard[0]
    assert (handshake.method, handshake.path, handshake.body) == ("POST", "/hook", b"")
    uid = store(client, "US")
    told = receiver.wait_for("PUT", f"/hook/ImagingStudy/{uid}")
    assert told.headers["authorization"] == "Bearer demo"
    assert told.headers["content-type"] == "application/fhir+json"
    assert told.json["id"] == uid
    assert told.json["numberOfInstances"] == valid(client.ask(f"/fhir/ImagingStudy/{uid}"))["numberOfInstances"]
    assert client.ask(f"/api/v1/studies/{uid}", "DELETE").status in {200, 202, 204}
    receiver.wait_for("DELETE", f"/hook/ImagingStudy/{uid}")
    assert matches(client, f"Subscription?status=active&_id={made['id']}&url={receiver.address}") != []
    assert client.ask(f"{PATH}/{made['id']}", "DELETE").status == 204
    refused(client.ask(f"{PATH}/{made['id']}"), 404)


def test_nobody_is_told_of_what_he_did_not_ask_for_and_without_a_payload_of_no_contents(
    client: Client, receiver: Receiver
) -> None:
    subscribed(client, receiver, "ServiceRequest?identifier=B-2", payload="")
    for accession in ("B-1", "B-2"):
        valid(send(client, order(accession)), 201)
    assert wait_until(lambda: len(receiver.heard) == 2, 30)
    assert [(one.method, one.path, one.body) for one in receiver.heard] == [("POST", "/hook", b"")] * 2


def test_orders_and_reports_are_told_of_as_they_are_when_they_are_sent(client: Client, receiver: Receiver) -> None:
    subscribed(client, receiver, "ServiceRequest?status=active,revoked")
    subscribed(client, receiver, "DiagnosticReport")
    made = valid(send(client, order("C-1")), 201)
    assert receiver.wait_for("PUT", f"/hook/ServiceRequest/{made['id']}").json["status"] == "active"
    assert (
        client.ask(
            f"/api/v1/worklist/{made['id']}/state", "PUT", b'{"state": "discontinued"}', Content_Type="application/json"
        ).status
        == 200
    )
    assert wait_until(
        lambda: receiver.wait_for("PUT", f"/hook/ServiceRequest/{made['id']}").json["status"] == "revoked", 30
    )
    reported = valid(send(client, report(store(client, "US")), "/fhir/DiagnosticReport"), 201)
    assert receiver.wait_for("PUT", f"/hook/DiagnosticReport/{reported['id']}").json["conclusion"] != ""


def test_a_receiver_that_fails_is_told_later_and_in_order(client: Client, receiver: Receiver) -> None:
    made = subscribed(client, receiver, "ServiceRequest")
    receiver.status = 503
    ids = [valid(send(client, order(f"D-{number}")), 201)["id"] for number in range(3)]
    receiver.wait_for("PUT", f"/hook/ServiceRequest/{ids[0]}")
    assert wait_until(lambda: "503" in valid(client.ask(f"{PATH}/{made['id']}")).get("error", ""), 30)
    del receiver.heard[:]
    receiver.status = 200
    receiver.wait_for("PUT", f"/hook/ServiceRequest/{ids[-1]}", 60)
    told = [one.path.rpartition("/")[2] for one in receiver.heard]
    assert told == ids
    assert wait_until(lambda: "error" not in valid(client.ask(f"{PATH}/{made['id']}")), 30)


def test_what_was_to_be_told_survives_a_receiver_that_is_gone_and_a_server_that_is_killed(tmp_path: Path) -> None:
    receiver, directory = Receiver(), tmp_path / "data"
    with receiver.listening():
        first = launch(directory, settings=settings(receiver))
        first.wait_until_ready()
        client = Client(first.http_port)
        subscribed(client, receiver, "ServiceRequest")
        subscribed(client, receiver, "ImagingStudy?modality=US")
    del receiver.heard[:]
    asked = valid(send(client, order("E-1")), 201)["id"]
    uid = store(client, "US")
    first.process.kill()
    first.process.wait(20)
    with receiver.listening():
        second = launch(directory, settings=settings(receiver))
        try:
            second.wait_until_ready()
            receiver.wait_for("PUT", f"/hook/ServiceRequest/{asked}", 60)
            receiver.wait_for("PUT", f"/hook/ImagingStudy/{uid}", 60)
        finally:
            assert stop(second) == 0


def test_a_receiver_that_says_it_is_gone_is_asked_no_more_until_somebody_wants_it(
    client: Client, receiver: Receiver
) -> None:
    made = subscribed(client, receiver, "ServiceRequest")
    receiver.status = 410
    valid(send(client, order("F-1")), 201)
    assert wait_until(lambda: status(client, made["id"]) == "error", 30)
    told = len(receiver.heard)
    receiver.status = 200
    valid(send(client, order("F-2")), 201)
    again = subscription(receiver.address, "ServiceRequest", id=made["id"])
    valid(send(client, again, f"{PATH}/{made['id']}", "PUT"))
    assert wait_until(lambda: status(client, made["id"]) == "active", 30)
    assert [one.method for one in receiver.heard[told:]] == ["POST"]
    off = {**again, "status": "off"}
    assert valid(send(client, off, f"{PATH}/{made['id']}", "PUT"))["status"] == "off"


def test_no_redirection_is_followed(client: Client, receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, f"http://127.0.0.1:{receiver.port}/elsewhere"
    made = valid(send(client, subscription(receiver.address, "ServiceRequest"), PATH), 201)
    assert wait_until(lambda: "307" in valid(client.ask(f"{PATH}/{made['id']}")).get("error", ""), 30)
    assert {one.path for one in receiver.heard} == {"/hook"}


def test_what_has_ended_is_told_no_more(client: Client, receiver: Receiver) -> None:
    made = subscribed(client, receiver, "ServiceRequest")
    end = datetime.now(UTC) + timedelta(seconds=2)
    ending = subscription(receiver.address, "ServiceRequest", id=made["id"], end=end.isoformat())
    valid(send(client, ending, f"{PATH}/{made['id']}", "PUT"))
    valid(send(client, subscription(f"{receiver.address}/other", "ServiceRequest"), PATH), 201)
    assert wait_until(lambda: datetime.now(UTC) > end + timedelta(seconds=1), 10)
    ordered = valid(send(client, order("G-1")), 201)["id"]
    receiver.wait_for("PUT", f"/hook/other/ServiceRequest/{ordered}")
    assert f"/hook/ServiceRequest/{ordered}" not in [one.path for one in receiver.heard]
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    refused(send(client, subscription(receiver.address, "ServiceRequest", end=past), PATH), 400)


def test_only_what_a_setting_allows_is_called(client: Client, receiver: Receiver) -> None:
    root = f"http://127.0.0.1:{receiver.port}"
    for address in (
        f"{root}/other",
        f"{root}/hooked",
        f"{root}/hook/../other",
        f"{root}/hook/%2e%2e/other",
        f"{root}/hook/..%5Cother",
        f"{root}/hook?x=1",
        f"{root}/hook#x",
        f"http://user@127.0.0.1:{receiver.port}/hook",
        f"http://localhost:{receiver.port}/hook",
        "http://127.0.0.1/hook",
        f"https://127.0.0.1:{receiver.port}/hook",
        "http://169.254.169.254/hook",
        f"http://127.0.0.1:{receiver.port}@169.254.169.254/hook",
        "http://[::1]/hook",
        "http://127.0.0.1:99999/hook",
        "file:///etc/passwd",
        "gopher://127.0.0.1/hook",
        "/hook",
    ):
        refused(send(client, subscription(address, "ServiceRequest"), PATH), 400)
    channel = subscription(receiver.address, "ServiceRequest")["channel"]
    for wrong in (
        {"criteria": "Observation?code=1"},
        {"criteria": "ImagingStudy?shoe-size=44"},
        {"criteria": "ImagingStudy?started=yesterday"},
        {"criteria": "ImagingStudy?" + "a" * 3_000},
        {"criteria": "ServiceRequest?" + "status=active&" * 60},
        {"status": "fruit"},
        {"channel": {**channel, "type": "email"}},
        {"channel": {**channel, "payload": "application/fhir+xml"}},
        {"channel": {**channel, "header": ["Host: elsewhere"]}},
        {"channel": {**channel, "header": ["X: a\r\nY: b"]}},
        {"channel": {**channel, "header": ["X: a"] * 17}},
        {"channel": {**channel, "endpoint": None}},
        {"end": "tomorrow"},
    ):
        refused(send(client, {**subscription(receiver.address, "ServiceRequest"), **wrong}, PATH), 400)
    assert matches(client, "Subscription") == receiver.heard == []


def test_nothing_is_called_where_no_setting_says_so(tmp_path: Path, receiver: Receiver) -> None:
    with running(tmp_path / "data") as server:
        told = refused(send(Client(server.http_port), subscription(receiver.address, "ServiceRequest"), PATH), 400)
    assert "fhir.hooks" in told
    assert receiver.heard == []
