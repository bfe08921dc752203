"""Query/Retrieve identifiers: the small data sets that say what is looked for.

Ref: PS3.4 §C.4.1.1.3, §C.4.2.1.4, §C.4.3.1.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.header import format_value
from archimage.dicom.layout import (
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    Head,
    Layout,
    Nesting,
    inner_layout,
    layout_of,
    nesting_of,
    read_head,
    sniff_top,
)
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError, InvalidQueryError
from archimage.model.attributes import Level

SPECIFIC_CHARACTER_SET: Final = 0x00080005
QUERY_RETRIEVE_LEVEL: Final = 0x00080052
MAX_KEYS: Final = 4_096
MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Key:
    """One element of an identifier; items stand in place of the value where the VR is SQ."""

    tag: int
    vr: str
    value: str
    items: tuple[tuple["Key", ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A decoded identifier: its level and its other keys in the order of their tags."""

    level: Level
    keys: tuple[Key, ...]


def decode_identifier(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """Decode an identifier.

    Raises:
        InvalidDatasetError: the bytes are no data set.
        ExcessiveDatasetError: it has more keys or deeper sequences than any query needs.
        InvalidQueryError: the level is missing or unknown.
    """
    keys = decode_keys(data, transfer_syntax_uid)
    level = _level(next((key for key in keys if key.tag == QUERY_RETRIEVE_LEVEL), None))
    return Identifier(level, tuple(key for key in keys if key.tag != QUERY_RETRIEVE_LEVEL))


def decode_keys(data: bytes, transfer_syntax_uid: str) -> tuple[Key, ...]:
    """Decode the keys of an identifier that has no level, in the order of their tags; raises as `decode_identifier`."""
    keys = _Reader(data).keys(layout_of(transfer_syntax_uid))
    by_tag = {key.tag: key for key in keys if key.tag & 0xFFFF and key.tag != SPECIFIC_CHARACTER_SET}
    return tuple(by_tag[tag] for tag in sorted(by_tag))


def _level(key: Key | None) -> Level:
    allowed = ", ".join(Level)
    if key is None or not key.value:
        raise InvalidQueryError(f"the identifier has no Query/Retrieve Level; it is one of {allowed}")
    try:
        return Level(key.value)
    except ValueError:
        raise InvalidQueryError(f"Query/Retrieve Level {key.value[:80]!r} is none of {allowed}") from None


class _Reader:
    """Reads the elements of one encoded identifier into keys."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._charset: bytes | None = None
        self._count = 0

    def keys(self, layout: Layout) -> tuple[Key, ...]:
        """Read the whole data set."""
        if len(self._data) >= 8:
            layout = sniff_top(layout, self._data)
        keys, pos = self._elements(layout, 0, len(self._data), 0)
        if pos != len(self._data):
            raise InvalidDatasetError(f"the identifier is cut short after {pos} bytes")
        return keys

    def _elements(self, layout: Layout, pos: int, end: int, depth: int) -> tuple[tuple[Key, ...], int]:
        """Read elements up to end, or up to and over an item delimiter."""
        found: list[Key] = []
        while end - pos >= 8:
            head = self._head(layout, pos, end)
            if head.tag == ITEM_DELIMITATION:
                return tuple(found), head.start
            key, pos = self._element(layout, head, end, depth)
            found.append(key)
        return tuple(found), pos

    def _head(self, layout: Layout, pos: int, end: int) -> Head:
        head = read_head(layout, self._data, pos, end)
        self._count += 1
        if head is None:
            raise InvalidDatasetError(f"the identifier is cut short after {pos} bytes")
        if self._count > MAX_KEYS:
            raise ExcessiveDatasetError(f"the identifier has more than {MAX_KEYS} keys")
        return head

    def _element(self, layout: Layout, head: Head, end: int, depth: int) -> tuple[Key, int]:
        nesting = nesting_of(head)
        vr = head.vr or dictionary_vr(head.tag)
        if nesting is Nesting.ITEMS:
            items, pos = self._items(inner_layout(layout, head), head, end, depth + 1)
            return Key(head.tag, "SQ", "", items), pos
        stop = head.start + head.length
        if nesting is Nesting.FRAGMENTS or stop > end:
            raise InvalidDatasetError(f"a value at {head.start} runs beyond the end of the identifier")
        raw = self._data[head.start : stop]
        if head.tag == SPECIFIC_CHARACTER_SET:
            self._charset = raw
        return Key(head.tag, vr, format_value(raw, vr, self._charset, little=layout.little).strip(" \0")), stop

    def _items(self, layout: Layout, head: Head, end: int, depth: int) -> tuple[tuple[tuple[Key, ...], ...], int]:
        if depth > MAX_DEPTH:
            raise ExcessiveDatasetError(f"the identifier nests deeper than {MAX_DEPTH} sequences")
        stop = end if head.length == UNDEFINED_LENGTH else head.start + head.length
        if stop > end:
            raise InvalidDatasetError(f"a sequence at {head.start} runs beyond the end of the identifier")
        items: list[tuple[Key, ...]] = []
        pos = head.start
        while stop - pos >= 8:
            item = self._head(layout, pos, stop)
            pos = item.start
            if item.tag == SEQUENCE_DELIMITATION:
                break
            keys, pos = self._item(layout, item, stop, depth)
            items.append(keys)
        return tuple(items), pos

    def _item(self, layout: Layout, item: Head, stop: int, depth: int) -> tuple[tuple[Key, ...], int]:
        last = stop if item.length == UNDEFINED_LENGTH else item.start + item.length
        if item.tag != ITEM or last > stop:
            raise InvalidDatasetError(f"no whole item stands at {item.start - 8}")
        return self._elements(layout, item.start, last, depth)


def flatten(keys: tuple[Key, ...]) -> Iterator[tuple[int | None, Key]]:
    """Yield each key with the tag of its sequence, None at the top level; those deeper than one sequence are left out.

    Raises:
        InvalidQueryError: a sequence has more than one item, which sequence matching does not know.

    Ref: PS3.4 §C.2.2.2.6.
    """
    for key in keys:
        if key.vr != "SQ":
            yield None, key
        elif len(key.items) > 1:
            raise InvalidQueryError(f"sequence ({key.tag >> 16:04X},{key.tag & 0xFFFF:04X}) has more than one item")
        else:
            yield from ((key.tag, inner) for item in key.items for inner in item if inner.vr != "SQ")
