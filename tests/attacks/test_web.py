"""Rows 33, 34 and 43 to 49 of what is thrown at a server, by HTTP and without a login; storing is in `test_stow`."""

import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from archimage.protocol.pdu import encode_pdu
from archimage.web.dicomweb.resources import Resource
from archimage.web.dicomweb.table import RESOURCES
from tests.attacks.datasets import PATIENT_ID, PATIENT_NAME, STUDY_INSTANCE_UID, new_uid
from tests.attacks.server import ANSWERS_WITHIN_S, Server, wait_until
from tests.attacks.wire import request
from tests.web.stowing import STUDY, Answer, ask, image, kept, store

_TIMEOUT_S: Final = 2.0
_SERIES: Final = "1.2.826.0.1.3680043.8.499.2"
_WITHIN: Final = {"study": STUDY, "series": _SERIES, "instance": "1.2.826.0.1.3680043.8.498.1"}
_STUDIES: Final = "/studies"
_CHARACTER_SET: Final = (0x00080005, "CS", b"ISO_IR 192")


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Short deadlines, and few results."""
    return {"http__request_timeout_s": _TIMEOUT_S, "http__send_timeout_s": _TIMEOUT_S, "query__max_results": 1_000}


@pytest.fixture
def port(server: Server) -> int:
    """Where the server listens for HTTP."""
    return server.http_port


def told(answer: Answer) -> None:
    """Assert that an error says what is wrong and what to do, as JSON that no browser takes for a page."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert set(answer.model) == {"error", "next"}


def timed(port: int, path: str, **headers: str) -> Answer:
    """GET what has to be answered at once."""
    started = time.monotonic()
    answer = ask(port, "GET", path, headers=headers)
    assert time.monotonic() - started <= ANSWERS_WITHIN_S, path[:80]
    return answer


