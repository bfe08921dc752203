"""Palettes: colours for stored values, whole, in segments, or for the upper values of a grayscale image only.

Ref: PS3.3 §C.7.6.3.1.5, §C.7.6.3.1.6, §C.7.6.19, §C.7.9.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import text_of, values_of
from archimage.dicom.render.grayscale import Array
from archimage.dicom.render.images import Picture
from archimage.dicom.render.luts import Descriptor, entries_of, used_bits, words_of
from archimage.errors import InvalidDatasetError

_CHANNELS: Final = ("Red", "Green", "Blue")
_DISCRETE, _LINEAR, _INDIRECT = range(3)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours, (entries, 3), of the values from first on."""

    first: int
    colours: Picture

    def __call__(self, values: Array) -> Picture:
        """Return the colour of each value, the first and the last one for what lies outside."""
        last = len(self.colours) - 1
        offsets = np.clip(values.astype(np.int64) - self.first, 0, last)
        found: Picture = self.colours[offsets]
        return found

    def of_fractions(self, fractions: Array) -> Picture:
        """Return the colours of 0, the first, to 1, the last."""
        found: Picture = self.colours[np.rint(fractions.clip(0, 1) * (len(self.colours) - 1)).astype(np.intp)]
        return found


def palette_of(source: Dataset, *, signed: bool) -> Palette:
    """Read the palette of an image or a presentation state.

    Raises:
        InvalidDatasetError: it has none that can be read.
    """
    descriptors = [
        Descriptor.of(source, f"{name}PaletteColorLookupTableDescriptor", signed=signed) for name in _CHANNELS
    ]
    channels = [_channel(source, name, descriptor) for name, descriptor in zip(_CHANNELS, descriptors, strict=True)]
    bits = max(used_bits(descriptors[0], channel) for channel in channels)
    length = max(len(channel) for channel in channels)
    eight = [(_lengthened(channel, length) >> max(bits - 8, 0)).astype(np.uint8) for channel in channels]
    return Palette(descriptors[0].first, np.stack(eight, axis=-1))


def has_supplemental_palette(header: Dataset) -> bool:
    """Tell whether a grayscale image shows its upper values in colour (PS3.3 §C.7.6.19)."""
    coloured = text_of(header, "PixelPresentation") in {"COLOR", "MIXED"}
    return coloured and bool(values_of(header, "RedPaletteColorLookupTableDescriptor"))


def supplemented(picture: Picture, values: Array, palette: Palette) -> Picture:
    """Return a grey picture with colour where values have reached the palette's first one."""
    coloured = values >= palette.first
    whole = np.repeat(picture[..., np.newaxis], 3, axis=-1)
    whole[coloured] = palette(values[coloured])
    return whole


def _channel(source: Dataset, name: str, descriptor: Descriptor) -> npt.NDArray[np.uint16]:
    segmented = f"Segmented{name}PaletteColorLookupTableData"
    if values_of(source, segmented):
        words = words_of(source, segmented)
        units = words.astype("<u2").view(np.uint8).astype(np.uint16) if descriptor.bits == 8 else words
        return expanded(units, descriptor.count, descriptor.bits)
    return entries_of(source, f"{name}PaletteColorLookupTableData", descriptor).astype(np.uint16)


def _lengthened(channel: npt.NDArray[np.uint16], length: int) -> npt.NDArray[np.uint16]:
    return np.pad(channel, (0, length - len(channel)), "edge")


def expanded(units: npt.NDArray[np.uint16], count: int, bits: int) -> npt.NDArray[np.uint16]:
    """Return the entries that segments stand for, at most count; units are 8 or 16 bits of the segmented data.

    Raises:
        InvalidDatasetError: the segments are broken.

    Ref: PS3.3 §C.7.9.2.
    """
    out = np.zeros(count, np.uint16)
    filled = 0
    for kind, data in _segments(units, bits):
        if kind == _LINEAR:
            if not filled:
                raise InvalidDatasetError("a palette begins with a linear segment")
            length, last = int(data[0]), float(data[1])
            run = np.rint(np.linspace(float(out[filled - 1]), last, length + 1)[1:]).astype(np.uint16)
        else:
            run = data
        if not len(run):
            raise InvalidDatasetError("a segment of a palette is empty")
        run = run[: count - filled]
        out[filled : filled + len(run)] = run
        filled += len(run)
        if filled == count:
            break
    if not filled:
        raise InvalidDatasetError("a palette has no entries")
    return out[:filled]


Segment = tuple[int, npt.NDArray[np.uint16]]
"""Kind, and the values of a discrete one or the length and end of a linear one."""


def _segments(units: npt.NDArray[np.uint16], bits: int) -> Iterator[Segment]:
    position = 0
    while position + 1 < len(units):
        if units[position] == _INDIRECT:
            copies, start, position = _indirect(units, position, bits)
            yield from _copied(units, start, copies)
        else:
            kind, data, position = _segment(units, position)
            yield kind, data


def _segment(units: npt.NDArray[np.uint16], position: int) -> tuple[int, npt.NDArray[np.uint16], int]:
    kind, length = int(units[position]), int(units[position + 1])
    end = position + 2 + (length if kind == _DISCRETE else 1)
    if kind not in {_DISCRETE, _LINEAR} or end > len(units):
        raise InvalidDatasetError("the segments of a palette are broken")
    return kind, units[position + 2 : end] if kind == _DISCRETE else units[position + 1 : end], end


def _indirect(units: npt.NDArray[np.uint16], position: int, bits: int) -> tuple[int, int, int]:
    """Return how many segments are to be copied, the unit that they begin at, and where the next segment does."""
    parts = 4 if bits == 8 else 2  # a byte offset of 32 bits, least significant part first
    end = position + 2 + parts
    if end > len(units):
        raise InvalidDatasetError("the segments of a palette are broken")
    unit_bits = 32 // parts
    offset = sum(int(unit) << unit_bits * index for index, unit in enumerate(units[position + 2 : end]))
    return int(units[position + 1]), offset * 8 // unit_bits, end


def _copied(units: npt.NDArray[np.uint16], position: int, copies: int) -> Iterator[Segment]:
    for _ in range(copies):
        if position + 1 >= len(units):
            raise InvalidDatasetError("a palette refers to segments that it lacks")
        kind, data, position = _segment(units, position)
        yield kind, data
