"""Rows of the index to encoded C-FIND response identifiers.

Ref: PS3.4 §C.4.1.1.3.2, §C.4.1.2.3; PS3.3 §C.12.1.1.2.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from struct import Struct
from typing import Final

from archimage.dicom.encode import encode_elements, encode_items
from archimage.dicom.layout import layout_of
from archimage.model.attributes import BY_TAG, UNIQUE_KEYS, Attribute, Level
from archimage.services.identifiers import QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET, Key
from archimage.services.query import Find, Row, sequence_attributes

RETRIEVE_AE_TITLE: Final = 0x00080054
INSTANCE_AVAILABILITY: Final = 0x00080056
_UTF_8: Final = b"ISO_IR 192"

_Element = tuple[int, str, bytes]
_Maker = Callable[[Row], bytes]


class ResponseEncoder:
    """Encodes the responses of one query; what does not change from row to row is worked out once.

    Every response holds the requested keys, empty where nothing is known, the unique keys of its level and of those
    above, the level, where to retrieve from and the availability. Its text is ASCII or UTF-8.
    """

    def __init__(self, find: Find, transfer_syntax_uid: str, retrieve_ae_title: str) -> None:
        self._transfer_syntax_uid = transfer_syntax_uid
        self._word = Struct("<H" if layout_of(transfer_syntax_uid).little else ">H")
        level = find.query.level
        makers: dict[int, tuple[str, _Maker]] = {key.tag: self._maker(key, level) for key in find.keys}
        for unique in UNIQUE_KEYS.values():
            if unique.level.depth <= level.depth:
                makers[unique.tag] = (unique.vr, self._text(unique))
        for tag, vr, text in (
            (QUERY_RETRIEVE_LEVEL, "CS", level.value),
            (RETRIEVE_AE_TITLE, "AE", retrieve_ae_title),
            (INSTANCE_AVAILABILITY, "CS", "ONLINE"),
        ):
            makers[tag] = (vr, _constant(text.encode("ascii", "replace")))
        self._makers = [(tag, vr, make) for tag, (vr, make) in sorted(makers.items())]
        self._makers_utf_8 = [(SPECIFIC_CHARACTER_SET, "CS", _constant(_UTF_8)), *self._makers]

    def encode(self, row: Row) -> bytes:
        """Encode one response."""
        makers = self._makers if all(map(str.isascii, row.values())) else self._makers_utf_8
        return encode_elements([(tag, vr, make(row)) for tag, vr, make in makers], self._transfer_syntax_uid)

    def _maker(self, key: Key, level: Level) -> tuple[str, _Maker]:
        if key.vr == "SQ":
            attributes = [found for found in sequence_attributes(key) if found.level.depth <= level.depth]
            return "SQ", self._items(sorted(attributes, key=_tag)) if attributes else _constant(b"")
        attribute = BY_TAG.get((None, key.tag))
        if attribute is None or attribute.level.depth > level.depth:
            return key.vr, _constant(b"")
        return attribute.vr, self._text(attribute) if attribute.vr != "US" else self._number(attribute)

    def _text(self, attribute: Attribute) -> _Maker:
        column = attribute.column
        return lambda row: row.get(column, "").encode()

    def _number(self, attribute: Attribute) -> _Maker:
        column, pack = attribute.column, self._word.pack

        def make(row: Row) -> bytes:
            text = row.get(column, "")
            return pack(int(text)) if text.isdecimal() and int(text) < 1 << 16 else b""

        return make

    def _items(self, attributes: Sequence[Attribute]) -> _Maker:
        return lambda row: encode_items(_items(row, attributes), self._transfer_syntax_uid)


def _items(row: Row, attributes: Sequence[Attribute]) -> Iterator[list[_Element]]:
    """Put back into items what the index keeps as lists of values, one value an item."""
    columns = [row[attribute.column].split("\\") if attribute.column in row else [] for attribute in attributes]
    for values in zip_longest(*columns, fillvalue=""):
        yield [(found.tag, found.vr, value.encode()) for found, value in zip(attributes, values, strict=True)]


def _constant(value: bytes) -> _Maker:
    return lambda _row: value


def _tag(attribute: Attribute) -> int:
    return attribute.tag
