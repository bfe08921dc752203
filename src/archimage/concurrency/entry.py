"""What stands in the tables: one pool, queue, limit or cache."""

from collections.abc import Callable
from dataclasses import dataclass

from archimage.config import Config
from archimage.model.concurrency import BoundKind, BoundUnit

SizeOf = Callable[[Config], float | None]
"""Tells a size under some settings; None where there is no bound."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    size is a constant, or follows from the settings; None leaves it to the setting that is named, and without one says
    that there is no bound. formula says in docs how a size follows from the machine. What is
    harmless may well be full: nobody is refused, and nobody waits.
    """

    name: str
    kind: BoundKind
    purpose: str
    when_full: str
    size: float | SizeOf | None = None
    setting: str = ""
    unit: BoundUnit = ""
    formula: str = ""
    shared: bool = False
    harmless: bool = False

    def size_under(self, config: Config) -> float | None:
        """Return the size, None where there is no bound."""
        if callable(self.size):
            return self.size(config)
        if self.size is not None or not self.setting:
            return self.size
        section, name = self.setting.split(".")
        found: float = getattr(getattr(config, section), name)
        return found


def unless_zero(section: str, name: str) -> SizeOf:
    """Return what reads a setting of which 0 means that there is no bound."""
    return lambda config: getattr(getattr(config, section), name) or None
