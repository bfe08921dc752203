"""Rows 33, 34 and 43 to 48 of what is thrown at a server that stores over HTTP: bounded, answered, nothing left."""

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from archimage.protocol.status import Status
from archimage.protocol.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, JPEG_BASELINE
from tests.attacks.datasets import PATIENT_NAME, PIXEL_DATA, STUDY_INSTANCE_UID, dataset, nested, new_uid
from tests.attacks.server import MAX_GROWTH_BYTES, Server
from tests.web.stowing import OTHER, STUDY, ask, http_port, image, kept, multipart, part10, post, related, store

_JSON: Final = "application/dicom+json"
_XML: Final = "application/dicom+xml"
_ANSWERED_WITHIN_S: Final = 1.0
_BODY_TIMEOUT_S: Final = 2.0


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Short deadlines."""
    return {"http__request_timeout_s": _BODY_TIMEOUT_S}


@pytest.fixture
def port(server: Server) -> int:
    """Where the server listens for HTTP."""
    return http_port(server)


def begin(port: int, *headers: str) -> socket.socket:
    """Send the head of a request to store, and nothing of its body."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = "\r\n".join(["POST /dicom-web/studies HTTP/1.1", "Host: localhost", *headers])
    connection.sendall(f"{head}\r\n\r\n".encode())
    return connection


