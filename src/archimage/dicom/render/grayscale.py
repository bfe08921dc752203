"""The grayscale pipeline: stored values -> modality -> VOI -> presentation -> 8 bits (PS3.4 §N.2.1, PS3.3 §C.11).

A step maps an array to an array of the same shape. Between VOI and presentation values are fractions, 0 black, 1 white.
Whole numbers go through the steps once for each value in their range, not once for each pixel.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Step = Callable[[Array], Array]
Extent = tuple[float, float]
"""The lowest and the highest value."""


def rescaled(slope: float, intercept: float) -> Step:
    """Return the step that makes stored values into what they measure (PS3.3 §C.11.1.1.2)."""
    return lambda values: values * slope + intercept


def windowed(center: float, width: float, function: str) -> Step:
    """Return the step of a window; a width below what its function allows makes a threshold (PS3.3 §C.11.2.1)."""
    if function == "SIGMOID":
        scale = -4 / max(width, np.finfo(np.float64).tiny)
        return lambda values: 1 / (1 + np.exp(np.clip((values - center) * scale, -700, 700)))
    if function == "LINEAR_EXACT":
        return ramp(center - width / 2, center + width / 2)
    return ramp(center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)


def ramp(low: float, high: float) -> Step:
    """Return the step from 0 at low to 1 at high; where they are the same, what is above is 1."""
    span = high - low
    if not span > 0:
        return lambda values: (values > high).astype(np.float64)
    return lambda values: np.clip((values - low) / span, 0, 1)


def inverted(values: Array) -> Array:
    """Make black white."""
    return 1 - values


def quantised(values: Array) -> npt.NDArray[np.uint8]:
    """Return fractions as 8 bits; what is no number is black."""
    levels: npt.NDArray[np.uint8] = np.nan_to_num(values * 255 + 0.5, nan=0).clip(0, 255).astype(np.uint8)
    return levels


def applied(steps: Sequence[Step], values: Array) -> Array:
    """Return values after all the steps."""
    out = values.astype(np.float64)
    with np.errstate(all="ignore"):  # what is no number is black in the end
        for step in steps:
            out = step(out)
    return out


def displayed(frame: Array, steps: Sequence[Step]) -> npt.NDArray[np.uint8]:
    """Return a frame after all the steps, in 8 bits."""
    if frame.dtype.kind == "f":
        return quantised(applied(steps, frame))
    low, high = int(frame.min()), int(frame.max())
    if high - low >= min(frame.size, 1 << 16):
        return quantised(applied(steps, frame))
    table = quantised(applied(steps, np.arange(low, high + 1)))
    offsets = (frame - frame.dtype.type(low)).view(f"u{frame.dtype.itemsize}")  # wraps where a signed range is wide
    shown: npt.NDArray[np.uint8] = table[offsets]
    return shown
