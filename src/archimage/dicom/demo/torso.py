"""An invented body from the shoulders to the pelvis, in Hounsfield units: no person was ever scanned for it.

Made of ellipsoids, tubes and a few surfaces; contrast medium is in the vessels. Coordinates as in `canvas`.
"""

from enum import IntEnum
from typing import Final

import numpy as np

from archimage.dicom.demo.canvas import Axis, Canvas, Ellipsoid, Knot, Mask, Plane, Tube

TOP: Final = 180.0  # mm above the middle, at the shoulders
LENGTH: Final = 360.0
NODULE: Final = Ellipsoid(-84, 18, 96, 8, 7, 7, 35)

_AIR, _FAT, _MUSCLE, _BONE = -1000.0, -100.0, 55.0, 420.0


class Organ(IntEnum):
    """What the segmentation tells apart; its numbers are those of the segments."""

    RIGHT_LUNG = 1
    LEFT_LUNG = 2
    HEART = 3
    LIVER = 4
    SPLEEN = 5
    RIGHT_KIDNEY = 6
    LEFT_KIDNEY = 7


# Half width and half depth of the body, and of the cavity inside the ribs, from the shoulders down.
_HEIGHTS: Final = (-180.0, -120.0, -60.0, 0.0, 60.0, 110.0, 140.0, 160.0, 180.0)
_BODY: Final = (
    (170.0, 162.0, 158.0, 160.0, 164.0, 168.0, 166.0, 155.0, 138.0),
    (112.0, 108.0, 108.0, 112.0, 112.0, 104.0, 94.0, 86.0, 78.0),
)
_CAVITY: Final = (
    (140.0, 132.0, 128.0, 130.0, 128.0, 116.0, 96.0, 72.0, 24.0),
    (88.0, 86.0, 86.0, 88.0, 86.0, 76.0, 64.0, 50.0, 22.0),
)
_RIB_SPACING: Final = 27.0

_VERTEBRA: Final = 30.0  # height of a vertebra with its disc

_HEART: Final = (
    Ellipsoid(20, -26, 38, 60, 47, 52, -90),  # fat around it
    Ellipsoid(20, -26, 38, 56, 43, 48, 70, Organ.HEART, 35),
    Ellipsoid(44, -18, 30, 21, 17, 30, 210, Organ.HEART, 50),
    Ellipsoid(8, -48, 32, 27, 14, 30, 190, Organ.HEART, 20),
    Ellipsoid(14, 6, 56, 27, 14, 20, 215, Organ.HEART, 8),
    Ellipsoid(-22, -22, 44, 16, 22, 28, 180, Organ.HEART),
)
_NECK_AND_CHEST: Final = (
    Tube((Knot(0, 4, 181, 8.5), Knot(0, 16, 92, 9)), _AIR, 2, 50),
    Tube((Knot(-3, 16, 92, 7.5), Knot(-40, 18, 52, 5)), _AIR, 1.5, 40),
    Tube((Knot(3, 16, 92, 7), Knot(44, 22, 46, 5)), _AIR, 1.5, 40),
    Tube((Knot(-10, 34, 181, 6), Knot(8, 36, 60, 6), Knot(14, 26, -8, 7)), 35, 0),
    Tube((Knot(-30, -14, 165, 7), Knot(-26, -16, 70, 10)), 230),
    Tube((Knot(30, -18, 165, 6), Knot(-22, -22, 128, 8)), 200),
    Tube((Knot(-14, -2, 181, 4), Knot(-6, -12, 128, 6)), 250),
    Tube((Knot(18, 2, 181, 4), Knot(10, -2, 128, 5)), 250),
    Tube((Knot(34, 12, 170, 4), Knot(20, 14, 128, 5)), 250),
    Tube((Knot(-4, -26, 120, 15), Knot(6, -22, 66, 15)), 260),
    Tube((Knot(24, -32, 100, 13), Knot(12, -46, 62, 14)), 240),
)
_AORTA: Final = (
    Tube((Knot(30, 34, 118, 12.5), Knot(24, 36, 10, 11.5), Knot(6, 30, -60, 10), Knot(4, 32, -150, 8.5)), 255),
    Tube((Knot(4, 32, -150, 7), Knot(34, 40, -181, 6)), 250),
    Tube((Knot(4, 32, -150, 7), Knot(-28, 42, -181, 6)), 250),
)
_VEINS: Final = (Tube((Knot(-26, 12, 14, 12), Knot(-22, 30, -60, 12), Knot(-20, 34, -181, 10.5)), 150),)
_ABDOMEN: Final = (
    Ellipsoid(-76, -6, -34, 72, 82, 82, 112, Organ.LIVER),
    Ellipsoid(-6, -48, -14, 78, 34, 42, 112, Organ.LIVER, -8),
    Ellipsoid(64, -30, -40, 44, 38, 52, 45),
    Ellipsoid(64, -30, -40, 39, 33, 47, 15),
    Ellipsoid(62, -46, -36, 30, 14, 34, -900),
    Ellipsoid(100, 34, -34, 24, 44, 48, 125, Organ.SPLEEN, 25),
    Ellipsoid(-58, -46, -84, 14, 18, 24, 8),
    Ellipsoid(20, -8, -78, 52, 11, 14, 95, 0, -14),
    Ellipsoid(-24, -16, -86, 15, 15, 24, 92),
)
_KIDNEYS: Final = tuple(
    part
    for side, height, organ in ((-1, -104.0, Organ.RIGHT_KIDNEY), (1, -94.0, Organ.LEFT_KIDNEY))
    for part in (
        Ellipsoid(side * 64, 52, height, 36, 34, 64, -105),
        Ellipsoid(side * 64, 52, height, 27, 25, 54, 195, organ, side * 30),
        Ellipsoid(side * 62, 51, height, 19, 16, 42, 135, organ, side * 30),
        Ellipsoid(side * 54, 48, height, 13, 8, 22, -60, 0, side * 30),
    )
)
_PSOAS: Final = tuple(
    Tube((Knot(side * 28, 64, -40, 8), Knot(side * 42, 62, -110, 19), Knot(side * 58, 48, -181, 23)), 58)
    for side in (-1, 1)
)
_SHOULDERS: Final = tuple(
    part
    for side in (-1, 1)
    for part in (
        Ellipsoid(side * 104, 66, 118, 42, 4, 62, _BONE, 0, side * -38),
        Ellipsoid(side * 116, 14, 172, 21, 21, 26, 330),
        Ellipsoid(side * 116, 14, 172, 17, 17, 22, 180),
        Ellipsoid(side * 70, -38, 164, 62, 6, 7, _BONE, 0, side * 22),
    )
)
_PELVIS: Final = tuple(
    part
    for side in (-1, 1)
    for part in (
        Ellipsoid(side * 98, 34, -186, 42, 8, 46, 560, 0, side * -52),
        Ellipsoid(side * 98, 34, -186, 39, 5, 43, 220, 0, side * -52),
    )
)


