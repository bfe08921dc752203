"""Rows 20, 33, 34, 43, 44 and 48 of what is thrown at a server that retrieves over HTTP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest

from archimage.dicom.codecs.syntaxes import (
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    RLE,
)
from tests.attacks.datasets import PATIENT_NAME, dataset, new_uid
from tests.attacks.server import MAX_GROWTH_BYTES, Server, wait_until
from tests.services.test_frames import COLUMNS, ROWS, encapsulated, image
from tests.web.stowing import STUDY, http_port, part10, store
from tests.web.wadoing import ANY_FRAME, ANY_OBJECT, SERIES, get, parts

_SEND_TIMEOUT_S: Final = 2.0
_ADDRESS: Final = f"/studies/{STUDY}/series/{SERIES}/instances"


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Short deadlines."""
    return {"http__send_timeout_s": _SEND_TIMEOUT_S, "pixels__timeout_s": 5.0}


@pytest.fixture
def port(server: Server) -> int:
    """Where the server listens for HTTP."""
    return http_port(server)


# Row 33.


@pytest.mark.parametrize(
    ("syntax", "codestream"),
    [
        (JPEG_BASELINE, b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"),
        (JPEG_LOSSLESS_SV1, b"\xff\xd8\xff\xc3\x00\x0b\x10\xff\xff\xff\xff\x01\x01\x11\x00" + bytes(200)),
        (JPEG_LS, b"\xff\xd8\xff\xf7\x00\x0b\x10\xff\xff\xff\xff\x01\x01\x11\x00" + b"\xff" * 200),
        (JPEG_2000_LOSSLESS, b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"\x7f\xff\xff\xff" * 8 + b"\x00\x01\x07\x01\x01"),
        (HTJ2K_LOSSLESS, b"\xff\x4f\xff\x51\x00\x29\x40\x00" + b"\x00\x00\x00\x10" * 8 + b"\x00\x01\x07\x01\x01"),
        (JPEG_XL_LOSSLESS, b"\xff\x0a" + b"\xff" * 64),
        (RLE, b"\x0f\x00\x00\x00" + b"\xff\xff\xff\x7f" * 15),
        (JPEG_BASELINE, b""),
    ],
)
def test_a_codestream_that_lies_is_kept_and_its_picture_refused(
    server: Server, port: int, syntax: str, codestream: bytes
) -> None:
    data, uid = encapsulated([codestream + b"\0" * (len(codestream) % 2)], 1)
    assert store(port, [part10(data, uid, syntax)]).status == 200
    (part,) = parts(get(port, f"{_ADDRESS}/{uid}", ANY_OBJECT))
    assert part.body.endswith(data)
    for path, accept in (
        ("rendered", "image/jpeg"),
        ("thumbnail", "*/*"),
        ("frames/1", "application/octet-stream"),
        ("", "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
    ):
        answer = get(port, f"{_ADDRESS}/{uid}/{path}".rstrip("/"), accept)
        assert (answer.status, set(answer.model)) == (406, {"error", "next"})
    assert server.process.poll() is None


@pytest.mark.parametrize(("rows", "columns"), [(65_535, 65_535), (0, 16)])
def test_a_header_that_lies_about_its_size_is_refused(port: int, rows: int, columns: int) -> None:
    uid = new_uid()
    lies = {ROWS: rows.to_bytes(2, "little"), COLUMNS: columns.to_bytes(2, "little")}
    assert store(port, [part10(dataset(uid, replaced=lies), uid)]).status == 200
    for path in ("rendered", "frames/1"):
        answer = get(port, f"{_ADDRESS}/{uid}/{path}", "*/*")
        assert (answer.status, "pixel" in answer.body.decode()) == (406, True), path


def test_a_crowd_of_pictures_that_cannot_be_drawn_leaves_room_for_frames(server: Server, port: int) -> None:
    data, uid = encapsulated([b"\xff\xd8\xff\xe0" + bytes(4_000)], 1)
    pixels, other = image(bytes(range(256)) * 2, rows=16, columns=16, bits=16)
    assert store(port, [part10(data, uid, JPEG_BASELINE), part10(pixels, other)]).status == 200
    crowd = [threading.Thread(target=get, args=(port, f"{_ADDRESS}/{uid}/rendered")) for _ in range(40)]
    for one in crowd:
        one.start()
    started = time.monotonic()
    assert get(port, f"{_ADDRESS}/{other}/frames/1", ANY_FRAME).status == 200
    assert time.monotonic() - started < 2
    for one in crowd:
        one.join()


# Row 34.


@pytest.mark.parametrize("preamble", [b"MZ" + b"\x90" * 62, b"\x7fELF", b"<html><script>alert(1)</script>", b'{"a":1}'])
def test_a_preamble_that_is_something_else_does_not_come_back(port: int, preamble: bytes) -> None:
    uid = new_uid()
    assert store(port, [part10(dataset(uid), uid, preamble=preamble)]).status in {200, 202}
    answer = get(port, f"{_ADDRESS}/{uid}", "application/dicom")
    assert answer.body[:132] == bytes(128) + b"DICM"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "kind", [b"text/html", b"image/svg+xml", b"text/xml", b"application/x-msdownload", b"x\r\nY: z"]
)
def test_a_document_of_another_kind_is_a_file_and_no_page(port: int, kind: bytes) -> None:
    uid = new_uid()
    more = (
        (0x00420011, "OB", b"<script>alert(1)</script>" + b" " * 2_001),
        (0x00420012, "LO", kind + b" " * (len(kind) % 2)),
    )
    assert store(port, [part10(dataset(uid, more=more), uid)]).status == 200
    for accept in ("*/*", "application/octet-stream", "text/xml, */*"):
        answer = get(port, f"{_ADDRESS}/{uid}/bulkdata/00420011", accept)
        assert answer.status == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        multipart = answer.headers["content-type"].startswith("multipart/related")
        assert multipart or answer.headers["content-disposition"] == "attachment"
        assert "y" not in answer.headers


# Row 43.


@pytest.mark.parametrize(
    "path",
    [
        "/studies/..%2f..%2fetc",
        "/studies/1.2%00",
        "/studies/1.2/series/%2e%2e/instances/1",
        "/studies/1.2/../../x",
        "/studies/1.2/series/1/instances/1/frames/..%2f1",
        "/studies/1.2/series/1/instances/1/bulkdata/..%2f..%2f..%2fetc%2fpasswd",
        "/studies/1.2/series/1/instances/1/bulkdata/../../../metadata",
        "/studies/1%0d%0aX:%20y",
        f"/studies/{'1' * 65}",
        "/studies/%F0%9F%92%A9",
        "/studies/1.2/series/1/instances/1/frames/99999999999999999999",
    ],
)
def test_addresses_that_lead_elsewhere(port: int, path: str) -> None:
    answer = get(port, path, "*/*")
    assert (answer.status, set(answer.model)) == (400, {"error", "next"})
    assert b"root:" not in answer.body
    assert "x" not in answer.headers


# Row 44: what a request of a few bytes may cost.


def test_a_list_of_many_frames_costs_no_memory(server: Server, port: int) -> None:
    data, uid = image(bytes(1024 * 1024 * 2), rows=1024, columns=1024, bits=16)
    assert store(port, [part10(data, uid)]).status == 200
    before = server.footprint().rss_bytes
    frames = ",".join(["1"] * 300)
    answer = get(port, f"{_ADDRESS}/{uid}/frames/{frames}", ANY_FRAME)
    assert len(answer.body) > 600 << 20
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(5_000))},
        {"Range": "bytes=99999999999999999999-"},
        {"If-None-Match": '"' + "a" * 30_000},
        {"If-None-Match": '",' * 10_000},
        {"Accept": "a/b," * 1_000},
        {"Accept": 'multipart/related; type="' + "\\" * 5_000},
        {"Accept-Encoding": "gzip;q=" * 2_000},
    ],
)
def test_headers_without_sense_are_answered_at_once(port: int, headers: dict[str, str]) -> None:
    uid = new_uid()
    assert store(port, [part10(dataset(uid), uid)]).status == 200
    for path in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010", "/rendered"):
        started = time.monotonic()
        named = {name.replace("-", "_"): value for name, value in headers.items()}
        assert get(port, f"{_ADDRESS}/{uid}{path}", **named).status < 500
        assert time.monotonic() - started < 2


