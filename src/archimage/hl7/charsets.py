"""The encodings of messages, by the names of MSH-18.

Ref: HL7 v2.5.1, table 0211; ISO IR numbers as DICOM has them (PS3.3 §C.12.1.1.2), which some senders use.
"""

import codecs
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PARTS: Final = {f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)}
_REGISTERED: Final = {
    "100": 1,
    "101": 2,
    "109": 3,
    "110": 4,
    "144": 5,
    "127": 6,
    "126": 7,
    "138": 8,
    "148": 9,
    "203": 15,
}
CODECS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ASCII": "ascii",
        "ISO IR6": "ascii",
        **_PARTS,
        **{f"ISO IR{number}": f"iso8859-{part}" for number, part in _REGISTERED.items()},
        "ISO IR14": "iso2022_jp_3",
        "ISO IR87": "iso2022_jp_3",
        "ISO IR159": "iso2022_jp_3",
        "ISO IR166": "tis-620",
        "ISO IR192": "utf-8",
        "UNICODE": "utf-8",
        "UNICODE UTF-8": "utf-8",
        "UTF-8": "utf-8",
        "UTF8": "utf-8",
        "GB 18030-2000": "gb18030",
        "KS X 1001": "euc_kr",
        "BIG-5": "big5",
    }
)
"""Names to the codecs of Python; those of Japanese switch by escape sequences, and each knows all of them."""


def codec_of(names: str, default: str) -> str | None:
    """Return the codec of what MSH-18 has, repetitions separated by `~`; None where it is not known.

    Where several are named the first is that of the message, unless a later one switches by escape sequences: that
    knows the first too.
    """
    named = [_normal(name) for name in names.split("~") if name.strip()] or [_normal(default)]
    found = [CODECS.get(name) for name in named]
    if None in found:
        return None
    switching = [name for name in found if name is not None and name.startswith("iso2022")]
    return switching[0] if switching else found[0]


def is_known(name: str) -> bool:
    """Tell whether a name is one of them."""
    return _normal(name) in CODECS


def encode(text: str, codec: str) -> bytes:
    """Encode an answer; what the encoding has not becomes a question mark."""
    return codecs.encode(text, codec, "replace")


def _normal(name: str) -> str:
    return " ".join(name.upper().replace("ISO_IR", "ISO IR").replace("ISO IR ", "ISO IR").split())
