"""Remote nodes over HTTP: entered, changed, removed; what fails says where, what and why, and what to do next."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from archimage.config import NodeConfig
from tests.interop.peers import free_port
from tests.services.archive import records
from tests.web.serving import Answer, Client, config, serving

WORKSTATION = {"ae_title": "WORKSTATION", "host": "192.0.2.7", "port": 104, "description": "in the basement"}


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of twelve instances, whose settings name one node."""
    settings = config(tmp_path_factory.mktemp("api")).model_copy(
        update={"nodes": {"FIXED": NodeConfig(host="192.0.2.1", port=104)}}
    )
    with serving(settings, records()) as found:
        yield found


def _send(client: Client, method: str, path: str, body: Any = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    return client.ask(f"/api/v1{path}", method, data, Content_Type="application/json")


def _problem(answer: Answer) -> str:
    assert set(answer.json) == {"error", "next"}
    assert answer.json["next"].endswith(".")
    return str(answer.json["error"])


def test_nodes_are_entered_changed_and_removed(client: Client) -> None:
    added = _send(client, "POST", "/nodes", WORKSTATION)
    assert (added.status, added.headers["location"]) == (201, "/api/v1/nodes/WORKSTATION")
    assert WORKSTATION.items() <= added.json.items()
    assert added.json["source"] == "stored"
    assert _send(client, "GET", "/nodes/WORKSTATION").json == added.json
    changed = _send(client, "PUT", "/nodes/WORKSTATION", WORKSTATION | {"ae_title": "NEW", "port": 11112})
    assert (changed.status, changed.json["port"], changed.json["created_at"]) == (200, 11112, added.json["created_at"])
    assert [node["ae_title"] for node in _send(client, "GET", "/nodes").json] == ["FIXED", "NEW"]
    removed = _send(client, "DELETE", "/nodes/NEW")
    assert (removed.status, removed.body) == (204, b"")
    assert _send(client, "GET", "/nodes/NEW").status == 404


def test_nodes_of_the_settings_are_told_and_stay(client: Client) -> None:
    (fixed,) = _send(client, "GET", "/nodes").json
    assert (fixed["ae_title"], fixed["host"], fixed["source"]) == ("FIXED", "192.0.2.1", "settings")
    for method, body in (("PUT", WORKSTATION), ("DELETE", None)):
        answer = _send(client, method, "/nodes/FIXED", body)
        assert answer.status == 409
        assert "settings" in _problem(answer)


def test_an_ae_title_may_hold_a_slash_or_a_blank(client: Client) -> None:
    added = _send(client, "POST", "/nodes", WORKSTATION | {"ae_title": "A/B C"})
    assert added.headers["location"] == "/api/v1/nodes/A%2FB%20C"
    assert _send(client, "GET", "/nodes/A%2FB%20C").json["ae_title"] == "A/B C"
    assert _send(client, "DELETE", "/nodes/A%2FB%20C").status == 204


def test_an_ae_title_is_given_once(client: Client) -> None:
    _send(client, "POST", "/nodes", WORKSTATION)
    for taken in (WORKSTATION, WORKSTATION | {"ae_title": "FIXED"}):
        answer = _send(client, "POST", "/nodes", taken)
        assert answer.status == 409
        assert str(taken["ae_title"]) in _problem(answer)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ae_title": "SEVENTEEN_LETTERS"}, "ae_title"),
        ({"host": "http://pacs/"}, "host"),
        ({"port": 0}, "port"),
        ({"port": "many"}, "port"),
        ({"description": "a\nb"}, "description"),
        ({"password": "x"}, "password"),
        ({"host": None}, "host"),
    ],
)
def test_what_cannot_be_a_node_is_refused_by_name(client: Client, changes: dict[str, Any], named: str) -> None:
    answer = _send(client, "POST", "/nodes", WORKSTATION | changes)
    assert answer.status == 400
    assert named in _problem(answer)
    assert len(_send(client, "GET", "/nodes").json) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/nodes/NOBODY", None),
        ("PUT", "/nodes/NOBODY", WORKSTATION),
        ("DELETE", "/nodes/NOBODY", None),
        ("POST", "/nodes/NOBODY/echo", None),
        ("POST", "/nodes/NOBODY/query", {}),
        ("POST", "/nodes/NOBODY/retrieve", {"study_instance_uid": "1.2"}),
        ("POST", "/nodes/NOBODY/send", {"studies": ["1.0"]}),
    ],
)
def test_a_node_that_is_not_there_is_told(client: Client, method: str, path: str, body: Any) -> None:
    answer = _send(client, method, path, body)
    assert answer.status == 404
    assert "NOBODY" in _problem(answer)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nodes/FIXED/query", {"keys": {"NoSuchKeyword": "x"}}, 400),
        ("/nodes/FIXED/query", {"keys": {"Rows": "many"}}, 400),
        ("/nodes/FIXED/query", {"keys": {f"0010,{n:04X}": "" for n in range(101)}}, 400),
        ("/nodes/FIXED/query", {"keys": {"PatientName": "x" * 1025}}, 400),
        ("/nodes/FIXED/query", {"level": "FRAME"}, 400),
        ("/nodes/FIXED/query", {"limit": 0}, 400),
        ("/nodes/FIXED/query", {"limit": 10_001}, 400),
        ("/nodes/FIXED/query", [], 400),
        ("/nodes/FIXED/retrieve", {}, 400),
        ("/nodes/FIXED/retrieve", {"study_instance_uid": ""}, 400),
        ("/nodes/FIXED/retrieve", {"study_instance_uid": "*"}, 400),
        ("/nodes/FIXED/retrieve", {"study_instance_uid": "1.2\\1.3"}, 400),
        ("/nodes/FIXED/retrieve", {"study_instance_uid": "1.2", "sop_instance_uids": ["1.3"]}, 400),
        ("/nodes/FIXED/send", {}, 400),
        ("/nodes/FIXED/send", {"studies": ["*"]}, 400),
        ("/nodes/FIXED/send", {"studies": ["1.0"], "instances": ["1.9"]}, 404),
        ("/nodes/FIXED/send", {"instances": ["1.9"] * 1001}, 400),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anybody_is_called(
    client: Client, path: str, body: Any, status: int
) -> None:
    answer = _send(client, "POST", path, body)
    assert answer.status == status
    assert _problem(answer)
    assert _send(client, "GET", "/tasks").json == []


