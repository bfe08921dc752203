"""JPEG 2000 and High-Throughput JPEG 2000 (PS3.5 §8.2.4, §8.2.14; ISO/IEC 15444-1, -15).

OpenJPEG decodes both: it tells of every broken codestream, where the faster decoder of HTJ2K passes over some.
The encoder of HTJ2K takes whole bytes only. Its reversible codestreams are given the precision of the samples
afterwards: samples are moved so that the level shift of the lower precision applies, and the SIZ marker is changed.
"""

from functools import partial
from math import exp, log
from typing import Final

import imagecodecs
import numpy as np
from openjpeg.utils import encode_array

from archimage.dicom.codecs.codestream import check_size, parse_jpeg_2000
from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array, clipped, from_precision, precision_of, stored_values
from archimage.dicom.codecs.syntaxes import HTJ2K, HTJ2K_FAMILY, LOSSY

_SSIZ: Final = 42
"""Where the precision of the first component stands in a codestream: SOC, SIZ and 38 bytes; 3 bytes a component."""

_UNSPECIFIED: Final = 0
_SRGB: Final = 1
_RESOLUTIONS: Final = 6
_LEAST_SIDE: Final = 32
"""Samples of the shorter side that so many resolutions need."""
_LEAST_OF_SEVERAL: Final = 2
"""Bits that the encoder needs where a pixel has several samples: to transform colour without loss, and because it has
too little room for noise of single bits."""
_SMALL_LEVEL: Final = 50
"""Peak signal to noise ratio in dB."""
_SEARCH_STEPS: Final = 8
_FINEST_STEP: Final = 1e-6
_COARSEST_STEP: Final = 0.5


def decode(data: bytes | memoryview, description: PixelDescription, _transfer_syntax_uid: str) -> Array:
    """Decode a frame; colour that the codestream transforms comes out as it went in."""
    stream = parse_jpeg_2000(data)
    check_size(stream, description)
    array = np.asarray(imagecodecs.jpeg2k_decode(bytes(data)))
    if not stream.reversible and stream.precision > description.high_bit + 1:
        array = clipped(array, description)
    return from_precision(array, description, stream.precision)


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality | None) -> bytes:
    """Encode a frame; RGB is transformed; lossy only where the syntax allows it and a quality is given."""
    colour = description.photometric_interpretation == "RGB"
    if quality is None or transfer_syntax_uid not in LOSSY:
        precision = max(_LEAST_OF_SEVERAL if array.ndim > 2 else 1, precision_of(array, description))
        if transfer_syntax_uid in HTJ2K_FAMILY:
            return _htj2k_lossless(array, precision, colour=colour)
        return _jpeg_2000(array, precision, colour=colour)
    array = stored_values(array, description)
    if transfer_syntax_uid == HTJ2K:
        return _search(partial(_htj2k_lossy, array, colour), array.nbytes / quality.ratio)
    return _jpeg_2000_lossy(array, description.high_bit + 1, quality.ratio, colour=colour)


def _jpeg_2000_lossy(array: Array, precision: int, ratio: float, *, colour: bool) -> bytes:
    """Encode to a ratio, which only an encoder can that always makes several resolutions, and that counts bits."""
    if min(array.shape[:2]) < _LEAST_SIDE:
        return _jpeg_2000(array, precision, colour=colour, level=_SMALL_LEVEL)
    of_precision = max(1.0, ratio * precision / (8 * array.itemsize))
    space = _SRGB if colour else _UNSPECIFIED
    return bytes(encode_array(array, precision, space, compression_ratios=[of_precision]))


def _jpeg_2000(array: Array, precision: int, *, colour: bool, level: int = 0) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            _narrowed(array, precision),
            level or None,
            reversible=not level,
            resolutions=1 if min(array.shape[:2]) < _LEAST_SIDE else _RESOLUTIONS,
            codecformat="j2k",
            bitspersample=precision,
            mct=colour,
        )
    )


def _narrowed(array: Array, precision: int) -> Array:
    """Return samples in the smallest type of their sign that holds the precision, which the encoders go by."""
    return np.ascontiguousarray(array.astype(f"{array.dtype.kind}{1 if precision <= 8 else 2}", copy=False))


def _htj2k_lossless(array: Array, precision: int, *, colour: bool) -> bytes:
    samples = _narrowed(array, precision)
    container = samples.dtype
    spare = 8 * container.itemsize - precision
    if spare and container.kind == "u":
        samples = samples + container.type((1 << 8 * container.itemsize - 1) - (1 << precision - 1))
    encoded = bytearray(_htj2k(samples, colour=colour))
    if spare:
        count = 1 if array.ndim == 2 else array.shape[2]
        encoded[_SSIZ : _SSIZ + 3 * count : 3] = bytes([encoded[_SSIZ] & 0x80 | precision - 1]) * count
    return bytes(encoded)


def _htj2k_lossy(array: Array, colour: bool, step: float) -> bytes:
    return _htj2k(array, colour=colour, step=step)


def _htj2k(array: Array, *, colour: bool, step: float = 0) -> bytes:
    """Encode in resolutions of which the lowest is no larger than 64 samples, as RPCL asks for (PS3.5 §10.18)."""
    return bytes(
        imagecodecs.htj2k_encode(
            np.ascontiguousarray(array),
            step or None,
            reversible=not step,
            rgb=colour,
            tlm=True,
            resolutions=max(5, (max(array.shape[:2]) - 1).bit_length() - 6),
        )
    )


def _search(encode_with: partial[bytes], wanted_bytes: float) -> bytes:
    """Find the finest quantisation whose codestream is no longer than wanted; the encoder takes no ratio."""
    finest, coarsest = log(_FINEST_STEP), log(_COARSEST_STEP)
    best = encode_with(exp(coarsest))
    for _ in range(_SEARCH_STEPS):
        middle = (finest + coarsest) / 2
        encoded = encode_with(exp(middle))
        if len(encoded) <= wanted_bytes:
            best, coarsest = encoded, middle
        else:
            finest = middle
    return best
