"""The walk that writes a data set's JSON: hot where elements are plain or known, careful everywhere else."""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from archimage.dicom.bulk import BulkPath
from archimage.dicom.header import PixelData
from archimage.dicom.implied import SIGNED_BY_PIXELS, choose_vr
from archimage.dicom.jsoncontext import REMEMBERED_BYTES, Context, Contexts, Run
from archimage.dicom.jsonvalues import BINARY_VRS, format_members
from archimage.dicom.layout import (
    ITEM,
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
from archimage.dicom.walk import Walker
from archimage.dicom.wanted import PIXEL_REPRESENTATION, wanted_of
from archimage.dicom.window import Source, Window
from archimage.errors import InvalidDatasetError

_LOOK_AHEAD_BYTES: Final = 64 << 10
_SHORT_RUN: Final = 4
"""So many elements are looked up one by one as quickly as together."""

BulkDataURI = Callable[[BulkPath], str]
"""Makes the URI of an element that is given by reference."""


class _Scope:
    """A data set that the walk is inside of, and what of it is written."""

    __slots__ = ("context", "found", "path")

    def __init__(self, context: Context, path: BulkPath = ()) -> None:
        self.context = context
        self.path = path
        self.found: dict[int, bytes] = {}

    def json(self) -> bytes:
        """Join what was found in ascending order; of a tag that came twice the last."""
        found = self.found
        return b"{" + b",".join([found[tag] for tag in sorted(found)]) + b"}"


class HeaderWriter:
    """Writes one data set."""

    def __init__(
        self,
        source: Source,
        layout: Layout,
        contexts: Contexts,
        bulk_data_uri: BulkDataURI,
        bulk_threshold_bytes: int,
        size_bytes: int | None,
    ) -> None:
        self._window = Window(source, size_bytes)
        self._layout = sniff_top(layout, self._window.data) if len(self._window.data) >= 8 else layout
        self._contexts = contexts
        self._uri = bulk_data_uri
        self._threshold_bytes = bulk_threshold_bytes
        self._source = source
        self._signed: bool | None = None
        self._peculiar = 0
        """How often JSON depended on what is this data set's only."""

    def write(self, pixel: PixelData | None, added: Mapping[int, bytes]) -> bytes:
        """Write all of the source, a reference to pixels that follow it, and what is added."""
        window = self._window
        scope = _Scope(self._contexts.first(self._layout))
        pos = 0
        while not window.last or pos < len(window.data):
            pos = self._run(scope, window.data, pos, len(window.data))
            pos = self._top_element(scope, pos) if pos < len(window.data) else window.advance()
        if pixel is not None:
            words = pixel.tag == PIXEL_DATA and pixel.length is not None and not self._layout.explicit
            scope.found[pixel.tag] = self._reference(scope, pixel.tag, "OW" if words else pixel.vr)
        scope.found.update(added)
        return scope.json()

    # Top level

    def _top_element(self, scope: _Scope, pos: int) -> int:
        """Pass one element, or have more of it in the window; return where to go on."""
        window = self._window
        head = read_head(scope.context.layout, window.data, pos, len(window.data))
        if head is None:
            return window.grow(pos, 8)
        if head.length == UNDEFINED_LENGTH:
            return self._open_ended(scope, head, pos)
        stop = head.start + head.length
        if self._is_skipped(scope, head):
            scope.found[head.tag] = self._reference(scope, head.tag, scope.context.vr(head))
            return window.skip(stop)
        if stop > len(window.data):
            return window.grow(pos, stop - pos)
        return self._element(scope, head, pos, window.data, stop)

    def _is_skipped(self, scope: _Scope, head: Head) -> bool:
        """Tell whether a value need not be read: pixels, and what is long and binary."""
        if head.tag in PIXEL_TAGS:
            return head.length > 0
        if head.length <= max(self._threshold_bytes, REMEMBERED_BYTES) or nesting_of(head) is not Nesting.BYTES:
            return False
        return scope.context.vr(head) in BINARY_VRS

    def _open_ended(self, scope: _Scope, head: Head, pos: int) -> int:
        """Pass a value of undefined length, which may go on beyond the window."""
        window = self._window
        if nesting_of(head) is Nesting.FRAGMENTS:
            scope.found[head.tag] = self._reference(scope, head.tag, _encapsulated_vr(head))
            return self._pass_fragments(scope.context.layout, head.start)
        try:
            return self._element(scope, head, pos, window.data, len(window.data))
        except InvalidDatasetError:
            if window.last:
                raise
        return window.widen(pos)  # by much, as the sequence is written from its start again

    def _pass_fragments(self, layout: Layout, pos: int) -> int:
        window = self._window
        while True:
            head = read_head(layout, window.data, pos, len(window.data))
            if head is None:
                pos = window.grow(pos, 8)
            elif head.tag == SEQUENCE_DELIMITATION:
                return head.start
            elif head.tag != ITEM or head.length == UNDEFINED_LENGTH:
                raise InvalidDatasetError("no fragment stands where one should")
            else:
                pos = window.skip(head.start + head.length)

    # Elements

    def _run(self, scope: _Scope, data: bytes, pos: int, end: int) -> int:
        """Pass elements that are known; return where another one begins."""
        run = scope.context.runs.get(data[pos : pos + 8])
        if run is not None and data.startswith(run.data, pos, end):
            scope.found.update(run.found)
            scope.context = run.following
            pos += len(run.data)
        context, found, start = scope.context, dict[int, bytes](), pos
        pos = self._run_singly(scope, found, data, pos, end)
        scope.found.update(found)
        if len(found) > _SHORT_RUN:
            context.remember_run(Run(data[start:pos], found, scope.context))
        return pos

    def _run_singly(self, scope: _Scope, found: dict[int, bytes], data: bytes, pos: int, end: int) -> int:
        """Pass elements that are known, one by one."""
        memo, layout = scope.context.memo, scope.context.layout
        unpack, explicit, short = layout.head.unpack_from, layout.explicit, layout.short
        last = end - 8
        while pos <= last:
            if explicit:
                _, vr, length = unpack(data, pos)
                if vr not in short:
                    return pos
            else:
                _, length = unpack(data, pos)
            stop = pos + 8 + length
            if length > REMEMBERED_BYTES or stop > end:
                return pos
            known = memo.get(data[pos:stop])
            if known is None:
                return pos
            tag, found[tag], following = known
            if following is not None:
                scope.context = following
                memo = following.memo
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

    def _defined(self, scope: _Scope, head: Head, element: bytes, data: bytes) -> None:
        """Write an element of defined length; remember it, unless it depends on more of the data set."""
        context = scope.context
        known = context.memo.get(element)
        if known is None:
            before = self._peculiar
            written = self._written(scope, head, data)
            known = head.tag, written, context.after(head.tag, data[head.start : head.start + head.length])
            if self._peculiar == before:
                context.remember(element, known)
        tag, scope.found[tag], following = known
        if following is not None:
            scope.context = following

    def _written(self, scope: _Scope, head: Head, data: bytes) -> bytes:
        vr = scope.context.vr(head)
        if vr == SIGNED_BY_PIXELS:
            self._peculiar += 1
            vr = choose_vr(vr, size_bytes=head.length, signed=self._looked_ahead())
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
        members = format_members(raw, vr, scope.context.charset, little=scope.context.layout.little)
        return b'"%08X":{"vr":"%b"%b}' % (tag, vr.encode(), members)

    def _reference(self, scope: _Scope, tag: int, vr: str) -> bytes:
        self._peculiar += 1
        uri = orjson.dumps(self._uri((*scope.path, tag)))
        return b'"%08X":{"vr":"%b","BulkDataURI":%b}' % (tag, vr.encode(), uri)

    def _looked_ahead(self) -> bool:
        """Tell whether Pixel Representation, which is yet to come, makes pixel values signed."""
        if self._signed is None:
            self._signed = _is_signed(self._source, self._layout)
        return self._signed

    # What is inside of elements

    def _sequence(self, scope: _Scope, head: Head, data: bytes, end: int) -> tuple[bytes, int]:
        """Return the JSON of a sequence that has to end before end, and where it ends."""
        check_depth(len(scope.path) // 2 + 1, DEFAULT_LIMITS)
        layout = inner_layout(scope.context.layout, head)
        unpack, item_key, end_key = layout.items.unpack_from, layout.key(ITEM), layout.key(SEQUENCE_DELIMITATION)
        items: list[bytes] = []
        pos, defined = head.start, head.length != UNDEFINED_LENGTH
        while not defined or pos < end:
            if end - pos < 8:
                raise InvalidDatasetError(f"a sequence at {head.start} is cut short")
            key, length = unpack(data, pos)
            pos += 8
            if key == end_key and not defined:
                break
            if key != item_key:
                raise InvalidDatasetError(f"no item stands before {pos}")
            inner = layout if end - pos < 8 or not length else sniff_item(layout, data, pos)
            item = _Scope(scope.context.inside(inner), (*scope.path, head.tag, len(items) + 1))
            pos = self._item(item, data, pos, length, end)
            items.append(item.json())
        value = b',"Value":[%b]' % b",".join(items) if items else b""
        return b'"%08X":{"vr":"SQ"%b}' % (head.tag, value), pos

    def _item(self, scope: _Scope, data: bytes, pos: int, length: int, end: int) -> int:
        """Pass the elements of an item; return where it ends."""
        defined = length != UNDEFINED_LENGTH
        stop = pos + length if defined else end
        if stop > end:
            raise InvalidDatasetError(f"an item at {pos} runs beyond its end")
        delimiter = scope.context.delimiter
        while (pos := self._run(scope, data, pos, stop)) < stop or not defined:
            if not defined and data[pos : pos + 8] == delimiter:
                return pos + 8
            inner = read_head(scope.context.layout, data, pos, stop)
            if inner is None:
                raise InvalidDatasetError(f"an element at {pos} is cut short")
            pos = self._element(scope, inner, pos, data, stop)
        return pos

    def _nested_fragments(self, scope: _Scope, head: Head, data: bytes, end: int) -> int:
        """Write an encapsulated value inside an item, as that of an icon; it is what stands before its delimiter."""
        pos = head.start
        while (inner := read_head(scope.context.layout, data, pos, end)) is not None and inner.tag == ITEM:
            pos = inner.start + inner.length
        if inner is None or inner.tag != SEQUENCE_DELIMITATION:
            raise InvalidDatasetError(f"no fragment stands at {pos}")
        scope.found[head.tag] = self._plain(scope, head.tag, _encapsulated_vr(head), data[head.start : pos])
        return inner.start


def _is_signed(source: Source, layout: Layout) -> bool:
    walker = Walker(layout, wanted_of(frozenset()), DEFAULT_LIMITS)
    while walker.header is None and PIXEL_REPRESENTATION not in walker.values:
        if not (piece := source.read(walker.received, _LOOK_AHEAD_BYTES)):
            break
        walker.feed(piece)
    return any(walker.values.get(PIXEL_REPRESENTATION, ("", b""))[1])


def _encapsulated_vr(head: Head) -> str:
    return head.vr if head.vr in BINARY_VRS else "OB"
