"""Frame tables as compact blobs.

    byte 0      bit 0: encapsulated, bit 1: the rest is deflated, bit 2: the frames are told
    bytes 1..   little-endian signed 64-bit: if the frames are told, offset of the pixel element, number of frames, bits
                of a native frame, number of first fragments, and each one's distance from the one before; then for each
                entry the gap since the end of the one before, and its length

Fragments follow one another at a fixed distance, so that gaps are all alike and deflate to almost nothing. The oldest
tables tell no frames.
"""

import struct
import zlib
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from archimage.model.records import FrameTable

_ENCAPSULATED: Final = 1
_DEFLATED: Final = 2
_TOLD: Final = 4
_DEFLATE_FROM: Final = 8  # entries; below it deflating costs more time than it saves room


def encode_frames(table: FrameTable | None) -> bytes | None:
    """Encode a frame table."""
    if table is None:
        return None
    numbers = [table.element_offset, table.count, table.frame_bits, len(table.firsts)]
    if table.firsts:
        numbers += _gaps(table.firsts)
    end = 0
    for offset, length in zip(table.offsets, table.lengths, strict=True):
        numbers += (offset - end, length)
        end = offset + length
    body = struct.pack(f"<{len(numbers)}q", *numbers)
    flags = _TOLD | _ENCAPSULATED if table.encapsulated else _TOLD
    if len(table.offsets) < _DEFLATE_FROM:
        return bytes((flags,)) + body
    return bytes((flags | _DEFLATED,)) + zlib.compress(body, 1)


def decode_frames(blob: bytes | None) -> FrameTable | None:
    """Decode what `encode_frames` made."""
    if blob is None:
        return None
    flags = blob[0]
    body = zlib.decompress(blob[1:]) if flags & _DEFLATED else blob[1:]
    numbers = struct.unpack(f"<{len(body) // 8}q", body)
    (start, count, bits, told), entries = (numbers[:4], numbers[4:]) if flags & _TOLD else ((0, 0, 0, 0), numbers)
    firsts, entries = tuple(accumulate(entries[:told])), entries[told:]
    offsets, end = [], 0
    for gap, length in zip(entries[::2], entries[1::2], strict=True):
        offsets.append(end + gap)
        end += gap + length
    return FrameTable(bool(flags & _ENCAPSULATED), tuple(offsets), entries[1::2], start, count, bits, firsts)


def _gaps(numbers: Sequence[int]) -> list[int]:
    """Return the first number, and of each other one its distance from the one before."""
    return [numbers[0], *(after - before for before, after in pairwise(numbers))]
