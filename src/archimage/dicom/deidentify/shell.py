"""What is removed of the pixels of a head so that no face can be made of them: all that lies before some planes.

The planes stand upright before one another like steps, each over a block of the face, and follow no anatomy.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from archimage.dicom.codecs.samples import Array
from archimage.dicom.deidentify.placement import Placement

BLOCK_MM: Final = 20.0
"""Width and height of a block."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What lies before a face's planes; without limits, nothing.

    right, bottom  where the first block begins, x and z in mm in the patient's axes
    limits         y of each block's plane, by rows from the bottom up and from the patient's right to the left
    """

    right: float = 0.0
    bottom: float = 0.0
    limits: tuple[tuple[float, ...], ...] = ()

    def of(self, placement: Placement, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Tell which pixels of a slice are removed."""
        x, y, z = placement.coordinates(*shape)
        if not self.limits:
            return np.zeros(x.shape, bool)
        limits = np.array(self.limits)
        columns = np.floor((x - self.right) / BLOCK_MM).astype(int)
        rows = np.floor((z - self.bottom) / BLOCK_MM).astype(int)
        height, width = limits.shape
        among = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        gone: npt.NDArray[np.bool_] = among & (y < limits[rows.clip(0, height - 1), columns.clip(0, width - 1)])
        return gone

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Shell":
        """Make one of its fields as plain values."""
        return cls(values["right"], values["bottom"], tuple(tuple(row) for row in values["limits"]))


@dataclass(frozen=True, slots=True)
class Removal:
    """What is removed of one slice; air is the sample that is put there, None stands for the smallest of the slice."""

    shell: Shell
    placement: Placement
    air: int | None

    def apply(self, array: Array) -> None:
        """Remove it."""
        darkest = int(array.min())
        array[self.shell.of(self.placement, array.shape)] = darkest if self.air is None else max(darkest, self.air)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Removal":
        """Make one of what `to_json` returned."""
        return cls(Shell.from_json(values["shell"]), Placement.from_json(values["placement"]), values["air"])
