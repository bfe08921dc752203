"""Text under every character set: the examples of PS3.5 Annexes H to K, pydicom's files, and what is broken."""

from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.dicom.scan import scan
from archimage.dicom.text import CHARSET_VRS, decode_text, encode_text
from tests.dicom.files import real_dataset, real_files

JAPANESE = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
KATAKANA = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
KOREAN = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
UTF8 = b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1="
GB18030 = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="
GBK = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\x96|="
GB2312 = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="

ANNEX_NAMES = [
    pytest.param(JAPANESE, b"\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう", id="H.3.1"),
    pytest.param(KATAKANA, b"ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", id="H.3.2"),
    pytest.param(KOREAN, b"\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", id="I.2"),
    pytest.param(UTF8, b"ISO_IR 192", "Wang^XiaoDong=王^小東", id="J.1"),
    pytest.param(GB18030, b"GB18030", "Wang^XiaoDong=王^小东", id="J.3"),
    pytest.param(GBK, b"GBK", "Wang^XiaoDong=王^小東", id="J.4"),
    pytest.param(GB2312, b"\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东", id="K.2"),
]

SINGLE_BYTE = [
    (b"ISO_IR 100", "Buc^Jérôme"), (b"ISO_IR 101", "Wałęsa^Lech"), (b"ISO_IR 109", "Ĉapek^Ĝ"),
    (b"ISO_IR 110", "Bērziņš^Ā"), (b"ISO_IR 126", "Διονυσιος"), (b"ISO_IR 127", "قباني^لنزار"),
    (b"ISO_IR 138", "שרון^דבורה"), (b"ISO_IR 144", "Люкceмбypг"), (b"ISO_IR 148", "Çavuşoğlu^İ"),
    (b"ISO_IR 166", "นามสกุล^ชื่อ"), (b"ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"), (b"ISO_IR 203", "Œuvre^€"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "charset", "text"), ANNEX_NAMES)
def test_the_names_of_the_standard_s_annexes_are_decoded(raw: bytes, charset: bytes, text: str) -> None:
    assert decode_text(raw, "PN", charset) == text


@pytest.mark.parametrize(("raw", "charset", "text"), ANNEX_NAMES)
def test_names_are_encoded_as_the_annexes_show_them(raw: bytes, charset: bytes, text: str) -> None:
    assert encode_text(text, charset) == raw.rstrip(b"=")


@pytest.mark.parametrize(("raw", "charset", "text"), ANNEX_NAMES[:-1])
def test_pydicom_reads_the_names_that_are_encoded(raw: bytes, charset: bytes, text: str) -> None:
    """All but those of ISO-IR 58, whose escape sequence pydicom leaves in the text."""
    encoded = encode_text(text, charset)
    terms = charset.decode().split("\\")
    assert str(pydicom.valuerep.PersonName(encoded, pydicom.charset.convert_encodings(terms))) == text


@pytest.mark.parametrize(("charset", "text"), SINGLE_BYTE)
def test_single_byte_sets_are_decoded_and_encoded(charset: bytes, text: str) -> None:
    encoded = encode_text(text, charset)
    assert len(encoded) == len(text)
    assert decode_text(encoded, "PN", charset) == text


@pytest.mark.parametrize(("charset", "text"), SINGLE_BYTE)
def test_code_extensions_reach_every_single_byte_set(charset: bytes, text: str) -> None:
    extended = b"\\ISO 2022 IR " + charset.split()[1]
    encoded = encode_text(text, extended)
    assert b"\x1b" in encoded
    assert decode_text(encoded, "PN", extended) == text


@pytest.mark.parametrize(("charset", "escape"), [(b"\\ISO 2022 IR 159", b"\x1b$(D"), (b"\\ISO 2022 IR 87", b"")])
def test_jis_x_0212_needs_its_own_set(charset: bytes, escape: bytes) -> None:
    encoded = encode_text("丂", charset)
    assert encoded.startswith(escape or b"?")
    assert decode_text(encoded, "LO", charset) == ("丂" if escape else "?")


def test_several_sets_serve_one_value() -> None:
    charset = b"ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126\\ISO 2022 IR 87"
    text = "Dionysios is Διονυσιος, Люкceмбypг\\é山é"
    assert decode_text(encode_text(text, charset), "LO", charset) == text


def test_a_delimiter_puts_the_first_set_back() -> None:
    raw = b"\x1b-F\xc4\\\xe4"
    assert decode_text(raw, "LO", b"ISO 2022 IR 100\\ISO 2022 IR 126") == "Δ\\ä"
    assert decode_text(b"\x1b-F\xc4^\xe4", "LO", b"ISO 2022 IR 100\\ISO 2022 IR 126") == "Δ^δ"
    assert decode_text(b"\x1b-F\xc4^\xe4", "PN", b"ISO 2022 IR 100\\ISO 2022 IR 126") == "Δ^ä"


