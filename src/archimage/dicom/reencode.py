"""Data sets from one encoding of elements into another, with some elements changed on the way (PS3.5 §7, §A).

What is not changed stays as it is, byte for byte where the encoding allows it: values are turned only where the byte
order differs, sequences keep their way of telling their length, what is unknown under implicit VR becomes UN.

On request all text becomes UTF-8; what lies in UN stays as it is, for nobody can tell whether it is text.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from archimage.dicom.implied import choose_vr, implied_vr
from archimage.dicom.layout import (
    DEFLATED_SYNTAXES,
    ITEM,
    ITEM_DELIMITATION,
    LONG_VRS,
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
from archimage.dicom.swapping import swapped
from archimage.dicom.text import CHARSET_VRS, decode_text
from archimage.dicom.wanted import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

_WIDTHS: Final = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""Bytes of what is turned when the byte order changes; all other values are strings of bytes."""

_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_LONGEST_SHORT: Final = 0xFFFE
_ENCAPSULATED: Final = bytes.fromhex("e07f1000 4f420000 ffffffff")
"""How encapsulated Pixel Data begins."""

_NO_EDITS: Final[Mapping[int, bytes]] = {}
_UTF8: Final = b"ISO_IR 192"
"""How Specific Character Set tells it."""
_UNREADABLE: Final = "\ufffd"


def reencode(
    data: bytes | memoryview,
    source: str,
    target: str,
    *,
    replaced: Mapping[int, bytes] = _NO_EDITS,
    appended: Mapping[int, bytes] = _NO_EDITS,
    limits: ScanLimits = DEFAULT_LIMITS,
) -> bytes:
    """Return a data set, or its beginning up to an element's end, in the encoding of another transfer syntax.

    data and the result are never deflated, whatever the syntaxes say. replaced maps tags at top level to elements
    already encoded for the target, empty to leave one out; appended maps tags of sequences to an item to add. Group
    lengths of groups that change are left out, as are sequences that hold encapsulated pixels (of icons), which only
    the source syntax can tell how to read.

    Raises:
        InvalidDatasetError: it cannot be parsed.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: a transfer syntax is none of DICOM's.
    """
    view = memoryview(data)
    rewriter = _Rewriter(view, layout_of(target), _Edits(replaced, appended), limits)
    rewriter.looks_inside = source != target and _ENCAPSULATED in bytes(view)
    return b"".join(rewriter.dataset(_sniffed(view, source)))


def in_utf8(
    data: bytes | memoryview,
    syntax: str,
    charset: bytes,
    *,
    replaced: Mapping[int, bytes] = _NO_EDITS,
    appended: Mapping[int, bytes] = _NO_EDITS,
) -> bytes:
    """Return a data set in the same encoding, but all text in UTF-8; what is replaced and appended has to be such.

    charset is the raw Specific Character Set at top level, whose new value has to be among what is replaced.

    Raises:
        InvalidDatasetError: it cannot be parsed, or has text that its character set cannot tell.
        ExcessiveDatasetError, UnsupportedTransferSyntaxError: as `reencode` does.
    """
    view = memoryview(data)
    rewriter = _Rewriter(view, layout_of(syntax), _Edits(replaced, appended), DEFAULT_LIMITS)
    rewriter.keeps_fragments, rewriter.text_of = True, charset
    return b"".join(rewriter.dataset(_sniffed(view, syntax)))


def elements_at(data: bytes | memoryview, source: str, tags: Collection[int]) -> dict[int, tuple[bytes, int]]:
    """Return those elements of some tags that stand at top level, and how many bytes come before the value of each.

    Raises:
        InvalidDatasetError, ExcessiveDatasetError, UnsupportedTransferSyntaxError: as `reencode` does.
    """
    view = memoryview(data)
    layout = _sniffed(view, source)
    found = _Rewriter(view, layout, _Edits({}, {}), DEFAULT_LIMITS).spans(layout)
    return {head.tag: (bytes(view[start:end]), head.start - start) for head, start, end in found if head.tag in tags}


def _sniffed(data: memoryview, syntax: str) -> Layout:
    """Return the layout that data has, whatever it is said to have."""
    layout = layout_of(syntax)
    return sniff_top(layout, data) if len(data) >= 8 else layout


