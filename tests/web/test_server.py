"""What a client sends comes in time and in size, and from a place that is known (rows 43, 44 and 49 of the probes)."""

import gc
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from archimage.config import HttpConfig
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.protocol import MAX_PIPELINED, HttpLimits
from tests.services.archive import records
from tests.web.serving import Client, config, read_all, serving

TIMEOUT_S = 0.4
WADL = "{http://wadl.dev.java.net/2009/02}"
GET = b"GET /dicom-web/studies?limit=1 HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of little patience."""
    settings = config(tmp_path_factory.mktemp("server"), HttpConfig(port=0, request_timeout_s=TIMEOUT_S))
    with serving(settings, records(), HttpLimits(TIMEOUT_S, TIMEOUT_S, keep_alive_timeout_s=1)) as found:
        yield found


def drip(client: Client, head: bytes, drop: bytes) -> tuple[bytes, float]:
    """Send a head, then a drop again and again, until the server has closed; return what it said, and the seconds."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(head)
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(TIMEOUT_S / 8):
                try:
                    connection.sendall(drop)
                except OSError:
                    return

        dripping = threading.Thread(target=go_on)
        dripping.start()
        said = read_all(connection)
        over.set()
        dripping.join()
    return said, time.monotonic() - started


# Time.


def test_a_silent_connection_is_closed(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        assert read_all(connection) == b""


@pytest.mark.parametrize(
    ("head", "drop"), [(b"G", b"E"), (GET, b"X-A: 1\r\n"), (GET, b"x"), (b"\r\n", b"\r\n")], ids=str
)
def test_a_head_that_is_dripped_is_408(client: Client, head: bytes, drop: bytes) -> None:
    said, took_s = drip(client, head, drop)
    assert took_s < 10
    assert said.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400"))
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", [b"/dicom-web/studies", b"/api/v1/nodes"])
@pytest.mark.parametrize(
    "head", [b"Content-Length: 9000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["length", "chunks"]
)
def test_a_body_that_is_dripped_is_408(client: Client, path: bytes, head: bytes) -> None:
    post = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/related; boundary=x\r\n"
    said, took_s = drip(client, post + head, b"1\r\na\r\n")
    assert took_s < 10
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said.lower()
    assert json.loads(said.partition(b"\r\n\r\n")[2])["next"] == "Send the request again, faster."


def test_the_second_request_of_a_connection_has_its_time_too(client: Client) -> None:
    said, took_s = drip(client, GET + b"\r\n", b"\r\n")
    assert took_s < 10
    assert said.startswith(b"HTTP/1.1 200")


def _send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with (
        serving(settings, records(), HttpLimits(send_timeout_s=TIMEOUT_S)) as client,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", client.port))
        connection.settimeout(20)
        with pytest.raises(OSError):  # noqa: PT011 - reset, or a broken pipe
            _send_for_ever(connection, GET + b"\r\n")


# Refusals.


def refusal(answer: bytes) -> dict[str, str]:
    """Return the body of a refusal, which has all that refusals have."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"content-type: application/json" in lines
    assert b"x-content-type-options: nosniff" in lines
    assert b"content-length: %d" % len(body) in lines
    found: dict[str, str] = json.loads(body)
    assert set(found) == {"error", "next"}
    return found


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (b"GET /dicomweb/studies", 404, "/dicom-web/studies"),
        (b"GET /favicon.ico", 404, "/dicom-web"),
        (b"GET /dicom-web/nothing", 404, "/openapi.json"),
        (b"POST /openapi.json", 405, "GET"),
        (b"DELETE /live", 405, "/dicom-web"),
        (b"PATCH /dicom-web/studies", 405, "GET"),
    ],
    ids=str,
)
def test_a_request_that_leads_nowhere_is_told_where_to_go(client: Client, line: bytes, status: int, said: str) -> None:
    answer = client.raw(line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert said in refusal(answer)["next"]


def test_what_is_no_http_is_refused_like_anything_else(client: Client) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"hello\r\n\r\n", GET + b"no header\r\n\r\n"):
        answer = client.raw(data)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert "HTTP" in refusal(answer)["error"]
    assert "too large" in refusal(client.raw(GET + b"X: " + b"y" * 200_000))["error"]


