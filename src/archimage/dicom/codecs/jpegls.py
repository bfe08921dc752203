"""JPEG-LS, lossless and near-lossless (PS3.5 §8.2.3; ISO/IEC 14495-1)."""

import imagecodecs
import jpeg_ls

from archimage.dicom.codecs.codestream import check_size, parse_jpeg
from archimage.dicom.codecs.description import Array, PixelDescription, Quality
from archimage.dicom.codecs.samples import from_precision, precision_of, to_unsigned
from archimage.dicom.codecs.syntaxes import JPEG_LS_NEAR

_BY_PIXEL = 2


def decode(data: bytes | memoryview, description: PixelDescription, _transfer_syntax_uid: str) -> tuple[Array, str]:
    """Decode a frame; samples and their colour space are as described."""
    stream = parse_jpeg(data)
    check_size(stream, description)
    array = imagecodecs.jpegls_decode(bytes(data))
    return from_precision(array, description, stream.precision), description.photometric_interpretation


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality) -> bytes:
    """Encode a frame, samples interleaved by pixel."""
    precision = max(2, precision_of(array, description))
    samples = to_unsigned(array, precision)
    near = quality.near_lossless if transfer_syntax_uid == JPEG_LS_NEAR else 0
    return bytes(
        jpeg_ls.encode_buffer(
            samples.tobytes(),
            description.rows,
            description.columns,
            description.samples_per_pixel,
            precision,
            near,
            _BY_PIXEL if description.samples_per_pixel > 1 else None,
        )
    )
