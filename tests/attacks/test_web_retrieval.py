"""Rows 33 and 34 of what is thrown at a server: objects that lie, and that are more than DICOM, retrieved over HTTP.

What is stored is kept byte for byte; what cannot be decoded is refused with the reason; and the server goes on.
"""

import random
import struct
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.codecs.syntaxes import ENCODABLE
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.pixels import encode_frame
from archimage.protocol.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    JPEG_BASELINE,
)
from tests.attacks.datasets import PIXEL_DATA, dataset, new_uid
from tests.attacks.server import MAX_GROWTH_BYTES, Server
from tests.web.stowing import STUDY, Answer, ask, kept, part10, store

_SERIES: Final = "1.2.826.0.1.3680043.8.499.2"
_ROWS: Final = 16
_COLUMNS: Final = 8
_MUTANTS: Final = 12
_DECODED_WITHIN_S: Final = 2.0
_REFUSED_WITHIN_S: Final = 10.0
_LAST_FRAME: Final = "frames/999999999"
_NATIVE: Final = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    }
)
_COMPRESSED: Final = sorted(ENCODABLE - _NATIVE)
_NUMBERS: Final = {
    "rows": 0x00280010,
    "columns": 0x00280011,
    "allocated": 0x00280100,
    "stored": 0x00280101,
    "high": 0x00280102,
}
_DECODED: Final = 'multipart/related; type="application/octet-stream"'
_HARMLESS: Final = frozenset({"multipart/related", "application/pdf"})
_ITEM: Final = b"\xfe\xff\x00\xe0"
_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """Little patience with a decoder: some codestreams keep it busy for long."""
    return {"pixels__timeout_s": _DECODED_WITHIN_S}


def address(uid: str) -> str:
    """Return where an instance is."""
    return f"/studies/{STUDY}/series/{_SERIES}/instances/{uid}"


def get(server: Server, path: str, accept: str = "*/*", **headers: str) -> Answer:
    """GET what has to be answered soon, and never by a fault."""
    started = time.monotonic()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = ask(server.http_port, "GET", path, headers={"Accept": accept, **named})
    assert time.monotonic() - started <= _REFUSED_WITHIN_S, path
    assert answer.status < 500, (path, answer.body[:200])
    return answer


def image(uid: str, fragments: list[bytes], *, offsets: bytes = b"", frames: int = 0, **numbers: int) -> bytes:
    """Return the data set of a gray image of fragments, each a frame unless frames says how many there are."""
    described = {0x00280010: _ROWS, 0x00280011: _COLUMNS, 0x00280100: 8, 0x00280101: 8, 0x00280102: 7}
    described |= {_NUMBERS[name]: value for name, value in numbers.items()}
    more = [(tag, "US", b"") for tag in described if tag > 0x00280100]
    more += [(0x00280002, "US", b"\1\0"), (0x00280004, "CS", b"MONOCHROME2 "), (0x00280103, "US", b"\0\0")]
    more.append((0x00280008, "IS", str(frames or len(fragments)).encode()))
    replaced = {tag: struct.pack("<H", value) for tag, value in described.items()}
    data = dataset(uid, replaced=replaced, more=tuple(more), left_out=frozenset({PIXEL_DATA}))
    items = b"".join(_ITEM + struct.pack("<I", len(one)) + one for one in (offsets, *map(padded, fragments)))
    return data + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items + _END


def padded(fragment: bytes) -> bytes:
    """Make a fragment's length even."""
    return fragment + b"\0" * (len(fragment) % 2)


def codestream(syntax: str) -> bytes:
    """Return a frame that is as it should be."""
    description = PixelDescription(_ROWS, _COLUMNS, 1, 8, 8, 7, 0, 0, "MONOCHROME2")
    pixels = np.arange(_ROWS * _COLUMNS, dtype=np.uint8).reshape(_ROWS, _COLUMNS)
    return encode_frame(pixels, syntax, description)


