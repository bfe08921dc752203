"""Which pixels of which images hold text: rules by device, as data (PS3.15 §E.3.1).

A rule is a table of a TOML file:

    [[rule]]
    modality = "US"                  # what it is about: each that is given has to fit
    manufacturer = "Example"         # a part of it, in any case; so is model
    model = "Scan 2000"
    rows = 480
    columns = 640
    keep = "ultrasound-regions"      # blank all but the regions that the object describes, or
    blank = [[0, 0, 640, 40]]        # blank these: left, top, width, height, in pixels

The first rule that fits counts; those of the user come before ours. An empty `blank` says that they have no text.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset

from archimage.errors import ConfigError, InvalidDatasetError

ULTRASOUND_REGIONS: Final = "ultrasound-regions"
_KEYS: Final = frozenset({"modality", "manufacturer", "model", "rows", "columns", "keep", "blank"})


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels from left and top; right and bottom are excluded."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Blanking:
    """What of each frame is to be blanked: some rectangles, and all that is outside of others, where there are any."""

    blank: tuple[Rectangle, ...] = ()
    keep: tuple[Rectangle, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything is blanked."""
        return bool(self.blank or self.keep)


@dataclass(frozen=True, slots=True)
class RegionRule:
    """One rule; what is empty or 0 fits everything."""

    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    rows: int = 0
    columns: int = 0
    keep: str = ""
    blank: tuple[Rectangle, ...] = ()

    def blanking(self, header: Dataset) -> Blanking | None:
        """Return what to blank of an image, None where the rule is not about it."""
        if not self._fits(header):
            return None
        if not self.keep:
            return Blanking(self.blank)
        kept = _ultrasound_regions(header)
        return Blanking(self.blank, kept) if kept else None

    def _fits(self, header: Dataset) -> bool:
        exact = (("Modality", self.modality), ("Rows", self.rows), ("Columns", self.columns))
        parts = (("Manufacturer", self.manufacturer), ("ManufacturerModelName", self.model))
        return all(not wanted or header.get(keyword) == wanted for keyword, wanted in exact) and all(
            wanted.casefold() in str(header.get(keyword) or "").casefold() for keyword, wanted in parts
        )


OWN_RULES: Final = (
    RegionRule(modality="US", keep=ULTRASOUND_REGIONS),
    RegionRule(modality="IVUS", keep=ULTRASOUND_REGIONS),
)


def blanking_of(header: Dataset, rules: Sequence[RegionRule]) -> Blanking | None:
    """Return what the first rule that fits has blanked, None where none does."""
    found = (rule.blanking(header) for rule in (*rules, *OWN_RULES))
    return next((blanking for blanking in found if blanking is not None), None)


def read_rules(path: Path) -> tuple[RegionRule, ...]:
    """Read the rules of a file; ConfigError where they cannot be read, or are not as they have to be."""
    try:
        return parse_rules(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"rules of regions in {path} cannot be read: {error}") from None


def parse_rules(text: str) -> tuple[RegionRule, ...]:
    """Read rules.

    Raises:
        ConfigError: they are not as they have to be.
    """
    try:
        tables = tomllib.loads(text).get("rule", [])
        return tuple(_parse_rule(table, number) for number, table in enumerate(tables, 1))
    except (tomllib.TOMLDecodeError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"rules of regions cannot be read: {error}") from None


def _parse_rule(table: Mapping[str, Any], number: int) -> RegionRule:
    unknown = sorted(set(table) - _KEYS)
    if unknown or ("keep" in table) == ("blank" in table):
        raise ConfigError(
            f"rule {number} of regions has {', '.join(unknown) or 'not exactly one of keep and blank'}",
            next_step=f"A rule may have {', '.join(sorted(_KEYS))}.",
        )
    if table.get("keep", ULTRASOUND_REGIONS) != ULTRASOUND_REGIONS:
        raise ConfigError(f"rule {number} of regions keeps {table['keep']!r}; it can only keep {ULTRASOUND_REGIONS!r}")
    fields = {key: value for key, value in table.items() if key != "blank"}
    return RegionRule(**fields, blank=tuple(_rectangle(*sides) for sides in table.get("blank", ())))


def _rectangle(left: int, top: int, width: int, height: int) -> Rectangle:
    if min(left, top) < 0 or min(width, height) <= 0:
        raise ValueError(f"{[left, top, width, height]} is no rectangle of pixels")
    return Rectangle(left, top, left + width, top + height)


def _ultrasound_regions(header: Dataset) -> tuple[Rectangle, ...]:
    """Return where an ultrasound image has its picture (PS3.3 §C.8.5.5); its corners are pixels of it."""
    try:
        return tuple(
            Rectangle(
                int(region.RegionLocationMinX0),
                int(region.RegionLocationMinY0),
                int(region.RegionLocationMaxX1) + 1,
                int(region.RegionLocationMaxY1) + 1,
            )
            for region in header.get("SequenceOfUltrasoundRegions") or ()
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidDatasetError(f"the ultrasound regions cannot be read: {error}") from error