def converse(port: int, *pieces: bytes) -> bytes:
    """Send bytes and read until the server closes, which it must."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, suppress(ConnectionError):
        for piece in pieces:
            connection.sendall(piece)
        while piece := connection.recv(1 << 16):
            found.append(piece)
    return b"".join(found)


# Row 43.


def addresses(resource: Resource, bad: str) -> Iterator[str]:
    """Yield the address of a resource with something bad in the place of each of its variables in turn."""
    names = re.findall(r"\{(\w+)(?::path)?\}", resource.path)
    for name in names:
        path = resource.root + resource.path.replace(":path}", "}")
        for other in names:
            path = path.replace(f"{{{other}}}", bad if other == name else _WITHIN.get(other, "1"))
        yield path


@pytest.mark.parametrize(
    "bad", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "1%00", "%00", "1%0d%0aX:y", "..%5c..", "%ff"]
)
def test_no_address_leads_out_of_the_archive(port: int, bad: str) -> None:
    for resource in RESOURCES:
        for path in addresses(resource, bad):
            with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request(resource.method, path, headers={"Content-Type": "application/dicom"})
                response = connection.getresponse()
                assert response.status == 400, (resource.method, path)
                assert b"root:" not in response.read()


@pytest.mark.parametrize(
    "uid", ["x", "1..2", "1.", ".1", "1" * 65, "1%202", "' OR 1=1", "%EF%BC%91", "1.2;ls", "$(id)"]
)
def test_what_is_no_uid_is_refused_everywhere(port: int, uid: str) -> None:
    for resource in RESOURCES:
        for variable in re.findall(r"\{(study|series|instance)\}", resource.path):
            path = resource.path.replace(":path}", "}").replace(f"{{{variable}}}", quote(uid, safe="%"))
            for name, value in _WITHIN.items():
                path = path.replace(f"{{{name}}}", value)
            told(answer := ask(port, resource.method, path, headers={"Content-Type": "application/dicom"}))
            assert answer.status == 400, (resource.method, path)


# Row 44.


@pytest.mark.parametrize("head", [b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nX-", b"G"])
def test_a_head_that_drips_is_given_up(port: int, head: bytes) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        over = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not over.wait(0.1):
                    connection.sendall(b"E")

        dripping = threading.Thread(target=drip)
        dripping.start()
        said = connection.recv(1 << 12)
        over.set()
        dripping.join()
    assert said.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))
    assert time.monotonic() - started <= _TIMEOUT_S + 2


def test_silent_connections_keep_nobody_out(server: Server, port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(300)]
    for connection in silent[::2]:
        connection.sendall(b"GET /dicom-web/studies HTTP/1.1\r\n")
    assert server.search() <= ANSWERS_WITHIN_S
    for connection in silent:
        with suppress(ConnectionError):
            while connection.recv(1 << 12):
                pass
        connection.close()


@pytest.mark.parametrize("at_once", [40, 2_000])
def test_a_client_that_asks_and_never_reads_is_cut_off(server: Server, port: int, at_once: int) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * at_once)
        assert wait_until(lambda: is_reset(connection), _TIMEOUT_S + 3)
    assert "exception" not in server.log


def is_reset(connection: socket.socket) -> bool:
    """Tell whether the server has cut a connection from which nothing is read."""
    try:
        connection.sendall(b"\r\n")
    except OSError:
        return True
    return False


def test_requests_that_do_not_wait_for_answers_are_answered_in_order(port: int) -> None:
    paths = [b"/live", b"/dicom-web/studies?limit=1", b"/other"] * 20
    sent = b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths)
    last = b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", converse(port, sent + last))
    assert statuses == [b"200", b"200", b"404"] * 20 + [b"200"]


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)),
        b"X: " + b"y" * 1_000_000 + b"\r\n",
        b"Accept: " + b",".join(b"a/b%d;q=0.1" % number for number in range(100_000)) + b"\r\n",
    ],
    ids=["many headers", "a long one", "a long list"],
)
def test_a_head_beyond_any_need_is_refused(port: int, head: bytes) -> None:
    said = converse(port, b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n", head, b"\r\n")
    assert said == b"" or said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_an_address_beyond_any_need_is_refused(port: int) -> None:
    said = converse(port, b"GET /dicom-web/studies/", b"1." * 500_000, b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert said == b"" or said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "))


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"A: b\r\n Content-Length: 5\r\n",
    ],
    ids=lambda lines: lines.decode().strip().replace("\r\n", ", "),
)
def test_no_second_request_is_smuggled_in_a_body(port: int, lines: bytes) -> None:
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
    said = converse(
        port, head + lines + b"\r\n0\r\n\r\nGET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert b'"live"' not in said
    assert said == b"" or said.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("size", [b"FFFFFFFFFFFFFFFFFF", b"-5", b"0x5", b"", b"5;" + b"x" * 200_000])
def test_chunks_whose_sizes_lie_are_refused(port: int, size: bytes) -> None:
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\n"
    head += b"Connection: close\r\n"
    said = converse(port, head + b"Transfer-Encoding: chunked\r\n\r\n", size + b"\r\nhello\r\n0\r\n\r\n")
    assert said == b"" or said.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("other", ["a DICOM association", "TLS", "HTTP/2", "HTTP/0.9", "noise"])
def test_what_is_not_http_is_refused(port: int, other: str) -> None:
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    said = converse(
        port,
        {
            "a DICOM association": encode_pdu(request()),
            "TLS": outgoing.read(),
            "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "HTTP/0.9": b"GET /live\r\n\r\n",
            "noise": bytes(range(255, 0, -1)) * 40,
        }[other],
    )
    assert said == b"" or said.startswith(b"HTTP/1.1 4")


# Row 47.


@pytest.mark.parametrize("limit", ["1000000000", "999999999999999999"])
def test_a_huge_limit_becomes_the_server_s_own(server: Server, port: int, limit: str) -> None:
    store(port, [image(new_uid()) for _ in range(20)])
    answer = timed(port, f"/instances?limit={limit}")
    assert (answer.status, len(json.loads(answer.body))) == (200, len(server.rows()))


@pytest.mark.parametrize(
    "query",
    [
        *(f"limit={number}" for number in ("1e9", "-1", "0x10", "1" * 30, "%EF%BC%91", "")),
        *(f"offset={number}" for number in ("1e9", "-1", "NaN")),
        "fuzzymatching=maybe",
        "includefield=" + "PatientName," * 2_000,
        "&".join(["includefield=00100010"] * 513),
        "&".join(f"Key{number}=1" for number in range(513)),
        "orderby=" + ",".join(["PatientName"] * 100),
        "orderby=PatientName;DROP%20TABLE%20study",
        "orderby=(SELECT%201)",
        "includefield=*%20FROM%20study",
        "StudyInstanceUID=' OR 1=1".replace(" ", "%20"),
        "StudyDate=' OR 1=1".replace(" ", "%20"),
        "PatientName%20OR%201=1",
        "PatientName=%00",
        "PatientName=%ff",
        "00100010.00100010.00100010.x=1",
    ],
    ids=lambda query: query[:40],
)
def test_what_no_search_says_is_refused_at_once(port: int, query: str) -> None:
    answer = timed(port, f"{_STUDIES}?{query}")
    assert answer.status in (400, 413)
    told(answer)


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "'; DROP TABLE study; --", '" OR ""="', "%", "_TTACK", "ATTAC' UNION SELECT 1"]
)
def test_what_means_something_to_sql_is_literal(port: int, text: str) -> None:
    for name in ("PatientID", "00100020", "PatientName", "AccessionNumber"):
        answer = timed(port, f"{_STUDIES}?{name}={quote(text)}")
        assert (answer.status, answer.body) == (200, b"[]")
    assert len(json.loads(timed(port, f"{_STUDIES}?PatientID=ATTACK").body)) >= 1


@pytest.mark.parametrize("pattern", ["*a" * 30, "*?" * 30 + "x", "?*" * 1_000 + "!", "*" * 4_000 + "!"], ids=len)
@pytest.mark.parametrize("fuzzy", ["true", "false"])
def test_a_wildcard_bomb_is_answered_in_time(port: int, pattern: str, fuzzy: str) -> None:
    answer = timed(port, f"{_STUDIES}?PatientName={quote(pattern)}&fuzzymatching={fuzzy}")
    assert answer.status == 400 or (answer.status, answer.body) == (200, b"[]")


def test_a_list_of_thousands_of_uids_is_answered_or_refused(port: int) -> None:
    uids = ",".join(f"1.2.9.{number}" for number in range(4_000))
    assert timed(port, f"{_STUDIES}?StudyInstanceUID={uids}").status in (200, 400, 413)


@pytest.mark.parametrize(
    "accept", ["a/b;" + 'x="' * 500, ";" * 2_000, "," * 8_000, "a/b;q=" + "1" * 4_000, '"' * 3_000]
)
def test_an_accept_header_that_leads_nowhere_is_answered_at_once(port: int, accept: str) -> None:
    assert timed(port, _STUDIES, Accept=accept).status in (200, 400, 406)


# Row 48.

_NAMES: Final = {
    "markup": "<script>alert(1)</script>",
    "line breaks": "Doe\r\nX-Injected: 1",
    "terminal": "Doe\x1b[31m\x1b]0;owned\x07",
    "bidi": "Doe\u202egnp.exe\u2066",
    "formula": "=cmd|'/C calc'!A0",
    "XML": "]]>&amp;<!--\"'",
    "JSON": '"}],"x":[{"',
}
_CONTROL: Final = dict.fromkeys({*range(0x20)} - {0x09, 0x0A, 0x0D}, "\ufffd")
"""XML 1.0 has no form for these characters (§2.2)."""


def named(server: Server, name: str) -> tuple[str, str]:
    """Store an object of a patient of that name; return its study and itself."""
    uid, study = new_uid(), new_uid()
    replaced = {PATIENT_NAME: name.encode(), PATIENT_ID: uid.encode(), STUDY_INSTANCE_UID: study.encode()}
    assert store(server.http_port, [image(uid, replaced=replaced, more=(_CHARACTER_SET,))]).status == 200
    return study, uid


@pytest.mark.parametrize("name", _NAMES.values(), ids=_NAMES)
def test_a_hostile_name_is_data_wherever_it_goes(server: Server, port: int, name: str) -> None:
    study, uid = named(server, name)
    assert name.encode() in kept(server, uid)
    for path in (f"{_STUDIES}?StudyInstanceUID={study}", f"/instances?SOPInstanceUID={uid}&includefield=PatientName"):
        answer = timed(port, path)
        assert answer.headers["content-type"] == "application/dicom+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "x-injected" not in answer.headers
        (found,) = json.loads(answer.body)
        assert spoken(found) == name
    text = timed(port, f"{_STUDIES}?StudyInstanceUID={study}", Accept='multipart/related; type="application/dicom+xml"')
    (part,) = re.findall(rb"<\?xml.*?</NativeDicomModel>", text.body, re.DOTALL)
    said = "".join(ET.fromstring(part).itertext())  # noqa: S314 - our own output
    assert all(group in said for group in name.translate(_CONTROL).split("="))
    assert name not in server.log


def spoken(found: dict[str, Any]) -> str:
    """Return a patient's name as a result tells it."""
    value = found["00100010"]["Value"][0]
    return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")


