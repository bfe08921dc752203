"""The elements of a data set in memory as a tree of views: what metadata is built from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

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
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

Item = tuple["RawElement", ...]


@dataclass(frozen=True, slots=True)
class RawElement:
    """One element as it stands.

    vr      from the bytes, or from the dictionary where they give none
    length  in bytes, None if undefined
    offset  of the value in the data set
    value   a view of the bytes; of a sequence its items; of encapsulated pixels the fragments, offset table first
    little  the byte order of the value
    """

    tag: int
    vr: str
    length: int | None
    offset: int
    value: memoryview | tuple[Item, ...] | tuple[memoryview, ...] = field(repr=False)
    little: bool = True

    @property
    def items(self) -> tuple[Item, ...]:
        """Return a sequence's items, none for any other element."""
        if isinstance(self.value, memoryview):
            return ()
        return tuple(item for item in self.value if not isinstance(item, memoryview))


def iter_elements(
    data: bytes | bytearray | memoryview, transfer_syntax_uid: str, limits: ScanLimits = DEFAULT_LIMITS
) -> Iterator[RawElement]:
    """Yield the top-level elements of a data set that is not deflated (or no longer so), in their order.

    A header that was cut off at an element's end is as good as a whole data set.

    Raises:
        InvalidDatasetError: it cannot be parsed, or ends within an element.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    layout = layout_of(transfer_syntax_uid)
    view = memoryview(data)
    reader = _Reader(view, limits)
    if len(view) >= 8:
        layout = sniff_top(layout, view)
    while reader.pos < len(view):
        yield reader.element(layout, len(view), 1)


class _Reader:
    def __init__(self, data: memoryview, limits: ScanLimits) -> None:
        self.pos = 0
        self._data = data
        self._limits = limits
        self._count = 0

    def element(self, layout: Layout, end: int, depth: int) -> RawElement:
        """Read the element at pos, which has to end before end."""
        head = self._head(layout, end)
        nesting = nesting_of(head)
        vr = head.vr if head.vr in KNOWN_VRS and head.vr != "UN" else dictionary_vr(head.tag)
        length = None if head.length == UNDEFINED_LENGTH else head.length
        value: memoryview | tuple[Item, ...] | tuple[memoryview, ...]
        if nesting is Nesting.BYTES:
            value = self._bytes(head.length, end)
        elif nesting is Nesting.ITEMS:
            vr = "SQ"
            check_depth(depth, self._limits)
            value = tuple(self._items(inner_layout(layout, head), length, end, depth))
        else:
            value = tuple(self._fragments(layout, end))
        return RawElement(head.tag, vr, length, head.start, value, layout.little)

    def _head(self, layout: Layout, end: int) -> Head:
        head = read_head(layout, self._data, self.pos, end)
        if head is None:
            raise InvalidDatasetError(f"an element at {self.pos} is cut short")
        self._count += 1
        if self._count > self._limits.max_elements:
            raise ExcessiveDatasetError(f"more than {self._limits.max_elements} elements")
        self.pos = head.start
        return head

    def _end(self, length: int, end: int) -> int:
        stop = self.pos + length
        if stop > end:
            raise InvalidDatasetError(f"a value at {self.pos} runs beyond its end")
        return stop

    def _bytes(self, length: int, end: int) -> memoryview:
        start, self.pos = self.pos, self._end(length, end)
        return self._data[start : self.pos]

    def _items(self, layout: Layout, length: int | None, end: int, depth: int) -> Iterator[Item]:
        stop = end if length is None else self._end(length, end)
        while length is None or self.pos < stop:
            head = self._head(layout, stop)
            if head.tag == SEQUENCE_DELIMITATION and length is None:
                return
            if head.tag != ITEM:
                raise InvalidDatasetError(f"no item stands before {self.pos}")
            yield tuple(self._item(layout, head.length, stop, depth))

    def _item(self, layout: Layout, length: int, end: int, depth: int) -> Iterator[RawElement]:
        defined = length != UNDEFINED_LENGTH
        stop = self._end(length, end) if defined else end
        if stop - self.pos >= 8:
            layout = sniff_item(layout, self._data, self.pos)
        while not defined or self.pos < stop:
            if not defined and self._delimited(layout, stop):
                return
            yield self.element(layout, stop, depth + 1)

    def _delimited(self, layout: Layout, end: int) -> bool:
        head = read_head(layout, self._data, self.pos, end)
        if head is None or head.tag != ITEM_DELIMITATION:
            return False
        self.pos = head.start
        return True

    def _fragments(self, layout: Layout, end: int) -> Iterator[memoryview]:
        while (head := self._head(layout, end)).tag != SEQUENCE_DELIMITATION:
            if head.tag != ITEM or head.length == UNDEFINED_LENGTH:
                raise InvalidDatasetError(f"no fragment stands before {self.pos}")
            yield self._bytes(head.length, end)
