"""Frames and fragments: which belong together, and encapsulating frames with their offset tables.

    encapsulated value = offset table item, one item a fragment, sequence delimiter; all little endian
    item               = FFFE,E000 | length 4 | bytes
    Basic Offset Table    uint32 a frame, from the first fragment's item to the frame's first item; may be empty
    Extended Offset Table uint64 a frame, the same, in (7FE0,0001); lengths in (7FE0,0002); one fragment a frame

Ref: PS3.5 §A.4, PS3.3 §C.7.6.3.1.8.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import Final

from archimage.dicom.layout import ITEM, SEQUENCE_DELIMITATION
from archimage.errors import InvalidPixelDataError

_HEAD: Final = Struct("<HHI")
_HEAD_BYTES: Final = _HEAD.size
_LARGEST_BASIC_OFFSET: Final = 0xFFFFFFFE
_MARKERS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")
"""How codestreams of JPEG, JPEG-LS, JPEG 2000 and JPEG XL begin, bare or in boxes."""

Fragment = tuple[int, int]
"""Offset and length of a fragment's bytes, the 8 bytes of its item's head not counted."""


# Reading


def parse_offsets(raw: bytes, *, extended: bool = False) -> tuple[int, ...]:
    """Read an offset table; bytes beyond the last whole offset are left out."""
    width = 8 if extended else 4
    whole = len(raw) - len(raw) % width
    return Struct(f"<{whole // width}{'Q' if extended else 'I'}").unpack_from(raw)


def frames_of(
    fragments: Sequence[Fragment],
    number_of_frames: int,
    basic_offsets: Sequence[int] = (),
    extended_offsets: Sequence[int] = (),
    *,
    begins: Callable[[int], bool] | None = None,
) -> tuple[Fragment, ...]:
    """Return (number of the first fragment, count of fragments) of each frame.

    A table that does not fit the fragments is passed over. begins tells of a fragment by its number whether a
    codestream begins there (see `begins_codestream`); it is asked only where nothing else tells the frames apart.

    Raises:
        InvalidPixelDataError: it cannot be told.
    """
    for offsets in (extended_offsets, basic_offsets):
        firsts = _by_offsets(fragments, number_of_frames, offsets)
        if firsts:
            return _grouped(firsts, len(fragments))
    if number_of_frames == 1 and fragments:
        return ((0, len(fragments)),)
    if len(fragments) == number_of_frames:
        return tuple((number, 1) for number in range(number_of_frames))
    if len(fragments) > number_of_frames and begins is not None:
        firsts = [number for number in range(len(fragments)) if begins(number)]
        if len(firsts) == number_of_frames and firsts[:1] == [0]:
            return _grouped(firsts, len(fragments))
    raise InvalidPixelDataError(f"{len(fragments)} fragments cannot be told apart as {number_of_frames} frames")


def _by_offsets(fragments: Sequence[Fragment], number_of_frames: int, offsets: Sequence[int]) -> list[int]:
    """Return the first fragment of each frame, or nothing if the table does not lead from one to the next."""
    if not fragments or not offsets or len(offsets) != number_of_frames or offsets[0] != 0:
        return []
    start = fragments[0][0]
    starts = [offset - start for offset, _ in fragments]
    firsts = [bisect_left(starts, offset) for offset in offsets]
    for first, offset, before in zip(firsts, offsets, (-1, *firsts), strict=False):
        if first <= before or first == len(starts) or starts[first] != offset:
            return []
    return firsts


def _grouped(firsts: Sequence[int], count: int) -> tuple[Fragment, ...]:
    return tuple((first, stop - first) for first, stop in zip(firsts, (*firsts[1:], count), strict=True))


def begins_codestream(data: bytes | memoryview) -> bool:
    """Tell whether a fragment's first 8 bytes are those of a codestream."""
    return bytes(data[:8]).startswith(_MARKERS)


# Writing


def item_head(length: int) -> bytes:
    """Return the head of an item of length bytes."""
    return _HEAD.pack(ITEM >> 16, ITEM & 0xFFFF, length)


def basic_offset_table(frame_lengths: Sequence[int]) -> bytes:
    """Return the item of a Basic Offset Table for frames of one fragment each, empty if 32 bits do not suffice."""
    offsets = _offsets(frame_lengths)
    if not offsets or offsets[-1] > _LARGEST_BASIC_OFFSET:
        return item_head(0)
    return item_head(4 * len(offsets)) + Struct(f"<{len(offsets)}I").pack(*offsets)


def extended_offset_table(frame_lengths: Sequence[int]) -> tuple[bytes, bytes]:
    """Return the values of Extended Offset Table and Extended Offset Table Lengths; the Basic one is then empty."""
    words = Struct(f"<{len(frame_lengths)}Q")
    return words.pack(*_offsets(frame_lengths)), words.pack(*map(_even, frame_lengths))


def needs_extended(frame_lengths: Sequence[int]) -> bool:
    """Tell whether frames reach beyond what a Basic Offset Table can say."""
    return bool(frame_lengths) and _offsets(frame_lengths)[-1] > _LARGEST_BASIC_OFFSET


def encapsulate(frames: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield the items of frames, each one fragment of even length, and the delimiter at the end.

    What stands before, the item of the offset table, is `basic_offset_table`.
    """
    for frame in frames:
        yield item_head(_even(len(frame)))
        yield frame
        if len(frame) % 2:
            yield b"\0"
    yield _HEAD.pack(SEQUENCE_DELIMITATION >> 16, SEQUENCE_DELIMITATION & 0xFFFF, 0)


def _offsets(frame_lengths: Sequence[int]) -> list[int]:
    offsets, position = [], 0
    for length in frame_lengths:
        offsets.append(position)
        position += _HEAD_BYTES + _even(length)
    return offsets


def _even(length: int) -> int:
    return length + length % 2
