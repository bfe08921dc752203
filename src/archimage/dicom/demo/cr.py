"""The invented radiographs: rays through the body of the CT, from the back to the front and from the side (§A.2)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.demo.canvas import Plane, axis, soften
from archimage.dicom.demo.datasets import Series, Study, add_grey_pixels, encode_file, new_object
from archimage.dicom.demo.torso import paint_torso

PICTURES: Final = 2

_ROWS: Final = 172
_STEP: Final = 2.0  # mm between the rows of rays
_TOP: Final = 176.0
_ENLARGED: Final = 5
_ACROSS: Final = 288
_STEP_ACROSS: Final = 1.25
_COLUMNS: Final = 900  # as wide as the rays: both directions are of one scale
_WINDOWS: Final = (("CHEST", 2000, 3400),)
_VIEWS: Final = (("PA", ["L", "F"]), ("LL", ["P", "F"]))


def cr_files(study: Study) -> Iterator[bytes]:
    """Make both views, each a series of its own."""
    common = {"ImageType": ["DERIVED", "PRIMARY"], "BodyPartExamined": "CHEST", "KVP": "110"}
    for number, (shadow, (view, orientation)) in enumerate(zip(_shadows(), _VIEWS, strict=True), 1):
        series = Series(study, number, "CR", "1.2.840.10008.5.1.4.1.1.1", view, common | {"ViewPosition": view})
        ds = new_object(series, 1)
        ds.PatientOrientation = orientation
        ds.ImagerPixelSpacing = [_STEP / _ENLARGED, _STEP / _ENLARGED]
        add_grey_pixels(ds, _develop(shadow, np.random.default_rng(number)), _WINDOWS)
        yield encode_file(ds)


def _shadows() -> tuple[Plane, Plane]:
    """Send rays through the body: what they meet on their way from the back, and from the side; in mm of water."""
    x, y = axis(_ACROSS, _STEP_ACROSS), axis(_ACROSS, _STEP_ACROSS)
    back, side = np.zeros((_ROWS, x.size), np.float32), np.zeros((_ROWS, y.size), np.float32)
    for row in range(_ROWS):
        values = paint_torso(x, y, _TOP - row * _STEP).values
        values[int(np.searchsorted(y, 112.5)) :] = -1000  # nobody lies on a couch here
        bone = np.maximum(values - 300, 0)
        density = np.maximum(np.minimum(values, 320) + 1000 + 2.6 * bone, 0) / 1000
        back[row], side[row] = density.sum(0) * _STEP_ACROSS, density.sum(1) * _STEP_ACROSS
    return back, side


def _develop(shadow: Plane, noise: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Make a film of a shadow: enlarged, its large differences evened out, with grain."""
    fine = _enlarge(shadow)
    log = np.log1p(fine / 40)
    broad = log.copy()
    for _ in range(3):
        broad = _box(broad, 101)
    evened = log - 0.45 * broad
    darkest, brightest = np.percentile(evened, (2, 99.7))
    film = (evened - darkest) / (brightest - darkest) * 3500 + 200
    film += soften(noise.standard_normal(film.shape, np.float32)) * 34
    result: npt.NDArray[np.uint16] = film.clip(0, 4095).round().astype(np.uint16)
    return result


def _enlarge(shadow: Plane) -> Plane:
    """Enlarge rows and columns linearly."""
    rows = np.linspace(0, shadow.shape[0] - 1, shadow.shape[0] * _ENLARGED)
    upper = np.minimum(rows.astype(np.intp), shadow.shape[0] - 2)
    share = (rows - upper)[:, None].astype(np.float32)
    tall = shadow[upper] * (1 - share) + shadow[upper + 1] * share
    columns = np.linspace(0, shadow.shape[1] - 1.001, _COLUMNS)
    left = columns.astype(np.intp)
    part = (columns - left).astype(np.float32)
    return soften(soften(tall[:, left] * (1 - part) + tall[:, left + 1] * part))


def _box(plane: Plane, width: int) -> Plane:
    """Average over squares of width pixels."""
    for _ in range(2):
        padded = np.pad(plane, ((width // 2 + 1, width // 2), (0, 0)), mode="edge").cumsum(0, dtype=np.float64)
        plane = ((padded[width:] - padded[:-width]) / width).astype(np.float32).T
    return plane