def plain_syntax(transfer_syntax_uid: str) -> str:
    """Return the syntax of a data set once it is inflated."""
    return _EXPLICIT_LITTLE if transfer_syntax_uid in DEFLATED_SYNTAXES else transfer_syntax_uid


@lru_cache(maxsize=8_192)
def element_head(layout: Layout, tag: int, vr: str, length: int) -> bytes:
    """Return what stands before an element's value."""
    if not layout.explicit:
        return layout.head.pack(layout.key(tag), length)
    name = int.from_bytes(vr.encode("latin-1"), "little" if layout.little else "big")
    if vr in LONG_VRS:
        return layout.head.pack(layout.key(tag), name, 0) + layout.word.pack(length)
    return layout.head.pack(layout.key(tag), name, length)


@dataclass(frozen=True, slots=True)
class _Edits:
    replaced: Mapping[int, bytes]
    appended: Mapping[int, bytes]
    groups: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", frozenset(tag >> 16 for tag in self.tags()))

    def tags(self) -> set[int]:
        return {*self.replaced, *self.appended}


@dataclass(slots=True)
class _Scope:
    """What is known of the data set around an element: its pixels' sign, its text, the owners of its private blocks."""

    signed: bool
    charset: bytes = b""
    creators: dict[int, str] = field(default_factory=dict)

    def note(self, head: Head, value: memoryview, *, little: bool) -> None:
        element = head.tag & 0xFFFF
        if head.tag == PIXEL_REPRESENTATION and len(value) == 2:
            self.signed = int.from_bytes(value, "little" if little else "big") == 1
        elif head.tag == SPECIFIC_CHARACTER_SET:
            self.charset = bytes(value)
        elif head.tag >> 16 & 1 and 0x10 <= element <= 0xFF:
            self.creators[head.tag >> 16 << 8 | element] = bytes(value).decode("latin-1").strip(" \0")

    def vr(self, tag: int, size_bytes: int) -> str:
        """Return the VR of an element whose bytes do not tell."""
        creator = self.creators.get(tag >> 16 << 8 | (tag & 0xFFFF) >> 8, "")
        return choose_vr(implied_vr(tag, creator), size_bytes=size_bytes, signed=self.signed)


class _Fragments(Exception):  # noqa: N818
    """Encapsulated pixels stand within a sequence."""


