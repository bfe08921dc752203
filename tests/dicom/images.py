"""Images for the codecs' tests: real ones frame by frame, and made ones of any description."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archimage.dicom.codecs.description import PixelDescription
from archimage.dicom.codecs.native import bits_at
from archimage.dicom.codecs.samples import Array
from archimage.dicom.encode import decode_identifier
from archimage.dicom.fragments import frames_of, parse_offsets
from archimage.dicom.header import PixelData
from archimage.dicom.inflate import Inflater
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import plain_syntax
from archimage.dicom.scan import scan
from tests.dicom.files import BROKEN, real_dataset, real_files

_UNDESCRIBED = {"badVR.dcm", "nested_priv_SQ.dcm"}
"""Files whose Number of Frames is no number, or that have pixels and nothing that describes them."""


@dataclass(frozen=True)
class Stored:
    """An object as a server keeps it: data is its data set, inflated."""

    name: str
    syntax: str
    data: bytes
    pixel: PixelData

    @property
    def header(self) -> bytes:
        return self.data[: self.pixel.offset]

    @property
    def description(self) -> PixelDescription:
        dataset = decode_identifier(self.header, plain_syntax(self.syntax), DEFAULT_LIMITS)
        return PixelDescription.of(dataset, self.pixel.vr, self.pixel.tag)

    @property
    def trailing(self) -> bytes:
        """What follows the pixel element."""
        if self.pixel.length is not None:
            return self.data[self.pixel.value_offset + self.pixel.length :]
        return self.data[sum(self.pixel.fragments[-1]) + 8 :]

    @property
    def frames(self) -> list[bytes]:
        """Its frames as stored; single bits begin at the beginning of a byte."""
        description, pixel = self.description, self.pixel
        if pixel.length is None:
            offsets = parse_offsets(pixel.basic_offsets), parse_offsets(pixel.extended_offsets, extended=True)
            groups = frames_of(pixel.fragments, description.number_of_frames, *offsets)
            return [
                b"".join(self.data[start : start + length] for start, length in pixel.fragments[first : first + count])
                for first, count in groups
            ]
        value = self.data[pixel.value_offset : pixel.value_offset + pixel.length]
        size, bits = description.frame_bytes, description.frame_bits
        if bits % 8:
            return [bits_at(value, number * bits, bits) for number in range(description.number_of_frames)]
        return [value[number * size :][: size + size % 2] for number in range(description.number_of_frames)]


def stored(data: bytes, syntax: str, name: str = "") -> Stored | None:
    """Take a data set apart; None if it has no pixels."""
    if syntax in DEFLATED_SYNTAXES:
        data = b"".join(Inflater(DEFAULT_LIMITS).feed(data))
    header = scan(data, plain_syntax(syntax), frozenset())
    return None if header.pixel is None else Stored(name, syntax, data, header.pixel)


def real_images() -> Iterator[Stored]:
    """Yield every real object with pixels that is not cut short."""
    for path in real_files():
        image = None if path.name in BROKEN | _UNDESCRIBED else real_image(path)
        if image is not None:
            yield image


def real_image(path: Path) -> Stored | None:
    """Take a file apart."""
    meta, data = real_dataset(path)
    return stored(data, meta.transfer_syntax_uid, path.name)


def described(
    rows: int = 37,
    columns: int = 42,
    samples: int = 1,
    *,
    allocated: int = 16,
    stored_bits: int = 12,
    signed: bool = False,
    planar: int = 0,
    photometric: str = "",
    frames: int = 1,
) -> PixelDescription:
    """Describe an image; high bit and colour follow from the rest."""
    colour = photometric or ("MONOCHROME2" if samples == 1 else "RGB")
    return PixelDescription(
        rows, columns, samples, allocated, stored_bits, stored_bits - 1, int(signed), planar, colour, frames
    )


def noise(description: PixelDescription, seed: int = 0) -> Array:
    """Return an image of every value that the description allows."""
    low, high = value_range(description)
    return np.random.default_rng(seed).integers(low, high, description.shape).astype(description.dtype)


def smooth(description: PixelDescription) -> Array:
    """Return an image as lossy codecs like it: slow waves over the whole range, each sample another."""
    low, high = value_range(description)
    y, x = np.mgrid[0 : description.rows, 0 : description.columns]
    waves = [np.sin(x / (17 + 5 * n)) * np.cos(y / (23 - 4 * n)) for n in range(description.samples_per_pixel)]
    plane = np.stack(waves, axis=-1).reshape(description.shape)
    return ((plane * 0.45 + 0.5) * (high - 1 - low) + low).astype(description.dtype)


def value_range(description: PixelDescription) -> tuple[int, int]:
    """Return the lowest value and the one above the highest."""
    half = 1 << description.bits_stored - 1
    return (-half, half) if description.signed else (0, 2 * half)


def psnr(one: Array, other: Array, description: PixelDescription) -> float:
    """Return the peak signal to noise ratio in dB."""
    low, high = value_range(description)
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float("inf") if not error else float(10 * np.log10((high - 1 - low) ** 2 / error))
