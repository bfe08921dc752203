"""Events of work items over WebSockets: in order, none lost, and to nobody who may not hear them."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from archimage.config import HttpConfig
from tests.attacks.server import wait_until
from tests.web.serving import Client, config, serving
from tests.web.test_workitems import GLOBAL, ask, create, state

FILTERED = f"{GLOBAL}.1"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An empty archive."""
    with serving(config(tmp_path_factory.mktemp("ups"))) as found:
        yield found


def listen(client: Client, ae_title: str, **more: Any) -> ClientConnection:
    """Open the connection of a subscriber."""
    address = f"ws://127.0.0.1:{client.port}/dicom-web/subscribers/{ae_title}"
    connection: ClientConnection = connect(address, open_timeout=10, **more)
    return connection


def heard(connection: ClientConnection) -> tuple[str, int, str]:
    """Return the work item, type and state of the next event."""
    event = json.loads(connection.recv(10))
    state = event.get("00741000", {}).get("Value", [""])[0]
    assert event["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
    return event["00001000"]["Value"][0], event["00001002"]["Value"][0], state


def test_a_subscriber_hears_of_each_step_in_order(client: Client) -> None:
    uid = create(client)
    assert ask(client, f"/{uid}/subscribers/ONE", "POST").status == 201
    with listen(client, "ONE") as connection:
        assert heard(connection) == (uid, 1, "SCHEDULED")
        state(client, uid, "IN PROGRESS")
        assert heard(connection) == (uid, 1, "IN PROGRESS")
        assert ask(client, f"/{uid}/cancelrequest/ASKER", "POST", [{}]).status == 202
        assert heard(connection) == (uid, 2, "")


def test_who_is_away_hears_it_when_he_comes_back(client: Client) -> None:
    uid = create(client)
    ask(client, f"/{uid}/subscribers/AWAY", "POST")
    state(client, uid, "IN PROGRESS")
    with listen(client, "AWAY") as connection:
        assert [heard(connection)[2] for _ in range(2)] == ["SCHEDULED", "IN PROGRESS"]


def _is_silent(client: Client, ae_title: str) -> bool:
    with listen(client, ae_title) as connection:
        try:
            connection.recv(0.2)
        except TimeoutError:
            return True
    return False


def test_what_was_heard_is_not_told_again(client: Client) -> None:
    uid = create(client)
    ask(client, f"/{uid}/subscribers/ONCE", "POST")
    with listen(client, "ONCE") as connection:
        heard(connection)
    assert wait_until(lambda: _is_silent(client, "ONCE"), 10)


def test_what_a_broken_connection_may_not_have_brought_comes_again(client: Client) -> None:
    uid = create(client)
    ask(client, f"/{uid}/subscribers/BROKEN", "POST")
    with suppress(ConnectionClosed), listen(client, "BROKEN") as connection:
        assert heard(connection) == (uid, 1, "SCHEDULED")
        connection.socket.shutdown(socket.SHUT_RDWR)
    with listen(client, "BROKEN") as again:
        assert heard(again) == (uid, 1, "SCHEDULED")


def test_who_subscribes_to_all_hears_of_what_fits(client: Client) -> None:
    assert ask(client, f"/{FILTERED}/subscribers/FILTER?filter=PatientID%3DFITS", "POST").status == 201
    create(client)
    with listen(client, "FILTER") as connection:
        uid = create(client, patient_id="FITS")
        assert heard(connection)[:2] == (uid, 1)
    ask(client, f"/{FILTERED}/subscribers/FILTER", "DELETE")


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"Origin": "http://elsewhere.example"}, "ONE", 400),
        ({"Host": "elsewhere.example"}, "ONE", 400),
        ({}, "X" * 17, 400),
        ({}, "ONE/more", 404),
    ],
)
def test_a_handshake_is_refused_as_any_request(client: Client, headers: dict[str, str], path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        listen(client, path, additional_headers=headers)
    assert refusal.value.response.status_code == status


def test_a_page_of_an_allowed_origin_may_listen(tmp_path: Path) -> None:
    http = HttpConfig(port=0, cors_origins=("http://viewer.example",))
    with serving(config(tmp_path, http)) as client, listen(client, "ONE", origin="http://viewer.example") as connection:
        uid = create(client)
        ask(client, f"/{uid}/subscribers/ONE", "POST")
        assert heard(connection) == (uid, 1, "SCHEDULED")


def test_what_a_client_sends_is_not_heard_and_what_is_too_long_ends_it(client: Client) -> None:
    with listen(client, "LOUD") as connection:
        connection.send("hello")
        connection.send("x" * 5_000)
        with pytest.raises(ConnectionClosed, match="1009"):
            connection.recv(10)
    assert client.ask("/dicom-web/workitems?limit=0").status == 200


def test_other_addresses_are_not_upgraded(client: Client) -> None:
    head = b"GET /dicom-web/workitems?limit=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade, close\r\n"
    answer = client.raw(head + b"Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