class _Rewriter:
    looks_inside = False
    """Whether sequences have to be searched for encapsulated pixels though they need not be written anew."""
    keeps_fragments = False
    """Whether encapsulated pixels within sequences can be read after as before."""
    text_of: bytes | None = None
    """Specific Character Set of the text that is to be written in UTF-8, None where text stays as it is."""

    def __init__(self, data: memoryview, out: Layout, edits: _Edits, limits: ScanLimits) -> None:
        self._data = data
        self._out = out
        self._edits = edits
        self._limits = limits
        self._pos = 0
        self._count = 0

    # Top level

    def dataset(self, layout: Layout) -> Iterator[bytes | memoryview]:
        pending = sorted(self._edits.tags(), reverse=True)
        scope = _Scope(signed=False, charset=self.text_of or b"")
        while self._pos < len(self._data):
            start = self._pos
            head = self._head(layout, len(self._data))
            while pending and pending[-1] < head.tag:
                yield self._added(pending.pop())
            if pending and pending[-1] == head.tag:
                pending.pop()
            try:
                yield from self._top_element(layout, head, scope, start)
            except _Fragments:
                self._pos = start
                self._skip(layout, self._head(layout, len(self._data)), len(self._data), 1)
        while pending:
            yield self._added(pending.pop())

    def _top_element(self, layout: Layout, head: Head, scope: _Scope, start: int) -> Iterator[bytes | memoryview]:
        end, tag = len(self._data), head.tag
        if tag in self._edits.appended:
            yield self._with_item(layout, head, scope, self._edits.appended[tag])
        elif tag in self._edits.replaced:
            self._skip(layout, head, end, 1)
            yield self._edits.replaced[tag]
        elif not tag & 0xFFFF and (self._is_new(layout) or tag >> 16 in self._edits.groups):
            self._skip(layout, head, end, 1)
        elif not self._is_new(layout):
            if self.looks_inside and nesting_of(head) is Nesting.ITEMS:
                self._element(layout, head, end, scope, 1)
            else:
                self._skip(layout, head, end, 1)
            yield self._data[start : self._pos]
        else:
            yield self._element(layout, head, end, scope, 1)

    def _is_new(self, layout: Layout) -> bool:
        """Tell whether every element is written anew."""
        return layout is not self._out or self.text_of is not None

    def spans(self, layout: Layout) -> Iterator[tuple[Head, int, int]]:
        """Yield the head of each element, where it begins, and where its value ends."""
        while self._pos < len(self._data):
            start = self._pos
            head = self._head(layout, len(self._data))
            self._skip(layout, head, len(self._data), 1)
            yield head, start, self._pos

    def _added(self, tag: int) -> bytes:
        if tag in self._edits.appended:
            item = self._edits.appended[tag]
            return self._out_head(tag, "SQ", len(item)) + item
        return self._edits.replaced[tag]

    def _with_item(self, layout: Layout, head: Head, scope: _Scope, item: bytes) -> bytes:
        """Return a sequence with one item more, its length told."""
        if nesting_of(head) is not Nesting.ITEMS:
            self._skip(layout, head, len(self._data), 1)
            return self._out_head(head.tag, "SQ", len(item)) + item
        length = None if head.length == UNDEFINED_LENGTH else head.length
        content = b"".join(self._items(layout, length, len(self._data), scope, 1)) + item
        return self._out_head(head.tag, "SQ", len(content)) + content

    # Elements

    def _head(self, layout: Layout, end: int) -> Head:
        head = read_head(layout, self._data, self._pos, end)
        if head is None:
            raise InvalidDatasetError(f"an element at {self._pos} is cut short")
        self._count += 1
        if self._count > self._limits.max_elements:
            raise ExcessiveDatasetError(f"more than {self._limits.max_elements} elements")
        self._pos = head.start
        return head

    def _take(self, length: int, end: int) -> memoryview:
        start, stop = self._pos, self._pos + length
        if stop > end:
            raise InvalidDatasetError(f"a value at {start} runs beyond its end")
        self._pos = stop
        return self._data[start:stop]

    def _element(self, layout: Layout, head: Head, end: int, scope: _Scope, depth: int) -> bytes:
        nesting = nesting_of(head)
        if nesting is Nesting.BYTES:
            return self._plain(layout, head, self._take(head.length, end), scope)
        if nesting is Nesting.FRAGMENTS:
            if not self.keeps_fragments:
                raise _Fragments
            start = self._pos
            self._skip(layout, head, end, depth)
            return self._out_head(head.tag, head.vr, head.length) + bytes(self._data[start : self._pos])
        if head.vr == "UN" or (not head.vr and scope.vr(head.tag, 0) != "SQ"):
            return self._unknown(layout, head, end, depth)
        length = None if head.length == UNDEFINED_LENGTH else head.length
        content = b"".join(self._items(layout, length, end, scope, depth))
        if length is not None:
            return self._out_head(head.tag, "SQ", len(content)) + content
        return self._out_head(head.tag, "SQ", UNDEFINED_LENGTH) + content + self._out_item(SEQUENCE_DELIMITATION, 0)

    def _plain(self, layout: Layout, head: Head, value: memoryview, scope: _Scope) -> bytes:
        scope.note(head, value, little=layout.little)
        vr = head.vr or scope.vr(head.tag, len(value))
        if self.text_of is not None:
            value = self._in_utf8(head.tag, vr, value, scope)
        if vr not in LONG_VRS and len(value) > _LONGEST_SHORT:
            vr = "UN"
        return self._out_head(head.tag, vr, len(value)) + self._turned(vr, value, layout)

    def _in_utf8(self, tag: int, vr: str, value: memoryview, scope: _Scope) -> memoryview:
        """Return the value of text in UTF-8, padded."""
        if tag == SPECIFIC_CHARACTER_SET:
            return memoryview(_UTF8)
        raw = bytes(value)
        if vr not in CHARSET_VRS or (raw.isascii() and b"\x1b" not in raw):
            return value
        text = decode_text(raw, vr, scope.charset)
        if _UNREADABLE in text:
            raise InvalidDatasetError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has bytes that its character set lacks")
        encoded = text.encode()
        return memoryview(encoded + b" " * (len(encoded) % 2))

    def _turned(self, vr: str, value: memoryview, layout: Layout) -> bytes:
        width = _WIDTHS.get(vr, 1)
        if layout.little == self._out.little or width == 1:
            return bytes(value)
        whole = len(value) - len(value) % width
        return swapped(value[:whole], width) + bytes(value[whole:])

    def _unknown(self, layout: Layout, head: Head, end: int, depth: int) -> bytes:
        """Copy items whose VR is UN: they are implicit little endian under every syntax (PS3.5 §6.2.2)."""
        start = self._pos
        self._skip(layout, head, end, depth)
        return self._out_head(head.tag, "UN", head.length) + bytes(self._data[start : self._pos])

    # Items

    def _items(self, layout: Layout, length: int | None, end: int, scope: _Scope, depth: int) -> Iterator[bytes]:
        check_depth(depth, self._limits)
        stop = self._stop(length, end)
        while length is None or self._pos < stop:
            head = self._head(layout, stop)
            if head.tag == SEQUENCE_DELIMITATION and length is None:
                return
            if head.tag != ITEM:
                raise InvalidDatasetError(f"no item stands before {self._pos}")
            yield self._item(layout, head.length, stop, scope, depth)

    def _stop(self, length: int | None, end: int) -> int:
        if length is None:
            return end
        if self._pos + length > end:
            raise InvalidDatasetError(f"a value at {self._pos} runs beyond its end")
        return self._pos + length

    def _item(self, layout: Layout, length: int, end: int, scope: _Scope, depth: int) -> bytes:
        defined = length != UNDEFINED_LENGTH
        inner = _Scope(scope.signed, scope.charset)
        parts = []
        for item_layout, head, stop in self._heads(layout, length if defined else None, end):
            parts.append(self._element(item_layout, head, stop, inner, depth + 1))
        content = b"".join(parts)
        if defined:
            return self._out_item(ITEM, len(content)) + content
        return self._out_item(ITEM, UNDEFINED_LENGTH) + content + self._out_item(ITEM_DELIMITATION, 0)

    def _heads(self, layout: Layout, length: int | None, end: int) -> Iterator[tuple[Layout, Head, int]]:
        """Yield the head of each element of an item; who takes it has to pass its value."""
        stop = self._stop(length, end)
        if stop - self._pos >= 8:
            layout = sniff_item(layout, self._data, self._pos)
        while length is None or self._pos < stop:
            head = self._head(layout, stop)
            if head.tag == ITEM_DELIMITATION and length is None:
                return
            yield layout, head, stop

    # Passing over

    def _skip(self, layout: Layout, head: Head, end: int, depth: int) -> None:
        """Pass a value whose head was read."""
        nesting = nesting_of(head)
        if head.length != UNDEFINED_LENGTH:
            self._take(head.length, end)
        elif nesting is Nesting.ITEMS:
            self._skip_items(inner_layout(layout, head), end, depth)
        else:
            while (item := self._head(layout, end)).tag == ITEM:
                self._take(item.length, end)

    def _skip_items(self, layout: Layout, end: int, depth: int) -> None:
        check_depth(depth, self._limits)
        while (item := self._head(layout, end)).tag != SEQUENCE_DELIMITATION:
            if item.tag != ITEM:
                raise InvalidDatasetError(f"no item stands before {self._pos}")
            if item.length != UNDEFINED_LENGTH:
                self._take(item.length, end)
                continue
            for item_layout, head, stop in self._heads(layout, None, end):
                self._skip(item_layout, head, stop, depth + 1)

    # Heads

    def _out_item(self, tag: int, length: int) -> bytes:
        return self._out.items.pack(self._out.key(tag), length)

    def _out_head(self, tag: int, vr: str, length: int) -> bytes:
        return element_head(self._out, tag, vr, length)
