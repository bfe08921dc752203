"""RLE Lossless (PS3.5 §8.2.2, §G).

frame  = number of segments 4 | offsets of 15 segments 4 each, little endian, from the frame's beginning | segments
segment = one byte of each sample of one plane, the highest first, in PackBits
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final

import imagecodecs
import numpy as np
from rle import rle as _rle

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array
from archimage.errors import InvalidPixelDataError

_HEAD: Final = Struct("<16I")


def decode(data: bytes | memoryview, description: PixelDescription, _transfer_syntax_uid: str) -> Array:
    """Decode a frame."""
    width = description.bits_allocated // 8
    pixels = description.rows * description.columns
    samples = np.empty((pixels, description.samples_per_pixel, width), np.uint8)
    for number, segment in enumerate(_segments(data, description.samples_per_pixel * width)):
        plane, highest = divmod(number, width)
        samples[:, plane, width - 1 - highest] = _unpacked(segment, pixels)
    little = samples.reshape(-1).view("<" + description.dtype)
    return little.astype(description.dtype, copy=False).reshape(description.shape)


def _segments(data: bytes | memoryview, expected: int) -> Iterator[bytes]:
    if len(data) < _HEAD.size:
        raise InvalidPixelDataError("an RLE frame has no head")
    count, *offsets = _HEAD.unpack_from(data)
    if count != expected:
        raise InvalidPixelDataError(f"an RLE frame has {count} segments, {expected} are described")
    ends = (*offsets[1:count], len(data))
    for start, end in zip(offsets[:count], ends, strict=True):
        if not _HEAD.size <= start <= end <= len(data):
            raise InvalidPixelDataError("the segments of an RLE frame are out of order")
        yield bytes(data[start:end])


def _unpacked(segment: bytes, pixels: int) -> Array:
    plane = np.frombuffer(imagecodecs.packbits_decode(segment), np.uint8)
    if len(plane) < pixels:
        raise InvalidPixelDataError(f"a segment of an RLE frame has {len(plane)} bytes, {pixels} are described")
    return plane[:pixels]


def encode(array: Array, description: PixelDescription, _transfer_syntax_uid: str, _quality: Quality | None) -> bytes:
    """Encode a frame."""
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    samples, bits = description.samples_per_pixel, description.bits_allocated
    return bytes(_rle.encode_frame(raw, description.rows, description.columns, samples, bits, "<"))
