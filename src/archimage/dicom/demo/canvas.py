"""Painting cross sections of solids onto a plane: what the invented bodies are made of. All lengths are millimetres.

Solids stand in the patient's coordinates (PS3.3 §C.7.6.2.1.1): x to the left, y to the back, z to the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, ceil, cos, degrees, floor, hypot, radians, sin
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Axis = npt.NDArray[np.float32]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]

_NO_LABEL: Final = 0


class Ellipsoid(NamedTuple):
    """A solid: centre, half axes, value inside, label (0: none), and its turn about z in degrees."""

    x: float
    y: float
    z: float
    rx: float
    ry: float
    rz: float
    value: float
    label: int = _NO_LABEL
    turn: float = 0.0


class Knot(NamedTuple):
    """A point of a tube's middle line, and its radius there."""

    x: float
    y: float
    z: float
    radius: float


class Tube(NamedTuple):
    """A vessel or airway along knots that go down in z; with a wall of one value and an inside of another."""

    knots: tuple[Knot, ...]
    value: float
    wall: float = 0.0
    wall_value: float = 0.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """One plane at height z: values and labels are (rows, columns), x and y the places of columns and rows."""

    x: Axis
    y: Axis
    z: float
    values: Plane
    labels: Labels

    @classmethod
    def blank(cls, x: Axis, y: Axis, z: float, value: float) -> "Canvas":
        """Begin a plane of one value."""
        shape = (y.size, x.size)
        return cls(x, y, z, np.full(shape, value, np.float32), np.zeros(shape, np.uint8))

    def fill(self, mask: Mask, value: float, label: int = _NO_LABEL) -> None:
        """Give what mask covers a value and a label."""
        self.values[mask] = value
        self.labels[mask] = label

    def ellipsoids(self, solids: Sequence[Ellipsoid], *, within: Mask | None = None) -> None:
        """Paint solids one after the other, only where within allows."""
        for solid in solids:
            rest = 1 - ((self.z - solid.z) / solid.rz) ** 2
            if rest > 0:
                scale = rest**0.5
                self.ellipse(solid._replace(rx=solid.rx * scale, ry=solid.ry * scale), within=within)

    def tubes(self, tubes: Sequence[Tube], *, within: Mask | None = None) -> None:
        """Paint where tubes pass through the plane, only where within allows."""
        for tube in tubes:
            for upper, lower in zip(tube.knots, tube.knots[1:], strict=False):
                if lower.z <= self.z < upper.z:
                    cut = _crossing(self.z, upper, lower)
                    if tube.wall:
                        outside = cut._replace(rx=cut.rx + tube.wall, ry=cut.ry + tube.wall, value=tube.wall_value)
                        self.ellipse(outside, within=within)
                    self.ellipse(cut._replace(value=tube.value), within=within)

    def ellipse(self, cut: Ellipsoid, *, within: Mask | None = None) -> None:
        """Paint the ellipse in which the plane cuts a solid."""
        reach = max(cut.rx, cut.ry)
        columns, rows = _window(self.x, cut.x, reach), _window(self.y, cut.y, reach)
        x, y = self.x[columns] - cut.x, self.y[rows, None] - cut.y
        if cut.turn:
            along, up = cos(radians(cut.turn)), sin(radians(cut.turn))
            x, y = x * along + y * up, y * along - x * up
        inside = (x / cut.rx) ** 2 + (y / cut.ry) ** 2 <= 1
        if within is not None:
            inside &= within[rows, columns]
        self.values[rows, columns][inside] = cut.value
        if cut.label:
            self.labels[rows, columns][inside] = cut.label


def _crossing(z: float, upper: Knot, lower: Knot) -> Ellipsoid:
    """Cut a tube at height z; one that runs aslant is cut in an ellipse."""
    share = (upper.z - z) / (upper.z - lower.z)
    x, y, _, radius = (above + share * (below - above) for above, below in zip(upper, lower, strict=True))
    slope = hypot(lower.x - upper.x, lower.y - upper.y) / (upper.z - lower.z)
    turn = degrees(atan2(lower.y - upper.y, lower.x - upper.x))
    stretch = hypot(1, min(slope, 4.0))
    return Ellipsoid(x, y, z, radius * stretch, radius, 1, 0, turn=turn)


def _window(axis: Axis, centre: float, reach: float) -> slice:
    """Return the part of an even, ascending axis within reach of centre."""
    first = float(axis[0])
    step = float(axis[1]) - first
    return slice(max(0, ceil((centre - reach - first) / step)), max(0, floor((centre + reach - first) / step) + 1))


def axis(size: int, spacing: float) -> Axis:
    """Return the places of size pixels, centred on 0."""
    return ((np.arange(size) - (size - 1) / 2) * spacing).astype(np.float32)


def soften(plane: Plane) -> Plane:
    """Blur a little, as a real detector does: edges lose their steps."""
    rows = plane.copy()
    rows[1:-1] = (plane[:-2] + plane[2:]) * np.float32(0.25) + plane[1:-1] * np.float32(0.5)
    soft = rows.copy()
    soft[:, 1:-1] = (rows[:, :-2] + rows[:, 2:]) * np.float32(0.25) + rows[:, 1:-1] * np.float32(0.5)
    return soft
