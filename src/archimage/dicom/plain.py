"""Data sets as plain trees: every value as text, as it stands in the object; of what is binary only that it is there.

Numbers of binary VRs are decimal, floats with as many digits as tell any two apart, tags (AT) `gggg,eeee`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from archimage.dicom.dictionary import keyword_of_tag
from archimage.dicom.elements import RawElement
from archimage.dicom.header import format_value
from archimage.dicom.jsonvalues import BINARY_VRS
from archimage.dicom.wanted import SPECIFIC_CHARACTER_SET

_TRAILING_PADDING: Final = 0xFFFCFFFC
_RESERVATION: Final = "PrivateCreator"
_FLOATS: Final = {"FL": "f", "FD": "d"}


@dataclass(frozen=True, slots=True)
class PlainElement:
    """An element: text, or items, or neither where its value is binary.

    keyword is empty where there is none; creator is that of a private element.
    """

    tag: int
    keyword: str
    creator: str = ""
    text: str | None = None
    items: "Sequence[Sequence[PlainElement]] | None" = None


def plain_elements(elements: Iterable[RawElement], charset: bytes | None = None) -> Iterator[PlainElement]:
    """Yield elements but padding; charset is the Specific Character Set that holds where they bring none."""
    creators: dict[int, str] = {}
    for element in elements:
        tag, value = element.tag, element.value
        if tag == SPECIFIC_CHARACTER_SET and isinstance(value, memoryview):
            charset = bytes(value)
        if tag == _TRAILING_PADDING:
            continue
        keyword, creator = _keyword(tag), _creator(tag, creators)
        if element.vr == "SQ":
            items = [[*plain_elements(item, charset)] for item in element.items]
            yield PlainElement(tag, keyword, creator, items=items)
            continue
        text = _text(element, charset)
        if keyword == _RESERVATION:
            creators[tag] = text or ""
        yield PlainElement(tag, keyword, creator, text)


def _keyword(tag: int) -> str:
    """Return the name of an element; two kinds have one that the dictionary lacks (PS3.5 §7.2, §7.8.1)."""
    if not tag & 0xFFFF:
        return "GenericGroupLength"
    if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return _RESERVATION
    return keyword_of_tag(tag)


def _creator(tag: int, creators: dict[int, str]) -> str:
    return creators.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF, "") if tag >> 16 & 1 else ""


def _text(element: RawElement, charset: bytes | None) -> str | None:
    if element.vr in BINARY_VRS or not isinstance(element.value, memoryview):
        return None
    raw = bytes(element.value)
    if element.vr in _FLOATS:
        numbers = Struct(("<" if element.little else ">") + _FLOATS[element.vr])
        whole = raw[: len(raw) - len(raw) % numbers.size]
        return "\\".join(f"{number:.17g}" for (number,) in numbers.iter_unpack(whole))
    text = format_value(raw, element.vr, charset, little=element.little)
    if element.vr == "AT":
        return "\\".join(f"{tag[:4]},{tag[4:]}".lower() for tag in text.split("\\")) if text else ""
    return text