@pytest.mark.parametrize(
    "text", ["x\r\nX-Injected: 1", "<script>alert(1)</script>", "\x1b[31mx", "\u202ex", "x, 299 other: y"], ids=repr
)
def test_what_a_request_says_is_never_echoed_into_headers_or_pages(server: Server, port: int, text: str) -> None:
    for query in (f"{quote(text)}=1", f"PatientName.{quote(text)}=1", f"limit={quote(text)}", f"accept={quote(text)}"):
        answer = timed(port, f"{_STUDIES}?{query}")
        assert "x-injected" not in answer.headers
        assert all(value.isprintable() and value.isascii() for value in answer.headers.values())
        assert answer.headers["content-type"] in ("application/json", "application/dicom+json")
        assert answer.headers["x-content-type-options"] == "nosniff"
    timed(port, f"/{quote(text, safe='')}")
    assert not re.search(r"X-Injected|\x1b|\u202e", server.log)


# Row 49.


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://", "http://127.0.0.1"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "DELETE"])
def test_pages_of_other_origins_get_nothing(port: int, origin: str, method: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "DELETE", "Content-Type": "application/dicom"}
    answer = ask(port, method, f"{_STUDIES}/1.0", headers=headers)
    assert answer.status == 400
    assert [name for name in answer.headers if name.startswith("access-control")] == []


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "x\ty"]
)
def test_names_that_are_not_ours_get_nothing(port: int, host: str) -> None:
    assert ask(port, "GET", _STUDIES, headers={"Host": host}).status == 400


def test_where_to_retrieve_from_cannot_be_turned_elsewhere(port: int) -> None:
    headers = dict.fromkeys(("X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-URL"), "evil.example")
    answer = ask(port, "GET", _STUDIES, headers=headers)
    assert answer.status == 200
    assert b"evil" not in answer.body
    target = b"GET http://evil.example/dicom-web/studies HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert converse(port, target).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "place", ["//evil.example/", "/%2f/evil.example", "/\\evil.example", "/studies//evil.example/.."]
)
def test_nobody_is_ever_sent_elsewhere(port: int, place: str) -> None:
    answer = ask(port, "GET", place)
    assert answer.status in (400, 404)
    assert "location" not in answer.headers


def test_no_address_that_a_request_names_is_called(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for name in ("url", "redirect", "next", "callback", "host"):
            assert ask(port, "GET", f"{_STUDIES}?{name}={quote(address)}").status in (200, 400)
        assert ask(port, "GET", f"{_STUDIES}?RetrieveURL={quote(address)}").status in (200, 400)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "PATCH", "PROPFIND", "BREW"])
def test_other_methods_are_refused(port: int, method: str) -> None:
    said = converse(
        port, f"{method} /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert said.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 400 "))
