"""JPEG XL: lossless, lossy, and JPEG recompressed without loss (PS3.5 §8.2.15; ISO/IEC 18181)."""

from typing import Final

import imagecodecs
import numpy as np

from archimage.dicom.codecs import jpeg
from archimage.dicom.codecs.codestream import check_size, parse_jpeg_xl
from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array, clipped, from_precision, precision_of, stored_values, to_unsigned
from archimage.dicom.codecs.syntaxes import JPEG_BASELINE, JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION

_EFFORT: Final = 3
"""Of 1 to 9: four times as fast as the default of 7, for 3 % more bytes."""


def decode(data: bytes | memoryview, description: PixelDescription, transfer_syntax_uid: str) -> Array:
    """Decode a frame; a recompressed JPEG is decoded as the JPEG that it was, so that its samples are the same."""
    stream = parse_jpeg_xl(data)
    check_size(stream, description)
    if transfer_syntax_uid == JPEG_XL_RECOMPRESSION:
        return jpeg.decode(restore_jpeg(data), description, JPEG_BASELINE)
    array = np.asarray(imagecodecs.jpegxl_decode(bytes(data), index=0))
    precision = stream.precision or description.high_bit + 1
    if not stream.reversible and not description.signed:
        array = clipped(array, description)
    return from_precision(array, description, precision)


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality | None) -> bytes:
    """Encode a frame; lossy only where the syntax allows it and a quality is given."""
    lossless = quality is None or transfer_syntax_uid == JPEG_XL_LOSSLESS
    if not lossless:
        array = stored_values(array, description)
    precision = precision_of(array, description)
    return bytes(
        imagecodecs.jpegxl_encode(
            to_unsigned(array, precision),
            lossless=lossless,
            distance=None if quality is None or lossless else quality.distance,
            effort=_EFFORT,
            bitspersample=precision,
            photometric="RGB" if description.samples_per_pixel == 3 else "GRAY",
        )
    )


def recompress_jpeg(data: bytes | memoryview) -> bytes:
    """Turn a JPEG Baseline codestream into a JPEG XL one that can be turned back into the same bytes."""
    return bytes(imagecodecs.jpegxl_encode_jpeg(bytes(data)))


def restore_jpeg(data: bytes | memoryview) -> bytes:
    """Turn a recompressed codestream back into the JPEG that it was made of."""
    return bytes(imagecodecs.jpegxl_decode_jpeg(bytes(data), numthreads=1))
