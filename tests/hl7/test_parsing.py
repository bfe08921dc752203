"""Messages taken apart: separators, escapes, encodings; and what is refused, with the place of the fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import Hl7Error
from archimage.hl7.charsets import CODECS
from archimage.hl7.parsing import Message, parse, read_header
from archimage.model.messages import Ack, Fault
from tests.hl7.sending import header, message, pid


def _parsed(text: str, codec: str = "utf-8") -> Message:
    return parse(text.encode(codec), "UNICODE UTF-8")


def _with(charset: str, *segments: str) -> str:
    return message("ADT^A08", "1", *segments, more=f"||||||{charset}")


def _refused(data: bytes) -> Hl7Error:
    with pytest.raises(Hl7Error) as caught:
        parse(data, "ASCII")
    return caught.value


def test_values_stand_where_they_are_asked_for() -> None:
    segment = _parsed(message("ADT^A08", "1", "PID|1||A^^^H&1.2&ISO~B^^^G||Do^J|x")).first("PID")
    assert [segment.text(3, 1, 1, number) for number in segment.repetitions(3)] == ["A", "B"]
    assert (segment.text(3, 4), segment.text(3, 4, 2), segment.text(3, 4, 1, 2)) == ("H", "1.2", "G")
    assert (segment.text(5, 2), segment.text(6), segment.text(6, 2), segment.text(40)) == ("J", "x", "", "")


def test_the_header_tells_how_to_answer_before_anything_is_decoded() -> None:
    found = read_header(message("ADT^A08^ADT_A01", "C1", more="|||AL|NE||8859/1").encode())
    assert found is not None
    assert (found.sender, found.receiver, found.kind, found.control_id) == ("HIS|HOSPITAL", "PACS|X", "ADT^A08", "C1")
    assert (found.version, found.accept_ack, found.application_ack, found.character_set) == (
        "2.5",
        "AL",
        "NE",
        "8859/1",
    )
    assert read_header(b"PID|1") is read_header(b"") is read_header(b"MSH") is None


def test_escapes_are_read_and_what_is_none_stays() -> None:
    segment = _parsed(message("ADT^A08", "1", r"NTE|1|\F\\S\\T\\R\\E\|a\.br\b\H\c\N\|\X41\|\Zx\ \|C:\a"))
    assert segment.first("NTE").text(2) == "|^&~\\"
    assert segment.first("NTE").whole(3) == "a\nbc"
    assert segment.first("NTE").text(4) == "A"
    assert segment.first("NTE").text(5) == "\\Zx\\ \\"
    assert segment.first("NTE").text(6) == "C:\\a"


def test_other_separators_are_those_of_the_message() -> None:
    found = parse(b"MSH$%~!&$A$B$C$D$2026$$ADT%A08$1$P$2.5\rPID$1$$P1%%%H$$Do%J!S!x", "ASCII")
    assert (found.header.kind, found.header.sender) == ("ADT^A08", "A|B")
    assert (found.first("PID").text(3, 4), found.first("PID").text(5, 2)) == ("H", "J%x")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_segments_end_with_whatever_senders_write(ending: str) -> None:
    text = message("ADT^A08", "1", pid()).replace("\r", ending)
    assert [one.name for one in _parsed(text).segments] == ["MSH", "PID"]


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("8859/1", "latin-1", "Müller"),
        ("ISO IR100", "latin-1", "Müller"),
        ("ISO_IR 100", "latin-1", "Müller"),
        ("8859/5", "iso8859-5", "Люксембург"),
        ("8859/15", "iso8859-15", "Œuvre"),
        ("UNICODE UTF-8", "utf-8", "山田"),
        ("", "utf-8", "山田"),
        ("~ISO IR87", "iso2022_jp", "山田"),
        ("ASCII~ISO IR87", "iso2022_jp", "山田"),
        ("GB 18030-2000", "gb18030", "王小东"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("BIG-5", "big5", "許功蓋"),
    ],
)
def test_text_is_read_in_the_encoding_that_the_message_tells(charset: str, codec: str, name: str) -> None:
    found = parse(_with(charset, pid(name=f"{name}^A")).encode(codec), "UNICODE UTF-8")
    assert found.first("PID").text(5) == name


def test_bytes_that_are_not_of_the_encoding_are_refused_with_the_place() -> None:
    for data in (_with("ASCII", pid(name="Müller")).encode(), _with("UNICODE UTF-8", pid()).encode() + b"\xff"):
        error = _refused(data)
        assert (error.fault, error.location, error.ack) == (Fault.DATA_TYPE, "MSH^1^18", Ack.REJECT)
    assert "not known" in str(_refused(_with("EBCDIC", pid()).encode()))


def test_what_is_no_message_is_refused() -> None:
    assert _refused(b"PID|1").fault is Fault.SEGMENT_SEQUENCE
    assert (
        _refused(b"BHS|^~\\&|A|B|C|D|2026||||B1\r" + message("ADT^A08", "1").encode()).fault is Fault.UNSUPPORTED_TYPE
    )
    assert _refused(b"MSH|^^^^|A\rPID|1").location == "MSH^1^2"
    assert "separators" in str(_refused(header("ADT^A08", "1").encode() + b"\rPID|" + b"^" * 30_000))


@given(st.binary(max_size=400), st.sampled_from(sorted(CODECS)))
def test_whatever_comes_is_a_message_or_is_refused(data: bytes, charset: str) -> None:
    for sent in (data, _with(charset, "PID|").encode() + data):
        try:
            found = parse(sent, "ASCII")
        except Hl7Error:
            continue
        for segment in found.segments:
            assert isinstance(segment.text(5, 2), str)
            assert isinstance(segment.whole(5), str)
