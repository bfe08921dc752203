"""An incremental walk over encoded elements: follows lengths, keeps what is wanted, never looks at bytes twice.

The walker holds a buffer of what has arrived and a position in it. While it is still in the header the buffer grows;
from Pixel Data on, or beyond max_header_bytes, what has been passed is dropped and the position may run ahead of the
buffer: the bytes in between are skipped when they come, uncopied. Nested sequences are frames on a stack of its own,
so no depth of input can exhaust Python's.
"""

from typing import Final

from archimage.dicom.frames import Frame, Pixels, Raw, Step
from archimage.dicom.layout import (
    ITEM,
    ITEM_DELIMITATION,
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
from archimage.dicom.limits import ScanLimits
from archimage.dicom.wanted import Wanted
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

CHUNK_BYTES: Final = 16 << 10
"""How much is copied into the buffer before it is walked."""

_NO_END: Final = 1 << 62


class Walker:
    """Fed with the bytes of one data set in pieces of any size."""

    def __init__(self, layout: Layout, wanted: Wanted, limits: ScanLimits) -> None:
        self.layout = layout
        self.header: bytes | None = None
        """The bytes before Pixel Data once they are known to be all, or to be as many as are kept."""
        self.header_truncated = False
        self.pixels: Pixels | None = None
        self.values: dict[int, Raw] = {}
        self.rows: dict[int, list[dict[int, Raw]]] = {}
        self.count = 0
        self.received = 0
        self._wanted = wanted
        self._limits = limits
        self._data = bytearray()
        self._base = 0
        self._pos = 0
        self._top_pos = 0
        self._depth = 0
        self._stack: list[Frame] = []
        self._frame: Frame | None = None

    @property
    def header_bytes(self) -> bytes:
        """What is kept of the header so far."""
        return bytes(self._data) if self.header is None else self.header

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Walk on over the next bytes.

        Raises:
            InvalidDatasetError: they cannot be a data set.
            ExcessiveDatasetError: a limit is passed.
        """
        view = memoryview(piece)
        self.received += len(view)
        while view:
            ahead = self._pos - len(self._data)
            if ahead > 0:
                view = self._skip(ahead, view)
            else:
                self._data += view[:CHUNK_BYTES]
                view = view[CHUNK_BYTES:]
                self._walk()

    def finish(self) -> None:
        """Make sure that the data set ends where the bytes end.

        Raises:
            InvalidDatasetError: it is cut short.
        """
        if self._stack or self._base + self._pos != self.received:
            raise InvalidDatasetError(f"the data set is cut short after {self.received} bytes")
        if self.header is None:
            self.header = bytes(self._data)

    def _skip(self, ahead: int, view: memoryview) -> memoryview:
        self._drop(len(self._data))
        passed = min(ahead, len(view))
        self._base += passed
        self._pos -= passed
        return view[passed:]

    def _drop(self, size: int) -> None:
        del self._data[:size]
        self._base += size
        self._pos -= size

    def _walk(self) -> None:
        if self._frame is None:
            if len(self._data) < 8:
                return
            self._frame = self._top_frame()
        while self._advance(self._frame):
            pass
        if self.count > self._limits.max_elements:
            raise ExcessiveDatasetError(f"more than {self._limits.max_elements} elements")
        if self.header is None:
            self._bound_header()
        elif self._pos <= len(self._data):
            self._drop(self._pos)

    def _top_frame(self) -> Frame:
        """Take the layout that the first element has in truth."""
        self.layout = sniff_top(self.layout, self._data)
        frame = Frame(Nesting.BYTES, self.layout, _NO_END, defined=True)
        frame.keys = self._wanted.top_keys(self.layout)
        frame.values = self.values
        return frame

    def _advance(self, frame: Frame) -> bool:
        """Pass what is at hand of one frame; false when more bytes are needed, or too many elements have come."""
        here = self._base + self._pos
        if here == frame.end:
            if not frame.defined:
                raise InvalidDatasetError(f"a delimiter is missing before {here}")
            self._leave()
            return True
        if self._step(frame) is not Step.MORE:
            return self.count <= self._limits.max_elements
        here = self._base + self._pos
        if here < frame.end <= self._base + len(self._data):
            raise InvalidDatasetError(f"the bytes at {here} are less than an element or item")
        return here == frame.end

    def _step(self, frame: Frame) -> Step:
        if frame.kind is Nesting.BYTES:
            return self._elements(frame)
        if frame.kind is Nesting.ITEMS:
            return self._item(frame)
        return self._fragment(frame)

    # Elements

    def _elements(self, frame: Frame) -> Step:
        """Run over whole elements that need no thought; the others are passed one at a time by _element."""
        run = self._explicit_run if frame.layout.explicit else self._implicit_run
        while True:
            end = self._reach(frame)
            run(frame, end)
            if self._pos >= end:
                return Step.MORE
            step = self._element(frame, end)
            if step is not Step.SAME:
                return step

    def _explicit_run(self, frame: Frame, end: int) -> None:
        data, pos, count = self._data, self._pos, 0
        keys, values, structure = frame.keys, frame.values, frame.structure
        unpack, short, names = frame.layout.head.unpack_from, frame.layout.short, frame.layout.names
        forbidden = frame.layout.forbidden
        last = end - 8
        while pos <= last:
            key, vr, length = unpack(data, pos)
            stop = pos + 8 + length
            if vr not in short or stop > end or not key & forbidden:
                break
            if key in keys:
                tag = keys[key]
                if tag in structure:
                    break
                values[tag] = (names[vr], data[pos + 8 : stop])
            pos = stop
            count += 1
        self._pos = pos
        self.count += count

    def _implicit_run(self, frame: Frame, end: int) -> None:
        data, pos, count = self._data, self._pos, 0
        keys, values, structure = frame.keys, frame.values, frame.structure
        unpack, forbidden = frame.layout.head.unpack_from, frame.layout.forbidden
        last = end - 8
        while pos <= last:
            key, length = unpack(data, pos)
            stop = pos + 8 + length
            if stop > end or not key & forbidden:
                break
            if key in keys:
                tag = keys[key]
                if tag in structure:
                    break
                values[tag] = ("", data[pos + 8 : stop])
            pos = stop
            count += 1
        self._pos = pos
        self.count += count

    def _element(self, frame: Frame, end: int) -> Step:
        head = read_head(frame.layout, self._data, self._pos, end)
        if head is None:
            return Step.MORE
        if head.tag == ITEM_DELIMITATION and not frame.defined:
            return self._delimited(head)
        nesting = nesting_of(head)
        if not self._stack:
            self._top_pos = self._pos
            self._meet_pixels(head)
        if nesting is not Nesting.BYTES:
            self._enter(frame, head, nesting)
            return Step.FRAME
        return self._value(frame, head)

    def _value(self, frame: Frame, head: Head) -> Step:
        """Pass one value of defined length, keeping it if it is wanted."""
        stop = head.start + head.length
        if frame.layout.key(head.tag) in frame.keys and head.tag not in frame.structure:
            if head.length > self._limits.max_value_bytes:
                raise ExcessiveDatasetError(f"({head.tag >> 16:04X},{head.tag & 0xFFFF:04X}) has {head.length} bytes")
            if stop > len(self._data):
                self._check_end(frame, stop)
                return Step.MORE
            frame.values[head.tag] = (head.vr, self._data[head.start : stop])
        return self._pass(frame, stop)

    def _pass(self, frame: Frame, stop: int) -> Step:
        self._check_end(frame, stop)
        if stop > len(self._data) and self.header is None:
            if self._base + stop <= self._limits.max_header_bytes:
                return Step.MORE
            self._truncate_header()
        self._pos = stop
        self.count += 1
        return Step.SAME

    def _check_end(self, frame: Frame, stop: int) -> None:
        if self._base + stop > frame.end:
            raise InvalidDatasetError(f"a value at {self._base + self._pos} runs beyond the end of its item")

    # The header

    def _close_header(self) -> None:
        """Keep no more: the header is what lies before the present top-level element."""
        self.header = bytes(memoryview(self._data)[: self._top_pos])

    def _truncate_header(self) -> None:
        self.header_truncated = True
        self._close_header()

    def _bound_header(self) -> None:
        if self._pos > self._limits.max_header_bytes:
            if not self._stack:
                self._top_pos = self._pos
            self._truncate_header()

    def _meet_pixels(self, head: Head) -> None:
        if head.tag not in PIXEL_TAGS:
            return
        if self.pixels is not None:
            raise InvalidDatasetError("a second pixel element")
        self.pixels = Pixels(head, self._base + self._pos, self._base + head.start)
        if self.header is None:
            self._close_header()

    # Items and fragments

    def _enter(self, frame: Frame, head: Head, nesting: Nesting) -> None:
        inner = self._inner(nesting, inner_layout(frame.layout, head), frame, head)
        if nesting is Nesting.ITEMS:
            self._depth += 1
            check_depth(self._depth, self._limits)
        if not self._stack:
            inner.sequence = head.tag
            if head.tag in self._wanted.sequences:
                inner.rows = self.rows[head.tag] = []
        self._push(frame, inner, head)

    def _inner(self, kind: Nesting, layout: Layout, frame: Frame, head: Head) -> Frame:
        if head.length == UNDEFINED_LENGTH:
            return Frame(kind, layout, frame.end, defined=False)
        stop = head.start + head.length
        self._check_end(frame, stop)
        return Frame(kind, layout, self._base + stop, defined=True)

    def _push(self, frame: Frame, inner: Frame, head: Head) -> None:
        self.count += 1
        self._pos = head.start
        self._stack.append(frame)
        self._frame = inner

    def _leave(self) -> None:
        if self._frame is not None and self._frame.kind is Nesting.ITEMS:
            self._depth -= 1
        self._frame = self._stack.pop()

    def _delimited(self, head: Head) -> Step:
        self._pos = head.start
        self._leave()
        return Step.FRAME

    def _reach(self, frame: Frame) -> int:
        """Return up to where in the buffer the frame's bytes are at hand."""
        return min(len(self._data), frame.end - self._base)

    def _item_head(self, frame: Frame) -> Head | None:
        return read_head(frame.layout, self._data, self._pos, self._reach(frame))

    def _item(self, frame: Frame) -> Step:
        """Enter an item of a sequence, or leave the sequence."""
        head = self._item_head(frame)
        if head is None:
            return Step.MORE
        if head.tag == SEQUENCE_DELIMITATION and not frame.defined:
            return self._delimited(head)
        if head.tag != ITEM:
            raise InvalidDatasetError(f"no item stands at {self._base + self._pos}")
        if head.length and self._reach(frame) - head.start < 8:
            return Step.MORE
        layout = sniff_item(frame.layout, self._data, head.start) if head.length else frame.layout
        inner = self._inner(Nesting.BYTES, layout, frame, head)
        inner.keys = self._wanted.item_keys(frame.sequence, layout)
        if frame.rows is not None:
            frame.rows.append(inner.values)
        self._push(frame, inner, head)
        return Step.FRAME

    def _fragment(self, frame: Frame) -> Step:
        """Pass one item of bytes, or leave the encapsulated value."""
        head = self._item_head(frame)
        if head is None:
            return Step.MORE
        if head.tag == SEQUENCE_DELIMITATION:
            return self._delimited(head)
        if head.tag != ITEM or head.length == UNDEFINED_LENGTH:
            raise InvalidDatasetError(f"no fragment stands at {self._base + self._pos}")
        pixels = self.pixels
        if pixels is None or frame.sequence != pixels.head.tag:
            return self._pass(frame, head.start + head.length)
        return self._pixel_fragment(frame, head, pixels)

    def _pixel_fragment(self, frame: Frame, head: Head, pixels: Pixels) -> Step:
        """Note where a fragment of the pixel element lies; the first item is the Basic Offset Table (PS3.5 §A.4)."""
        stop = head.start + head.length
        if pixels.basic_offsets is None:
            if head.length > self._limits.max_value_bytes:
                raise ExcessiveDatasetError(f"a Basic Offset Table of {head.length} bytes")
            if stop > len(self._data):
                return Step.MORE
            pixels.basic_offsets = bytes(memoryview(self._data)[head.start : stop])
        else:
            pixels.offsets.append(self._base + head.start)
            pixels.lengths.append(head.length)
        step = self._pass(frame, stop)
        self._fragment_run(frame, pixels)
        return step

    def _fragment_run(self, frame: Frame, pixels: Pixels) -> None:
        """Run over whole fragments at hand: there may be hundreds of thousands of small ones."""
        data, pos, base = self._data, self._pos, self._base
        unpack, item = frame.layout.items.unpack_from, frame.layout.key(ITEM)
        end = self._reach(frame)
        while pos + 8 <= end:
            key, length = unpack(data, pos)
            stop = pos + 8 + length
            if key != item or stop > end:
                break
            pixels.offsets.append(base + pos + 8)
            pixels.lengths.append(length)
            pos = stop
            self.count += 1
        self._pos = pos
