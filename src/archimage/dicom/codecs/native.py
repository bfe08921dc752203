"""Native frames: samples as they lie in Pixel Data, in either byte order, or deflated (PS3.5 §8.1, §8.2.16, §D)."""

import sys
import zlib

import numpy as np

from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array
from archimage.dicom.codecs.syntaxes import DEFLATED_FRAME, EXPLICIT_BIG_ENDIAN
from archimage.errors import InvalidPixelDataError


def decode(data: bytes | memoryview, description: PixelDescription, transfer_syntax_uid: str) -> Array:
    """Decode a native frame; of several samples they come out by pixel, 4:2:2 colour for each pixel.

    Of single bits the first has to be that of the frame (see `bits_at`).
    """
    if transfer_syntax_uid == DEFLATED_FRAME:
        data = _inflated(data, description.frame_bytes)
    size = description.frame_bytes
    if len(data) < size:
        raise InvalidPixelDataError(f"a frame has {len(data)} bytes, {size} are described")
    return _from_native(data, description, big=transfer_syntax_uid == EXPLICIT_BIG_ENDIAN)


def _from_native(data: bytes | memoryview, description: PixelDescription, *, big: bool) -> Array:
    raw = np.frombuffer(data, np.uint8)
    if big and description.bits_allocated == 8 and description.words:
        raw = _swapped(raw[: description.frame_bytes + description.frame_bytes % 2])
    raw = raw[: description.frame_bytes]
    if description.bits_allocated == 1:
        bits = np.unpackbits(raw, count=description.frame_bits, bitorder="little")
        return _by_pixel(bits, description)
    if description.subsampled:
        return _upsampled(raw, description)
    samples = raw.view((">" if big else "<") + description.dtype).astype(description.dtype, copy=False)
    return _by_pixel(samples, description)


def _swapped(raw: Array) -> Array:
    if raw.size % 2:
        raise InvalidPixelDataError("bytes of a frame of odd length stand in big endian words")
    return raw.view(np.uint16).byteswap().view(np.uint8)


def _by_pixel(samples: Array, description: PixelDescription) -> Array:
    if description.samples_per_pixel > 1 and description.planar_configuration == 1:
        planes = samples.reshape(description.samples_per_pixel, description.rows, description.columns)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    return samples.reshape(description.shape)


def _upsampled(raw: Array, description: PixelDescription) -> Array:
    """Give each of two neighbours the colour that they share: Y1 Y2 Cb Cr (PS3.3 §C.7.6.3.1.2)."""
    if raw.size % 4 or description.bits_allocated != 8:
        raise InvalidPixelDataError("4:2:2 colour of an odd number of pixels, or of more than 8 bits")
    groups = raw.reshape(-1, 4)
    pixels = np.empty((len(groups), 2, 3), np.uint8)
    pixels[:, :, 0] = groups[:, :2]
    pixels[:, :, 1:] = groups[:, None, 2:]
    return pixels.reshape(description.shape)


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, _quality: Quality | None) -> bytes:
    """Encode a native frame by pixel (Planar Configuration 0); single bits are padded to a whole byte."""
    packed = _to_native(array, description, big=transfer_syntax_uid == EXPLICIT_BIG_ENDIAN)
    if transfer_syntax_uid == DEFLATED_FRAME:
        stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return stream.compress(packed) + stream.flush()
    return packed


def _to_native(array: Array, description: PixelDescription, *, big: bool) -> bytes:
    """Turn samples into the bytes of a frame; 8-bit samples always in their own order, as OB has them."""
    if description.bits_allocated == 1:
        return np.packbits(array.reshape(-1), bitorder="little").tobytes()
    if description.subsampled:
        pairs = array.reshape(-1, 2, 3)
        return np.concatenate((pairs[:, :, 0], pairs[:, 0, 1:]), axis=1).tobytes()
    if big == (sys.byteorder == "little"):
        return array.byteswap().tobytes()
    return array.tobytes()


def _inflated(data: bytes | memoryview, size: int) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return stream.decompress(data, size)
    except zlib.error as error:
        raise InvalidPixelDataError(f"a frame cannot be inflated: {error}") from error


def bits_at(data: bytes | memoryview, bit: int, count: int) -> bytes:
    """Return count bits that begin at a bit of data, moved to the beginning of a byte, the last one padded with zeros.

    Frames of single bits follow each other without padding: all but the first may begin within a byte.
    """
    first, shift = divmod(bit, 8)
    raw = np.frombuffer(data, np.uint8)[first : (bit + count + 7) // 8]
    bits = np.unpackbits(raw, bitorder="little")[shift : shift + count]
    return np.packbits(bits, bitorder="little").tobytes()
