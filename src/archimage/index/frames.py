"""Frame tables as compact blobs.

    byte 0      bit 0: encapsulated, bit 1: the rest is deflated
    bytes 1..   little-endian signed 64-bit: for each entry the gap since the end of the one before, and its length

Fragments follow one another at a fixed distance, so that gaps are all alike and deflate to almost nothing.
"""

import struct
import zlib
from typing import Final

from archimage.model.records import FrameTable

_ENCAPSULATED: Final = 1
_DEFLATED: Final = 2
_DEFLATE_FROM: Final = 8  # entries; below it deflating costs more time than it saves room


def encode_frames(table: FrameTable | None) -> bytes | None:
    """Encode a frame table."""
    if table is None:
        return None
    numbers: list[int] = []
    end = 0
    for offset, length in zip(table.offsets, table.lengths, strict=True):
        numbers += (offset - end, length)
        end = offset + length
    body = struct.pack(f"<{len(numbers)}q", *numbers)
    flags = _ENCAPSULATED if table.encapsulated else 0
    if len(table.offsets) < _DEFLATE_FROM:
        return bytes((flags,)) + body
    return bytes((flags | _DEFLATED,)) + zlib.compress(body, 1)


def decode_frames(blob: bytes | None) -> FrameTable | None:
    """Decode what `encode_frames` made."""
    if blob is None:
        return None
    body = zlib.decompress(blob[1:]) if blob[0] & _DEFLATED else blob[1:]
    offsets, lengths, end = [], [], 0
    for gap, length in struct.iter_unpack("<qq", body):
        offsets.append(end + gap)
        lengths.append(length)
        end += gap + length
    return FrameTable(bool(blob[0] & _ENCAPSULATED), tuple(offsets), tuple(lengths))
