"""How large an image becomes in its box, and what has to be told of that.

Ref: PS3.3 §C.13.5, PS3.4 §H.4.3.1.2.1.
"""

from dataclasses import dataclass
from typing import Final

from archimage.dicom.film.description import BoxImage
from archimage.dicom.film.geometry import Rectangle, Sheet
from archimage.errors import RefusedOperationError

DEMAGNIFIED: Final = 0xB604
CROPPED: Final = 0xB609
DECIMATED: Final = 0xB60A
LARGER_THAN_BOX: Final = 0xC603


@dataclass(frozen=True, slots=True)
class Place:
    """The size that an image gets, in pixels of the film; status warns where that is not what was asked for."""

    width: int
    height: int
    status: int = 0


def place(image: BoxImage, box: Rectangle, sheet: Sheet) -> Place:
    """Return how large an image becomes; it lies in the middle of its box, and one that is larger is cut there.

    Raises:
        RefusedOperationError: it is larger than its box, and was not to be printed then.
    """
    tall = image.rows * image.aspect
    fit = min(box.width / image.columns, box.height / tall)
    if image.requested_mm:
        wanted, too_large = sheet.pixels(image.requested_mm) / image.columns, DECIMATED
    elif image.magnification == "NONE":
        wanted, too_large = 1.0, DEMAGNIFIED
    else:
        return _scaled(image, fit, DEMAGNIFIED if fit < 1 else 0)
    if _fits(image, wanted, box):
        return _scaled(image, wanted)
    if image.behaviour == "FAIL":
        raise RefusedOperationError("the image is larger than its box", status=LARGER_THAN_BOX)
    if image.behaviour == "CROP":
        return _scaled(image, min(wanted, _largest(image)), CROPPED)
    return _scaled(image, fit, too_large)


def _fits(image: BoxImage, scale: float, box: Rectangle) -> bool:
    return image.columns * scale <= box.width + 0.5 and image.rows * image.aspect * scale <= box.height + 0.5


def _largest(image: BoxImage) -> float:
    """Return the scale beyond which even what is cut off would take too much memory."""
    return 20_000 / max(image.columns, image.rows * image.aspect)


def _scaled(image: BoxImage, scale: float, status: int = 0) -> Place:
    return Place(max(1, round(image.columns * scale)), max(1, round(image.rows * image.aspect * scale)), status)
