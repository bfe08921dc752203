"""The walk that writes a data set's JSON: hot where elements are plain or known, careful everywhere else."""

from collections.abc import Callable
from typing import Final

import orjson

from archimage.dicom.bulk import BulkPath
from archimage.dicom.header import PixelData
from archimage.dicom.implied import SIGNED_BY_PIXELS, choose_vr, implied_vr
from archimage.dicom.jsonvalues import BINARY_VRS, format_members
from archimage.dicom.layout import (
    ITEM,
    ITEM_DELIMITATION,
    KNOWN_VRS,
    PIXEL_DATA,
    PIXEL_TAGS,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    Head,
    Layout,
    Nesting,
    check_depth,
    inner_layout,
    nesting_of,
    read_head,
    sniff_item,
    sniff_top,
)
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.wanted import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET
from archimage.dicom.window import Source, Window
from archimage.errors import InvalidDatasetError

_REMEMBERED_BYTES: Final = 4 << 10
_REMEMBERED_ELEMENTS: Final = 20_000
_CONTEXT: Final = frozenset({SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION})
"""Elements that say how others are read, and so must be met each time."""

BulkDataURI = Callable[[BulkPath], str]
"""Makes the URI of an element that is given by reference."""

Memo = dict[object, tuple[int, bytes]]
"""Elements as they are encoded, with more where that does not tell all, to their tag and JSON."""

Memos = Callable[[Layout, bytes], Memo]
"""Gives what is remembered of one encoding and Specific Character Set."""


class _Scope:
    """A data set that the walk is inside of; the outermost has no parent."""

    __slots__ = ("charset", "creators", "found", "layout", "memo", "parent", "path", "signed")

    def __init__(self, layout: Layout, memo: Memo, parent: "_Scope | None" = None, path: BulkPath = ()) -> None:
        self.layout = layout
        self.memo = memo
        self.parent = parent
        self.path = path
        self.charset: bytes = b"" if parent is None else parent.charset
        self.creators: dict[int, str] = {}
        self.signed: bool | None = None
        self.found: dict[int, bytes] = {}

    def json(self) -> bytes:
        """Join what was found in ascending order; of a tag that came twice the last."""
        found = self.found
        return b"{" + b",".join([found[tag] for tag in sorted(found)]) + b"}"


