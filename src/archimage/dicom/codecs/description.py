"""What a data set says of its pixels (PS3.3 §C.7.6.3), and how good a lossy copy of them has to be."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from archimage.errors import InvalidDatasetError, NotAcceptableError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_REQUIRED: Final = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation")
_REQUIRED_OF_INTEGERS: Final = ("BitsStored", "PixelRepresentation")
_TYPES: Final = {(8, 0): "u1", (8, 1): "i1", (16, 0): "u2", (16, 1): "i2", (32, 0): "u4", (32, 1): "i4"}
_LONG_TYPES: Final = {(64, 0): "u8", (64, 1): "i8", (1, 0): "u1", (1, 1): "u1"}


@dataclass(frozen=True, slots=True)
class Quality:
    """What a lossy encoding aims at.

    jpeg_quality  1 to 100, of JPEG
    ratio         of JPEG 2000 and HTJ2K: bytes of the native frame to bytes of the codestream
    near_lossless of JPEG-LS: by how much a sample may differ
    distance      of JPEG XL, in just noticeable differences
    """

    jpeg_quality: int = 90
    ratio: float = 10.0
    near_lossless: int = 2
    distance: float = 1.0

    @classmethod
    def of_percent(cls, percent: int) -> "Quality":
        """Return what each codec is to aim at for a quality of 1 to 100, as that of JPEG; 90 is the default of all."""
        lost = 100 - percent
        return cls(
            jpeg_quality=percent,
            ratio=max(2.0, float(lost)),
            near_lossless=max(1, round(lost / 5)),
            distance=max(0.1, lost / 10),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Quality":
        """Make one of what `to_json` returned."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The Image Pixel module's numbers; floating pixels are those of Float and Double Float Pixel Data.

    words says that samples of 8 bits were written as OW: under big endian their bytes then stand in pairs, swapped.
    """

    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    planar_configuration: int
    photometric_interpretation: str
    number_of_frames: int = 1
    floating: bool = False
    words: bool = False

    @classmethod
    def of(cls, header: "Dataset", pixel_vr: str = "", pixel_tag: int = 0) -> "PixelDescription":
        """Read the description out of a data set, which may end before its pixel element.

        pixel_vr and pixel_tag are those of the pixel element, if the caller has seen it.

        Raises:
            InvalidDatasetError: an attribute is missing or cannot be.
            NotAcceptableError: the object has no pixels.

        Ref: PS3.3 §C.7.6.3, §C.7.6.24, §C.7.6.25.
        """
        try:
            return _described(header, pixel_vr, pixel_tag)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidDatasetError(f"the pixels' description cannot be read: {error}") from error

    @property
    def signed(self) -> bool:
        """Tell whether samples are two's complement."""
        return self.pixel_representation == 1

    @property
    def dtype(self) -> str:
        """NumPy's name for the type of a decoded sample, in the machine's byte order; of single bits uint8."""
        if self.floating:
            return f"f{self.bits_allocated // 8}"
        key = (self.bits_allocated, self.pixel_representation)
        return _TYPES.get(key) or _LONG_TYPES[key]

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), and samples where there are several."""
        plane = (self.rows, self.columns)
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)

    @property
    def subsampled(self) -> bool:
        """Tell whether native frames hold the colour of two neighbouring pixels once."""
        return self.photometric_interpretation in {"YBR_FULL_422", "YBR_PARTIAL_422"} and self.samples_per_pixel == 3

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame; where they are single bits, frames follow each other without padding."""
        samples = 2 if self.subsampled else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame as the standard packs it."""
        return (self.frame_bits + 7) // 8

    @property
    def total_bytes(self) -> int:
        """Bytes of all frames as a native value, without the padding to even length."""
        return (self.frame_bits * self.number_of_frames + 7) // 8

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PixelDescription":
        """Make one of what `to_json` returned."""
        return cls(**values)


def _described(header: "Dataset", pixel_vr: str, pixel_tag: int) -> PixelDescription:
    missing = [keyword for keyword in _REQUIRED if header.get(keyword) in {None, ""}]
    if len(missing) == len(_REQUIRED):
        raise NotAcceptableError("the object has no pixels")
    floating = _is_floating(header, pixel_tag)
    if not floating:
        missing += [keyword for keyword in _REQUIRED_OF_INTEGERS if header.get(keyword) in {None, ""}]
    if missing:
        raise InvalidDatasetError(f"the pixels are not described: {', '.join(missing)} is missing")
    bits = int(header.BitsAllocated)
    stored = bits if floating else int(header.BitsStored)
    description = PixelDescription(
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples_per_pixel=int(header.SamplesPerPixel),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=stored - 1 if floating else int(header.get("HighBit") or stored - 1),
        pixel_representation=0 if floating else int(header.PixelRepresentation),
        planar_configuration=int(header.get("PlanarConfiguration") or 0),
        photometric_interpretation=str(header.PhotometricInterpretation).strip(),
        number_of_frames=int(header.get("NumberOfFrames") or 1),
        floating=floating,
        words=bits == 8 and _pixel_vr(header, pixel_vr) == "OW",
    )
    _check(description)
    return description


def _is_floating(header: "Dataset", pixel_tag: int) -> bool:
    """Tell by the pixel element; where the header ends before it, by what the modules of floating pixels lack."""
    if pixel_tag:
        return pixel_tag in {0x7FE00008, 0x7FE00009}
    present = [keyword for keyword in _PIXEL_KEYWORDS if keyword in header]
    if present:
        return present[0] != "PixelData"
    return header.get("BitsAllocated") in {32, 64} and not any(key in header for key in _REQUIRED_OF_INTEGERS)


def _pixel_vr(header: "Dataset", pixel_vr: str) -> str:
    return pixel_vr or (str(header["PixelData"].VR) if "PixelData" in header else "")


def _check(description: PixelDescription) -> None:
    """Refuse what no image can be.

    Raises:
        InvalidDatasetError: it is said in the message.
    """
    allowed = {32, 64} if description.floating else {1, 8, 16, 32, 64}
    for name, good in (
        ("Rows", 0 < description.rows < 1 << 16),
        ("Columns", 0 < description.columns < 1 << 16),
        ("Samples per Pixel", description.samples_per_pixel in {1, 3, 4}),
        ("Bits Allocated", description.bits_allocated in allowed),
        ("Bits Stored", 0 < description.bits_stored <= description.bits_allocated),
        ("High Bit", description.bits_stored - 1 <= description.high_bit < description.bits_allocated),
        ("Pixel Representation", description.pixel_representation in {0, 1}),
        ("Planar Configuration", description.planar_configuration in {0, 1}),
        ("Number of Frames", 0 < description.number_of_frames < 1 << 31),
    ):
        if not good:
            raise InvalidDatasetError(f"the pixels' description is impossible: {name}")
