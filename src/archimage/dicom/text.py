"""Text values under a Specific Character Set (PS3.3 §C.12.1.1.2, PS3.5 §6.1, Annexes H to K).

With code extensions a value is in a state of two sets: G0 gives meaning to bytes below 80H, G1 to those above. Escape
sequences change one of them, delimiters put both back to what value 1 of Specific Character Set says.

An unknown character set, alone or as value 1, is taken for UTF-8 and, where the bytes are not that, for Latin-1.
An absent one is ISO_IR 6, whose upper half is read as Latin-1 for want of a meaning.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ESC: Final = b"\x1b"
_WHOLE: Final = {"ISOIR192": "utf-8", "UTF8": "utf-8", "GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk"}
"""Sets without code extensions: term without punctuation -> codec."""

_SETS: Final = {
    "6": ("latin-1", b"(B"),
    "100": ("latin-1", b"-A"),
    "101": ("iso8859-2", b"-B"),
    "109": ("iso8859-3", b"-C"),
    "110": ("iso8859-4", b"-D"),
    "126": ("iso8859-7", b"-F"),
    "127": ("iso8859-6", b"-G"),
    "138": ("iso8859-8", b"-H"),
    "144": ("iso8859-5", b"-L"),
    "148": ("iso8859-9", b"-M"),
    "166": ("tis-620", b"-T"),
    "203": ("iso8859-15", b"-b"),
    "13": ("shift_jis", b")I"),
    "149": ("euc_kr", b"$)C"),
    "58": ("gb2312", b"$)A"),
    "87": ("iso2022_jp", b"$B"),
    "159": ("iso2022_jp_2", b"$(D"),
}
"""Registration number of ISO IR -> codec, and the escape sequence (less ESC) that designates it."""

_DOUBLE_BYTE: Final = ("58", "87", "149", "159")
CHARACTER_SETS: Final = (
    *(f"ISO_IR {number}" for number in _SETS if number not in _DOUBLE_BYTE),
    *(f"ISO 2022 IR {number}" for number in _SETS),
    "ISO_IR 192",
    "GB18030",
    "GBK",
)
"""Defined terms of Specific Character Set that are understood, ISO_IR 6 being the absent one."""

_ASCII: Final = b"(B"
_ROMAJI: Final = b"(J"
_DOUBLE_G0: Final = {b"$B": "iso2022_jp", b"$@": "iso2022_jp", b"$(D": "iso2022_jp_2"}
_G1: Final = {escape: codec for codec, escape in _SETS.values() if escape not in _DOUBLE_G0 and escape != _ASCII}
_ESCAPES: Final = re.compile(
    _ESC + b"(" + b"|".join(re.escape(escape) for escape in (*_G1, *_DOUBLE_G0, _ASCII, _ROMAJI)) + b")"
)
_HALVES: Final = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
_TERM: Final = re.compile(r"(?:ISOIR|ISO2022IR|ISO2022)(\d+)")
_TEXT_DELIMITERS: Final = re.compile(rb"[\t\n\f\r\\]")
_PN_DELIMITERS: Final = re.compile(rb"[\t\n\f\r\\^=]")
_RESET: Final = frozenset("\t\n\f\r\\^=")

CHARSET_VRS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations whose characters Specific Character Set rules (PS3.5 §6.1.2.3)."""


@dataclass(frozen=True, slots=True)
class _Charset:
    """whole is a codec for entire values, or empty; g1 the codec of value 1; sets all numbers in their order."""

    whole: str
    g1: str
    sets: tuple[str, ...]
    known: bool = True


@lru_cache(maxsize=256)
def _charset(value: bytes) -> _Charset:
    terms = [re.sub(r"[^A-Z0-9]", "", term.upper()) for term in value.decode("latin-1").split("\\")]
    if terms[0] in _WHOLE:
        return _Charset(_WHOLE[terms[0]], "", ())
    numbers = [match[1] if (match := _TERM.fullmatch(term)) else "" for term in terms]
    if not terms[0]:
        numbers[0] = "6"
    if numbers[0] not in _SETS:
        return _Charset("utf-8", "latin-1", (), known=False)
    codec, escape = _SETS[numbers[0]]
    g1 = "latin-1" if escape in _DOUBLE_G0 else codec
    return _Charset("", g1, tuple(number for number in numbers if number in _SETS))


def decode_text(raw: bytes, vr: str, charset: bytes | None) -> str:
    """Decode a value, its values joined with a backslash, padding removed as the VR says.

    charset is the raw value of (0008,0005), or None. Never raises: bytes that are no character become U+FFFD.

    Ref: PS3.5 §6.1.2, §6.2.
    """
    if vr not in CHARSET_VRS:
        text = raw.decode("latin-1")
    elif raw.isascii() and _ESC not in raw:
        text = raw.decode("ascii")
    else:
        text = _decode(raw, vr, _charset((charset or b"").strip(b" \0")))
    return _unpad(text, vr)