def test_a_double_byte_character_may_hold_a_delimiter_s_byte() -> None:
    text = "表"  # 5C in its second byte under GBK's relatives, and 3D, 5E under JIS X 0208
    for charset in (b"GB18030", b"GBK", b"\\ISO 2022 IR 87"):
        assert decode_text(encode_text(text + "\\十", charset), "LO", charset) == "表\\十"


@pytest.mark.parametrize("charset", [b"ISO-IR 100", b"ISO_IR_100 ", b"ISO IR 100", b"iso_ir 100", b"ISO 2022 IR 100"])
def test_common_misspellings_are_understood(charset: bytes) -> None:
    assert decode_text(b"\xe9", "LO", charset) == "é"


def test_an_unknown_set_is_utf8_or_else_latin1() -> None:
    assert decode_text("é山".encode(), "LO", b"KOI9") == "é山"
    assert decode_text(b"\xe9t\xe9", "LO", b"KOI9") == "été"
    assert encode_text("é", b"KOI9") == "é".encode()
    assert decode_text(encode_text("é", b"UTF-8"), "LO", b"UTF-8") == "é"


def test_an_absent_set_reads_latin1_and_writes_ascii() -> None:
    assert decode_text(b"\xe9", "LO", None) == "é"
    assert encode_text("é", None) == b"?"
    assert encode_text("é", b"ISO_IR 100\\ISO 2022 IR 999") == b"\xe9"


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        (b"\xff\xfe", b"ISO_IR 192"),
        (b"\x1b$B\x7f\x7f\x1b(B", b"\\ISO 2022 IR 87"),
        (b"\x1b$)C\xff", b"\\ISO 2022 IR 149"),
    ],
)
def test_bytes_that_are_no_character_are_replaced(raw: bytes, charset: bytes) -> None:
    assert "\ufffd" in decode_text(raw, "LO", charset)


@pytest.mark.parametrize(
    ("raw", "vr", "text"),
    [
        (b" A B \0", "LO", " A B"), (b"A \\B ", "SH", "A\\B"), (b"A\\B \n ", "LT", "A\\B \n"),
        (b" AE \\B", "AE", "AE\\B"), (b" 1.5 \\2", "DS", "1.5\\2"), (b"1.2.3\0", "UI", "1.2.3"),
        (b"A^B==\\C=", "PN", "A^B\\C"), (b"\xe9", "CS", "é"),
        (b"http://a ", "UR", "http://a"),
    ],
)  # fmt: skip
def test_padding_goes_as_the_vr_says(raw: bytes, vr: str, text: str) -> None:
    assert decode_text(raw, vr, b"ISO_IR 100") == text


CHARSETS = [None, b"", b"\\ISO 2022 IR 87", b"GB18030", b"ISO_IR 192", b"ISO 2022 IR 13", b"\xff\\\xff"]
SHIFTS = [b"\x1b$B", b"\x1b(J", b"\x1b)I", b"^", b"\x1b", b"\x80A"]


@settings(max_examples=200, deadline=None)
@given(
    raw=st.binary(max_size=40) | st.lists(st.sampled_from(SHIFTS)).map(b"".join),
    vr=st.sampled_from(sorted(CHARSET_VRS)),
    charset=st.sampled_from(CHARSETS) | st.binary(max_size=20),
)
def test_no_bytes_and_no_set_raise(raw: bytes, vr: str, charset: bytes | None) -> None:
    text = decode_text(raw, vr, charset)
    assert len(text) <= len(raw)
    assert encode_text(text, charset) is not None


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from("aB ^=\\éßΔЖ山田丂ﾔ한글\n"), max_size=20))
def test_what_is_encoded_with_extensions_is_decoded_again(text: str) -> None:
    charset = b"\\".join(b"ISO 2022 IR %d" % number for number in (100, 126, 144, 87, 159, 13, 149))
    assert decode_text(encode_text(text, charset), "UT", charset) == text.rstrip(" ")


CHARSET_FILES = [path for path in real_files() if "charset" in path.parts[-2]]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in CHARSET_FILES])
def test_pydicom_s_character_set_files_read_as_there(path: Path) -> None:
    meta, data = real_dataset(path)
    dataset = pydicom.dcmread(path)
    header = scan(data, meta.transfer_syntax_uid, frozenset({0x00100010, 0x00080090}))
    assert header.text(0x00100010) == str(dataset.get("PatientName", "")) or header.text(0x00100010) is None
