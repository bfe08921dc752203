"""JPEG XL: lossless, lossy, and JPEG recompressed without loss (PS3.5 §8.2.15; ISO/IEC 18181)."""

from typing import Final

import imagecodecs
import numpy as np

from archimage.dicom.codecs.codestream import check_size, parse_jpeg_xl
from archimage.dicom.codecs.description import Array, PixelDescription, Quality
from archimage.dicom.codecs.samples import clipped, from_precision, precision_of, to_unsigned
from archimage.dicom.codecs.syntaxes import JPEG_XL_LOSSLESS

_EFFORT: Final = 3
"""Of 1 to 9: four times as fast as the default of 7, for 3 % more bytes."""


def decode(data: bytes | memoryview, description: PixelDescription, transfer_syntax_uid: str) -> tuple[Array, str]:
    """Decode a frame; colour of a lossy codestream comes out as RGB."""
    stream = parse_jpeg_xl(data)
    check_size(stream, description)
    array = np.asarray(imagecodecs.jpegxl_decode(bytes(data), index=0))
    precision = stream.precision or description.high_bit + 1
    lossless = transfer_syntax_uid == JPEG_XL_LOSSLESS
    converted = description.samples_per_pixel == 3 and not lossless
    if not lossless and not description.signed:
        array = clipped(array, description)
    return from_precision(array, description, precision), "RGB" if converted else description.photometric_interpretation


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality) -> bytes:
    """Encode a frame."""
    precision = precision_of(array, description)
    samples = to_unsigned(array, precision)
    photometric = "RGB" if description.samples_per_pixel == 3 else "GRAY"
    if transfer_syntax_uid == JPEG_XL_LOSSLESS:
        return bytes(
            imagecodecs.jpegxl_encode(
                samples, lossless=True, effort=_EFFORT, bitspersample=precision, photometric=photometric
            )
        )
    return bytes(
        imagecodecs.jpegxl_encode(
            samples, distance=quality.distance, effort=_EFFORT, bitspersample=precision, photometric=photometric
        )
    )


def recompress_jpeg(data: bytes | memoryview) -> bytes:
    """Turn a JPEG Baseline codestream into a JPEG XL one that can be turned back into the same bytes."""
    return bytes(imagecodecs.jpegxl_encode_jpeg(bytes(data)))


def restore_jpeg(data: bytes | memoryview) -> bytes:
    """Turn a recompressed codestream back into the JPEG that it was made of."""
    return bytes(imagecodecs.jpegxl_decode_jpeg(bytes(data), numthreads=None))