def _branches() -> tuple[Tube, ...]:
    """Grow the vessels of the lungs from the hila outwards, thinner and thinner."""
    rng = np.random.default_rng(7)
    grown = []
    for side in (-1, 1):
        for _ in range(170):
            x, y, z = side * rng.uniform(34, 48), rng.uniform(4, 28), rng.uniform(44, 78)
            way = np.array((side * rng.uniform(0.1, 1), rng.uniform(-1, 0.9), rng.uniform(-0.9, 1.1))) * 95
            radius = 1.1 + 3.0 * rng.uniform(0, 1) ** 2
            end = Knot(x + way[0], y + way[1], z + way[2], radius * 0.35)
            upper, lower = sorted((Knot(x, y, z, radius), end), key=lambda knot: -knot.z)
            grown.append(Tube((upper, lower), rng.uniform(0, 120)))
    return tuple(grown)


def _loops() -> tuple[Ellipsoid, ...]:
    """Lay loops of bowel into the lower abdomen, some with gas."""
    rng = np.random.default_rng(11)
    loops = []
    for _ in range(90):
        x, y, z = rng.uniform(-80, 80), rng.uniform(-70, 12), rng.uniform(-195, -98)
        size, turn = rng.uniform(11, 17), rng.uniform(-80, 80)
        loops += [
            Ellipsoid(x, y, z, size * 1.7, size, size, 70, 0, turn),
            Ellipsoid(x, y, z, size * 1.5, size - 3, size - 3, rng.choice((20.0, 35.0, 160.0)), 0, turn),
        ]
        if rng.random() < 0.3:
            loops.append(Ellipsoid(x, y - 3, z, size * 0.8, size * 0.4, size * 0.5, -850, 0, turn))
    return tuple(loops)


def _colon() -> tuple[Ellipsoid, ...]:
    """Set the haustra of the ascending and the descending colon one over the other."""
    parts = []
    for number, z in enumerate(range(-185, -64, 17)):
        for side in (-1, 1):
            x, y = side * (104 + 4 * (number % 2)), 2 + 3 * (number % 3)
            parts += [
                Ellipsoid(x, y, z, 21, 20, 13, 55),
                Ellipsoid(x, y, z, 18, 17, 10.5, -30),
                Ellipsoid(x, y - 6, z, 13, 9, 8, -900),
            ]
    return tuple(parts)