def mutants(genuine: bytes) -> Iterator[bytes]:
    """Yield frames that are not: cut, empty, something else, and some of their bytes changed."""
    chance = random.Random(33)  # noqa: S311 - the same ones each time
    yield from (genuine[: len(genuine) // 2], genuine[:12], b"\0\0", b"MZ" + bytes(200), genuine[::-1])
    for _ in range(_MUTANTS):
        frame = bytearray(genuine)
        for _ in range(chance.randint(1, 4)):
            frame[chance.randrange(min(len(frame), 80))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        yield bytes(frame)


# Row 33.


@pytest.mark.parametrize("syntax", _COMPRESSED)
def test_codestreams_that_lie_are_kept_and_refused_where_they_are_to_be_seen(server: Server, syntax: str) -> None:
    uid, genuine = new_uid(), codestream(syntax)
    frames = [genuine, *mutants(genuine)]
    data = image(uid, frames)
    assert store(server.http_port, [part10(data, uid, syntax)]).stored() == [uid]
    assert kept(server, uid) == data
    assert get(server, f"{address(uid)}/frames/1/rendered", "image/png").status == 200
    for number in range(2, len(frames) + 1):
        for path, accept in ((f"frames/{number}/rendered", "image/png"), (f"frames/{number}", _DECODED)):
            answer = get(server, f"{address(uid)}/{path}", accept)
            assert answer.status in (200, 406), (path, answer.body[:200])
            assert answer.status == 200 or len(answer.model["error"]) > 10
    whole = get(server, address(uid), "application/dicom; transfer-syntax=*")
    assert (whole.status, whole.body.endswith(data)) == (200, True)


@pytest.mark.parametrize(
    "lie",
    [
        {"rows": 65_535, "columns": 65_535},
        {"frames": 2_147_483_647},
        {"frames": 3},
        {"rows": 0},
        {"allocated": 32, "stored": 32, "high": 31},
        {"allocated": 1, "stored": 1, "high": 0},
        {"stored": 9},
        {"offsets": struct.pack("<3I", 0, 0xFFFFFFF0, 4)},
        {"offsets": struct.pack("<2I", 8, 0)},
        {"offsets": b"\1\2\3\4\5\6"},
    ],
    ids=str,
)
def test_descriptions_that_lie_are_kept_and_refused_where_they_are_to_be_seen(
    server: Server, lie: dict[str, Any]
) -> None:
    uid = new_uid()
    data = image(uid, [codestream(JPEG_BASELINE)] * 2, **lie)
    before = server.footprint().rss_bytes
    assert store(server.http_port, [part10(data, uid, JPEG_BASELINE)]).stored() == [uid]
    assert kept(server, uid) == data
    for path in (
        "rendered",
        "thumbnail",
        "frames/1",
        "frames/2/rendered",
        "frames/3/rendered",
        "metadata",
        _LAST_FRAME,
    ):
        answer = get(server, f"{address(uid)}/{path}", _DECODED if path.startswith("frames/") else "*/*")
        assert answer.status in (200, 404, 406), (path, answer.body[:200])
    get(server, f"/studies/{STUDY}/thumbnail")
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


def test_colours_that_no_palette_has_are_refused(server: Server) -> None:
    for more in ((), tuple((tag, "US", struct.pack("<3H", 0, 0, 16)) for tag in (0x00281101, 0x00281102, 0x00281103))):
        uid = new_uid()
        described = [(0x00280002, "US", b"\1\0"), (0x00280004, "CS", b"PALETTE COLOR "), (0x00280101, "US", b"\x10\0")]
        described += [(0x00280102, "US", b"\x0f\0"), (0x00280103, "US", b"\0\0"), *more]
        assert store(server.http_port, [part10(dataset(uid, more=tuple(described)), uid)]).stored() == [uid]
        assert get(server, f"{address(uid)}/rendered").status == 406


@pytest.mark.parametrize(
    "query",
    [
        "viewport=999999999,999999999",
        "viewport=65535,65535,0,0,1,1",
        "viewport=1,1,-1e300,0,1e300,1",
        "viewport=nan,nan",
        "window=1e99,1e-99",
        "window=nan,inf,sigmoid",
        "quality=1e9",
        "annotation=" + "patient," * 1_000,
    ],
)
def test_pictures_that_nobody_needs_cost_nothing(server: Server, query: str) -> None:
    before = server.footprint().rss_bytes
    uid = new_uid()
    assert store(server.http_port, [part10(image(uid, [codestream(JPEG_BASELINE)]), uid, JPEG_BASELINE)]).status == 200
    for path in ("rendered", "frames/1/rendered", "thumbnail"):
        assert get(server, f"{address(uid)}/{path}?{query}").status in (200, 400, 406)
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


@pytest.mark.parametrize("frames", ["1," * 10_000 + "1", "0", "-1", "1-5", "9" * 30, "1,,2", "1e3", "%31"])
def test_lists_of_frames_that_nobody_needs_are_refused(server: Server, frames: str) -> None:
    uid = new_uid()
    assert store(server.http_port, [part10(image(uid, [codestream(JPEG_BASELINE)]), uid, JPEG_BASELINE)]).status == 200
    for path in (f"frames/{frames}", f"frames/{frames}/rendered"):
        answer = get(server, f"{address(uid)}/{path}")
        assert answer.status in ((200,) if frames == "%31" else (400, 404, 413)), answer.body[:200]


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=" + "0-," * 5_000 + "0-",
        "bytes=-" + "9" * 40,
        "bytes=0-" + "9" * 40,
        "bytes=5-1",
        "lines=1-2",
        "bytes=-0",
    ],
)
def test_ranges_that_nobody_needs_cost_nothing(server: Server, wanted: str) -> None:
    uid = new_uid()
    assert store(server.http_port, [part10(data := dataset(uid), uid)]).status == 200
    for path in ("bulkdata/7FE00010", "", "frames/1"):
        answer = get(server, f"{address(uid)}/{path}".rstrip("/"), "*/*", Range=wanted)
        assert answer.status in (200, 206, 416)
        assert len(answer.body) <= len(data) + 2_000


# Row 34.


@pytest.mark.parametrize("preamble", [b"MZ\x90\0", b"\x7fELF", b'{"a":1}', b"<html><script>", b"#!/bin/sh\n"])
def test_what_was_a_program_too_is_only_an_object_when_it_goes_out(server: Server, preamble: bytes) -> None:
    uid = new_uid()
    answer = store(server.http_port, [part10(dataset(uid), uid, preamble=preamble)])
    assert (answer.stored(), "without the preamble" in answer.headers["warning"]) == ([uid], True)
    for path, accept in (
        (address(uid), "application/dicom"),
        (address(uid), "*/*"),
        (address(uid), "application/zip"),
        (f"/studies/{STUDY}/series/{_SERIES}", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
    ):
        found = get(server, path, accept)
        assert found.status == 200
        assert preamble.ljust(128, b"\0") not in found.body
        check_is_no_page(found)
    alone = get(server, address(uid), "application/dicom")
    assert alone.body[:132] == bytes(128) + b"DICM"
    assert alone.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "kind", [b"text/html ", b"text/xml", b"image/svg+xml ", b"application/javascript", b"application/pdf "]
)
def test_a_document_never_becomes_a_page_of_this_site(server: Server, kind: bytes) -> None:
    uid, document = new_uid(), b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html> '
    sop_class = b"1.2.840.10008.5.1.4.1.1.104.1" if kind == b"application/pdf " else b"1.2.840.10008.5.1.4.1.1.104.2"
    more = ((0x00420011, "OB", document), (0x00420012, "LO", kind))
    data = dataset(uid, more=more, replaced={0x00080016: sop_class}, left_out=frozenset({PIXEL_DATA}))
    meta = FileMeta(sop_class.decode(), uid, EXPLICIT_VR_LITTLE_ENDIAN)
    assert store(server.http_port, [encode_file_meta(meta) + data]).stored() == [uid]
    for path in ("rendered", "bulkdata/00420011"):
        for accept in ("*/*", kind.decode().strip(), "text/html", "application/octet-stream"):
            answer = get(server, f"{address(uid)}/{path}", accept)
            if answer.status == 200:
                check_is_no_page(answer)


def check_is_no_page(answer: Answer) -> None:
    """Assert that a browser runs nothing of an answer: it is to save it, or it is of a kind that has no scripts."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    harmless = answer.headers["content-type"].split(";")[0] in _HARMLESS
    assert harmless or answer.headers.get("content-disposition", "").startswith("attachment"), answer.headers
