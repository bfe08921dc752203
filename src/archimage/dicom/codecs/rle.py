"""RLE Lossless (PS3.5 §8.2.2, §G)."""

import numpy as np
from rle import rle as _rle

from archimage.dicom.codecs.description import Array, PixelDescription, Quality
from archimage.errors import InvalidPixelDataError


def decode(data: bytes | memoryview, description: PixelDescription, _transfer_syntax_uid: str) -> Array:
    """Decode a frame; its segments are the bytes of the samples, planes apart and highest byte first."""
    pixels = description.rows * description.columns
    _check_segments(data, description)
    planes = _rle.decode_frame(bytes(data), pixels, description.bits_allocated, "<")
    samples = np.frombuffer(planes, description.dtype.newbyteorder("<")).astype(description.dtype, copy=False)
    if description.samples_per_pixel == 1:
        return samples.reshape(description.shape)
    apart = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
    return np.ascontiguousarray(apart.transpose(1, 2, 0))


def _check_segments(data: bytes | memoryview, description: PixelDescription) -> None:
    expected = description.samples_per_pixel * description.bits_allocated // 8
    segments = int.from_bytes(data[:4], "little")
    if len(data) < 64 or segments != expected:
        raise InvalidPixelDataError(f"an RLE frame has {segments} segments, {expected} are described")


def encode(array: Array, description: PixelDescription, _transfer_syntax_uid: str, _quality: Quality | None) -> bytes:
    """Encode a frame."""
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    samples, bits = description.samples_per_pixel, description.bits_allocated
    return bytes(_rle.encode_frame(raw, description.rows, description.columns, samples, bits, "<"))
