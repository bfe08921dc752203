"""The bytes over which a digital signature is made: elements as they are, without what only says how long things are.

    element             tag  VR  [reserved]  length  value
    sequence            tag  VR  reserved    items  (FFFE,E0DD)
    encapsulated pixels tag  VR  reserved    items  (FFFE,E0DD)
    item                (FFFE,E000)  what is in it

All is little endian. Ref: PS3.3 §C.12.1.1.3.1.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from archimage.dicom.layout import (
    DEFLATED_SYNTAXES,
    EXPLICIT_LITTLE,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED_LENGTH,
    Head,
    Nesting,
    check_depth,
    layout_of,
    nesting_of,
    read_head,
)
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.errors import InvalidDatasetError

_LENGTH_BYTES: Final = 4
_ITEM_TAG: Final = bytes.fromhex("feff00e0")
_END_TAG: Final = bytes.fromhex("feffdde0")


class Placed(NamedTuple):
    """An element in a data set: its head, where it begins, and where it ends."""

    head: Head
    begin: int
    end: int


def is_signed_as_it_is(transfer_syntax_uid: str) -> bool:
    """Tell whether data sets of a transfer syntax go into a signature as they are: explicit VRs, little endian."""
    layout = layout_of(transfer_syntax_uid)
    return layout.explicit and layout.little and transfer_syntax_uid not in DEFLATED_SYNTAXES


def elements_of(data: memoryview, begin: int, end: int, depth: int = 0) -> Iterator[Placed]:
    """Yield the elements between two places of a data set in Explicit VR Little Endian.

    Raises:
        InvalidDatasetError: it cannot be one.
        ExcessiveDatasetError: sequences are too deep inside one another.
    """
    check_depth(depth, DEFAULT_LIMITS)
    pos = begin
    while pos < end:
        head = read_head(EXPLICIT_LITTLE, data, pos, end)
        if head is None:
            raise InvalidDatasetError("the data set is cut short")
        if head.tag == ITEM_DELIMITATION:
            return
        after = _end(data, head, end, depth)
        yield Placed(head, pos, after)
        pos = after


def items_of(data: memoryview, element: Placed) -> Iterator[tuple[int, int]]:
    """Yield where the content of each item of a sequence, or each fragment of pixels, begins and ends."""
    for begin, end, _ in _items(data, element.head, element.end, 0):
        yield begin, end


def stream(data: memoryview, element: Placed) -> Iterator[bytes | memoryview]:
    """Yield what of an element goes into a signature."""
    head, begin, end = element
    nesting = nesting_of(head)
    if nesting is Nesting.BYTES:
        yield data[begin:end]
        return
    yield data[begin : head.start - _LENGTH_BYTES]
    for first, last, _ in _items(data, head, end, 0):
        yield _ITEM_TAG
        if nesting is Nesting.FRAGMENTS:
            yield data[first:last]
        else:
            for inner in elements_of(data, first, last, 1):
                yield from stream(data, inner)
    yield _END_TAG


def _end(data: memoryview, head: Head, end: int, depth: int) -> int:
    """Return where an element ends."""
    if head.length != UNDEFINED_LENGTH:
        after = head.start + head.length
        if after > end:
            raise InvalidDatasetError("an element is longer than its data set")
        return after
    after = max((after for _, _, after in _items(data, head, end, depth)), default=head.start)
    delimiter = read_head(EXPLICIT_LITTLE, data, after, end)
    if delimiter is None or delimiter.tag != SEQUENCE_DELIMITATION:
        raise InvalidDatasetError("a sequence is cut short")
    return delimiter.start


def _items(data: memoryview, head: Head, end: int, depth: int) -> Iterator[tuple[int, int, int]]:
    """Yield where the content of each item begins and ends, and where the next one begins."""
    fragments = nesting_of(head) is Nesting.FRAGMENTS
    last = end if head.length == UNDEFINED_LENGTH else head.start + head.length
    pos = head.start
    while pos < last:
        item = read_head(EXPLICIT_LITTLE, data, pos, last)
        if item is None or item.tag == SEQUENCE_DELIMITATION:
            return
        if item.tag != ITEM:
            raise InvalidDatasetError("something other than an item stands in a sequence")
        if item.length != UNDEFINED_LENGTH:
            pos = item.start + item.length
            if pos > last:
                raise InvalidDatasetError("an item is longer than its sequence")
            yield item.start, pos, pos
        elif fragments:
            raise InvalidDatasetError("a fragment of pixels has no length")
        else:
            content = item.start
            for inner in elements_of(data, item.start, last, depth + 1):
                content = inner.end
            delimiter = read_head(EXPLICIT_LITTLE, data, content, last)
            if delimiter is None or delimiter.tag != ITEM_DELIMITATION:
                raise InvalidDatasetError("an item is cut short")
            pos = delimiter.start
            yield item.start, content, pos