def status_of(connection: socket.socket) -> int:
    """Return the status of the answer."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += connection.recv(1)
    return int(line.split()[1])


def pour(connection: socket.socket, chunk: bytes) -> int:
    """Send a chunk over and over until the server answers; return the status."""
    ended = threading.Event()
    framed = b"%x\r\n%b\r\n" % (len(chunk), chunk)

    def send() -> None:
        with suppress(OSError):
            while not ended.is_set():
                connection.sendall(framed)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return status_of(connection)
    finally:
        ended.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        sender.join()
        connection.close()


# Row 44.


def test_chunks_without_end_before_any_boundary_are_refused(port: int) -> None:
    connection = begin(port, f"Content-Type: {related()}", "Transfer-Encoding: chunked")
    assert pour(connection, bytes(1 << 16)) == 413


@pytest.mark.parametrize("content_type", [related(), "application/dicom"])
def test_an_object_without_end_that_is_none_is_refused(server: Server, port: int, content_type: str) -> None:
    connection = begin(port, f"Content-Type: {content_type}", "Transfer-Encoding: chunked")
    if content_type == related():
        start = multipart([("application/dicom", b"x")])[:-60]
        connection.sendall(b"%x\r\n%b\r\n" % (len(start), start))
    before = server.footprint().rss_bytes
    assert pour(connection, bytes(1 << 20)) == 413
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


def test_metadata_without_end_is_refused(port: int) -> None:
    connection = begin(port, f"Content-Type: {_JSON}", "Transfer-Encoding: chunked")
    assert pour(connection, b"[" * (1 << 16)) == 413


def test_headers_of_a_part_without_end_are_refused(port: int) -> None:
    connection = begin(port, f"Content-Type: {related()}", "Transfer-Encoding: chunked")
    start = b"--example-boundary\r\n"
    connection.sendall(b"%x\r\n%b\r\n" % (len(start), start))
    assert pour(connection, b"A: b\r\n" * 1_000) == 413


def test_a_hundred_thousand_parts_are_refused(server: Server, port: int) -> None:
    before = server.footprint().rss_bytes
    answer = post(port, multipart([("application/dicom", b"")] * 100_000))
    assert answer.status == 413
    assert len(answer.reasons(OTHER)) <= 20_001
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


@pytest.mark.parametrize("content_type", [related(), "application/dicom", _JSON])
def test_a_gzip_bomb_is_not_even_opened(port: int, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    assert ask(port, "POST", "/studies", gzip.compress(bytes(64 << 20)), headers).status == 415


def test_a_deflate_bomb_is_refused_and_not_held(server: Server, port: int) -> None:
    uid = new_uid()
    data = dataset(uid, pixels=bytes(300 << 20), transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    before = server.footprint().rss_bytes
    answer = store(port, [part10(data, uid, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)])
    assert (answer.status, answer.reasons()) == (413, [Status.OUT_OF_RESOURCES])
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


def test_a_body_that_is_promised_and_never_comes_is_given_up(port: int) -> None:
    connection = begin(port, f"Content-Type: {related()}", f"Content-Length: {4 << 30}")
    started = time.monotonic()
    assert status_of(connection) == 408
    assert time.monotonic() - started <= _BODY_TIMEOUT_S + 2
    connection.close()


def test_an_object_that_drips_is_given_up_and_not_kept(server: Server, port: int) -> None:
    body = multipart([("application/dicom", image(new_uid(), pixels=bytes(200_000)))])
    connection = begin(port, f"Content-Type: {related()}", f"Content-Length: {len(body)}")
    connection.sendall(body[:150_000])
    answered = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            for byte in body[150_000:]:
                connection.sendall(bytes([byte]))
                if answered.wait(0.05):
                    return

    sender = threading.Thread(target=drip)
    sender.start()
    assert status_of(connection) == 408
    answered.set()
    sender.join()
    connection.close()


@pytest.mark.parametrize("cut", [10, 100, 100_000])
def test_a_connection_reset_in_the_middle_leaves_nothing(port: int, cut: int) -> None:
    body = multipart([("application/dicom", image(new_uid(), pixels=bytes(200_000)))])
    connection = begin(port, f"Content-Type: {related()}", f"Content-Length: {len(body)}")
    connection.sendall(body[:-cut])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_boundary_in_an_object_cuts_it_and_smuggles_nothing(server: Server, port: int) -> None:
    hidden = b"\r\n--example-boundary--\r\nPOST /dicom-web/studies HTTP/1.1\r\n\r\n"
    answer = store(port, [image(new_uid(), pixels=hidden * 2)])
    assert (answer.status, answer.reasons()) == (409, [Status.CANNOT_UNDERSTAND])


# Row 45.


def test_external_entities_are_not_read_and_not_expanded(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    bombs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    for declared in (
        f'<!ENTITY e SYSTEM "{address}">',
        '<!ENTITY e SYSTEM "file:///etc/passwd">',
        f'<!ENTITY a0 "ha">{bombs}',
    ):
        text = f'<?xml version="1.0"?><!DOCTYPE x [{declared}]><NativeDicomModel>&e;&a9;</NativeDicomModel>'
        started = time.monotonic()
        answer = post(port, text.encode(), _XML)
        assert (answer.status, answer.reasons(OTHER)) == (400, [Status.CANNOT_UNDERSTAND])
        assert b"root:" not in answer.body
        assert time.monotonic() - started <= _ANSWERED_WITHIN_S
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize("depth", [66, 10_000])
def test_metadata_nested_too_deep_is_refused_at_once(port: int, depth: int) -> None:
    text = '{"00400260":{"vr":"SQ","Value":[' * depth + "]}}" * depth
    started = time.monotonic()
    answer = post(port, text.encode(), _JSON)
    assert (answer.status, answer.reasons(OTHER)) == (400, [Status.CANNOT_UNDERSTAND])
    assert time.monotonic() - started <= _ANSWERED_WITHIN_S


def test_metadata_of_millions_of_parts_is_refused_and_not_held(server: Server, port: int) -> None:
    before = server.footprint().rss_bytes
    for text in (
        b"[" + b"{}," * 4_000_000 + b"{}]",
        b'{"00100010":{"vr":"PN","Value":[' + b"null," * 3_000_000 + b"null]}}",
    ):
        assert post(port, text, _JSON).status == 413
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


@pytest.mark.parametrize(
    "text", [b"", b"nothing", b"7", b'"x"', b"{", b'{"x":1}', b'{"00100010":7}', b"\xff\xfe", b"null"]
)
@pytest.mark.parametrize("form", [_JSON, _XML])
def test_metadata_that_cannot_be_read_is_refused(port: int, text: bytes, form: str) -> None:
    assert post(port, text, form).status == 400


# Row 46.


def test_references_to_elsewhere_are_never_followed(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    uris = (
        f"http://{address}/x",
        f"//{address}/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../x",
        "http://169.254.169.254/",
    )
    for uri in uris:
        for tag in ("7FE00010", "00420011"):
            model = {
                "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                "00080018": {"vr": "UI", "Value": [new_uid()]},
                "0020000D": {"vr": "UI", "Value": [STUDY]},
                "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
                tag: {"vr": "OB", "BulkDataURI": uri},
            }
            answer = post(port, json.dumps(model).encode(), _JSON)
            assert (answer.status, answer.reasons()) == (409, [Status.CANNOT_UNDERSTAND])
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


# Rows 27, 30, 33, 43, 48 by this door.


@pytest.mark.parametrize("uid", ["../../../etc/x", "/x", "..", "a.b", "1" * 65])
def test_uids_that_are_none_lead_nowhere(port: int, uid: str) -> None:
    for file in (image(uid), image(new_uid(), replaced={STUDY_INSTANCE_UID: uid.encode()})):
        answer = store(port, [file])
        assert answer.status == 409
        assert answer.reasons() + answer.reasons(OTHER) == [Status.INVALID_SOP_INSTANCE]


@pytest.mark.parametrize("path", ["/studies/..%2f..", "/studies/1.2%00", "/studies/x", "/studies/1.2/../1.3"])
def test_a_study_that_is_no_uid_is_refused(port: int, path: str) -> None:
    assert store(port, [image(new_uid())], path=path).status == 400
    assert ask(port, "DELETE", path).status == 400


@pytest.mark.parametrize("depth", [65, 50_000])
def test_sequences_nested_too_deep_are_refused_at_once(port: int, depth: int) -> None:
    uid = new_uid()
    data = dataset(uid)
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    started = time.monotonic()
    answer = store(port, [part10(data[:at] + nested(depth, undefined=True) + data[at:], uid)])
    assert (answer.status, answer.reasons()) == (409, [Status.CANNOT_UNDERSTAND])
    assert time.monotonic() - started <= _ANSWERED_WITHIN_S


def test_pixels_that_no_codec_reads_are_kept_bit_for_bit(server: Server, port: int) -> None:
    uid = new_uid()
    item = b"\xfe\xff\0\xe0"
    fragments = item + bytes(4) + item + b"\4\0\0\0\xff\xd8\xff\xd9" + b"\xfe\xff\xdd\xe0" + bytes(4)
    data = dataset(uid, left_out=frozenset({PIXEL_DATA}))
    data += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + fragments
    assert store(port, [part10(data, uid, JPEG_BASELINE)]).stored() == [uid]
    assert kept(server, uid) == data


def test_names_with_markup_and_line_breaks_are_kept_and_never_told(server: Server, port: int) -> None:
    uid = new_uid()
    name = b"<script>\r\nX-Injected: 1\x1b[31m=cmd|"
    answer = store(port, [image(uid, replaced={PATIENT_NAME: name}), image(uid, replaced={PATIENT_NAME: name[:9]})])
    assert answer.status == 202
    assert name in kept(server, uid)
    assert "x-injected" not in answer.headers
    assert b"script" not in answer.body + answer.headers["warning"].encode()
    assert "script" not in server.log


def test_headers_of_parts_cannot_break_out_of_the_answer(port: int) -> None:
    body = multipart([("x/y\u00e9\x1b[31m", b"", {"Content-Location": "a\tb"})])
    answer = post(port, body)
    assert answer.status in (400, 415)
    assert "\x1b" not in str(answer.headers)


# A gigabyte.


def test_an_object_of_any_size_costs_little_memory(server: Server, port: int, tmp_path: Path) -> None:
    uid = new_uid()
    size = 512 << 20
    data = dataset(uid, pixels=b"")
    head = part10(data[:-4], uid) + struct.pack("<I", size)
    start = multipart([("application/dicom", head)])[: -len("\r\n--example-boundary--\r\n")]
    peak = server.footprint().rss_bytes
    before = peak

    def body() -> Iterator[bytes]:
        nonlocal peak
        yield start
        for number in range(size >> 20):
            yield bytes([number & 0xFF]) * (1 << 20)
            if number % 16 == 0:
                peak = max(peak, server.footprint().rss_bytes)
        yield b"\r\n--example-boundary--\r\n"

    assert post(port, body()).stored() == [uid]
    assert peak <= before + MAX_GROWTH_BYTES
    assert ask(port, "DELETE", f"/studies/{STUDY}/series/1.2.826.0.1.3680043.8.499.2/instances/{uid}").status == 200
