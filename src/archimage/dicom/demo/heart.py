"""An invented heart for ultrasound: four beating chambers in speckle, seen through a sector, with Doppler colour."""

from typing import Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.demo.canvas import Plane, soften

FRAMES: Final = 30
ROWS, COLUMNS = 480, 640
FRAME_TIME_MS: Final = 40.0
MM_PER_PIXEL: Final = 0.35

_APEX: Final = (318.0, 26.0)  # column and row where the sector begins
_DEPTH: Final = 430.0
_HALF_ANGLE: Final = 0.68  # radians

Picture = npt.NDArray[np.uint8]


def heart_loop() -> Picture:
    """Draw one beat: (frames, rows, columns, 3) uint8, red, green and blue."""
    rng = np.random.default_rng(40)
    x, y = np.meshgrid(np.arange(COLUMNS, dtype=np.float32), np.arange(ROWS, dtype=np.float32))
    distance = np.hypot(x - _APEX[0], y - _APEX[1])
    angle = np.arctan2(x - _APEX[0], y - _APEX[1])
    sector = (np.abs(angle) < _HALF_ANGLE) & (distance > 14) & (distance < _DEPTH)
    speckle = _speckle(rng, distance, angle)
    frames = np.empty((FRAMES, ROWS, COLUMNS, 3), np.uint8)
    for number in range(FRAMES):
        phase = number / FRAMES
        shift = round(3 * float(np.sin(2 * np.pi * phase)))
        tissue = soften(soften(_tissue(x, y, phase))) * np.roll(speckle, (shift, number % 2), (0, 1)) * _gain(distance)
        grey = np.where(sector, np.clip(tissue, 0, 235), 0).astype(np.uint8)
        frames[number] = grey[:, :, None]
        _add_flow(frames[number], (x, y), sector, phase)
        _add_scale(frames[number], phase)
    return frames


def _speckle(rng: np.random.Generator, distance: Plane, angle: Plane) -> Plane:
    """Return the grain that interference makes: fine along the beam, coarser across it with depth."""
    beams, depths = 220, 400
    noise = np.abs(rng.standard_normal((depths, beams)) + 1j * rng.standard_normal((depths, beams)))
    fine = soften(soften(noise.astype(np.float32)))
    row = np.clip(distance / _DEPTH * (depths - 1), 0, depths - 1).astype(np.intp)
    column = np.clip((angle / _HALF_ANGLE + 1) / 2 * (beams - 1), 0, beams - 1).astype(np.intp)
    return soften(fine[row, column])


def _gain(distance: Plane) -> Plane:
    gain: Plane = (1.12 - 0.55 * distance / _DEPTH).astype(np.float32)
    return gain


def _beat(phase: float) -> tuple[float, float]:
    """Return how far the ventricles and the atria are filled, 0 to 1."""
    ventricles = 0.5 + 0.5 * float(np.cos(2 * np.pi * phase))
    return ventricles, 1 - ventricles


def _oval(x: Plane, y: Plane, centre: tuple[float, float], half: tuple[float, float], turn: float) -> Plane:
    """Return the distance from the centre of an oval, 1 on its edge."""
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    across, along = (x - centre[0]) * cos + (y - centre[1]) * sin, (y - centre[1]) * cos - (x - centre[0]) * sin
    return ((across / half[0]) ** 2 + (along / half[1]) ** 2).astype(np.float32, copy=False)


def _tissue(x: Plane, y: Plane, phase: float) -> Plane:
    """Return how much every place reflects: muscle, blood in four chambers, valves, the sac around the heart."""
    ventricles, atria = _beat(phase)
    plane = np.full(x.shape, 26, np.float32)
    plane[_oval(x, y, (318, 240), (182, 212), 0) < 1] = 100
    plane[_oval(x, y, (318, 240), (170, 200), 0) < 1] = 64
    left, right = 40 + 15 * ventricles, 30 + 9 * ventricles
    for centre, half, turn in (
        ((372, 178), (left, 100 + 12 * ventricles), 0.1),
        ((258, 194), (right, 84 + 9 * ventricles), -0.16),
        ((366, 340), (40 + 11 * atria, 42 + 9 * atria), 0.0),
        ((264, 338), (38 + 9 * atria, 40 + 8 * atria), 0.0),
    ):
        size = _oval(x, y, centre, half, turn)
        plane[(size < 1.25) & (size >= 1)] = 92
        plane[size < 1] = 7
    opened = max(0.0, float(np.sin(2 * np.pi * (phase - 0.55))))
    ring = 286 + 9 * ventricles
    for middle, width in ((370, 46), (260, 40)):
        leaf = ring - opened * 30 * (1 - np.abs(x - middle) / width)
        plane[(np.abs(y - leaf) < 3.2) & (np.abs(x - middle) < width) & (np.abs(x - middle) > 12 * opened)] = 150
    return plane


def _add_flow(frame: Picture, places: tuple[Plane, Plane], sector: npt.NDArray[np.bool_], phase: float) -> None:
    """Colour the blood that runs through the left side: red towards the probe as it fills, blue away as it empties."""
    x, y = places
    speed = float(np.sin(2 * np.pi * (phase - 0.5)))
    jet = _oval(x, y, (370 - 10 * speed, 250), (17 + 8 * abs(speed), 92), 0.1)
    flow = sector & (jet < 1) & (frame[:, :, 0] < 60)
    strength = (np.clip(1.15 - jet, 0, 1) * abs(speed) * 255).astype(np.uint8)[flow]
    if abs(speed) > 0.15:
        colours = (strength, strength // 3, strength // 8) if speed > 0 else (strength // 8, strength // 3, strength)
        frame[flow] = np.stack(colours, -1)


def _add_scale(frame: Picture, phase: float) -> None:
    """Draw marks of depth, a bar of the colours and a trace of the heart's rhythm with the present moment."""
    frame[40:440:40, 600:612] = 150
    ramp = np.linspace(255, 0, 60).astype(np.uint8)
    frame[40:100, 24:34] = np.stack((ramp, ramp // 3, ramp // 8), -1)[:, None]
    frame[100:160, 24:34] = np.stack((ramp // 8, ramp // 3, ramp), -1)[::-1, None]
    time = np.linspace(0, 2, 220)
    beat = np.mod(time, 1)
    trace = 26 * np.exp(-(((beat - 0.08) / 0.018) ** 2)) - 7 * np.exp(-(((beat - 0.12) / 0.02) ** 2))
    trace += 6 * np.exp(-(((beat - 0.38) / 0.05) ** 2)) + 3 * np.exp(-(((beat - 0.92) / 0.03) ** 2))
    heights = (452 - trace).round().astype(np.intp)
    columns = 30 + np.arange(time.size)
    tops = np.minimum(heights, np.roll(heights, 1))
    for column, top, bottom in zip(columns[1:], tops[1:], np.maximum(heights, np.roll(heights, 1))[1:], strict=True):
        frame[top : bottom + 1, column] = (60, 220, 90)
    frame[420:462, 30 + round(110 * phase)] = (230, 200, 60)
