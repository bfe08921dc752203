"""Multipart bodies are read the same however their bytes are cut, and nothing of them is gathered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.errors import ExcessiveRequestError, InvalidRequestError
from archimage.web.multipart import MultipartWriter
from archimage.web.multipart_parser import (
    MAX_BOUNDARY_BYTES,
    MultipartLimits,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)
from tests.web.stowing import BOUNDARY, multipart

Parsed = list[tuple[dict[str, str], bytes]]
_NEARLY = st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--b", b"\r\n--bo", b"--b--", b"-", b"x"])
_LIMITS = MultipartLimits(max_parts=3, max_header_bytes=64, max_around_bytes=100)


def parse(
    pieces: list[bytes], boundary: str = BOUNDARY, limits: MultipartLimits | None = None, *, whole: bool = True
) -> Parsed:
    """Parse pieces of a body into headers and bytes of its parts; each comes in the same buffer."""
    buffer = bytearray(max(map(len, pieces), default=0) + 7)
    parser = MultipartParser(boundary, limits or MultipartLimits())
    parts: Parsed = []
    begun = False
    for piece in pieces:
        buffer[:] = b"\r\n--exa".join([piece, bytes(len(buffer))])[: len(buffer)]  # what follows it is not looked at
        for event in parser.feed(buffer, len(piece)):
            match event:
                case PartBegin(headers):
                    assert not begun
                    parts.append((dict(headers), b""))
                    begun = True
                case PartData(data):
                    assert begun
                    parts[-1] = (parts[-1][0], parts[-1][1] + data)
                case PartEnd():
                    assert begun
                    begun = False
    if whole:
        parser.finish()
    return parts


def cut(body: bytes, at: int) -> list[bytes]:
    """Cut a body in two."""
    return [body[:at], body[at:]]


BODY = b"preamble\r\n" + multipart(
    [("a/b", b"one\r\n--example-boundar\r\n--example-boundaryX"), ("c/d", b""), ("e/f", b"\r\n\r\n--\r", {"X-Y": "z"})]
)
PARTS: Parsed = [
    ({"content-type": "a/b"}, b"one\r\n--example-boundar\r\n--example-boundaryX"),
    ({"content-type": "c/d"}, b""),
    ({"content-type": "e/f", "x-y": "z"}, b"\r\n\r\n--\r"),
]


@pytest.mark.parametrize("at", range(len(BODY) + 1))
def test_a_body_is_the_same_wherever_it_is_cut(at: int) -> None:
    assert parse(cut(BODY, at)) == PARTS


def test_a_body_is_the_same_byte_by_byte() -> None:
    assert parse([BODY[at : at + 1] for at in range(len(BODY))]) == PARTS


@settings(max_examples=200)
@given(
    contents=st.lists(st.lists(_NEARLY | st.binary(max_size=20), max_size=8).map(b"".join), max_size=4),
    step=st.integers(1, 40),
)
def test_any_bytes_without_their_boundary_come_back(contents: list[bytes], step: int) -> None:
    contents = [data for data in contents if b"\r\n--bo-1" not in b"\r\n" + data]
    body = multipart([("a/b", data) for data in contents], boundary="bo-1")
    parsed = parse([body[at : at + step] for at in range(0, len(body), step)], "bo-1")
    assert [data for _, data in parsed] == contents


def test_what_our_writer_writes_is_read() -> None:
    writer = MultipartWriter("application/dicom", boundary="b")
    body = writer.head({"Content-Location": "x"}) + b"data" + writer.end()
    assert parse([body], "b") == [({"content-type": "application/dicom", "content-location": "x"}, b"data")]


def test_bytes_of_parts_are_views_of_what_was_fed() -> None:
    parser = MultipartParser(BOUNDARY)
    list(parser.feed(multipart([("a/b", bytes(10_000))])[:100]))
    fed = bytes(1 << 20)
    (event,) = parser.feed(fed)
    assert isinstance(event, PartData)
    assert event.data.obj is fed


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"--b \t \r\n\r\nx\r\n--b--", [({}, b"x")]),
        (b"\r\n--b\r\nA: 1\r\n 2\r\nA: 3\r\n\r\nx\r\n--b--", [({"a": "1 2"}, b"x")]),
        (b"--b--", []),
        (b"--b\r\n\r\n--bx\r\n\r\n--b\r\n\r\ny\r\n--b--", [({}, b"--bx\r\n"), ({}, b"y")]),
    ],
    ids=["padding", "folded and repeated headers", "no parts", "a longer word than the boundary"],
)
def test_forms_that_the_standard_allows_are_read(body: bytes, parts: Parsed) -> None:
    assert parse([body], "b") == parts
    assert parse([body[at : at + 1] for at in range(len(body))], "b") == parts


@pytest.mark.parametrize("body", [b"", BODY[:-4], BODY[:40], b"--example-boundary\r\nA: 1"])
def test_a_body_without_its_end_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="before its last boundary"):
        parse([body])


def test_a_header_without_a_colon_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="malformed header"):
        parse([b"--b\r\nnothing\r\n\r\nx\r\n--b--"], "b")


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 101,
        b"\r\n" * 100,
        b"--b\r\nA: " + b"x" * 100 + b"\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"A: x\r\n" * 100,
        multipart([("a/b", b"")] * 4, boundary="b"),
    ],
    ids=["preamble", "lines before", "header", "headers", "parts"],
)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_is_beyond_a_limit_is_refused(body: bytes, step: int) -> None:
    with pytest.raises(ExcessiveRequestError):
        parse([body[at : at + step] for at in range(0, len(body), step)], "b", _LIMITS, whole=False)


def test_what_follows_the_last_boundary_is_read_over_within_bounds() -> None:
    parser = MultipartParser("b", _LIMITS)
    assert list(parser.feed(b"--b--" + bytes(100))) == []
    assert parser.ended
    assert not parser.exhausted
    assert list(parser.feed(b"\r\n--b\r\n\r\n")) == []
    assert parser.exhausted
    parser.finish()


@pytest.mark.parametrize("boundary", ["", "ü", "x" * (MAX_BOUNDARY_BYTES + 1)])
def test_a_boundary_that_can_be_none_is_refused(boundary: str) -> None:
    with pytest.raises(InvalidRequestError, match="boundary"):
        MultipartParser(boundary)