class HeaderWriter:
    """Writes one data set."""

    def __init__(self, source: Source, memos: Memos, bulk_data_uri: BulkDataURI, bulk_threshold_bytes: int) -> None:
        self._window = Window(source)
        self._memos = memos
        self._uri = bulk_data_uri
        self._threshold_bytes = bulk_threshold_bytes
        self._peculiar = 0
        """How often JSON depended on more than the element itself, its encoding and its character set."""

    def write(self, layout: Layout, pixel: PixelData | None) -> bytes:
        """Write all of the source and, where pixel describes what follows it, a reference to that."""
        window = self._window
        if len(window.data) >= 8:
            layout = sniff_top(layout, window.data)
        scope = _Scope(layout, self._memos(layout, b""))
        pos = 0
        while not window.ended(pos := self._run(scope, window.data, pos, len(window.data))):
            pos = self._top_element(scope, pos)
        if pixel is not None:
            native = pixel.length is not None and not layout.explicit and pixel.tag == PIXEL_DATA
            scope.found[pixel.tag] = self._reference(scope, pixel.tag, "OW" if native else pixel.vr)
        return scope.json()

    # Top level

    def _top_element(self, scope: _Scope, pos: int) -> int:
        """Pass one element, or have more of it in the window; return where to go on."""
        window = self._window
        head = read_head(scope.layout, window.data, pos, len(window.data))
        if head is None:
            return window.grow(pos, 8)
        if head.length == UNDEFINED_LENGTH:
            return self._open_ended(scope, head, pos)
        stop = head.start + head.length
        if self._is_skipped(scope, head):
            scope.found[head.tag] = self._reference(scope, head.tag, self._vr(scope, head))
            return window.skip(stop)
        if stop > len(window.data):
            return window.grow(pos, stop - pos)
        return self._element(scope, head, pos, window.data, stop)

    def _is_skipped(self, scope: _Scope, head: Head) -> bool:
        """Tell whether a value need not be read: pixels, and what is long and binary."""
        if head.tag in PIXEL_TAGS:
            return head.length > 0
        if head.length <= max(self._threshold_bytes, _REMEMBERED_BYTES) or nesting_of(head) is not Nesting.BYTES:
            return False
        return self._vr(scope, head) in BINARY_VRS

    def _open_ended(self, scope: _Scope, head: Head, pos: int) -> int:
        """Pass a value of undefined length, which may go on beyond the window."""
        window = self._window
        if nesting_of(head) is Nesting.FRAGMENTS:
            scope.found[head.tag] = self._reference(scope, head.tag, _encapsulated_vr(head))
            return self._pass_fragments(scope.layout, head.start)
        try:
            return self._element(scope, head, pos, window.data, len(window.data))
        except InvalidDatasetError:
            if window.whole:
                raise
        return window.grow(pos, 0)

    def _pass_fragments(self, layout: Layout, pos: int) -> int:
        window = self._window
        while True:
            head = read_head(layout, window.data, pos, len(window.data))
            if head is None:
                pos = window.grow(pos, 8)
            elif head.tag == SEQUENCE_DELIMITATION:
                return head.start
            elif head.tag != ITEM or head.length == UNDEFINED_LENGTH:
                raise InvalidDatasetError(f"no fragment stands at {window.base + pos}")
            else:
                pos = window.skip(head.start + head.length)

    # Elements

    def _run(self, scope: _Scope, data: bytes, pos: int, end: int) -> int:
        """Pass elements that are known; return where another one begins."""
        found, memo = scope.found, scope.memo
        unpack, explicit, short = scope.layout.head.unpack_from, scope.layout.explicit, scope.layout.short
        last = end - 8
        while pos <= last:
            if explicit:
                _, vr, length = unpack(data, pos)
                if vr not in short:
                    return pos
            else:
                _, length = unpack(data, pos)
            stop = pos + 8 + length
            if length > _REMEMBERED_BYTES or stop > end:
                return pos
            known = memo.get(data[pos:stop])
            if known is None:
                return pos
            found[known[0]] = known[1]
            pos = stop
        return pos

    def _element(self, scope: _Scope, head: Head, pos: int, data: bytes, end: int) -> int:
        """Write one element, which has to end before end; return where it ends."""
        nesting = nesting_of(head)
        if head.length == UNDEFINED_LENGTH:
            if nesting is Nesting.FRAGMENTS:
                return self._nested_fragments(scope, head, data, end)
            written, stop = self._sequence(scope, head, data, end)
            scope.found[head.tag] = written
            return stop
        stop = head.start + head.length
        if stop > end:
            raise InvalidDatasetError(f"a value at {head.start} runs beyond its end")
        if head.tag & 0xFFFF:
            self._defined(scope, head, data[pos:stop], data)
        return stop

    def _defined(self, scope: _Scope, head: Head, piece: bytes, data: bytes) -> None:
        """Write an element of defined length, remembered where nothing but its bytes tells what it is."""
        element = head.tag & 0xFFFF
        private = head.tag >> 16 & 1 and element > 0xFF and (not head.vr or head.vr == "UN")
        creator = scope.creators.get(head.tag >> 16 << 16 | element >> 8, "") if private else ""
        key: object = (creator, piece) if private else piece
        known = scope.memo.get(key) if len(piece) <= _REMEMBERED_BYTES else None
        if known is None:
            before = self._peculiar
            known = head.tag, self._written(scope, head, data)
            self._note(scope, head, data)
            if self._peculiar == before and len(piece) <= _REMEMBERED_BYTES and len(scope.memo) < _REMEMBERED_ELEMENTS:
                scope.memo[key] = known
        scope.found[known[0]] = known[1]

    def _note(self, scope: _Scope, head: Head, data: bytes) -> None:
        """Keep what tells how later elements are read; such an element is not to be remembered."""
        tag, value = head.tag, data[head.start : head.start + head.length]
        creator = tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF
        if tag == SPECIFIC_CHARACTER_SET:
            scope.charset = value
            scope.memo = self._memos(scope.layout, value)
        elif tag == PIXEL_REPRESENTATION:
            scope.signed = any(value)
        elif creator:
            scope.creators[tag] = value.decode("latin-1").rstrip(" \0")
        if creator or tag in _CONTEXT:
            self._peculiar += 1

    def _written(self, scope: _Scope, head: Head, data: bytes) -> bytes:
        vr = self._vr(scope, head)
        if nesting_of(head) is Nesting.ITEMS:
            return self._sequence(scope, head, data, head.start + head.length)[0]
        if vr == "SQ":
            try:
                return self._sequence(scope, head, data, head.start + head.length)[0]
            except InvalidDatasetError:
                vr = "UN"
        return self._plain(scope, head.tag, vr, data[head.start : head.start + head.length])

    def _plain(self, scope: _Scope, tag: int, vr: str, raw: bytes) -> bytes:
        if vr in BINARY_VRS and len(raw) > self._threshold_bytes:
            return self._reference(scope, tag, vr)
        members = format_members(raw, vr, scope.charset, little=scope.layout.little)
        return b'"%08X":{"vr":"%b"%b}' % (tag, vr.encode(), members)

    def _reference(self, scope: _Scope, tag: int, vr: str) -> bytes:
        self._peculiar += 1
        uri = orjson.dumps(self._uri((*scope.path, tag)))
        return b'"%08X":{"vr":"%b","BulkDataURI":%b}' % (tag, vr.encode(), uri)

    # What is inside of elements

    def _sequence(self, scope: _Scope, head: Head, data: bytes, end: int) -> tuple[bytes, int]:
        check_depth(len(scope.path) // 2 + 1, DEFAULT_LIMITS)
        layout = inner_layout(scope.layout, head)
        items: list[bytes] = []
        pos, defined = head.start, head.length != UNDEFINED_LENGTH
        while not defined or pos < end:
            inner = read_head(layout, data, pos, end)
            if inner is None:
                raise InvalidDatasetError(f"a sequence at {head.start} is cut short")
            pos = inner.start
            if inner.tag == SEQUENCE_DELIMITATION and not defined:
                break
            if inner.tag != ITEM:
                raise InvalidDatasetError(f"no item stands before {pos}")
            item, pos = self._item(scope, layout, (*scope.path, head.tag, len(items) + 1), inner, data, end)
            items.append(item)
        value = b',"Value":[%b]' % b",".join(items) if items else b""
        return b'"%08X":{"vr":"SQ"%b}' % (head.tag, value), pos

    def _item(
        self, outer: _Scope, layout: Layout, path: BulkPath, head: Head, data: bytes, end: int
    ) -> tuple[bytes, int]:
        defined = head.length != UNDEFINED_LENGTH
        if defined and head.start + head.length > end:
            raise InvalidDatasetError(f"an item at {head.start} runs beyond its end")
        stop = head.start + head.length if defined else end
        if stop - head.start >= 8:
            layout = sniff_item(layout, data, head.start)
        scope = _Scope(layout, self._memos(layout, outer.charset), outer, path)
        pos = head.start
        while (pos := self._run(scope, data, pos, stop)) < stop or not defined:
            inner = read_head(layout, data, pos, stop)
            if inner is None:
                raise InvalidDatasetError(f"an element at {pos} is cut short")
            if inner.tag == ITEM_DELIMITATION and not defined:
                pos = inner.start
                break
            pos = self._element(scope, inner, pos, data, stop)
        return scope.json(), pos

    def _nested_fragments(self, scope: _Scope, head: Head, data: bytes, end: int) -> int:
        """Write an encapsulated value inside an item, as that of an icon; it is what stands before its delimiter."""
        pos = head.start
        while (inner := read_head(scope.layout, data, pos, end)) is not None and inner.tag == ITEM:
            pos = inner.start + inner.length
        if inner is None or inner.tag != SEQUENCE_DELIMITATION:
            raise InvalidDatasetError(f"no fragment stands at {pos}")
        scope.found[head.tag] = self._plain(scope, head.tag, _encapsulated_vr(head), data[head.start : pos])
        return inner.start

    # Value representations

    def _vr(self, scope: _Scope, head: Head) -> str:
        if head.vr in KNOWN_VRS and head.vr != "UN":
            return head.vr
        creator = scope.creators.get(head.tag >> 16 << 16 | (head.tag & 0xFFFF) >> 8, "")
        vr = implied_vr(head.tag, creator)
        signed = vr == SIGNED_BY_PIXELS and self._signed(scope)
        return choose_vr(vr, size_bytes=head.length, signed=signed)

    def _signed(self, scope: _Scope | None) -> bool:
        """Tell whether pixel values are signed, as the nearest data set around says."""
        self._peculiar += 1
        while scope is not None:
            if scope.signed is not None:
                return scope.signed
            scope = scope.parent
        return False


def _encapsulated_vr(head: Head) -> str:
    return head.vr if head.vr in BINARY_VRS else "OB"
