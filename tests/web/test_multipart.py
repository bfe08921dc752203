"""Multipart bodies are what any reader of RFC 2046 understands."""

from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.web.multipart import MultipartWriter

PARTS = st.lists(st.binary(max_size=50), min_size=1, max_size=5)


def body(writer: MultipartWriter, parts: list[bytes]) -> bytes:
    """Write a body, a number in the head of each part."""
    written = [writer.head({"Content-Location": f"/{number}"}) + part for number, part in enumerate(parts)]
    return b"".join(written) + writer.end()


@given(PARTS)
def test_every_part_is_read_back(parts: list[bytes]) -> None:
    writer = MultipartWriter("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", boundary="xyz")
    data = body(writer, parts)
    pieces = data.split(b"--xyz")
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    assert [piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces[1:-1]] == parts


def test_a_mail_reader_understands_it() -> None:
    writer = MultipartWriter("application/dicom+xml")
    data = body(writer, [b"<a/>", b"<b/>"])
    read = message_from_bytes(f"Content-Type: {writer.content_type}\r\n\r\n".encode() + data)
    assert read.get_content_type() == "multipart/related"
    assert read.get_param("type") == "application/dicom+xml"
    inner = [part for part in read.get_payload() if isinstance(part, Message)]
    assert [part.get_payload(decode=True) for part in inner] == [b"<a/>", b"<b/>"]
    assert [part["Content-Location"] for part in inner] == ["/0", "/1"]


@given(PARTS)
def test_the_size_is_known_before(parts: list[bytes]) -> None:
    writer = MultipartWriter("image/jpeg")
    told = writer.size(({"Content-Location": f"/{number}"}, len(part)) for number, part in enumerate(parts))
    assert told == len(body(writer, parts))


def test_every_body_has_a_boundary_of_its_own() -> None:
    assert MultipartWriter("a/b").content_type != MultipartWriter("a/b").content_type


def test_a_header_cannot_begin_another() -> None:
    with pytest.raises(ValueError, match="line break"):
        MultipartWriter("a/b").head({"Content-Location": "/x\r\nSet-Cookie: y"})