# Row 20, over HTTP.


@pytest.fixture
def stuck(server: Server, port: int) -> Iterator[list[socket.socket]]:
    """Readers that ask for much and read nothing."""
    data, uid = image(bytes(4096 * 4096 * 2), rows=4096, columns=4096, bits=16)
    assert store(port, [part10(data, uid)]).status == 200
    sockets = []
    for path in (f"{_ADDRESS}/{uid}", f"{_ADDRESS}/{uid}/frames/1", f"{_ADDRESS}/{uid}/bulkdata/7FE00010") * 10:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(
            f"GET /dicom-web{path} HTTP/1.1\r\nHost: localhost\r\nAccept: {ANY_OBJECT}, */*\r\n\r\n".encode()
        )
        sockets.append(connection)
    yield sockets
    for connection in sockets:
        connection.close()
    assert server.process.poll() is None


def test_readers_that_do_not_read_are_cut_off_and_others_served_meanwhile(
    port: int, stuck: list[socket.socket]
) -> None:
    started = time.monotonic()
    assert get(port, f"/studies/{STUDY}/metadata").status == 200
    assert time.monotonic() - started < 2

    def all_cut() -> bool:
        return all(map(_is_cut, stuck))

    assert wait_until(all_cut, _SEND_TIMEOUT_S + 8)


def _is_cut(connection: socket.socket) -> bool:
    """Tell whether the other side is gone, without taking what it sent."""
    connection.settimeout(0.01)
    with suppress(TimeoutError):
        try:
            connection.sendall(b"\r\n")
        except OSError:
            return True
    return False


# Row 48.


def test_what_stands_in_a_name_stands_in_no_header(port: int) -> None:
    uid = new_uid()
    name = b"<script>\x1b[31m=cmd|' /C calc'!A0 "
    assert store(port, [part10(dataset(uid, replaced={PATIENT_NAME: name}), uid)]).status == 200
    for path in ("", "/metadata", "/frames/1", "/rendered?annotation=patient"):
        answer = get(port, f"{_ADDRESS}/{uid}{path}", "*/*")
        assert not any("script" in value or "\x1b" in value for value in answer.headers.values())
    (part,) = parts(get(port, f"{_ADDRESS}/{uid}", ANY_OBJECT))
    assert name in part.body
