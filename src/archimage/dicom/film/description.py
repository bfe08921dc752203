"""What a film is to show: plain values that go to a file and to the worker processes as JSON."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from archimage.dicom.film.geometry import Sheet

MIN_DENSITY: Final = 0
MAX_DENSITY: Final = 320
"""Operating range of the printer, in hundredths of an optical density."""
ILLUMINATION: Final = 2_000
REFLECTED: Final = 10
"""Of the light box and the room, cd/m2, where the film does not say (PS3.3 §C.13.3)."""


@dataclass(frozen=True, slots=True)
class PresentationLut:
    """From stored values to P-Values: shape IDENTITY, LIN OD or INVERSE, or a table with bits of each entry."""

    shape: str = "IDENTITY"
    table: tuple[int, ...] = ()
    bits: int = 0


@dataclass(frozen=True, slots=True)
class BoxImage:
    """An image in a box; position counts from 1, length is that of its pixels in bytes.

    bits is 8 or up to 16, then in words of little endian; samples is 1 or 3, planar tells that colours come apart.
    requested_mm is the width that is asked for, 0 where it is to fill its box; aspect the height of a pixel by width.
    """

    position: int
    rows: int
    columns: int
    bits: int
    length: int
    samples: int = 1
    planar: bool = False
    inverted: bool = False
    aspect: float = 1.0
    magnification: str = "CUBIC"
    requested_mm: float = 0.0
    behaviour: str = "DECIMATE"
    min_density: int | None = None
    max_density: int | None = None
    lut: PresentationLut | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """A film; densities are hundredths, or BLACK or WHITE for border and empty; texts are those of the lines."""

    sheet: Sheet
    colour: bool = False
    border: str = "BLACK"
    empty: str = "BLACK"
    trim: bool = False
    min_density: int = MIN_DENSITY
    max_density: int = MAX_DENSITY
    illumination: int = ILLUMINATION
    reflected: int = REFLECTED
    lut: PresentationLut = PresentationLut()
    images: tuple[BoxImage, ...] = ()
    texts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Film":
        """Return what `to_json` has made, lists in place of tuples or not."""
        images = tuple(BoxImage(**image | {"lut": _lut(image["lut"])}) for image in plain["images"])
        lut = _lut(plain["lut"]) or PresentationLut()
        changed = {"sheet": Sheet(**plain["sheet"]), "lut": lut, "images": images, "texts": tuple(plain["texts"])}
        return cls(**plain | changed)


def _lut(plain: dict[str, Any] | None) -> PresentationLut | None:
    return None if plain is None else PresentationLut(plain["shape"], tuple(plain["table"]), plain["bits"])