def _decode(raw: bytes, vr: str, charset: _Charset) -> str:
    if not charset.known:
        return _decode_unknown(raw)
    if charset.whole:
        return raw.decode(charset.whole, "replace")
    if _ESC not in raw:
        return _decode_run(raw, _ASCII, charset.g1)
    return "".join(_decode_extended(raw, charset, _PN_DELIMITERS if vr == "PN" else _TEXT_DELIMITERS))


def _decode_unknown(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _decode_extended(raw: bytes, charset: _Charset, delimiters: re.Pattern[bytes]) -> Iterator[str]:
    """Yield the runs between escape sequences and delimiters (PS3.5 §6.1.2.5.3)."""
    g0, g1 = _ASCII, charset.g1
    parts = _ESCAPES.split(raw)
    for index, part in enumerate(parts):
        if index % 2:
            g0, g1 = (g0, _G1[part]) if part in _G1 else (part, g1)
            continue
        delimiter = None if g0 in _DOUBLE_G0 else delimiters.search(part)
        if delimiter is None:
            yield _decode_run(part, g0, g1)
        else:
            yield _decode_run(part[: delimiter.start()], g0, g1)
            g0, g1 = _ASCII, charset.g1
            yield _decode_run(part[delimiter.start() :], g0, g1)


def _decode_run(raw: bytes, g0: bytes, g1: str) -> str:
    return "".join(_decode_half(half, g0, g1) for half in _HALVES.findall(raw))


def _decode_half(half: bytes, g0: bytes, g1: str) -> str:
    if half[0] >= 0x80:
        return half.decode(g1, "replace")
    if g0 in _DOUBLE_G0:
        return (_ESC + g0 + half).decode(_DOUBLE_G0[g0], "replace")
    return half.decode("ascii")


def _unpad(text: str, vr: str) -> str:
    if vr in {"LT", "ST", "UT", "UR"}:
        return text.rstrip(" \0")
    if vr in {"AE", "DS", "IS"}:
        return "\\".join(value.strip(" \0") for value in text.split("\\"))
    if vr in {"LO", "SH", "UC"}:
        return "\\".join(value.rstrip(" \0") for value in text.split("\\"))
    text = text.rstrip(" \0")
    return "\\".join(value.rstrip("=") for value in text.split("\\")) if vr == "PN" else text


def encode_text(text: str, charset: bytes | None) -> bytes:
    """Encode text for a response under a Specific Character Set; characters it lacks become question marks.

    Code extensions are used as far as charset names them, and are ended before each delimiter of any VR.
    Under an unknown character set the text is UTF-8.

    Ref: PS3.5 §6.1.2.5.3.
    """
    if text.isascii():
        return text.encode("ascii")
    known = _charset((charset or b"").strip(b" \0"))
    if known.whole:
        return text.encode(known.whole, "replace")
    if len(known.sets) == 1 and len(_SETS[known.sets[0]][1]) == 2 and known.sets[0] != "87":
        return text.encode("ascii" if known.sets[0] == "6" else known.g1, "replace")
    return _encode_extended(text, known)


def _encode_extended(text: str, charset: _Charset) -> bytes:
    out = bytearray()
    initial_g1 = _SETS[charset.sets[0]][1]
    home = _ROMAJI if charset.sets[0] == "13" else _ASCII
    g0, g1 = home, initial_g1
    for character in text:
        escape, encoded = _encode_character(character, charset, g0 if g0 in _DOUBLE_G0 else g1)
        if escape in _DOUBLE_G0:
            g0 = _switch(out, g0, escape)
        elif encoded[0] >= 0x80:
            g1 = _switch(out, g1, escape)
        else:
            g0 = _switch(out, g0, home)
        out += encoded
        if character in _RESET and g1 != initial_g1:
            g1 = b""  # only some VRs put G1 back here: the next character beyond ASCII names its set again
    _switch(out, g0, home)
    return bytes(out)


def _switch(out: bytearray, current: bytes, escape: bytes) -> bytes:
    if current != escape:
        out += _ESC + escape
    return escape


def _encode_character(character: str, charset: _Charset, current: bytes) -> tuple[bytes, bytes]:
    """Return the set, by its escape sequence, and the bytes; the present set is preferred, then their order."""
    if character.isascii():
        return _ASCII, character.encode("ascii")
    numbers = sorted(charset.sets, key=lambda number: _SETS[number][1] != current)
    for number in numbers:
        codec, escape = _SETS[number]
        encoded = _encode_in(character, codec, escape)
        if encoded:
            return escape, encoded
    return _ASCII, b"?"


def _encode_in(character: str, codec: str, escape: bytes) -> bytes:
    """Return the bytes of a character in one set, or nothing."""
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return b""
    if escape in _DOUBLE_G0:
        prefix = _ESC + escape
        return encoded[len(prefix) : len(prefix) + 2] if encoded.startswith(prefix) else b""
    if escape == _ASCII or (codec == "shift_jis" and len(encoded) != 1):
        return b""
    return encoded
