"""Tiers: where else than hot, where it came in, an object may lie; the first part of its path tells.

A path within the hot tier begins with a digit, whichever layout made it; one elsewhere with the name of a tier. What is
copied goes to a path that nothing had before, so that no copy can be taken for another one.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archimage.config_object_store import HOT

_SUFFIX: Final = re.compile(r"(-[0-9a-f]{16})?\.dcm$", re.ASCII)


def tier_of(path: str) -> str:
    """Return the tier that an object at a path lies in."""
    return path.partition("/")[0] if path[:1].isalpha() else HOT


def hot_path(path: str) -> str:
    """Return the path that an object has, or would have, in the hot tier."""
    return path.partition("/")[2] if path[:1].isalpha() else path


def earlier_paths(path: str) -> tuple[str, ...]:
    """Return the paths at which an archive that moves nothing may have what is at path, the likeliest first."""
    home = hot_path(path)
    return tuple(dict.fromkeys((path, home, _SUFFIX.sub(".dcm", home))))


def copy_path(path: str, tier: str) -> str:
    """Return a path in a tier that nothing has, for a copy of what is at path."""
    fresh = f"{_SUFFIX.sub('', hot_path(path))}-{secrets.token_hex(8)}.dcm"
    return fresh if tier == HOT else f"{tier}/{fresh}"


@dataclass(frozen=True, slots=True)
class TierUse:
    """What lies in a tier, and when that was counted, seconds since 1970."""

    tier: str
    studies: int
    instances: int
    size_bytes: int
    counted_at: float


@dataclass(frozen=True, slots=True)
class Share:
    """What of a study lies in one tier."""

    instances: int
    size_bytes: int


Shares = Mapping[str, Share]
"""By tier."""