_VESSELS: Final = _branches()
_BOWEL: Final = _loops() + _colon()


def paint_torso(x: Axis, y: Axis, z: float) -> Canvas:
    """Cut through the body at height z: Hounsfield units and organs at the crossings of x and y."""
    canvas = Canvas.blank(x, y, z, _AIR)
    _table(canvas)
    body = _soft_tissue(canvas)
    radius = _radius(canvas, _CAVITY, 2.2)
    cavity = radius <= 1
    roof = _diaphragm(x, y)
    _fill_abdomen(canvas, cavity & (roof >= z))
    _fill_chest(canvas, cavity & (roof < z))
    _skeleton(canvas, body, radius)
    return canvas


def _radius(canvas: Canvas, outline: tuple[tuple[float, ...], tuple[float, ...]], power: float) -> Plane:
    """Measure every place by an outline at this height: 1 on it, less inside."""
    width, depth = (float(np.interp(canvas.z, _HEIGHTS, half)) for half in outline)
    columns = np.abs(canvas.x / np.float32(width)) ** np.float32(power)
    rows = np.abs(canvas.y / np.float32(depth)) ** np.float32(power)
    radius: Plane = columns[None, :] + rows[:, None]
    return radius


def _table(canvas: Canvas) -> None:
    """Put the couch under the body."""
    start = int(np.searchsorted(canvas.y, 100.0))
    sag = 126 - (canvas.x / 40) ** 2 * 0.5
    depth = canvas.y[start:, None] - sag[None, :]
    wide = np.abs(canvas.x)[None, :] < 190
    canvas.values[start:][(depth > 0) & (depth < 22) & wide] = -930
    edge = np.abs(depth - 11)
    canvas.values[start:][(edge > 9.5) & (edge < 12) & wide] = -150


def _soft_tissue(canvas: Canvas) -> Mask:
    """Fill the body: skin, fat, and muscle around the cavity."""
    radius = _radius(canvas, _BODY, 2.4)
    body: Mask = radius <= 1
    canvas.values[body] = 20
    canvas.values[radius <= 0.95] = _FAT
    muscle = radius <= 0.68
    canvas.values[muscle] = _MUSCLE
    canvas.values[muscle & _fat_planes(canvas)] = -40
    deep: Mask = radius <= 0.95
    canvas.ellipsoids([Ellipsoid(side * 38, 92, 0, 32, 17, 600, 60) for side in (-1, 1)], within=deep)
    return deep


def _fat_planes(canvas: Canvas) -> Mask:
    """Return where fat lies between the muscles: thin sheets that wind around the body."""
    around = np.sin(canvas.x * 0.043 + 0.011 * canvas.z) * 2.2
    planes = np.cos(np.abs(canvas.y[:, None]) * 0.115 + around[None, :] + 0.017 * canvas.z)
    sheets: Mask = np.abs(planes) < np.float32(0.075)
    return sheets


def _diaphragm(x: Axis, y: Axis) -> Plane:
    """Return the height of the diaphragm everywhere: two domes that fall off to the back."""
    right = 52 * np.exp(-(((x + 66) / 62) ** 2))
    left = 40 * np.exp(-(((x - 70) / 56) ** 2))
    fall = np.exp(-(((y + 14) / 74) ** 2))
    height: Plane = ((right + left)[None, :] * fall[:, None] - 24).astype(np.float32)
    return height


def _fill_abdomen(canvas: Canvas, abdomen: Mask) -> None:
    canvas.fill(abdomen, _FAT)
    for solids in (_BOWEL, _KIDNEYS, _ABDOMEN):
        canvas.ellipsoids(solids, within=abdomen)
    if canvas.z < -30:
        canvas.tubes(_PSOAS)
    liver = canvas.labels == Organ.LIVER
    if liver.any():
        veins = [
            Ellipsoid(-40 - 14 * n, -20 + 17 * (n % 3), -20 - 9 * n, 26, 3.2, 5, 165, Organ.LIVER, 25 * n - 50)
            for n in range(5)
        ]
        canvas.ellipsoids([*veins, Ellipsoid(-96, 10, -44, 11, 11, 11, 15, Organ.LIVER)], within=liver)
    canvas.tubes(_VEINS)


