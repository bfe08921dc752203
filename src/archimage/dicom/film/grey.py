"""From stored values to shades of a picture, the way a film would look on a light box.

A film's densities become luminances by the light behind it, and these become steps of the grayscale standard display
function, of which a picture has 256 equal ones: 0 is the printer's darkest, 255 its clearest. So a film that is printed
with the printer's whole range shows P-Values as they are.

Ref: PS3.14 §7.1, PS3.3 §C.11.4, PS3.4 §H.4.9.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.film.description import MAX_DENSITY, MIN_DENSITY, BoxImage, Film, PresentationLut

Shades = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]

_STEPS: Final = (
    71.498068, 94.593053, 41.912053, 9.8247004, 0.28175407, -1.1878455, -0.18014349, 0.14710899, -0.017046845,
)  # fmt: skip
"""Just noticeable differences by the common logarithm of a luminance, from the constant term on (PS3.14 §7.1)."""
_DIMMEST_CD: Final = 0.05
_BRIGHTEST_CD: Final = 3_993.4


class Paper:
    """What a film's densities look like."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._darkest, self._clearest = self._steps(np.array([MAX_DENSITY, MIN_DENSITY], float))

    def shade(self, density: str) -> int:
        """Return the shade of an area of one density: BLACK, WHITE, or hundredths."""
        named = {"BLACK": self._film.max_density, "WHITE": self._film.min_density}
        value = named[density] if density in named else int(density)
        return int(self._shades(self._steps(np.array([value], float)))[0])

    def table(self, image: BoxImage) -> Shades:
        """Return the shade of each stored value of an image."""
        film, lut = self._film, image.lut or self._film.lut
        least = film.min_density if image.min_density is None else image.min_density
        most = film.max_density if image.max_density is None else image.max_density
        values = _presentation_values(lut, image.bits)
        if image.inverted != (lut.shape == "INVERSE"):
            values = 1 - values
        if lut.shape == "LIN OD":
            return self._shades(self._steps(most - values * (most - least)))
        dark, clear = self._steps(np.array([most, least], float))
        return self._shades(dark + values * (clear - dark))

    def _steps(self, densities: Reals) -> Reals:
        luminances = self._film.reflected + self._film.illumination * 10 ** (-densities / 100)
        logarithms = np.log10(np.clip(luminances, _DIMMEST_CD, _BRIGHTEST_CD))
        return np.asarray(np.polynomial.polynomial.polyval(logarithms, _STEPS), np.float64)

    def _shades(self, steps: Reals) -> Shades:
        share = (steps - self._darkest) / max(self._clearest - self._darkest, 1e-9)
        return np.asarray(np.rint(255 * np.clip(share, 0, 1)), np.uint8)


def _presentation_values(lut: PresentationLut, bits: int) -> Reals:
    """Return a P-Value from 0 to 1 for each stored value."""
    stored = np.arange(1 << bits)
    if not lut.table:
        return stored / (stored.size - 1)
    table = np.array(lut.table, float) / (math.ldexp(1, lut.bits) - 1)
    return np.clip(table[np.minimum(stored, table.size - 1)], 0, 1)
