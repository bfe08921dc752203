"""JPEG-LS, lossless and near-lossless (PS3.5 §8.2.3; ISO/IEC 14495-1)."""

from typing import Final

import imagecodecs
import numpy as np
from jpeg_ls.CharLS import encode_buffer

from archimage.dicom.codecs.codestream import check_size, parse_jpeg
from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array, clipped, from_precision, precision_of, stored_values, to_unsigned
from archimage.dicom.codecs.syntaxes import JPEG_LS_NEAR
from archimage.errors import InvalidPixelDataError

_BY_PIXEL: Final = 2
_SMALL: Final = 1024
"""Samples below which the encoder that knows precisions may have too little room for its own head."""
_FRAME: Final = b"\xff\xf7"
_END: Final = b"\xff\xd9"
"""Without it CharLS looks for seconds for what a codestream that was cut short does not hold; behind another one it
does not matter."""


def decode(data: bytes | memoryview, description: PixelDescription, _transfer_syntax_uid: str) -> Array:
    """Decode a frame; samples and their colour space are as described."""
    stream = parse_jpeg(data)
    check_size(stream, description)
    array = from_precision(imagecodecs.jpegls_decode(b"".join((data, _END))), description, stream.precision)
    return array if stream.reversible else clipped(array, description)


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality | None) -> bytes:
    """Encode a frame, samples interleaved by pixel; near-lossless only where a quality is given."""
    near = quality.near_lossless if quality is not None and transfer_syntax_uid == JPEG_LS_NEAR else 0
    if near:
        array = stored_values(array, description)
        _check_sign(array, near)
    precision = description.bits_allocated if near and description.signed else max(2, precision_of(array, description))
    if array.size < _SMALL:
        return _encode_small(to_unsigned(array, 8 if precision <= 8 else 16), near)
    samples = to_unsigned(array, precision)
    return bytes(
        encode_buffer(
            samples.tobytes(),
            description.rows,
            description.columns,
            description.samples_per_pixel,
            precision,
            near,
            _BY_PIXEL if description.samples_per_pixel > 1 else None,
        )
    )


def _check_sign(array: Array, near: int) -> None:
    """Refuse signed samples of which the greatest might come out as the least: the codestream knows no sign."""
    limits = np.iinfo(array.dtype)
    if array.dtype.kind == "i" and (int(array.max()) > limits.max - near or int(array.min()) < limits.min + near):
        raise InvalidPixelDataError("signed samples reach the end of their range and cannot be near-lossless")


def _encode_small(samples: Array, near: int) -> bytes:
    """Encode whole bytes; the file format's head is taken off, which some decoders do not know."""
    encoded = bytes(imagecodecs.jpegls_encode(samples, near))
    return encoded[:2] + encoded[encoded.index(_FRAME) :]