def _fill_chest(canvas: Canvas, chest: Mask) -> None:
    """Fill the chest: mediastinum, lungs with their vessels, heart and great vessels."""
    canvas.fill(chest, -80)
    lungs = chest & (np.abs(canvas.x)[None, :] > _mediastinum(canvas)[:, None])
    canvas.values[lungs] = -860
    canvas.labels[lungs & (canvas.x < 0)[None, :]] = Organ.RIGHT_LUNG
    canvas.labels[lungs & (canvas.x > 0)[None, :]] = Organ.LEFT_LUNG
    canvas.tubes(_VESSELS, within=lungs)
    canvas.ellipsoids([NODULE], within=lungs)
    canvas.ellipsoids(_HEART, within=chest)
    canvas.tubes(_NECK_AND_CHEST)
    if 104 <= canvas.z <= 130:  # the arch of the aorta lies in the plane
        _arch(canvas)


def _mediastinum(canvas: Canvas) -> Axis:
    """Return half the distance between the lungs, row by row: they nearly meet behind the breastbone."""
    level = float(np.interp(canvas.z, (-20, 60, 100, 180), (0.85, 1.15, 0.95, 0.72)))
    wave = 2.5 * float(np.sin(canvas.z / 13))
    edge: Axis = np.interp(canvas.y, (-90, -60, -30, 10, 40, 66, 90), (9, 16, 28, 31, 27, 23, 16)).astype(np.float32)
    return edge * np.float32(level) + np.float32(wave)


def _arch(canvas: Canvas) -> None:
    width = 13 * max(0.0, 1 - ((canvas.z - 117) / 14) ** 2) ** 0.5
    if width:
        canvas.ellipse(Ellipsoid(13, 4, 0, 46, width, 1, 260, 0, 60))


def _skeleton(canvas: Canvas, body: Mask, radius: Plane) -> None:
    """Paint the bones; radius measures the cavity that the ribs lie around."""
    canvas.tubes(_AORTA)
    _ribs(canvas, radius)
    canvas.ellipsoids(_SHOULDERS, within=body)
    canvas.ellipsoids(_PELVIS, within=body)
    if 8 < canvas.z < 150:
        depth = -float(np.interp(canvas.z, _HEIGHTS, _CAVITY[1])) - 6
        canvas.ellipse(Ellipsoid(0, depth, 0, 19, 6, 1, 500))
        canvas.ellipse(Ellipsoid(0, depth, 0, 16, 3.5, 1, 190))
    _vertebra(canvas, body)


def _ribs(canvas: Canvas, radius: Plane) -> None:
    """Lay twelve pairs of ribs around the cavity; they fall off to the front."""
    width, depth = (float(np.interp(canvas.z, _HEIGHTS, half)) for half in _CAVITY)
    height = canvas.z + 0.42 * (70 - canvas.y)
    place = np.mod(height, _RIB_SPACING) - _RIB_SPACING / 2
    rows = np.flatnonzero((height > -55) & (height < 205) & (np.abs(place) < 6))
    away = (radius[rows] - np.float32(1.11)) * np.float32((width + depth) / 4.7)  # mm, near enough to the outline
    size = (away / 4.2) ** 2 + ((place[rows] / 6) ** 2)[:, None]
    values = np.where(size < 0.4, np.float32(240), np.float32(640))
    values[canvas.y[rows] < -depth * 0.72] = 120  # there they are cartilage
    shell = (size <= 1) & (np.abs(canvas.x)[None, :] > 20)
    canvas.values[rows] = np.where(shell, values, canvas.values[rows])


def _vertebra(canvas: Canvas, body: Mask) -> None:
    """Paint a vertebra, or the disc between two."""
    place = (canvas.z % _VERTEBRA) - _VERTEBRA / 2
    size = float(np.interp(canvas.z, (-180.0, 180.0), (1.15, 0.72)))
    middle = float(np.interp(canvas.z, (-180.0, 110.0, 180.0), (62.0, 57.0, 42.0)))
    disc = abs(place) > 11
    back = middle + 33 * size
    parts = [Ellipsoid(0, middle, 0, 24 * size, 18 * size, 1, 95 if disc else 620)]
    if not disc:
        parts.append(Ellipsoid(0, middle, 0, 21.5 * size, 15.5 * size, 1, 165))
    if abs(place) < 9:
        parts += [Ellipsoid(side * 25 * size, back - 4, 0, 18 * size, 4.5, 1, 430, 0, side * 20.0) for side in (-1, 1)]
    parts += [
        Ellipsoid(0, back - 6, 0, 16 * size, 15 * size, 1, 600 if not disc else 300),
        Ellipsoid(0, back + 18, 0, 4, 17, 1, 480 if abs(place) < 10 else 60),
        Ellipsoid(0, back - 8, 0, 11 * size, 10 * size, 1, 15),
        Ellipsoid(0, back - 8, 0, 6 * size, 5 * size, 1, 40),
    ]
    for part in parts:
        canvas.ellipse(part, within=body)
