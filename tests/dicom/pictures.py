"""Images to render: real ones decoded by pydicom, and made ones of a few attributes."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder

from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions
from tests.dicom.files import real_files

Array = npt.NDArray[Any]
CHANNELS = ("Red", "Green", "Blue")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def real_images() -> list[Path]:
    """Return every real file that has pixels and says how they lie."""
    return [path for path in real_files() if _has_pixels(path)]


def _has_pixels(path: Path) -> bool:
    header = pydicom.dcmread(path, force=True)
    return any(key in header for key in PIXELS) and "BitsAllocated" in header


def decoded(path: Path, number: int = 1) -> tuple[Dataset, Array, str]:
    """Return a real file's header, one of its frames as stored, and what photometric interpretation that has."""
    header = pydicom.dcmread(path, force=True)
    decoder = get_decoder(header.file_meta.TransferSyntaxUID)
    options: dict[str, Any] = {"as_rgb": False}
    frame, meta = decoder.as_array(header, index=number - 1, raw=False, **options)
    for key in PIXELS:
        header.pop(key, None)
    return header, frame, str(meta["photometric_interpretation"])


def header_of(frame: Array, **attributes: Any) -> Dataset:
    """Return the header of a made image, all bits of its cells used where attributes do not say otherwise."""
    header = Dataset()
    header.SOPInstanceUID = "1.2.3"
    header.Rows, header.Columns = frame.shape[:2]
    header.SamplesPerPixel = 1 if frame.ndim == 2 else frame.shape[2]
    header.BitsAllocated = header.BitsStored = 8 * frame.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(frame.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(header, keyword, value)
    return header


def rendered(
    frame: Array, photometric: str = "MONOCHROME2", /, *, options: RenderOptions | None = None, **attributes: Any
) -> Array:
    """Return a made image as it is rendered."""
    return render_frame(header_of(frame, **attributes), frame, photometric, 1, options or RenderOptions())


def item(**attributes: Any) -> Dataset:
    """Return a data set of some attributes."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def ramp(rows: int = 16, columns: int = 16, dtype: str = "u1") -> Array:
    """Return an image whose pixels count from 0, row by row."""
    return np.arange(rows * columns).reshape(rows, columns).astype(dtype)


def packed(plane: Array) -> bytes:
    """Return bits as an overlay holds them, padded to even length."""
    bits = np.packbits(plane.reshape(-1), bitorder="little").tobytes()
    return bits + b"\0" * (len(bits) % 2)


def with_overlay(header: Dataset, data: bytes, vr: str = "OW", group: int = 0x6000, **other: Any) -> Dataset:
    """Put an overlay of 2 x 3 bits into a header; other has its attributes by their element numbers in hexadecimal."""
    values = {"x0010": 2, "x0011": 3, "x0050": [1, 1], "x0040": "G", "x0100": 1, "x0102": 0, **other}
    vrs = {"x0040": "CS", "x0050": "SS", "x0015": "IS"}
    for number, value in values.items():
        if value is not None:
            header.add_new(group << 16 | int(number[1:], 16), vrs.get(number, "US"), value)
    if data:
        header.add_new(group << 16 | 0x3000, vr, data)
    return header


def palette(descriptor: list[int], *tables: object, segmented: bool = False) -> dict[str, Any]:
    """Return the attributes of a palette: one table for all channels, or three."""
    kind = "Segmented" if segmented else ""
    tables = tables * 3 if len(tables) == 1 else tables
    attributes: dict[str, Any] = {}
    for name, table in zip(CHANNELS, tables, strict=True):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = descriptor
        attributes[f"{kind}{name}PaletteColorLookupTableData"] = table
    return attributes


def words(*values: int) -> bytes:
    """Return 16-bit values in little endian."""
    return np.array(values, "<u2").tobytes()