def test_a_page_of_another_origin_enters_no_node(client: Client) -> None:
    body = json.dumps(WORKSTATION).encode()
    answer = client.ask("/api/v1/nodes", "POST", body, Origin="https://evil.example", Content_Type="text/plain")
    assert answer.status == 400
    assert len(_send(client, "GET", "/nodes").json) == 1


@contextmanager
def _answering(reply: bytes) -> Iterator[int]:
    """Listen, and send every caller the same bytes once it has said something; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(reply)
                connection.settimeout(10)
                while reply and connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


@pytest.mark.parametrize(
    ("reply", "named", "advice"),
    [
        (b"\3\0\0\0\0\4\0\1\1\7", "called AE title not recognized (rejected permanently)", "PEER"),
        (b"\3\0\0\0\0\4\0\1\1\3", "calling AE title not recognized (rejected permanently)", "PACS_SCP"),
        (b"\3\0\0\0\0\4\0\2\3\2", "local limit exceeded (rejected transiently)", "later"),
        (b"\7\0\0\0\0\4\0\0\2\1", "aborted: it did not recognise a PDU", "log"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke the protocol", "port"),
        (b"", "closed the connection", "port"),
    ],
)
def test_a_failed_echo_tells_where_what_and_why_and_what_next(
    client: Client, reply: bytes, named: str, advice: str
) -> None:
    with _answering(reply) as port:
        _send(client, "POST", "/nodes", {"ae_title": "PEER", "host": "127.0.0.1", "port": port})
        answer = _send(client, "POST", "/nodes/PEER/echo")
    assert answer.status == 502
    assert f"PEER at 127.0.0.1:{port}" in _problem(answer)
    assert named in _problem(answer)
    assert advice in answer.json["next"]


@pytest.mark.parametrize(
    ("host", "named", "advice"),
    [("no-such.invalid", "cannot be resolved", "host name"), ("127.0.0.1", "Connection refused", "port")],
)
def test_a_node_that_cannot_be_reached_is_told_as_it_is(client: Client, host: str, named: str, advice: str) -> None:
    port = free_port()
    _send(client, "POST", "/nodes", {"ae_title": "PEER", "host": host, "port": port})
    for path, body in (("echo", None), ("query", {})):
        answer = _send(client, "POST", f"/nodes/PEER/{path}", body)
        assert answer.status == 502
        assert f"PEER at {host}:{port}" in _problem(answer)
        assert named in _problem(answer)
        assert advice in answer.json["next"]
