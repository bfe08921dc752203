"""What a data set may cost before it is refused."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Bounds of one scan; sizes in bytes.

    max_depth        sequences inside one another; deeper is invalid
    max_elements     elements, items and fragments together; more is excessive
    max_value_bytes  a wanted value or an offset table; longer is excessive
    max_header_bytes what a scanner keeps of the data set; beyond it only what is wanted is kept
    max_inflated_bytes, max_inflate_ratio  of a deflated data set; more is excessive
    """

    max_depth: int = 64
    max_elements: int = 1_000_000
    max_value_bytes: int = 16 << 20
    max_header_bytes: int = 16 << 20
    max_inflated_bytes: int = 1 << 30
    max_inflate_ratio: int = 1000


DEFAULT_LIMITS: Final = ScanLimits()
MAX_FRAME_BYTES: Final = 1 << 30
"""Of one decoded frame; a larger one is refused whatever its codestream says."""
