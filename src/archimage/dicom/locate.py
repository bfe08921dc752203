"""Where one element of a stored data set lies, found by the heads of those before it: values are passed over unread.

Ref: PS3.5 §7.1, §7.5, §A.4.
"""

from dataclasses import dataclass
from typing import Final

from archimage.dicom.bulk import BulkPath
from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.layout import (
    ITEM,
    ITEM_DELIMITATION,
    KNOWN_VRS,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    Head,
    Layout,
    Nesting,
    check_depth,
    inner_layout,
    layout_of,
    nesting_of,
    read_head,
    sniff_item,
    sniff_top,
)
from archimage.dicom.limits import DEFAULT_LIMITS, ScanLimits
from archimage.dicom.window import Source
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

_READ_BYTES: Final = 4 << 10
_HEAD_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Located:
    """An element's value: bytes from the start of the data set; length is None where it is not defined."""

    vr: str
    offset: int
    length: int | None
    little: bool


def locate(
    source: Source, transfer_syntax_uid: str, path: BulkPath, limits: ScanLimits = DEFAULT_LIMITS
) -> Located | None:
    """Find the element that a path names; None where there is none.

    Raises:
        InvalidDatasetError: what stands before it cannot be parsed.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    cursor = _Cursor(source, limits)
    layout = layout_of(transfer_syntax_uid)
    start = source.read(0, 8)
    return cursor.find(sniff_top(layout, start) if len(start) == 8 else layout, path)


class _Cursor:
    """A position in a data set, moved from head to head."""

    def __init__(self, source: Source, limits: ScanLimits) -> None:
        self._source = source
        self._limits = limits
        self._pos = 0
        self._base = 0
        self._data = b""
        self._count = 0

    def find(self, layout: Layout, path: BulkPath) -> Located | None:
        """Find the element, entering the sequences on its path."""
        for level in range(0, len(path) - 2, 2):
            head = self._element(layout, path[level])
            if head is None or nesting_of(head) is not Nesting.ITEMS:
                return None
            item = self._item(inner_layout(layout, head), head, path[level + 1])
            if item is None:
                return None
            layout = item
        head = self._element(layout, path[-1])
        if head is None or nesting_of(head) is Nesting.ITEMS:
            return None
        vr = head.vr if head.vr in KNOWN_VRS and head.vr != "UN" else dictionary_vr(head.tag)
        length = None if head.length == UNDEFINED_LENGTH else head.length
        return Located(vr, head.start, length, layout.little)

    def _element(self, layout: Layout, tag: int) -> Head | None:
        """Go on to the element of a tag in the data set or item that the cursor is in; its value is next."""
        while (head := self._head(layout)) is not None and head.tag not in _ENDS:
            if head.tag == tag:
                return head
            self._pass(layout, head, 1)
        return None

    def _item(self, layout: Layout, sequence: Head, number: int) -> Layout | None:
        """Enter an item of a sequence, counted from 1; return its layout."""
        end = None if sequence.length == UNDEFINED_LENGTH else sequence.start + sequence.length
        while end is None or self._pos < end:
            head = self._head(layout)
            if head is None or head.tag != ITEM:
                return None
            number -= 1
            if not number:
                return self._inside(layout, head)
            self._pass_item(layout, head, 1)
        return None

    def _inside(self, layout: Layout, item: Head) -> Layout:
        """Return the layout of an item's elements; they end with it, whatever follows."""
        start = self._peek()
        if item.length != UNDEFINED_LENGTH:
            self._source = _Cut(self._source, item.start + item.length)
            self._data = self._data[: max(0, item.start + item.length - self._base)]
        return sniff_item(layout, start, 0) if len(start) >= 8 and item.length else layout

    def _pass(self, layout: Layout, head: Head, depth: int) -> None:
        """Go on behind an element's value."""
        check_depth(depth, self._limits)
        nesting = nesting_of(head)
        if head.length != UNDEFINED_LENGTH:
            self._pos = head.start + head.length
            return
        inner = inner_layout(layout, head)
        while (item := self._expected(inner)).tag != SEQUENCE_DELIMITATION:
            if item.tag != ITEM:
                raise InvalidDatasetError(f"no item stands before {item.start}")
            if nesting is Nesting.ITEMS:
                self._pass_item(inner, item, depth)
            else:
                self._pos = item.start + item.length

    def _pass_item(self, layout: Layout, item: Head, depth: int) -> None:
        if item.length != UNDEFINED_LENGTH:
            self._pos = item.start + item.length
            return
        start = self._peek()
        inner = sniff_item(layout, start, 0) if len(start) >= 8 else layout
        while (head := self._expected(inner)).tag != ITEM_DELIMITATION:
            self._pass(inner, head, depth + 1)

    def _expected(self, layout: Layout) -> Head:
        head = self._head(layout)
        if head is None:
            raise InvalidDatasetError(f"the data set is cut short after {self._pos} bytes")
        return head

    def _head(self, layout: Layout) -> Head | None:
        """Read the head at the cursor and go on behind it; None at the end."""
        self._count += 1
        if self._count > self._limits.max_elements:
            raise ExcessiveDatasetError(f"more than {self._limits.max_elements} elements")
        data = self._peek()
        head = read_head(layout, data, 0, len(data))
        if head is None:
            return None
        start, self._pos = self._pos, self._pos + head.start
        return head._replace(start=start + head.start)

    def _peek(self) -> bytes:
        at = self._pos - self._base
        if not 0 <= at <= len(self._data) - _HEAD_BYTES:
            self._base, at = self._pos, 0
            self._data = self._source.read(self._pos, _READ_BYTES)
        return self._data[at : at + _HEAD_BYTES]


_ENDS: Final = frozenset({ITEM_DELIMITATION, SEQUENCE_DELIMITATION})


class _Cut:
    """The bytes of a source up to some point."""

    def __init__(self, source: Source, end: int) -> None:
        self._source = source
        self._end = end

    def read(self, offset: int, length: int, /) -> bytes:
        """Read length bytes at offset; fewer only at the end."""
        return self._source.read(offset, max(0, min(length, self._end - offset)))
