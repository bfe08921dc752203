"""JPEG: baseline, extended and lossless (PS3.5 §8.2.1; ISO/IEC 10918-1)."""

import imagecodecs
import numpy as np

from archimage.dicom.codecs.codestream import Codestream, check_size, parse_jpeg
from archimage.dicom.codecs.description import PixelDescription, Quality
from archimage.dicom.codecs.samples import Array, from_precision, precision_of, stored_values, to_unsigned
from archimage.dicom.codecs.syntaxes import JPEG_LOSSLESS, LOSSY_JPEG


def decode(data: bytes | memoryview, description: PixelDescription, transfer_syntax_uid: str) -> Array:
    """Decode a frame; colour of a lossy codestream comes out as RGB, of a lossless one as described."""
    stream = parse_jpeg(data)
    check_size(stream, description)
    if stream.samples == 3 and transfer_syntax_uid in LOSSY_JPEG:
        inside = _colour_inside(stream, description.photometric_interpretation)
        array = imagecodecs.jpeg8_decode(bytes(data), colorspace=inside, outcolorspace="RGB")
    elif stream.samples == 3:
        array = imagecodecs.jpeg8_decode(bytes(data), colorspace="RGB", outcolorspace="RGB")
    else:
        array = imagecodecs.jpeg8_decode(bytes(data))
    return from_precision(array, description, stream.precision)


def _colour_inside(stream: Codestream, photometric: str) -> str:
    """Tell the colour space of a codestream: by its component names, its JFIF marker, else as described."""
    if stream.component_ids in {b"RGB", b"rgb"}:
        return "RGB"
    if stream.jfif:
        return "YCBCR"
    return "RGB" if photometric == "RGB" else "YCBCR"


def encode(array: Array, description: PixelDescription, transfer_syntax_uid: str, quality: Quality | None) -> bytes:
    """Encode a frame: lossless with predictor 1 (.70) or 6 (.57), or lossy, its colour then as YBR 4:2:2."""
    if transfer_syntax_uid in LOSSY_JPEG:
        return _encode_lossy(array, description, quality or Quality())
    precision = max(2, precision_of(array, description))
    colour = "RGB" if description.samples_per_pixel == 3 else "GRAYSCALE"
    return bytes(
        imagecodecs.jpeg8_encode(
            to_unsigned(array, precision),
            lossless=True,
            predictor=6 if transfer_syntax_uid == JPEG_LOSSLESS else 1,
            bitspersample=precision,
            colorspace=colour,
            outcolorspace=colour,
        )
    )


def _encode_lossy(array: Array, description: PixelDescription, quality: Quality) -> bytes:
    bits = 8 if description.bits_stored <= 8 else 12
    samples = np.ascontiguousarray(stored_values(array, description))
    if description.samples_per_pixel == 1:
        return bytes(imagecodecs.jpeg8_encode(samples, quality.jpeg_quality, bitspersample=bits))
    inside = "RGB" if description.photometric_interpretation == "RGB" else "YCBCR"
    return bytes(
        imagecodecs.jpeg8_encode(
            samples, quality.jpeg_quality, colorspace=inside, outcolorspace="YCBCR", subsampling="422"
        )
    )