def test_a_connection_too_many_is_told_to_come_again(tmp_path: Path) -> None:
    with serving(config(tmp_path), limits=HttpLimits(max_connections=1)) as client:
        answer = client.raw(GET + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert refusal(answer)["error"] == "too many connections are open"
    assert b"retry-after: " in answer.lower()


def test_requests_that_wait_for_no_answer_are_answered_up_to_a_number(client: Client) -> None:
    few = client.raw((GET + b"\r\n") * MAX_PIPELINED + GET + b"Connection: close\r\n\r\n")
    assert few.count(b"HTTP/1.1 200 ") == MAX_PIPELINED + 1
    many = client.raw((GET + b"\r\n") * (MAX_PIPELINED + 2))
    assert many.count(b"HTTP/1.1 400 ") == 1
    assert many.count(b"HTTP/1.1 200 ") <= 1


# Size.


def test_a_head_beyond_any_need_is_refused(client: Client) -> None:
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    assert client.raw(GET + many + b"\r\n").startswith(b"HTTP/1.1 400")
    assert client.raw(GET + b"X: " + b"y" * 200_000).startswith(b"HTTP/1.1 431")
    assert client.raw(b"GET /" + b"y" * 200_000).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("head", [b"Content-Length: 4294967296\r\n\r\n", b"Content-Length: 2000000\r\n\r\n"])
def test_a_body_that_says_it_is_too_long_is_413_at_once(client: Client, head: bytes) -> None:
    said = client.raw(b"DELETE /dicom-web/studies/9.9 HTTP/1.1\r\nHost: localhost\r\n" + head)
    assert said.startswith(b"HTTP/1.1 413")


def test_a_body_that_nobody_asked_for_ends_the_connection(client: Client) -> None:
    head = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    said = client.raw(GET + head)
    assert said.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in said


# Place.


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8042", "127.0.0.1", "127.0.0.2:1", "[::1]:8042"])
def test_the_server_answers_to_its_own_names(client: Client, host: str) -> None:
    assert client.ask("/live", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8042", "10.0.0.1", "localhost.evil.example", "", "a b", "[::1", "x@localhost"],
)
@pytest.mark.parametrize("path", ["/live", "/dicom-web/studies", "/openapi.json"])
def test_it_answers_to_no_other(client: Client, host: str, path: str) -> None:
    answer = client.ask(path, Host=host)
    assert answer.status == 400
    assert set(answer.json) == {"error", "next"}


def test_names_are_allowed_by_setting_and_addresses_where_all_are_listened_on(tmp_path: Path) -> None:
    http = HttpConfig(host="0.0.0.0", port=0, allowed_hosts=("pacs.example",))  # noqa: S104 - what is tested
    with serving(config(tmp_path, http)) as client:
        for host in ("pacs.example", "PACS.example:80", "10.0.0.1", "localhost"):
            assert client.ask("/live", Host=host).status == 200
        assert client.ask("/live", Host="evil.example").status == 400


def test_a_request_without_a_host_is_refused_unless_it_is_of_the_old_protocol(client: Client) -> None:
    assert client.raw(b"GET /live HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert client.raw(b"GET /live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", ""])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
def test_pages_of_other_origins_are_refused_and_told_nothing(client: Client, origin: str, method: str) -> None:
    answer = client.ask("/dicom-web/studies/1.0", method, Origin=origin, Access_Control_Request_Method="GET")
    assert answer.status == 400
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_our_own_pages_may_ask(client: Client) -> None:
    place = f"127.0.0.1:{client.port}"
    assert client.ask("/dicom-web/studies", Origin=f"http://{place}").status == 200
    assert client.ask("/dicom-web/studies", Origin=f"https://{place}").status == 200


def test_origins_are_allowed_by_setting(tmp_path: Path) -> None:
    viewer = "https://viewer.example"
    with serving(config(tmp_path, HttpConfig(port=0, cors_origins=(viewer,))), records()) as client:
        answer = client.ask("/dicom-web/studies", Origin=viewer)
        assert answer.headers["access-control-allow-origin"] == viewer
        assert "X-Total-Count" in answer.headers["access-control-expose-headers"]
        before = client.ask(
            "/dicom-web/studies",
            "OPTIONS",
            Origin=viewer,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type",
        )
        assert before.status == 200
        assert "POST" in before.headers["access-control-allow-methods"]
        refused = client.ask("/dicom-web/studies", "OPTIONS", Origin=viewer, Access_Control_Request_Method="TRACE")
        assert (refused.status, refused.json["error"]) == (400, "Disallowed CORS method")
        assert client.ask("/dicom-web/studies", Origin="https://evil.example").status == 400
        assert "access-control-allow-origin" not in client.ask("/dicom-web/studies").headers


def test_any_origin_may_be_allowed(tmp_path: Path) -> None:
    with serving(config(tmp_path, HttpConfig(port=0, cors_origins=("*",)))) as client:
        answer = client.ask("/dicom-web/studies", Origin="https://any.example")
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path",
    ["/dicom-web/studies/..%2f..%2fetc", "/dicom-web/studies/%00", "/dicom-web/%2e%2e/live", "/dicom-web/../live"],
)
def test_no_address_leads_elsewhere(client: Client, path: str) -> None:
    assert client.ask(path).status == 400


def test_redirects_are_never_made(client: Client) -> None:
    for path in ("//evil.example/", "/dicom-web//evil.example", "/live/?url=http://evil.example"):
        assert client.ask(path).status in {400, 404}


# Descriptions.


def test_the_description_names_every_resource(client: Client) -> None:
    described = client.ask("/openapi.json").json
    names = {operation["operationId"] for methods in described["paths"].values() for operation in methods.values()}
    assert names == {resource.name for resource in RESOURCES if resource.method != "OPTIONS"}
    for path, methods in described["paths"].items():
        for operation in methods.values():
            variables = {found["name"] for found in operation["parameters"] if found["in"] == "path"}
            assert variables == set(re.findall(r"\{(\w+)\}", path))


def below(resource: ET.Element, path: str) -> ET.Element:
    """Return a resource of the tree."""
    (found,) = [child for child in resource.findall(f"{WADL}resource") if child.get("path") == path]
    return found


@pytest.mark.parametrize(
    ("path", "method"), [("/dicom-web/", "OPTIONS"), ("/dicom-web", "OPTIONS"), ("/dicom-web", "GET")]
)
def test_capabilities_are_a_tree_of_resources(client: Client, path: str, method: str) -> None:
    answer = client.ask(path, method)
    assert answer.headers["content-type"] == "application/vnd.sun.wadl+xml"
    top = ET.fromstring(answer.body)  # noqa: S314 - our own output
    (resources,) = top
    assert (top.tag, resources.get("base")) == (f"{WADL}application", f"http://127.0.0.1:{client.port}/dicom-web")
    series = below(below(below(resources, "studies"), "{study}"), "series")
    (search,) = [found for found in series.findall(f"{WADL}method") if found.get("id") == "SearchForStudySeries"]
    assert "application/dicom+json" in {found.get("value") for found in search.iter(f"{WADL}option")}
    assert next(found.get("status") for found in search.findall(f"{WADL}response")) == "200"
    ids = {found.get("id") for found in top.iter(f"{WADL}method")}
    assert {"SearchForStudies", "SearchForInstances"} <= ids


def test_capabilities_in_json_say_the_same(client: Client) -> None:
    tree = client.ask("/dicom-web/", "OPTIONS", Accept="application/json").json["application"]["resources"]
    assert {"studies", "series", "instances"} <= {found["path"] for found in tree["resource"]}
    assert client.ask("/dicom-web/", "OPTIONS", Accept="image/png").status == 406


def test_probes_are_where_they_were(client: Client) -> None:
    assert client.ask("/live").json == {"status": "live"}
    assert client.ask("/ready").status == 200
    assert client.ask("/other").status == 404


# Memory.


def test_an_answered_request_leaves_nothing_for_the_garbage_collector(client: Client) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)) as connection:

        def ask(times: int) -> None:
            for _ in range(times):
                connection.request("GET", "/dicom-web/studies?limit=1")
                assert len(connection.getresponse().read()) > 2

        def kept() -> int:
            return sum(type(one) is RequestResponseCycle for one in gc.get_objects())

        gc.collect()
        gc.disable()
        try:
            before = kept()
            ask(20)
            assert kept() < before + 10
        finally:
            gc.enable()
